"""The contract of the accelerator: whatever hardware, models and software must agree on, in tables."""
