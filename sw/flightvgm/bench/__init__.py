"""Every figure of the project, as a case that measures it against its bound."""

from flightvgm.bench.registry import BenchError, Case, Figure, Report, case, cases, chosen

__all__ = ["BenchError", "Case", "Figure", "Report", "case", "cases", "chosen"]
