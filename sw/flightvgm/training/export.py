"""Export a training: ``python -m flightvgm.training.export pocket.pt --name pocket --out pocket.safetensors``.

The averaged weights go to disk in FP16, with what a sampler must know in the metadata, as
:func:`flightvgm.models.load_checkpoint` reads them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from numpy.typing import NDArray

from flightvgm.models import CheckpointConfig, CheckpointError, save_checkpoint
from flightvgm.training.train import RECIPES
from flightvgm.world.grammar import WORDS
from flightvgm_sim.reference.shape import ModelShape

FPS = 8.0  # What training tells the network.


def averaged(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the averaged weights of a training's file.

    Raises
    ------
    CheckpointError
        The file cannot be read, or is not one of a training.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["average"]
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise CheckpointError(f"'{path}' is no file of a training; name the .pt that one wrote") from error
    return {name: value.numpy() for name, value in state.items()}


def configuration(
    name: str, weights: dict[str, NDArray[np.float32]], *, steps: int, shift: float, guidance: float, recipe: str
) -> CheckpointConfig:
    """Describe the checkpoint of the training recipe ``name``."""
    trained = RECIPES[name].shape
    shape = ModelShape.from_metadata({"position_scale": 1.0, "num_heads": trained.num_heads}, weights)
    return CheckpointConfig(
        shape=shape,
        frames=trained.frames,
        size=trained.size,
        prediction="sample",
        shift=shift,
        steps=steps,
        guidance=guidance,
        recipe=recipe,
        fps=FPS,
        words=WORDS,
    )


def main() -> None:
    """Read a training's file and write a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help=".pt file of a training")
    parser.add_argument("--name", choices=RECIPES, required=True)
    parser.add_argument("--out", type=Path, required=True, help=".safetensors file")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--shift", type=float, default=4.0)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--recipe", help="default sparsity recipe; the checkpoint's name unless given")
    args = parser.parse_args()
    weights = averaged(args.file)
    config = configuration(
        args.name,
        weights,
        steps=args.steps,
        shift=args.shift,
        guidance=args.guidance,
        recipe=args.recipe or args.name,
    )
    save_checkpoint(args.out, config, weights)
    print(f"wrote {args.out}: {sum(value.size for value in weights.values()):,} parameters")


if __name__ == "__main__":
    main()
