"""Training of the shipped checkpoints; needs the extra ``train`` (PyTorch)."""
