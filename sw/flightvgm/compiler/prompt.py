"""The entry ``prompt``: keys and values of the text for all blocks of both branches, once a prompt."""

from __future__ import annotations

from flightvgm.compiler.assembler import Label, Register, at
from flightvgm.compiler.linear import LinearStage
from flightvgm.compiler.rows import ROWS_OF_UNIT
from flightvgm.compiler.schedule import loop, start
from flightvgm.compiler.target import Pool, Target
from flightvgm_arch.isa import Reg


def prompt(target: Target) -> None:
    """Emit quantisation of the text rows, then one linear layer for each block and branch. All is outside the sites."""
    network = target.network
    start(target)
    for branch in range(len(target.branches)):
        _records(target, branch)
    for layer, block in enumerate(target.blocks):
        for branch, own in enumerate(target.branches):
            linear, pitch = block.linears["cross_attn.kv_linear"], network.row_pitch
            stage = LinearStage(linear, own.text_records, own.keys[layer], pitch, None, valid_text(branch))
            target.barrier()
            stage.prepare(target)
            loop(target, stage)
    target.asm.emit("END")


def valid_text(branch: int) -> Reg:
    """Register with the valid text tokens of a branch; rows behind them are never touched."""
    return Reg(Register.TEXT + branch)


def _records(target: Target, branch: int) -> None:
    """Quantise a branch's text rows."""
    asm, own = target.asm, target.branches[branch]
    again, done = Label(), Label()
    target.open_static(Pool.SEGMENTS, valid_text(branch), ROWS_OF_UNIT)
    asm.here(again)
    asm.emit("TILE", ["branch"], pool=Pool.SEGMENTS, start=Register.START_A, count=Register.COUNT_A, jump=done)
    asm.emit(
        "ROWS", ["quantise"],
        x=at(own.text), out=at(own.text_records), width=target.network.width,
        first=Reg(Register.START_A), count=Reg(Register.COUNT_A), base=Reg(Register.START_A),
    )  # fmt: skip
    asm.jump(again)
    asm.here(done)
