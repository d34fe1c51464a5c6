"""Time and memory of the command that a newcomer types first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flightvgm.bench.registry import BenchError, Figure, Report, case

PROMPT = "a red circle moving right"
KIBIBYTE = 1024 if sys.platform != "darwin" else 1  # Unit of the peak memory that the system reports.


@case("generate-time", "the default video on the golden machine, from the command line")
def generate_time(report: Report) -> list[Figure]:
    """Run ``flightvgm generate`` in a process of its own."""
    report(0, 1)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "flightvgm",
            "generate",
            PROMPT,
            "--out",
            str(Path(folder) / "video.png"),
            "--json",
        ]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            text = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"flightvgm generate failed with status {process.returncode}; run it by itself")
    result = json.loads(text)
    return [
        Figure("whole command, with the float64 video", seconds, "s", most=90),
        Figure("golden machine alone", result["seconds"], "s"),
        Figure("peak memory", usage.ru_maxrss * KIBIBYTE / 1e9, "GB", most=2),
        Figure("PSNR against the float64 dense video", result["psnr_db"] or float("inf"), "dB"),
    ]
