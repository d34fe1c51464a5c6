"""Write a video in the format that its file's suffix names."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flightvgm.media.atomic import replacing
from flightvgm.media.pictures import Frames, Pixels, to_pixels, upscale
from flightvgm.media.png import write_contact_sheet

FPS = 8
SUFFIXES = (".gif", ".mp4", ".png")
_PACKAGES = {".gif": ("PIL", "Pillow"), ".mp4": ("imageio_ffmpeg", "imageio-ffmpeg")}


class MediaError(ValueError):
    """A video that cannot be written; the message names the remedy."""


def check_target(path: Path) -> None:
    """Refuse, before any work is done, a file that could not be written in the end.

    Raises
    ------
    MediaError
        The suffix is unknown, the folder is missing or read only, or the format's extra is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise MediaError(f"'{path}' must end in {', '.join(SUFFIXES)}")
    if path.is_dir() or not path.parent.is_dir():
        raise MediaError(f"'{path}' cannot be written; name a file in a folder that exists")
    if not os.access(path.parent, os.W_OK):
        raise MediaError(f"the folder of '{path}' is read only; choose another one")
    if suffix in _PACKAGES:
        module, package = _PACKAGES[suffix]
        if importlib.util.find_spec(module) is None:
            raise MediaError(f"{suffix} needs {package}; run pip install 'flightvgm[video]', or write a .png")


def _write_gif(path: Path, pixels: Pixels, fps: int) -> None:
    from PIL import Image

    # One palette for all frames keeps a resting background from flickering.
    flat = Image.fromarray(pixels.reshape(-1, *pixels.shape[2:])).quantize(256, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(frame).quantize(palette=flat, dither=Image.Dither.NONE) for frame in pixels]
    pictures[0].save(path, format="GIF", save_all=True, append_images=pictures[1:], duration=1000 // fps, loop=0)


def _write_mp4(path: Path, pixels: Pixels, fps: int) -> None:
    import imageio_ffmpeg

    height, width = pixels.shape[1:3]
    pixels = pixels[:, : height - height % 2, : width - width % 2]
    size = (pixels.shape[2], pixels.shape[1])
    writer: Any = imageio_ffmpeg.write_frames(str(path), size, fps=fps, macro_block_size=2, quality=8)
    writer.send(None)
    try:
        for frame in pixels:
            writer.send(frame.tobytes())
    finally:
        writer.close()


_WRITERS: dict[str, Callable[[Path, Pixels, int], None]] = {".gif": _write_gif, ".mp4": _write_mp4}


def write_video(path: Path, frames: Frames, *, fps: int = FPS, factor: int | None = None) -> None:
    """Write frames ``[T, H, W, 3]`` in 0..1 to a GIF, an MP4 or, as a contact sheet, a PNG file.

    Parameters
    ----------
    fps : int
        Frames a second.
    factor : int or None
        Enlargement by repeated pixels; ``None`` makes the shorter side at least 256 pixels.

    Raises
    ------
    MediaError
        As :func:`check_target`.
    """
    check_target(path)
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_contact_sheet(path, [frames])
        return
    pixels = upscale(to_pixels(frames), factor)
    with replacing(path) as temporary:
        _WRITERS[suffix](temporary, pixels, fps)
