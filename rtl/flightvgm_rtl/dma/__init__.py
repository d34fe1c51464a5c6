"""Memory: read and write engines, row walkers, and the load and store units."""
