"""Pools of work units that the cores take from."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import COUNTERS, POOLS
from flightvgm_arch.operations import BY_NAME, EXTENT_BITS
from flightvgm_rtl.control.commands import body
from flightvgm_rtl.control.counts import Counts
from flightvgm_rtl.control.division import ROWS_BITS, SIZE_BITS, Division
from flightvgm_rtl.control.ports import (
    COUNTER_BITS,
    START_BITS,
    CountWrite,
    PoolAnswer,
    PoolOperation,
    PoolPort,
    PoolRequest,
)
from flightvgm_rtl.target.ram import Ram

_SEGMENT_BITS = COUNTER_BITS + 1
_Opened = data.StructLayout({"open": body(BY_NAME["OPEN"]), "size": SIZE_BITS})
_Cursor = data.StructLayout({"segment": _SEGMENT_BITS, "base": START_BITS, "low": EXTENT_BITS})


class Pools(wiring.Component):
    """Cut counted rows into units, and hand them out in the order of their rows.

    OPEN and TILE as in :mod:`flightvgm_sim.machine.pools`. OPEN takes two cycles for each segment, and those of
    :class:`flightvgm_rtl.control.division.Division`. TILE takes about nine cycles, and four more for each segment that
    it passes. Requests are served one at a time, the cores in turns; an OPEN that waits until cores have been told
    that the pool is empty holds up no other.

    Parameters
    ----------
    cores : int
        Cores.

    Members
    -------
    ports : In(PoolPort()).array(cores)
    writes : In(CountWrite).array(cores)
        Count registers get their values; one core in a cycle.
    guard_counters : In(6).array(cores)
    guard_held : Out(cores)
        An open pool hands out the rows of that count register; a cycle later.
    """

    def __init__(self, *, cores: int) -> None:
        self._cores = cores
        super().__init__(
            {
                "ports": In(PoolPort()).array(cores),
                "writes": In(CountWrite).array(cores),
                "guard_counters": In(COUNTER_BITS).array(cores),
                "guard_held": Out(cores),
            }
        )
        self._counts = Counts(cores=cores)
        self._division = Division(cores=cores)
        self._opened = Ram(width=_Opened.size, depth=POOLS, style="distributed")
        self._cursors = Ram(width=_Cursor.size, depth=POOLS, style="distributed")
        self._core = Signal(range(max(2, cores)))
        self._request = Signal(PoolRequest, reset_less=True)
        self._joined = [Signal(cores, name=f"joined_{pool}") for pool in range(POOLS)]
        self._told = [Signal(cores, name=f"told_{pool}", init=-1) for pool in range(POOLS)]
        self._exists, self._open = Signal(POOLS), Signal(POOLS)  # A pool is open until all have been told: a cycle ago.
        self._segment, self._segments = Signal(_SEGMENT_BITS), Signal(_SEGMENT_BITS, reset_less=True)
        self._sum = Signal(ROWS_BITS, reset_less=True)
        self._size = Signal(SIZE_BITS, reset_less=True)
        self._last, self._overrun = Signal(), Signal()  # No segment is left; a segment counts too many rows.
        self._cursor = Signal(_Cursor, reset_less=True)
        self._answer, self._keeps = Signal(PoolAnswer, reset_less=True), Signal()

    def elaborate(self, _: Any) -> Module:
        """Serve one request after another."""
        m = Module()
        m.submodules.counts, m.submodules.division = self._counts, self._division
        m.submodules.opened, m.submodules.cursors = self._opened, self._cursors
        given, pool = self._request.open, self._request.open.pool
        m.d.comb += [
            *(self._counts.writes[core].eq(self.writes[core]) for core in range(self._cores)),
            self._counts.counter.eq(given.counter + self._segment),
            self._last.eq(self._segment == self._segments),
            self._division.rows.eq(self._sum),
            self._division.largest.eq(given.largest),
            self._division.granule.eq(given.granule),
            self._opened.write_address.eq(pool),
            self._opened.write_data.eq(Cat(given, self._division.size)),
            self._opened.read_address.eq(pool),
            self._cursors.write_address.eq(pool),
            self._cursors.read_address.eq(pool),
        ]
        self._guard(m)
        with m.FSM():
            self._choose(m)
            self._decide(m)
            self._add(m)
            self._divide(m)
            self._take(m)
        return m

    def _guard(self, m: Module) -> None:
        """Ranges of count registers that open pools hand out."""
        given = self._request.open
        held = [[] for _ in range(self._cores)]
        for pool in range(POOLS):
            first, last = (Signal(_SEGMENT_BITS, name=f"{name}_{pool}", reset_less=True) for name in ("first", "last"))
            with m.If(self._opened.write_enable & (given.pool == pool)):
                m.d.sync += [
                    first.eq(given.counter),
                    last.eq(Mux(given.flag_static, given.counter, given.counter + given.segments)),
                ]
            m.d.sync += self._open[pool].eq(~self._told[pool].all())
            for core in range(self._cores):
                counter = self.guard_counters[core]
                held[core].append(self._open[pool] & (counter >= first) & (counter < last))
        m.d.sync += self.guard_held.eq(Cat(Cat(*parts).any() for parts in held))

    def _of_pool(self, bits: Value, pool: Value) -> Value:
        return bits.bit_select(pool, 1)

    def _choose(self, m: Module) -> None:
        """Look at the cores in turns; take what can be served."""
        able, answered = Signal(self._cores), Signal(self._cores)
        for core in range(self._cores):
            port, waits = self.ports[core], Signal(name=f"waits_{core}")
            opens = port.request.p.operation == PoolOperation.OPEN
            joined = Cat(self._joined[number][core] for number in range(POOLS))
            m.d.comb += waits.eq(opens & self._of_pool(self._exists & joined & self._open, port.request.p.open.pool))
            m.d.sync += [port.blocked.eq(port.request.valid & waits), able[core].eq(port.request.valid & ~waits)]
            own = {"valid": answered[core]}
            m.d.comb += [port.answer[name].eq(own.get(name, self._answer[name])) for name in PoolAnswer.members]
        with m.State("CHOOSE"):
            m.d.sync += [self._answer.eq(0), self._keeps.eq(0), self._segment.eq(0), self._overrun.eq(0)]
            for core in range(self._cores):
                with m.If(self._core == core):
                    m.d.comb += self.ports[core].request.ready.eq(able[core])
                    m.d.sync += self._request.eq(self.ports[core].request.p)
                    with m.If(able[core]):
                        m.next = "BEGIN"
                    with m.Else():
                        m.d.sync += self._core.eq(0 if core == self._cores - 1 else core + 1)
        with m.State("ANSWER"):
            m.d.comb += answered.bit_select(self._core, 1).eq(1)
            m.next = "CHOOSE"

    def _decide(self, m: Module) -> None:
        """What becomes of a request; the first cycle reads what is known of its pool."""
        given, is_tile = self._request.open, self._request.operation == PoolOperation.TILE
        opened = data.View(_Opened, self._opened.read_data)
        exists, joined, joins, outside = (Signal(name=name) for name in ("exists", "joined", "joins", "outside"))
        with m.State("BEGIN"):
            pool, mine = given.pool, Cat(bits.bit_select(self._core, 1) for bits in self._joined)
            m.d.comb += [self._opened.read_enable.eq(1), self._cursors.read_enable.eq(1)]
            m.d.sync += [
                exists.eq(self._of_pool(self._exists, pool)),
                joined.eq(self._of_pool(mine, pool)),
                joins.eq(self._of_pool(self._exists & ~mine & self._open, pool)),
                outside.eq(given.counter + given.segments > COUNTERS),
                self._sum.eq(Mux(given.flag_static, given.rows, 0)),
                self._segments.eq(Mux(given.flag_static, 1, given.segments)),
            ]
            m.next = "DECIDE"
        with m.State("DECIDE"):
            with m.If(is_tile):
                m.d.sync += [
                    given.eq(opened.open),
                    self._size.eq(opened.size),
                    self._segments.eq(Mux(opened.open.flag_static, 1, opened.open.segments)),
                    self._cursor.eq(self._cursors.read_data),
                    self._segment.eq(data.View(_Cursor, self._cursors.read_data).segment),
                ]
                m.next = "LOOK"
                with m.If(~(exists & joined)):
                    self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(joins):
                self._note(m, self._joined, given.pool)
                m.next = "ANSWER"
            with m.Elif(outside):
                self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(given.flag_static):
                m.next = "DIVIDE"
            with m.Else():
                m.next = "COUNT"

    def _note(self, m: Module, bits: list[Signal], pool: Value) -> None:
        """Set the core's bit of a pool."""
        for number in range(POOLS):
            with m.If(pool == number):
                m.d.sync += bits[number].bit_select(self._core, 1).eq(1)

    def _add(self, m: Module) -> None:
        """Sum of the segments; none may exceed its stride."""
        given, value = self._request.open, self._counts.value
        with m.State("COUNT"):
            m.d.comb += self._counts.read.eq(1)
            m.next = "ADD"
            with m.If(self._last):
                m.next = "DIVIDE"
        with m.State("ADD"):
            m.d.sync += [self._sum.eq(self._sum + value), self._segment.eq(self._segment + 1)]
            with m.If((given.segments > 1) & (value > given.stride)):
                m.d.sync += self._overrun.eq(1)
            m.next = "COUNT"

    def _divide(self, m: Module) -> None:
        """Wait for the size of units; then the pool is open, and only this core has joined."""
        with m.State("DIVIDE"):
            m.d.comb += self._division.start.eq(1)
            m.next = "DIVIDED"
        with m.State("DIVIDED"), m.If(self._division.done):
            with m.If(self._division.wrong):
                self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(self._overrun):
                self._refuse(m, ErrorCode.COUNT_OVERRUN)
            with m.Else():
                m.next = "OPENED"
        with m.State("OPENED"):
            m.d.comb += self._opened.write_enable.eq(1)
            for number in range(POOLS):
                with m.If(self._request.open.pool == number):
                    m.d.sync += [
                        self._exists[number].eq(1),
                        self._joined[number].eq(Const(1, self._cores) << self._core),
                        self._told[number].eq(0),
                    ]
            m.next = "SETTLE"  # Guards hold before the core goes on.
        with m.State("SETTLE"):
            m.next = "ANSWER"

    def _take(self, m: Module) -> None:
        """The next unit: that of the first segment which has rows left."""
        cursor, given, size = self._cursor, self._request.open, self._size
        count, left = Signal(EXTENT_BITS), Signal(EXTENT_BITS + 1, reset_less=True)
        less, none, rows = Signal(), Signal(), Signal(EXTENT_BITS)
        m.d.comb += [
            count.eq(Mux(given.flag_static, given.rows, self._counts.value)),
            rows.eq(Mux(less, left, size)),
        ]
        with m.State("LOOK"):
            m.d.comb += self._counts.read.eq(1)
            m.next = "LEFT"
            with m.If(self._last):
                self._note(m, self._told, given.pool)
                m.d.sync += self._answer.empty.eq(1)
                m.next = "ANSWER"
        with m.State("LEFT"):
            m.d.sync += left.eq(count - cursor.low)
            m.next = "COMPARE"
        with m.State("COMPARE"):
            m.d.sync += [less.eq(left < size), none.eq(left[EXTENT_BITS] | (left == 0))]
            m.next = "TAKE"
        with m.State("TAKE"):
            m.d.sync += [self._answer.start.eq(cursor.base + cursor.low), self._answer.rows.eq(rows)]
            with m.If(none):
                m.d.sync += [cursor.base.eq(cursor.base + given.stride), cursor.low.eq(0)]
                m.d.sync += self._segment.eq(self._segment + 1)
                m.next = "LOOK"
            with m.Else():
                m.d.sync += [cursor.low.eq(cursor.low + rows), self._keeps.eq(1)]
                m.next = "ANSWER"
        kept = Signal(_Cursor)
        m.d.comb += [
            kept.eq(cursor),
            kept.segment.eq(self._segment),
            self._cursors.write_data.eq(Mux(self._opened.write_enable, 0, kept.as_value())),
            self._cursors.write_enable.eq(self._opened.write_enable | self._keeps),
        ]

    def _refuse(self, m: Module, code: ErrorCode) -> None:
        m.d.sync += self._answer.error.eq(code)
        m.next = "ANSWER"
