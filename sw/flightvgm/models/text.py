"""The text encoder of the shipped checkpoints: a table of words plus a table of places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING = 0  # Number of the word that fills the rest of a caption.


class PromptError(ValueError):
    """A prompt that the checkpoint cannot read; the message names the word and the vocabulary."""


@dataclass(frozen=True)
class Caption:
    """An encoded caption.

    Attributes
    ----------
    tokens : NDArray
        ``[places, channels]``; the rows of valid tokens come first.
    valid : int
        Number of valid tokens.
    """

    tokens: NDArray[np.float64]
    valid: int


@dataclass(frozen=True)
class TextEncoder:
    """Look words up.

    Computes ``words[word] + places[place]``, as the checkpoint was trained; padding is encoded too, and masked later.

    Parameters
    ----------
    words : NDArray
        ``[vocabulary, channels]``.
    places : NDArray
        ``[longest caption, channels]``.
    vocabulary : tuple of str
        The word of each row of ``words``; the first one is the padding.
    """

    words: NDArray[np.float64]
    places: NDArray[np.float64]
    vocabulary: tuple[str, ...]

    def numbers(self, prompt: str) -> list[int]:
        """Word numbers of a prompt; commas and capitals do not count.

        Raises
        ------
        PromptError
            A word is unknown, or there are too many or none.
        """
        found = prompt.lower().replace(",", " ").split()
        known = self.vocabulary[PADDING + 1 :]
        for word in found:
            if word not in known:
                raise PromptError(f"the prompt has the unknown word '{word}'; known words are {', '.join(known)}")
        if not 1 <= len(found) <= len(self.places):
            raise PromptError(f"the prompt has {len(found)} words; give 1 to {len(self.places)}")
        return [self.vocabulary.index(word) for word in found]

    def __call__(self, prompt: str) -> Caption:
        """Encode a prompt."""
        numbers = self.numbers(prompt)
        rows = np.full(len(self.places), PADDING)
        rows[: len(numbers)] = numbers
        return Caption(self.words[rows] + self.places, len(numbers))
