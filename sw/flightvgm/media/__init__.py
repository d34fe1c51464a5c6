"""Videos on disk: GIF, MP4 and PNG contact sheets, each written whole or not at all."""

from flightvgm.media.atomic import replacing
from flightvgm.media.formats import SUFFIXES, MediaError, check_folder, check_rate, check_target, write_video
from flightvgm.media.pictures import Frames, Pixels, to_pixels, upscale
from flightvgm.media.png import contact_sheet, encode_png, write_contact_sheet

__all__ = [
    "SUFFIXES",
    "Frames",
    "MediaError",
    "Pixels",
    "check_folder",
    "check_rate",
    "check_target",
    "contact_sheet",
    "encode_png",
    "replacing",
    "to_pixels",
    "upscale",
    "write_contact_sheet",
    "write_video",
]
