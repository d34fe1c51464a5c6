"""The PE: a cascade of DSP58 where a row of the array crosses a column."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import B_BITS, PRE_BITS, SUM_BITS, Mode, operands
from flightvgm_rtl.pe.flags import Flags
from flightvgm_rtl.pe.residues import MIDDLE, UPPER, Residues, middle_bits, top_bits
from flightvgm_rtl.target.dsp58 import Dsp58
from flightvgm_rtl.target.dsp58_attributes import W_C, W_P, Z_PCIN, Attributes, multiply

INT8_BITS = 28
_TOP = MIDDLE + UPPER
_PRE_ADD = 0b00100


class Column(wiring.Component):
    """Multiply the operands of a row with those of a column, and add up over a tile.

    A feed gives, over the slices i of the cascade, ``sum_i u_i v_i`` of ``u_i = row.pre[i] + column.pre[i]`` (27 bits)
    and ``v_i = row.b[i] + column.b[i]`` (24 bits). FP16: that is what is added up, in P of the last DSP58, modulo 2^58.
    INT8: ``u = u1 2^18 + u0`` and ``v = v1 2^15 + v0``, and what is added up, in 28 bits, is ``sum_i u0 v0 + u1 v1``:
    :class:`Residues` beside the cascade enter the last slice through port C. So weights lie in [-127, 127], activations
    in [-128, 127]. :mod:`flightvgm_sim.golden.pe` is the reference.

    Operands of slice i come i cycles after those of slice 0, with which the flags come, and leave a cycle later: those
    of the row with the flags to the right, those of the column downwards. Cycles without ``valid`` change no sum. The
    mode may change from one cycle to the next.

    The sum of a tile leaves for one cycle, ``fp16_latency`` or ``int8_latency`` after the flags of its last feed; at
    all other times ``o_fp16`` and ``o_int8`` are zero, so that outputs of several columns are joined by OR. A feed is
    taken every cycle, and tiles follow each other without a gap.

    # Ref: S. Winograd, A new algorithm for inner product, 1968; AM004

    Parameters
    ----------
    depth : int
        Slices of the cascade: 1, 2, 4 or 8.

    Members
    -------
    i_row, o_row, i_column, o_column :
        :func:`flightvgm_rtl.array.ports.operands`.
    i_flags, o_flags :
        :data:`Flags`.
    o_fp16 : Out(58)
        Sum of an FP16 tile.
    o_int8 : Out(28)
        Sum of an INT8 tile.
    o_done, o_mode : Out
        A tile of this mode is complete: with ``o_int8``.
    """

    def __init__(self, *, depth: int) -> None:
        if depth not in (1, 2, 4, 8):
            raise ValueError(f"a cascade of {depth} slices has no known residues; choose 1, 2, 4 or 8")
        self.depth = depth
        self.fp16_latency, self.int8_latency = depth + 5, depth + 7
        super().__init__(
            {
                "i_row": In(operands(depth)),
                "i_column": In(operands(depth)),
                "i_flags": In(Flags),
                "o_row": Out(operands(depth)),
                "o_column": Out(operands(depth)),
                "o_flags": Out(Flags),
                "o_fp16": Out(SUM_BITS),
                "o_int8": Out(INT8_BITS),
                "o_done": Out(1),
                "o_mode": Out(Mode),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Flags, hops, cascade and residues; then what comes behind the last slice."""
        m = Module()
        flags = self._flags(m)
        self._hops(m)
        p, top = self._cascade(m, flags)
        self._collect(m, flags, p, top)
        return m

    def _flags(self, m: Module) -> list[Any]:
        """Delay the flags; element k is k cycles old."""
        flags: list[Any] = [self.i_flags]
        for age in range(1, self.int8_latency):
            valid = Signal(name=f"valid_{age}")
            rest = Signal(3, name=f"flags_{age}", reset_less=True)
            before = flags[-1]
            m.d.sync += valid.eq(before.valid)
            m.d.sync += rest.eq(Value.cast(before)[1:])
            flags.append(data.View(Flags, Cat(valid, rest)))
        m.d.comb += self.o_flags.eq(flags[1])
        return flags

    def _hops(self, m: Module) -> None:
        """Pass the operands on."""
        for way in ("row", "column"):
            came, leaves = getattr(self, f"i_{way}"), getattr(self, f"o_{way}")
            for slice_ in range(self.depth):
                pre = Signal(PRE_BITS, name=f"{way}_pre_{slice_}", reset_less=True)
                b = Signal(B_BITS, name=f"{way}_b_{slice_}", reset_less=True)
                m.d.sync += [pre.eq(came.pre[slice_]), b.eq(came.b[slice_])]
                m.d.comb += [leaves.pre[slice_].eq(pre), leaves.b[slice_].eq(b)]

    def _cascade(self, m: Module, flags: list[Any]) -> tuple[Value, Value]:
        """Place the slices; give P of the last one, and the low bits of the top products that belong to it."""
        depth = self.depth
        # The chain of the middle residues begins at -1, so that its complement is the negative of their sum.
        middle: Value = Const((1 << middle_bits(depth)) - 1, middle_bits(depth))
        top: Value = Const(0, top_bits(depth))
        cascade: Value = Const(0, SUM_BITS)
        dsp = None
        for slice_ in range(depth):
            v = Signal(B_BITS, name=f"v_{slice_}", reset_less=True)
            m.d.sync += v.eq(self.i_row.b[slice_] + self.i_column.b[slice_])
            m.submodules[f"residues_{slice_}"] = residues = Residues(depth=depth)
            m.d.comb += [
                residues.i_row.eq(self.i_row.pre[slice_]),
                residues.i_column.eq(self.i_column.pre[slice_]),
                residues.i_v.eq(v),
                residues.i_middle.eq(middle),
                residues.i_top.eq(top),
            ]
            middle, top = residues.o_middle, residues.o_top
            m.submodules[f"slice_{slice_}"] = dsp = Dsp58(self._attributes(slice_))
            m.d.comb += [
                dsp.a.eq(self.o_row.pre[slice_].as_signed()),
                dsp.d.eq(self.o_column.pre[slice_]),
                dsp.b.eq(v),
                dsp.pcin.eq(cascade),
                dsp.inmode.eq(_PRE_ADD),
            ]
            if slice_ < depth - 1:
                m.d.comb += dsp.opmode.eq(multiply(z=Z_PCIN if slice_ else 0))
            cascade = dsp.pcout
        assert dsp is not None
        self._last(m, dsp, flags, middle, top)
        held = [Signal(top_bits(depth), name=f"top_{age}", reset_less=True) for age in range(2)]
        m.d.sync += [held[0].eq(top), held[1].eq(held[0])]
        return dsp.p, held[1]

    def _attributes(self, slice_: int) -> Attributes:
        z = Z_PCIN if slice_ else 0
        last = slice_ == self.depth - 1
        ways = (0, W_P, W_C) if last else (0,)
        return Attributes(
            breg=2, bcascreg=2, creg=int(last), amultsel="AD", inmodereg=0, alumodereg=0, opmodereg=int(last),
            opmodes=tuple(multiply(w=w, z=z) for w in ways), alumodes=(0,), inmodes=(_PRE_ADD,),
            controls=("cep",) if last else (),
        )  # fmt: skip

    def _last(self, m: Module, dsp: Dsp58, flags: list[Any], middle: Value, top: Value) -> None:
        """Let the last slice subtract the residues (INT8) or accumulate (FP16).

        The field of the top is ``-1 - top`` plus a bias of half its range, so that what lies below borrows nothing.
        """
        now, after = flags[self.depth + 2], flags[self.depth + 3]
        w = Mux(now.mode == Mode.FP16, Mux(now.first, 0, W_P), W_C)
        field = Signal(signed(SUM_BITS - _TOP))
        m.d.comb += [
            field.eq(Cat(~top[:-1], top[-1]).as_signed()),
            dsp.c.eq(Cat(Const(0, MIDDLE), ~middle, Const(0, UPPER - len(middle)), field)),
            dsp.opmode.eq(Cat(Const(multiply(z=Z_PCIN if self.depth > 1 else 0), 7), w)),
            dsp.cep.eq(after.valid),
        ]

    def _collect(self, m: Module, flags: list[Any], p: Value, top: Value) -> None:
        """Cut the INT8 sum out of P, accumulate it; let complete sums out."""
        depth = self.depth
        width = MIDDLE + middle_bits(depth)
        high = _TOP + top_bits(depth)
        feed = Signal(signed(width + 1), reset_less=True)
        accumulator = Signal(signed(INT8_BITS), reset_less=True)
        complete, added, counted = flags[depth + 4], flags[depth + 5], flags[depth + 6]
        with m.If(complete.valid):
            m.d.sync += feed.eq(p[:width].as_signed() + Cat(top, p[high : high + width - top_bits(depth)]).as_signed())
        with m.If(added.valid & (added.mode == Mode.INT8)):
            m.d.sync += accumulator.eq(Mux(added.first, 0, accumulator) + feed)
        out16 = Signal(SUM_BITS, reset_less=True)
        out8 = Signal(INT8_BITS, reset_less=True)
        leaves16, leaves8 = Signal(), Signal()
        m.d.comb += [
            leaves16.eq(complete.valid & complete.last & (complete.mode == Mode.FP16)),
            leaves8.eq(counted.valid & counted.last & (counted.mode == Mode.INT8)),
        ]
        m.d.sync += [
            out16.eq(Mux(leaves16, p, 0)),
            out8.eq(Mux(leaves8, accumulator, 0)),
            self.o_done.eq(counted.valid & counted.last),
            self.o_mode.eq(Mux(counted.valid & counted.last, counted.mode, Mode.INT8)),
        ]
        m.d.comb += [self.o_fp16.eq(out16), self.o_int8.eq(out8)]
