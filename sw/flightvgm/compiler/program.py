"""A compiled program: its memory image, where things lie, and what the host passes to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.compiler.errors import CompileError
from flightvgm.compiler.memory import Region, table
from flightvgm.compiler.network import BRANCHES, Network
from flightvgm.compiler.regions import parameter_bytes
from flightvgm.models.safetensors import SafetensorsError, load_safetensors, save_safetensors
from flightvgm_arch.config import Config
from flightvgm_arch.formats import FP16_MOST, PARAMETER_END
from flightvgm_arch.isa import ALIGNMENT, WORD_BYTES, disassemble, instructions
from flightvgm_arch.sites import SITES

FORMAT = 2
IMAGE = "image"
ENTRIES = ("prompt", "forward")
METADATA = {"preset": str, "config": str, "network": dict, "recipe": str, "steps": int, "regions": dict, "size": int}
TYPES = {str: "text", dict: "a JSON object", int: "a whole number", list: "a list"}
THRESHOLD_BYTES = 8  # Of a site: two squared thresholds.
Array = NDArray[Any]


class ProgramError(ValueError):
    """A program file that cannot be used, or data that do not fit a program; the message names the remedy."""


@dataclass(frozen=True)
class Program:
    """A program for one machine, model, video size and recipe.

    All addresses are relative to the base, the address at which the host loads the image.

    Attributes
    ----------
    preset, config_digest : str
        Machine for which it was compiled.
    network : Network
        Sizes.
    recipe : str
        Name of the recipe whose thresholds are in the image.
    steps : int
        Steps for which there are thresholds and room for modulation.
    regions : mapping
        By name: ``x.0`` and ``x.1`` hold the tokens of the two branches before and after ``forward``, ``text.0`` and
        ``text.1`` the embedded text before ``prompt``, ``modulation`` and ``thresholds`` a table for each step.
    size : int
        Bytes of memory in all, from the base.
    image : NDArray of uint8
        Content of the first bytes; the rest may hold anything.
    """

    preset: str
    config_digest: str
    network: Network
    recipe: str
    steps: int
    regions: Mapping[str, Region]
    size: int
    image: NDArray[np.uint8]

    @property
    def digest(self) -> str:
        """SHA-256 of the image and of what the metadata say about it."""
        described = json.dumps(self._describe(), sort_keys=True).encode()
        return hashlib.sha256(described + self.image.tobytes()).hexdigest()

    def entry(self, name: str, base: int = 0) -> int:
        """Address of the first instruction of ``prompt`` or ``forward``."""
        if name not in ENTRIES:
            raise ProgramError(f"there is no entry '{name}'; the entries are {', '.join(ENTRIES)}")
        return base + self.regions[f"code.{name}"].address

    def address(self, name: str, base: int = 0) -> int:
        """Address of a region.

        Raises
        ------
        ProgramError
            There is no such region.
        """
        if name not in self.regions:
            raise ProgramError(f"the program has no region '{name}'; flightvgm inspect lists them")
        return base + self.regions[name].address

    def arguments(self, step: int, text_tokens: Sequence[int], base: int = 0) -> list[int]:
        """Arguments of both entries, for r16 and following: modulation, thresholds, valid text tokens, base.

        Parameters
        ----------
        step : int
            Denoising step; any for ``prompt``.
        text_tokens : sequence of int
            Valid text tokens of the unconditional and the conditional branch.
        """
        if not 0 <= step < self.steps:
            raise ProgramError(f"the step is {step}; the program was compiled for steps 0 to {self.steps - 1}")
        if len(text_tokens) != BRANCHES or not all(0 <= count <= self.network.text for count in text_tokens):
            raise ProgramError(f"valid text tokens are {list(text_tokens)}; give two from 0 to {self.network.text}")
        thresholds = self.regions["thresholds"].size // self.steps
        return [
            self.address("modulation", base) + step * self.network.modulation_bytes,
            self.address("thresholds", base) + step * thresholds,
            *text_tokens,
            base,
        ]

    def modulation(self, tables: Array) -> NDArray[np.uint8]:
        """Bytes of a step's modulation from tables ``[layers, 6, width]``; 1 is added to the scales here."""
        shape = (self.network.layers, 6, self.network.width)
        if tables.shape != shape:
            raise ProgramError(f"modulation tables are {tables.shape}; the program needs {shape}")
        if not (np.abs(tables) < PARAMETER_END / 2).all():
            raise ProgramError("modulation tables hold NaN or values of 2^47 or more; check the checkpoint's embedders")
        values = np.array(tables, np.float64)
        values[:, [1, 4]] += 1
        return np.frombuffer(parameter_bytes(values), np.uint8)

    def rows(self, values: Array) -> NDArray[np.uint8]:
        """Bytes of FP16 rows ``[n, width]``, for ``x`` and ``text``."""
        if values.ndim != 2 or values.shape[1] != self.network.width:
            raise ProgramError(f"rows are {values.shape}; the program needs rows of {self.network.width} channels")
        padded = np.zeros((len(values), self.network.row_pitch // 2), np.float16)
        if not (np.abs(values) <= FP16_MOST).all():
            raise ProgramError(f"rows hold NaN or values beyond {FP16_MOST:,.0f}; check the weights and inputs")
        padded[:, : values.shape[1]] = values
        return padded.view(np.uint8).reshape(-1)

    def values(self, data: NDArray[np.uint8]) -> NDArray[np.float16]:
        """FP16 rows ``[n, width]`` of bytes; the inverse of :meth:`rows`."""
        rows = np.ascontiguousarray(data).view(np.float16).reshape(-1, self.network.row_pitch // 2)
        return rows[:, : self.network.width].copy()

    def check_config(self, config: Config) -> None:
        """Refuse another machine than the one it was compiled for.

        Raises
        ------
        ProgramError
            The digests differ.
        """
        if config.digest != self.config_digest:
            raise ProgramError(
                f"the program was compiled for machine '{self.preset}' ({self.config_digest}), not for "
                f"'{config.name}' ({config.digest}); compile it again for this machine"
            )

    def code(self, entry: str) -> bytes:
        """Instruction words of an entry."""
        start = self.entry(entry)
        return self.image[start : start + self.regions[f"code.{entry}"].size].tobytes()

    def disassembly(self) -> str:
        """Text of both entries, one instruction a line, numbered as LOOP and TILE count."""
        lines = []
        for entry in ENTRIES:
            words = self.code(entry)
            lines.append(f"{entry}:  # {len(words) // WORD_BYTES} instructions at {self.entry(entry):#x}")
            lines += [f"{number:6}  {disassemble(item)}" for number, item in enumerate(instructions(words))]
        return "\n".join(lines)

    def memory_map(self) -> str:
        """Text of the memory map, by address: address, size and name of each region."""
        return table(sorted(self.regions.values(), key=lambda region: region.address))

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all."""
        metadata = {"program": json.dumps(self._describe(), sort_keys=True), "digest": self.digest}
        save_safetensors(path, {IMAGE: self.image}, metadata)

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """Read a program file.

        Raises
        ------
        ProgramError
            The file is no program, of another format, altered, or describes what cannot be run.
        """
        try:
            tensors, metadata = load_safetensors(path)
        except SafetensorsError as problem:
            raise ProgramError(str(problem)) from None
        try:
            described = json.loads(metadata["program"])
            version, digest, image = described["format"], metadata["digest"], tensors[IMAGE]
        except (KeyError, TypeError, ValueError, RecursionError):
            raise ProgramError(f"'{path}' is not a program; write one with flightvgm compile") from None
        if type(version) is not int or version != FORMAT:
            raise ProgramError(f"'{path}' has program format {version}, this version reads {FORMAT}; compile it again")
        try:
            _check_metadata(described)
            program = cls(
                described["preset"], described["config"], Network(**described["network"]), described["recipe"],
                described["steps"], {name: Region(name, *place) for name, place in described["regions"].items()},
                described["size"], image,
            )  # fmt: skip
        except CompileError as error:
            raise ProgramError(f"the metadata of '{path}' are wrong: {error}; compile the program again") from None
        if program.digest != digest:
            raise ProgramError(f"the digest of '{path}' does not match its content; compile or copy the program again")
        reason = _image_problem(program) or _region_problem(program)
        if reason:
            raise ProgramError(f"'{path}' cannot be run: {reason}; compile the program again")
        return program

    def _describe(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "preset": self.preset,
            "config": self.config_digest,
            "network": asdict(self.network),
            "recipe": self.recipe,
            "steps": self.steps,
            "regions": {region.name: [region.address, region.size] for region in self.regions.values()},
            "size": self.size,
        }


def _check_metadata(described: Mapping[str, Any]) -> None:
    """Refuse metadata that lack a value or hold one of the wrong type, and a program of no steps."""
    _check_types("", described, METADATA)
    if described["steps"] < 1:
        raise CompileError(f"steps is {described['steps']}, not at least 1")
    _check_types("network.", described["network"], {item.name: int for item in fields(Network)})
    for name in described["network"]:
        if name not in Network.__dataclass_fields__:
            raise CompileError(f"network.{name} is unknown")
    _check_types("regions.", described["regions"], dict.fromkeys(described["regions"], list))
    for name, place in described["regions"].items():
        if len(place) != 2 or not all(type(value) is int for value in place):
            raise CompileError(f"regions.{name} is no pair of whole numbers, an address and a size")


def _check_types(prefix: str, values: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if name not in values:
            raise CompileError(f"they are incomplete, without {prefix}{name}")
        if type(values[name]) is not kind:
            raise CompileError(f"{prefix}{name} is of type {type(values[name]).__name__}, not {TYPES[kind]}")


def _image_problem(program: Program) -> str:
    """Tell why the image cannot be loaded; empty where it can."""
    image = program.image
    if image.dtype != np.uint8 or image.ndim != 1:
        return f"the image is {image.dtype} of shape {image.shape}, not uint8 of one axis"
    if len(image) > program.size:
        return f"the image has {len(image)} bytes, more than the {program.size} of the program's memory"
    return ""


def _region_problem(program: Program) -> str:
    """Tell which region is absent, does not fit its content or lies where it cannot; empty where all are right."""
    network, end = program.network, 0
    for region in sorted(program.regions.values(), key=lambda region: region.address):
        where = f"region '{region.name}' of {region.size} bytes at address {region.address}"
        if region.size < 1 or region.address < 0 or region.address % ALIGNMENT:
            return f"{where} is empty or not on a multiple of {ALIGNMENT} bytes"
        if region.address < end:
            return f"{where} overlaps the region before it"
        if region.end > program.size:
            return f"{where} exceeds the {program.size} bytes of the program's memory"
        end = region.end
    needed = {f"x.{branch}": network.tokens * network.row_pitch for branch in range(BRANCHES)}
    needed |= {f"text.{branch}": network.text * network.row_pitch for branch in range(BRANCHES)}
    needed["modulation"] = program.steps * network.modulation_bytes
    needed["thresholds"] = program.steps * network.layers * len(SITES) * THRESHOLD_BYTES
    held = ("thresholds", *(f"code.{entry}" for entry in ENTRIES))
    for name in (*needed, *held):
        if name not in program.regions:
            return f"it has no region '{name}'"
        region = program.regions[name]
        if name in needed and region.size != needed[name]:
            return f"region '{name}' has {region.size} bytes, not the {needed[name]} that its network and steps need"
        if name in held and region.end > len(program.image):
            return f"region '{name}' ends at byte {region.end}, behind the {len(program.image)} bytes of the image"
        if name.startswith("code.") and region.size % WORD_BYTES:
            return f"region '{name}' has {region.size} bytes, no whole number of instructions of {WORD_BYTES}"
    return ""
