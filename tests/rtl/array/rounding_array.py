"""Rounding of exact numbers to FP32, with Python's integers."""

from fractions import Fraction

FRACTION_BITS, BIAS = 23, 127


def nearest_fp32(value):
    """Bits of ``value`` rounded to nearest even; of a normal magnitude, or zero."""
    if not value:
        return 0
    magnitude, exponent = abs(Fraction(value)), 0
    while magnitude >= 2:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 1:
        magnitude, exponent = magnitude * 2, exponent - 1
    significand = round(magnitude * 2**FRACTION_BITS)  # Python rounds halves to even.
    return int(value < 0) << 31 | ((exponent + BIAS) << FRACTION_BITS) + significand - (1 << FRACTION_BITS)
