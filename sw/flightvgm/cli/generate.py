"""``flightvgm generate``: a video from a prompt."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flightvgm.cli.options import add_model, add_sampling, positive
from flightvgm.cli.progress import Progress
from flightvgm.cli.summary import summary, to_json

if TYPE_CHECKING:
    from flightvgm.pipeline import PipelineOutput

HELP = "generate a video from a prompt"
DEFAULT_OUTPUT = Path("video.gif")
DEFAULT_WAVEFORM = Path("difference.fst")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("prompt", help="for example 'a red circle moving right'")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUTPUT, metavar="FILE", help=".gif, .mp4 or .png [video.gif]"
    )
    parser.add_argument("--contact-sheet", "--sheet", type=Path, metavar="FILE",
                        help=".png: the frames, above those of the float64 dense video")  # fmt: skip
    parser.add_argument(
        "--scale", type=positive, metavar="N", help="enlarge each pixel N times [to at least 256 pixels]"
    )
    parser.add_argument("--fps", type=positive, default=8, help="frames a second [8]")
    parser.add_argument("--no-compare", action="store_true", help="skip the float64 dense video of the same seed")
    add_sampling(parser)
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    cosim = parser.add_argument_group("backend cosim")
    cosim.add_argument("--verify", action="store_true",
                       help="compare all of memory with the golden machine's at each barrier")  # fmt: skip
    cosim.add_argument("--waveform", type=Path, metavar="FILE",
                       help=f".fst: waveform round the first difference [{DEFAULT_WAVEFORM}]")  # fmt: skip
    cosim.add_argument("--resume", type=Path, metavar="DIR", help="keep finished steps here, and go on behind them")


def run(args: argparse.Namespace) -> int:
    """Generate, write, report."""
    from flightvgm.media import MediaError, check_rate, check_target, write_contact_sheet, write_video
    from flightvgm.pipeline import Pipeline
    from flightvgm.runtime.simulated import Simulation

    check_target(args.out)
    check_rate(args.fps, args.scale)
    if args.contact_sheet is not None:
        if args.contact_sheet.suffix.lower() != ".png":
            raise MediaError(f"the contact sheet '{args.contact_sheet}' must end in .png")
        if args.contact_sheet.resolve() == args.out.resolve():
            raise MediaError(f"video and contact sheet cannot both be '{args.out}'; name two files")
        check_target(args.contact_sheet)
    waveform = args.waveform or (DEFAULT_WAVEFORM if args.verify else None)
    with Progress("preparing") as progress:
        pipeline = Pipeline.from_pretrained(
            args.checkpoint,
            preset=args.preset,
            recipe=args.recipe,
            backend=args.backend,
            simulation=Simulation(verify=args.verify, waveform=waveform, resume=args.resume),
        )
        output: PipelineOutput = pipeline(
            args.prompt,
            num_inference_steps=args.steps,
            guidance_scale=args.guidance,
            num_frames=args.frames,
            seed=args.seed,
            compare=not args.no_compare,
            callback=progress,
        )
    write_video(args.out, output.frames, fps=args.fps, factor=args.scale)
    if args.contact_sheet is not None:
        lines = [output.frames] if output.reference is None else [output.frames, output.reference]
        write_contact_sheet(args.contact_sheet, lines)
    if args.json:
        json.dump(to_json(output, args.out), sys.stdout, allow_nan=False)
        print()
    else:
        print(summary(output))
        print(f"\nwrote {args.out}" + (f" and {args.contact_sheet}" if args.contact_sheet else ""))
    return 0
