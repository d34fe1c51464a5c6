"""The array: grid, operand edge, feeder, drain and the sequencer of matrix instructions."""
