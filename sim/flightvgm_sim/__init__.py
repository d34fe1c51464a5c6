"""Models of the accelerator: what gateware is judged by. They import NumPy and the contract, never the gateware."""
