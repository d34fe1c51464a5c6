"""The hybrid processing element: a cascade of DSP58 that takes INT8 and FP16."""
