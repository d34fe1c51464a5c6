"""Captions of one or two coloured shapes, and the scenes that they name.

The grammar::

    caption    = item [" and " item] [" on a " surface " " ground " background"]
    item       = "a " colour " " shape " " motion

A caption is at most 16 words. Two shapes share a video side by side: the first one left, the second one right.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.95, 0.10, 0.10),
    "green": (0.10, 0.80, 0.15),
    "blue": (0.20, 0.35, 1.00),
    "yellow": (0.95, 0.90, 0.10),
    "purple": (0.75, 0.15, 0.85),
    "cyan": (0.10, 0.85, 0.90),
    "white": (0.97, 0.97, 0.97),
}
GROUNDS: dict[str, tuple[float, float, float]] = {
    "black": (0.02, 0.02, 0.02),
    "grey": (0.40, 0.40, 0.40),
    "navy": (0.05, 0.08, 0.40),
    "brown": (0.40, 0.22, 0.10),
}
SHAPES = ("circle", "square", "triangle")
MOTIONS = ("moving left", "moving right", "moving up", "moving down", "bouncing", "growing", "resting")
SURFACES = ("plain", "striped", "checkered")
WORDS = ("<pad>", "a", "and", "on", "background", *COLOURS, *GROUNDS, *SHAPES, "moving", "left", "right", "up",
         "down", "bouncing", "growing", "resting", *SURFACES)  # fmt: skip
LONGEST_CAPTION = 16
HELD_OUT_SHARE = 8


@dataclass(frozen=True)
class Item:
    """One shape: its colour, its form and what it does."""

    colour: str
    shape: str
    motion: str

    def __str__(self) -> str:
        return f"a {self.colour} {self.shape} {self.motion}"


@dataclass(frozen=True)
class Scene:
    """What a caption says: one or two items on a background, black and plain unless named."""

    items: tuple[Item, ...]
    surface: str = "plain"
    ground: str = "black"

    @property
    def caption(self) -> str:
        """The sentence in the grammar of this module."""
        text = " and ".join(str(item) for item in self.items)
        if (self.surface, self.ground) != ("plain", "black"):
            text += f" on a {self.surface} {self.ground} background"
        return text


def tokenize(caption: str) -> list[int]:
    """Word numbers of a caption.

    Raises
    ------
    ValueError
        A word is not in the vocabulary, or there are too many.
    """
    words = caption.lower().replace(",", " ").split()
    unknown = [word for word in words if word not in WORDS[1:]]
    if unknown:
        raise ValueError(f"the prompt has the unknown word '{unknown[0]}'; known words are {', '.join(WORDS[1:])}")
    if not 1 <= len(words) <= LONGEST_CAPTION:
        raise ValueError(f"the prompt has {len(words)} words; give 1 to {LONGEST_CAPTION}")
    return [WORDS.index(word) for word in words]


def parse(caption: str) -> Scene:
    """Scene that a caption names.

    Raises
    ------
    ValueError
        The caption does not follow the grammar.
    """
    tokenize(caption)
    words = caption.lower().replace(",", " ").split()
    surface, ground = "plain", "black"
    if words[-1] == "background":
        if len(words) < 5 or words[-5:-3] != ["on", "a"] or words[-3] not in SURFACES or words[-2] not in GROUNDS:
            raise ValueError(f"'{caption}' ends in a background that is not 'on a SURFACE COLOUR background'")
        surface, ground = words[-3], words[-2]
        words = words[:-5]
    items = []
    for part in " ".join(words).split(" and "):
        fields = part.split(" ", 3)
        article, colour, shape, motion = fields if len(fields) == 4 else ("", "", "", "")
        if article != "a" or colour not in COLOURS or shape not in SHAPES or motion not in MOTIONS:
            raise ValueError(f"'{part}' is not 'a COLOUR SHAPE MOTION', for example 'a red circle moving right'")
        items.append(Item(colour, shape, motion))
    if len(items) > 2:
        raise ValueError(f"'{caption}' names {len(items)} shapes; name one or two")
    return Scene(tuple(items), surface, ground)


def held_out(caption: str) -> bool:
    """Whether a caption is kept from training: one in eight, chosen by a checksum of its text."""
    return zlib.crc32(caption.encode()) % HELD_OUT_SHARE == 0


def sample(rng: np.random.Generator, *, held: bool | None = None) -> Scene:
    """Draw a scene: 20 % have two shapes, half stand on plain black.

    Parameters
    ----------
    held : bool or None
        Only captions that are held out (``True``) or that are not (``False``).
    """
    while True:
        count = 2 if rng.random() < 0.2 else 1
        colours = rng.permutation(list(COLOURS))[:count]
        items = tuple(Item(str(colour), str(rng.choice(SHAPES)), str(rng.choice(MOTIONS))) for colour in colours)
        surface, ground = "plain", "black"
        if rng.random() < 0.5:
            surface = str(rng.choice(SURFACES))
            ground = str(rng.choice([name for name in GROUNDS if (surface, name) != ("plain", "black")]))
        scene = Scene(items, surface, ground)
        if held is None or held_out(scene.caption) == held:
            return scene
