"""Bit-exact models of the accelerator's units; the gateware equals them bit for bit."""
