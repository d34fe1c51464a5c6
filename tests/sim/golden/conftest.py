import re
from pathlib import Path

import numpy as np
import pytest

TABLE = Path(__file__).parents[3] / "docs" / "reference" / "error-budgets.md"


@pytest.fixture(scope="session")
def budgets():
    """Bounds of the table of error budgets, by name."""
    lines = re.findall(r"^\| `([a-z0-9_.]+)` \|.*\| ([0-9.e-]+) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: float(bound) for name, bound in lines}


@pytest.fixture(scope="session")
def every_fp16():
    """All finite FP16 values."""
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return values[np.isfinite(values)]
