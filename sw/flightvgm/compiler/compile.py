"""Compile a model for a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.compiler.assembler import Assembler
from flightvgm.compiler.errors import CompileError
from flightvgm.compiler.memory import MemoryMap
from flightvgm.compiler.network import BRANCHES, EXTENT_MOST, Network
from flightvgm.compiler.program import ENTRIES, Program
from flightvgm.compiler.prompt import prompt
from flightvgm.compiler.regions import Image, block_weights, branch_regions, rope_pairs
from flightvgm.compiler.schedule import forward
from flightvgm.compiler.segments import Segments
from flightvgm.compiler.target import Parameters, Target
from flightvgm.recipes import Recipe
from flightvgm_arch.config import Config
from flightvgm_arch.formats import reference_bytes
from flightvgm_arch.isa import BY_NAME, EncodingError
from flightvgm_arch.sites import SITE_NAMES
from flightvgm_sim.reference.shape import ModelShape

ROW_BYTES_MOST = (1 << next(field.bits for field in BY_NAME["LOADA"].fields if field.name == "row_bytes")) - 1
EMITTERS = dict(zip(ENTRIES, (prompt, forward), strict=True))


def compile_model(
    weights: Mapping[str, NDArray[Any]],
    shape: ModelShape,
    *,
    frames: int,
    height_tokens: int,
    width_tokens: int,
    text_tokens: int,
    config: Config,
    recipe: Recipe,
    steps: int,
) -> Program:
    """Compile the blocks of an STDiT3, for both guidance branches.

    The host embeds patches and text, makes the modulation tables and runs the final layer and the sampler.

    Parameters
    ----------
    weights : Mapping
        Tensors by their names in the original state dict; those of the blocks and ``rope.freqs`` are used.
    shape : ModelShape
        Sizes of the checkpoint.
    frames, height_tokens, width_tokens : int
        Grid of tokens.
    text_tokens : int
        Most text tokens of a prompt; how many are valid is said at run time.
    config : Config
        Machine.
    recipe : Recipe
        Grids and thresholds of the sparsification sites.
    steps : int
        Denoising steps: the program holds thresholds, and has room for modulation, of each.

    Raises
    ------
    CompileError
        A tensor is missing, misshaped or not finite, a size is out of range, or the machine's buffers or memory are too
        small.
    RecipeError
        The recipe overrides blocks or steps that are not there.
    """
    network = Network(
        width=shape.hidden_size, hidden=shape.mlp_hidden, heads=shape.num_heads, depth=shape.depth,
        t=frames, h=height_tokens, w=width_tokens, text=text_tokens,
    )  # fmt: skip
    if steps < 1:
        raise CompileError(f"steps is {steps}; give at least one denoising step")
    _check_weights(weights, shape)
    parameters = Parameters(network)
    if parameters.size > config.parameter_bytes:
        raise CompileError(
            f"norms, modulation and RoPE table need {parameters.size} bytes, but the parameter buffer of "
            f"'{config.name}' has {config.parameter_bytes}; choose a machine with a larger one or a smaller model"
        )
    if parameters.rope_bytes > ROW_BYTES_MOST:
        raise CompileError(
            f"the RoPE table of {network.t} frames has {parameters.rope_bytes} bytes, but a load takes "
            f"{ROW_BYTES_MOST} at once; compile a video of at most {ROW_BYTES_MOST // (4 * network.head_dim)} frames"
        )
    _check_rows(config, network, recipe)
    segments = {name: Segments.of(recipe.grid(name), network.t, network.h, network.w) for name in SITE_NAMES}
    rows = max(item.rows for item in segments.values())
    if rows > EXTENT_MOST:
        raise CompileError(
            f"the segments of a site take {rows} rows, but instructions count {EXTENT_MOST}; compile a smaller video"
        )
    memory = MemoryMap(config.memory_bytes)
    image = Image(memory)
    image.constant("thresholds", recipe.table(steps, network.layers).tobytes())
    rope = image.constant("rope", rope_pairs(weights["rope.freqs"], network.t).tobytes())
    blocks = [block_weights(image, weights, config, network, layer) for layer in range(network.layers)]

    def emit(scratch: MemoryMap) -> dict[str, bytes]:
        branches = [branch_regions(scratch, network, branch, rows) for branch in range(BRANCHES)]
        codes = {}
        for entry, emitter in EMITTERS.items():
            target = Target(config, network, recipe, blocks, branches, rope, segments, Assembler())
            emitter(target)
            try:
                codes[entry] = target.asm.encode()
            except EncodingError as error:
                raise CompileError(f"a size exceeds its field: {error}; compile a smaller video or model") from error
        return codes

    # The image comes first in memory, and addresses behind it depend on the code's size, but that on no address.
    for entry, words in emit(MemoryMap(config.memory_bytes)).items():
        memory.region(f"code.{entry}", len(words))
    for entry, words in emit(memory).items():
        image.fill(f"code.{entry}", words)
    memory.region("modulation", steps * network.modulation_bytes)
    regions = {region.name: region for region in memory.regions}
    return Program(config.name, config.digest, network, recipe.name, steps, regions, memory.size, image.bytes())


def _check_rows(config: Config, network: Network, recipe: Recipe) -> None:
    """Refuse rows and grids for which the row unit has no room."""
    widest = max(network.width, network.hidden)
    if widest > config.row_channels:
        raise CompileError(
            f"rows of {widest} channels exceed the {config.row_channels} of the row unit of '{config.name}'; "
            "choose a machine with more row_channels"
        )
    for name in SITE_NAMES:
        grid = recipe.grid(name)
        needed = reference_bytes(grid.reference_tokens(network.t, network.h, network.w), network.width)
        if needed > config.reference_bytes:
            raise CompileError(
                f"site '{name}' of recipe '{recipe.name}' compares groups in the grid '{grid.slots}', whose reference "
                f"plane takes {needed} bytes of the row unit, but '{config.name}' has {config.reference_bytes}; give "
                "the site fewer chunk rows, shorter rows or a group of 1, or choose a machine with more reference_bytes"
            )


def _check_weights(weights: Mapping[str, NDArray[Any]], shape: ModelShape) -> None:
    """Refuse what the blocks cannot be made of."""
    if not shape.qk_norm:
        raise CompileError("the model has no norm of queries and keys, which the machine's loads need; set qk_norm")
    for name, expected in shape.tensors().items():
        if "_blocks." not in name and name != "rope.freqs":
            continue
        if name not in weights:
            raise CompileError(f"the tensor '{name}' is missing; export the checkpoint with all its blocks")
        if weights[name].shape != expected:
            raise CompileError(f"the tensor '{name}' is {weights[name].shape}; the configuration says {expected}")
        if not np.isfinite(weights[name]).all():
            raise CompileError(f"the tensor '{name}' holds NaN or infinity; export the checkpoint again")
