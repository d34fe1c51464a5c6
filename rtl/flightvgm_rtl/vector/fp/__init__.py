"""FP32 and FP16 operations without handshake, one a cycle."""
