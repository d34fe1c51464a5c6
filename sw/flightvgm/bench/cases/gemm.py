"""Throughput of the golden machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from flightvgm.bench.registry import Figure, Report, case

THREADS = 2


@case("golden-gemm", f"INT8 product of 256 x 1152 x 3456 on one core of V80, {THREADS} threads")
def golden_gemm(report: Report) -> list[Figure]:
    """Measure in a process whose BLAS has two threads."""
    report(0, 1)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, "-m", "flightvgm.bench.gemm"]
    result = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    return [
        Figure("instruction MM", result["machine"], "GMAC/s", least=20),
        Figure("bare product", result["bare"], "GMAC/s"),
    ]
