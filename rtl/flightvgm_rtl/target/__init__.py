"""Primitives of the device, and their portable twins."""
