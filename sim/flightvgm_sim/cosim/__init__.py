"""Simulation of emitted Verilog: a Verilated chip with memory models, as a library that Python drives."""
