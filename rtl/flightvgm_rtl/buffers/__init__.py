"""Operand, result and parameter buffers."""
