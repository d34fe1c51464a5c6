"""Videos from prompts, with the calling convention of diffusers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flightvgm.compiler import Program, compile_model
from flightvgm.models import DEFAULT_CHECKPOINT, Checkpoint, load_checkpoint
from flightvgm.models.checkpoint import MOST, MOST_GUIDANCE
from flightvgm.models.host import Host
from flightvgm.recipes import Recipe, load_recipe
from flightvgm.run import Callback, Run
from flightvgm.runtime.backend import Backend
from flightvgm.runtime.golden import GoldenDevice
from flightvgm.runtime.ledger import Ledger
from flightvgm.runtime.reference import ReferenceBackend
from flightvgm.runtime.session import Session
from flightvgm.runtime.simulated import ChipReport, SimulatedBackend, Simulation, simulated
from flightvgm_arch.config import Config
from flightvgm_arch.presets import by_name
from flightvgm_sim.reference.metrics import psnr, ssim

BACKENDS = ("golden", "reference", "cosim")
DENSE = "dense"


class PipelineError(ValueError):
    """A request that the pipeline cannot fulfil; the message names the argument and the remedy."""


@dataclass(frozen=True)
class PipelineOutput:
    """A video and what it took.

    Attributes
    ----------
    frames : NDArray
        ``[T, H, W, 3]``, 0..1.
    reference : NDArray or None
        The float64 dense video of the same seed, where it was asked for.
    ledger : Ledger
        Work offered, done and skipped over all steps.
    steps_ledger : tuple of Ledger
        The same, step by step.
    saturations : int
        Values beyond the range of FP16.
    seconds : float
        Time of the video itself, without the reference.
    psnr_db, ssim : float or None
        Distance to ``reference``; ``psnr_db`` is infinite for equal videos.
    chip : ChipReport or None
        Cycles and utilisation, where a chip was simulated.
    """

    prompt: str
    checkpoint: str
    backend: str
    preset: str
    recipe: str
    seed: int | None
    steps: int
    guidance: float
    frames: NDArray[np.float64]
    reference: NDArray[np.float64] | None
    ledger: Ledger
    steps_ledger: tuple[Ledger, ...]
    saturations: int
    seconds: float
    psnr_db: float | None
    ssim: float | None
    chip: ChipReport | None = None


class Pipeline:
    """A checkpoint on a machine.

    Parameters
    ----------
    checkpoint : Checkpoint
        Weights and defaults.
    config : Config
        Machine.
    recipe : Recipe
        Sparsity recipe.
    backend : str
        ``golden``, the bit-exact machine, ``reference``, float64 arithmetic, or ``cosim``, the emitted Verilog.
    simulation : Simulation, optional
        How the backend ``cosim`` runs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: Config,
        recipe: Recipe,
        backend: str = "golden",
        simulation: Simulation | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise PipelineError(f"there is no backend '{backend}'; use {' or '.join(BACKENDS)}")
        self.simulation = simulation or Simulation()
        if backend != "cosim" and self.simulation != Simulation():
            raise PipelineError(f"backend '{backend}' simulates no chip; verify, resume or trace with backend 'cosim'")
        self.checkpoint = checkpoint
        self.config = config
        self.recipe = recipe
        self.backend = backend

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path | None = None,
        *,
        preset: str | Config = "SMALL",
        recipe: str | Path | Recipe | None = None,
        backend: str = "golden",
        simulation: Simulation | None = None,
    ) -> Pipeline:
        """Load a checkpoint by name or file.

        Parameters
        ----------
        preset : str or Config
            Machine: name of a preset, or a TOML file.
        recipe : str, Path or Recipe, optional
            Name or file of a sparsity recipe; the checkpoint's own unless given.

        Raises
        ------
        ValueError
            Checkpoint, preset, recipe or backend is unknown or malformed.
        """
        loaded = load_checkpoint(checkpoint or DEFAULT_CHECKPOINT)
        config = preset if isinstance(preset, Config) else by_name(str(preset))
        chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or loaded.config.recipe)
        return cls(loaded, config, chosen, backend, simulation)

    def __call__(
        self,
        prompt: str,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_frames: int | None = None,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        compare: bool = False,
        callback: Callback | None = None,
    ) -> PipelineOutput:
        """Generate a video.

        Parameters
        ----------
        prompt : str
            Caption in the checkpoint's vocabulary.
        num_inference_steps, guidance_scale, num_frames : optional
            The checkpoint's own unless given.
        seed : int, optional
            Of the noise; 0 unless given. Excludes ``generator``.
        generator : numpy.random.Generator, optional
            Source of the noise.
        compare : bool
            Make the float64 dense video of the same noise, too, and measure the distance to it.
        callback : callable, optional
            Called with ``(done, total, label)`` now and then.

        Raises
        ------
        ValueError
            An argument is out of range, the recipe names steps that are not taken, or the prompt has an unknown word.
        """
        settings = self.checkpoint.config
        steps, frames = self._extents(num_inference_steps, num_frames)
        guidance = settings.guidance if guidance_scale is None else guidance_scale
        if not abs(guidance) <= MOST_GUIDANCE:
            raise PipelineError(f"the guidance {guidance} must lie between -{MOST_GUIDANCE:g} and {MOST_GUIDANCE:g}")
        if generator is not None and seed is not None:
            raise PipelineError("give a seed or a generator, not both")
        if seed is not None and seed < 0:
            raise PipelineError(f"the seed {seed} must be at least 0")
        seed = (0 if seed is None else seed) if generator is None else None
        self.recipe.check(steps, len(settings.shape.blocks))
        rng = np.random.default_rng(seed) if generator is None else generator
        host = Host(self.checkpoint, frames)
        noise = rng.standard_normal(host.video_shape)
        run = Run(host, self.checkpoint, prompt, noise, steps, guidance)
        backend = self._backend(host, steps, callback)
        began = time.perf_counter()
        video, ledgers = run(backend, callback, self.backend)
        seconds = time.perf_counter() - began
        reference = None
        if compare:
            exact = self.backend == "reference" and self.recipe.name == DENSE
            reference = video if exact else run(ReferenceBackend(host, load_recipe(DENSE)), callback, "comparing")[0]
        return PipelineOutput(
            prompt=prompt,
            checkpoint=self.checkpoint.name,
            backend=self.backend,
            preset=self.config.name,
            recipe=self.recipe.name,
            seed=seed,
            steps=steps,
            guidance=guidance,
            frames=video,
            reference=reference,
            ledger=backend.ledger(),
            steps_ledger=ledgers,
            saturations=backend.saturations,
            seconds=seconds,
            psnr_db=None if reference is None else psnr(video, reference),
            ssim=None if reference is None else ssim(video, reference),
            chip=backend.report() if isinstance(backend, SimulatedBackend) else None,
        )

    def compile(self, *, num_inference_steps: int | None = None, num_frames: int | None = None) -> Program:
        """Compile for videos of so many frames in so many steps; the checkpoint's own unless given."""
        settings = self.checkpoint.config
        steps, frames = self._extents(num_inference_steps, num_frames)
        t, h, w = settings.shape.grid((frames, settings.size, settings.size))
        return compile_model(
            self.checkpoint.weights,
            settings.shape,
            frames=t,
            height_tokens=h,
            width_tokens=w,
            text_tokens=settings.shape.model_max_length,
            config=self.config,
            recipe=self.recipe,
            steps=steps,
        )

    def _extents(self, steps: int | None, frames: int | None) -> tuple[int, int]:
        """Steps and frames, the checkpoint's own where they are not given."""
        settings = self.checkpoint.config
        wanted = {
            "steps": settings.steps if steps is None else steps,
            "frames": settings.frames if frames is None else frames,
        }
        for name, count in wanted.items():
            if not isinstance(count, int) or not 1 <= count <= MOST[name]:
                raise PipelineError(f"{name} {count} must be a whole number from 1 to {MOST[name]}")
        return wanted["steps"], wanted["frames"]

    def _backend(self, host: Host, steps: int, callback: Callback | None) -> Backend:
        """Make what computes the blocks for videos of ``host`` in so many steps."""
        if self.backend == "reference":
            return ReferenceBackend(host, self.recipe)
        program = self.compile(num_inference_steps=steps, num_frames=host.size[0])
        if self.backend == "cosim":
            return simulated(self.config, program, self.simulation, callback)
        return Session(GoldenDevice(self.config), program)
