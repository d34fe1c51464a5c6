"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import math

BACKENDS = ("golden", "reference", "cosim")
DIGITS = 9
SEED_DIGITS = 15


def positive(text: str) -> int:
    """Parse a whole number of at least one and at most nine digits."""
    if not text.isdecimal() or len(text) > DIGITS or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"'{text[:DIGITS]}' must be a whole number of at least 1 and at most {DIGITS} digits"
        )
    return int(text)


def seed(text: str) -> int:
    """Parse a whole number of at least zero that any reader of JSON keeps."""
    if not text.isdecimal() or len(text) > SEED_DIGITS:
        raise argparse.ArgumentTypeError(
            f"the seed '{text[:SEED_DIGITS]}' must be a whole number of at least 0 and at most {SEED_DIGITS} digits"
        )
    return int(text)


def bound(text: str) -> float:
    """Parse a bound of an error: a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' must be a number above 0, such as 1e-5")
    return value


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Declare checkpoint, machine and recipe."""
    parser.add_argument("--checkpoint", metavar="NAME|FILE", help="shipped checkpoint or .safetensors file")
    parser.add_argument("--preset", default="SMALL", metavar="NAME|FILE", help="machine: preset or .toml file [SMALL]")
    parser.add_argument(
        "--recipe", metavar="NAME|FILE", help="sparsity recipe or .toml file [the checkpoint's]; try dense"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare checkpoint, machine, recipe and backend."""
    add_machine(parser)
    parser.add_argument("--backend", choices=BACKENDS, default="golden",
                        help="bit-exact machine, float64 arithmetic, or simulated Verilog [golden]")  # fmt: skip


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Declare seed, steps, guidance and frames."""
    parser.add_argument("--seed", type=seed, default=0, help="of the noise [0]")
    parser.add_argument("--steps", type=positive, help="denoising steps [the checkpoint's]")
    parser.add_argument("--guidance", type=float, help="scale of classifier-free guidance [the checkpoint's]")
    parser.add_argument("--frames", type=positive, help="frames of the video [the checkpoint's]")
