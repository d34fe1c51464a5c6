"""What all components share: vectors, units, buffers between streams, faults."""
