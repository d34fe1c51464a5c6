"""The machine that a guide shows can be built."""

from __future__ import annotations

import re
from pathlib import Path

from flightvgm_arch.presets import by_name

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "own-machine.md"


def test_the_guides_machine_is_valid(tmp_path):
    block = re.search(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    path = tmp_path / "mine.toml"
    path.write_text(block[1], encoding="utf-8")
    machine = by_name(str(path))
    assert machine.name == "MINE"
    assert machine.cores == 2
