"""Gateware of the accelerator, in Amaranth. It imports the contract and Amaranth only; its components follow."""
