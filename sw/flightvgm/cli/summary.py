"""What a run reports: a table for people, an object for machines."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flightvgm.cli.table import amount, share, table

if TYPE_CHECKING:
    from flightvgm.pipeline import PipelineOutput
    from flightvgm.runtime.ledger import Ledger
    from flightvgm.runtime.simulated import ChipReport


def ledger_table(ledger: Ledger) -> str:
    """Draw rows and MACs by site, and their sum."""
    lines = [*ledger.by_site().items(), ("all linear layers", ledger.total)]
    rows = [
        (site, amount(work.offered), amount(work.done), amount(work.skipped), share(work.skipped, work.offered))
        for site, work in lines
        if work.offered
    ]
    if ledger.total.attention:
        rows.append(("attention (FP16)", amount(ledger.total.attention), amount(ledger.total.attention), "0", "0.0%"))
    return table(("site", "MACs offered", "done", "skipped", "share"), rows)


def summary(output: PipelineOutput) -> str:
    """Draw everything that a person wants to know about a generated video."""
    size = f"{_count(len(output.frames), 'frame')} in {_count(output.steps, 'step')}"
    lines = [
        f"'{output.prompt}': {size}, seed {output.seed}",
        f"{output.backend} backend, preset {output.preset}, recipe {output.recipe}, checkpoint {output.checkpoint}",
        "",
        ledger_table(output.ledger),
        "",
        f"time         {output.seconds:.1f} s",
        f"saturations  {output.saturations}",
    ]
    if output.chip is not None:
        lines += _chip_lines(output.chip)
    if output.psnr_db is not None and output.ssim is not None:
        psnr = "identical" if math.isinf(output.psnr_db) else f"{output.psnr_db:.1f} dB"
        lines.append(f"PSNR         {psnr}  against the float64 dense video of the same seed")
        lines.append(f"SSIM         {output.ssim:.3f}")
    return "\n".join(lines)


def _chip_lines(chip: ChipReport) -> list[str]:
    """Cycles, speed, utilisation, and how long each queue worked."""
    speed = f"{chip.cycles / chip.seconds:,.0f} cycles/s" if chip.seconds else "no time"
    busy = ", ".join(f"{queue} {share(cycles, chip.cycles)}" for queue, cycles in chip.busy.items())
    return [
        f"cycles       {chip.cycles:,}  simulated in {chip.seconds:.1f} s, {speed}",
        f"utilisation  {chip.utilisation:.1%}  of the array's DSP58 cycles",
        f"busy         {busy}",
        f"verified     {'all of memory, against the golden machine' if chip.verified else 'no; add --verify'}",
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """Put a ledger into plain numbers, by site."""
    return {site: work.to_dict() for site, work in ledger.by_site().items()}


def to_json(output: PipelineOutput, path: Path) -> dict[str, Any]:
    """Describe a generated video by plain values; an infinite PSNR (identical videos) is ``null``."""
    total = output.ledger.total
    psnr = None if output.psnr_db is None or math.isinf(output.psnr_db) else output.psnr_db
    report = {
        "prompt": output.prompt,
        "checkpoint": output.checkpoint,
        "backend": output.backend,
        "preset": output.preset,
        "recipe": output.recipe,
        "seed": output.seed,
        "steps": output.steps,
        "guidance": output.guidance,
        "frames": len(output.frames),
        "seconds": output.seconds,
        "psnr_db": psnr,
        "ssim": output.ssim,
        "output": str(path),
        "saturations": output.saturations,
        "macs": {
            "offered": total.offered,
            "done": total.done,
            "skipped": total.skipped,
            "attention": total.attention,
            "equivalent": output.ledger.equivalent,
        },
        "ledger": ledger_json(output.ledger),
    }
    if output.chip is not None:
        report["chip"] = asdict(output.chip)
    return report
