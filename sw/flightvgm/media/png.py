"""PNG pictures with the standard library alone: filter 0, one zlib stream."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flightvgm.media.atomic import replacing
from flightvgm.media.pictures import Frames, Pixels, to_pixels, upscale

MARGIN = 8  # Pixels between the pictures of a sheet.
PAPER = 255


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_png(picture: Pixels) -> bytes:
    """Encode one RGB picture ``[H, W, 3]``."""
    height, width, _ = picture.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def contact_sheet(videos: Sequence[Frames], *, factor: int | None = None) -> Pixels:
    """One picture: a line for each video, its frames from left to right, on white paper.

    Parameters
    ----------
    videos : sequence of array
        ``[T, H, W, 3]`` in 0..1, all of one height and width.
    factor : int or None
        Enlargement, as in :func:`~flightvgm.media.pictures.upscale`; ``None`` halves the one of a video.
    """
    if factor is None:
        plain = to_pixels(videos[0])
        factor = max(1, upscale(plain[:1]).shape[1] // plain.shape[1] // 2)
    lines = [upscale(to_pixels(video), factor) for video in videos]
    height, width = lines[0].shape[1:3]
    longest = max(len(line) for line in lines)
    shape = (MARGIN + len(lines) * (height + MARGIN), MARGIN + longest * (width + MARGIN), 3)
    sheet = np.full(shape, PAPER, np.uint8)
    for row, line in enumerate(lines):
        top = MARGIN + row * (height + MARGIN)
        for column, picture in enumerate(line):
            left = MARGIN + column * (width + MARGIN)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def write_contact_sheet(path: Path, videos: Sequence[Frames]) -> None:
    """Write the contact sheet of ``videos`` to a PNG file."""
    data = encode_png(contact_sheet(videos))
    with replacing(path) as temporary:
        temporary.write_bytes(data)
