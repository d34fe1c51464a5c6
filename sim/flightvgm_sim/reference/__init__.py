"""The network in float64: what the golden machine's error is measured against."""
