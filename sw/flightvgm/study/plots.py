"""Draw the study: one picture for each figure, judge and PSNR against MACs skipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flightvgm.study.sweep import Point

TITLES = {
    "sites": "One site at a time (inter-frame and intra-frame)",
    "directions": "All sites: where the reference token is",
    "matching": "All sites, intra-frame: local and global matching",
}


def draw(points: Sequence[Point], folder: Path, name: str) -> list[Path]:
    """Write ``sparsity-NAME-FIGURE.png`` for each figure; needs the extra ``plot``.

    Returns
    -------
    list of Path
        The pictures.
    """
    from matplotlib.figure import Figure

    dense = next(point for point in points if point.figure == "dense")
    paths = []
    for figure, title in TITLES.items():
        picture = Figure(figsize=(10, 4), layout="constrained")
        right, distance = picture.subplots(1, 2)
        for curve in dict.fromkeys(point.curve for point in points if point.figure == figure):
            line = [point for point in points if (point.figure, point.curve) == (figure, curve)]
            skipped = [100 * point.skipped for point in line]
            right.plot(skipped, [100 * point.right for point in line], marker="o", label=curve)
            distance.plot(skipped, [point.psnr_db for point in line], marker="o", label=curve)
        right.axhline(100 * dense.right, color="grey", linestyle="--", label="dense")
        right.set(ylabel="prompts judged right (%)", ylim=(0, 102))
        distance.set(ylabel="median PSNR against the dense video (dB)")
        for axes in (right, distance):
            axes.set(xlabel="MACs of linear layers skipped (%)")
            axes.grid(alpha=0.3)
        right.legend(fontsize="small")
        picture.suptitle(f"{title}: {name}")
        path = folder / f"sparsity-{name}-{figure}.png"
        picture.savefig(path, dpi=100, metadata={"Software": None})
        paths.append(path)
    return paths
