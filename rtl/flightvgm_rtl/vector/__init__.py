"""Vector units: FP32 operations, the row stream, epilogue and softmax."""
