"""Write a video in the format that its file's suffix names."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flightvgm.media.atomic import replacing
from flightvgm.media.pictures import Frames, Pixels, to_pixels, upscale
from flightvgm.media.png import write_contact_sheet

FPS = 8
MOST_FPS = 100  # A GIF counts in hundredths of a second.
MOST_FACTOR = 64
SUFFIXES = (".gif", ".mp4", ".png")
_PACKAGES = {".gif": ("PIL", "Pillow"), ".mp4": ("imageio_ffmpeg", "imageio-ffmpeg")}


class MediaError(ValueError):
    """A video that cannot be written; the message names the remedy."""


def check_folder(path: Path) -> None:
    """Refuse a file in a folder where none can be made.

    Raises
    ------
    MediaError
        The path is a folder, or its folder is missing or read only.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise MediaError(f"'{path}' cannot be written; name a file in a folder that exists")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise MediaError(f"the folder of '{path}' is read only; choose another one") from error


def check_rate(fps: int, factor: int | None) -> None:
    """Refuse a rate that players do not know, or an enlargement that fills the memory.

    Raises
    ------
    MediaError
        One of them is out of range.
    """
    if not 1 <= fps <= MOST_FPS:
        raise MediaError(f"{fps} frames a second cannot be played; choose 1 to {MOST_FPS}")
    if factor is not None and not 1 <= factor <= MOST_FACTOR:
        raise MediaError(f"the video cannot be enlarged {factor} times; choose 1 to {MOST_FACTOR}")


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
    check_folder(path)
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
        As :func:`check_target` and :func:`check_rate`.
    """
    check_target(path)
    check_rate(fps, factor)
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_contact_sheet(path, [frames])
        return
    pixels = upscale(to_pixels(frames), factor)
    with replacing(path) as temporary:
        _WRITERS[suffix](temporary, pixels, fps)
