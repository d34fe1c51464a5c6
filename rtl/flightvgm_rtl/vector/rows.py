"""The row unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_rtl.buffers.parameters import WORD_VALUES
from flightvgm_rtl.buffers.ports import ResultRead, parameter_write
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.dma.ports import ReadPort, WritePort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.sparsifier.ports import QuantisedRow, Token, quantised_group
from flightvgm_rtl.vector.modulate import modulate_job
from flightvgm_rtl.vector.moments import NormJob
from flightvgm_rtl.vector.rowback import RowBack
from flightvgm_rtl.vector.rowcheck import RowCheck
from flightvgm_rtl.vector.rowfront import RowFront, front_job
from flightvgm_rtl.vector.share import Share

_LINE = (ALIGNMENT - 1).bit_length()
_PART = 224  # Bits of an instruction that one register opens.
_PARAMETER_LINE = (4 * WORD_VALUES - 1).bit_length()


class Rows(wiring.Component):
    """ROWS: stream rows, add, write back, norm, modulate, quantise; the sparsifier walks before and compares behind it.

    An instruction whose checks pass goes to the sparsifier, which gives its tokens; ``lanes`` values go a cycle,
    ``ceil(width / lanes)`` cycles a row from 5 on. Quantised rows go to the sparsifier, which tells when it is done
    with all of an instruction. One instruction is in work.

    The sparsifier checks site, ``out``, ``map_out`` and ``a``.

    Parameters
    ----------
    lanes : int
        Values a cycle: 4, 8 or 16.
    channels : int
        Most values of a row.
    parameter_words, result_words : int
        Words of 32 bytes of the parameter buffer and of the result buffer.

    Members
    -------
    command : In(stream.Signature(command("rows")))
    done, busy, active : Out(1)
    fault : Out(Fault)
    saturations : Out
        Values that saturated, to be added in each cycle.
    parameters : In(parameter_write(parameter_words))
        All writes to the parameter buffer.
    x, y, map : Out(ReadPort())
    write_back : Out(WritePort())
    result : Out(ResultRead(result_words))
    o_command : Out(stream.Signature(command("rows")))
        Instructions for the sparsifier: those with rows, and with ``compare`` those without.
    i_token : In(stream.Signature(Token))
        Rows of the instruction that went last.
    o_values, o_row : Out(stream.Signature)
        Quantised rows, as of :class:`flightvgm_rtl.vector.quantise.Quantise`.
    i_done : In(1)
        Pulse for each of these instructions: all that follows from it behind the row unit has happened.
    """

    def __init__(self, *, lanes: int, channels: int, parameter_words: int, result_words: int) -> None:
        self._lanes, self._channels = lanes, channels
        self._words, self._result_words = parameter_words, result_words
        super().__init__(
            {
                "command": In(stream.Signature(command("rows"))),
                "done": Out(1),
                "busy": Out(1),
                "active": Out(1),
                "fault": Out(Fault),
                "saturations": Out(range(2 * lanes + 1)),
                "parameters": In(parameter_write(parameter_words)),
                "x": Out(ReadPort()),
                "y": Out(ReadPort()),
                "map": Out(ReadPort()),
                "write_back": Out(WritePort()),
                "result": Out(ResultRead(result_words)),
                "o_command": Out(stream.Signature(command("rows"))),
                "i_token": In(stream.Signature(Token)),
                "o_values": Out(stream.Signature(quantised_group(lanes))),
                "o_row": Out(stream.Signature(QuantisedRow)),
                "i_done": In(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Wire the halves; instructions one after the other."""
        m = Module()
        front = RowFront(lanes=self._lanes, words=self._words, result_words=self._result_words)
        back = RowBack(lanes=self._lanes, channels=self._channels, words=self._words)
        add_with_own_reset(m, "front", front)
        add_with_own_reset(m, "back", back)
        for name in ("x", "y", "map", "write_back", "result"):
            wiring.connect(m, getattr(front, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, front.o, back.i)
        wiring.connect(m, front.o_token, back.i_token)
        wiring.connect(m, back.o_values, wiring.flipped(self.o_values))
        wiring.connect(m, back.o_row, wiring.flipped(self.o_row))
        m.d.comb += [
            front.parameters.eq(self.parameters),
            back.parameters.eq(self.parameters),
            front.i_token.valid.eq(self.i_token.valid),
            front.i_token.p.eq(self.i_token.p),
            self.i_token.ready.eq(front.i_token.ready),
            front.stop.eq(self.fault.valid),
            self.saturations.eq(register(m, front.saturated + back.saturated, "saturated")),
        ]
        issued = self._control(m, front, back)
        self._jobs(m, issued, front, back)
        return m

    def _control(self, m: Module, front: RowFront, back: RowBack) -> Signal:
        """Take, check, hand on, wait for both halves."""
        m.submodules.check = check = RowCheck(channels=self._channels, words=self._words)
        m.submodules.share = share = Share()
        issued = Signal(command("rows"), reset_less=True)
        body = issued.body.rows
        followed = Signal()  # The sparsifier is done with the instruction.
        moving = front.moving | self.o_values.valid & self.o_values.ready
        m.d.sync += self.active.eq(moving)
        m.d.comb += [
            check.i.eq(issued),
            share.i.eq(self.command.p.body.rows.width[: len(share.i)]),
            self.o_command.p.eq(issued),
            *(back.norm_jobs[slot].share.eq(share.o) for slot in range(2)),
        ]
        with m.If(self.i_done):
            m.d.sync += followed.eq(1)
        with m.FSM() as machine:
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(~self.fault.valid)
                with m.If(self.command.valid & self.command.ready):
                    m.d.comb += share.start.eq(1)
                    m.d.sync += followed.eq(0)
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "FIND"
            with m.State("FIND"):
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.next = "HAND"
                with m.If(check.o.valid):
                    self._stop(m, issued, check.o)
                    m.next = "STOPPED"
                with m.Elif((body.count == 0) & ~body.flag_compare):
                    m.next = "END"
            with m.State("HAND"):
                m.d.comb += self.o_command.valid.eq(1)
                with m.If(self.o_command.ready):
                    m.d.comb += front.begin.eq(1)
                    m.next = "RUN"
            with m.State("RUN"), m.If((front.finished | (body.count == 0)) & followed):
                m.next = "END"
            with m.State("END"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
            with m.State("STOPPED"):
                pass
        self._hold(m, issued)
        m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
        with m.If(front.trouble.valid & ~self.fault.valid):
            self._stop(m, issued, front.trouble)
        with m.If(back.beyond & ~self.fault.valid):
            m.d.sync += [
                self.fault.valid.eq(1),
                self.fault.code.eq(ErrorCode.FIELD_RANGE),
                self.fault.pc.eq(issued.pc),
                self.fault.address.eq(0),
            ]
        return issued

    def _hold(self, m: Module, issued: Any) -> None:
        """Keep the instruction from where it is taken until it is done; a register opens each part of it."""
        held, came = issued.as_value(), self.command.p.as_value()
        for part, low in enumerate(range(0, len(held), _PART)):
            opened = Signal(name=f"opened_{part}", init=1, attrs={"keep": "true"})
            with m.If(self.command.valid & self.command.ready):
                m.d.sync += opened.eq(0)
            with m.Elif(self.done):
                m.d.sync += opened.eq(1)
            with m.If(opened & self.command.valid):
                m.d.sync += held[low : low + _PART].eq(came[low : low + _PART])

    def _stop(self, m: Module, issued: Signal, trouble: Any) -> None:
        m.d.sync += [
            self.fault.valid.eq(1),
            self.fault.code.eq(trouble.code),
            self.fault.pc.eq(issued.pc),
            self.fault.address.eq(trouble.address),
        ]

    def _jobs(self, m: Module, issued: Signal, front: RowFront, back: RowBack) -> None:
        """What the halves need of an instruction, in registers before it begins."""
        lanes = self._lanes
        body = issued.body.rows
        last = Signal(range(1 << 15))
        m.d.comb += last.eq(body.width - 1)
        tail = Signal(lanes)
        place_shift = _PARAMETER_LINE - (1 if lanes < WORD_VALUES else 0)
        shift = (lanes - 1).bit_length()
        m.d.comb += tail.eq((2 << last[:shift]) - 1)
        job = Signal(front_job(self._words, lanes), reset_less=True)
        norm, modulated = Signal(NormJob, reset_less=True), Signal(modulate_job(self._words, lanes), reset_less=True)
        m.d.sync += [
            job.x.eq(body.x[_LINE:]),
            job.y.eq(body.y[_LINE:]),
            job.map.eq(body.map_in[_LINE:]),
            job.result.eq(body.result[_LINE:]),
            job.result_pitch.eq(body.result_pitch[_LINE:]),
            job.beats.eq(last[4:] + 1),
            job.groups.eq(last[shift:]),
            job.from_result.eq(body.flag_from_result),
            job.write_back.eq(body.flag_write_back),
            job.quantise.eq(body.flag_quantise),
            job.residual.add.eq(body.flag_add),
            job.residual.gated.eq(body.flag_gated),
            job.residual.gate.eq(body.gate[place_shift:]),
            job.residual.tail.eq(tail),
            job.residual.slot.eq(0),
            norm.norm.eq(body.flag_norm),
            norm.count.eq(body.width),
            modulated.modulate.eq(body.flag_modulate),
            modulated.scale.eq(body.scale[place_shift:]),
            modulated.shift.eq(body.shift[place_shift:]),
            modulated.tail.eq(tail),
        ]
        m.d.comb += front.job.eq(job)
        for slot in range(2):
            m.d.comb += [
                back.norm_jobs[slot].norm.eq(norm.norm),
                back.norm_jobs[slot].count.eq(norm.count),
                back.modulate_jobs[slot].eq(modulated),
            ]
