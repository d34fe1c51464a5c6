"""What each queue's instructions do to buffers and memory."""
