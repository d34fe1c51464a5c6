"""The drawn world: captions of a small grammar, the videos that they describe, and a judge of videos."""

from flightvgm.world.draw import draw
from flightvgm.world.grammar import Item, Scene, held_out, parse, sample
from flightvgm.world.judge import Verdict, judge

__all__ = ["Item", "Scene", "Verdict", "draw", "held_out", "judge", "parse", "sample"]
