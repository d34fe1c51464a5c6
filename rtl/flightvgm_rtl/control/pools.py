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
_SUM_BITS = 32
_SIZE_BITS = 13
_Opened = data.StructLayout({"open": body(BY_NAME["OPEN"]), "size": _SIZE_BITS})
_Cursor = data.StructLayout({"segment": _SEGMENT_BITS, "base": START_BITS, "low": EXTENT_BITS})


class Pools(wiring.Component):
    """Cut counted rows into units, and hand them out in the order of their rows.

    OPEN and TILE as in :mod:`flightvgm_sim.machine.pools`: with n rows in all, ``number = cores * ceil(n / (cores *
    largest))`` and ``size = granule * ceil(n / (number * granule))``. Quotients come by counting: a cycle for each
    ``cores * largest`` rows, for each ``granule`` in ``largest``, for each in ``size``, and two for each segment. TILE
    takes about eight cycles, and three more for each segment that it passes. Requests are served one at a time, the
    cores in turns; an OPEN that waits until cores have been told that the pool is empty holds up no other.

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
        self._opened = Ram(width=_Opened.size, depth=POOLS, style="distributed")
        self._cursors = Ram(width=_Cursor.size, depth=POOLS, style="distributed")
        self._core = Signal(range(max(2, cores)))
        self._request = Signal(PoolRequest, reset_less=True)
        self._joined = [Signal(cores, name=f"joined_{pool}") for pool in range(POOLS)]
        self._told = [Signal(cores, name=f"told_{pool}", init=-1) for pool in range(POOLS)]
        self._exists, self._open = Signal(POOLS), Signal(POOLS)
        self._segment, self._segments = Signal(_SEGMENT_BITS), Signal(_SEGMENT_BITS)
        self._sum, self._rest, self._step = (
            Signal(_SUM_BITS, name=name, reset_less=True) for name in ("sum", "rest", "step")
        )
        self._size = Signal(_SIZE_BITS, reset_less=True)
        self._overrun = Signal()
        self._cursor = Signal(_Cursor, reset_less=True)
        self._answer = Signal(PoolAnswer, reset_less=True)

    def elaborate(self, _: Any) -> Module:
        """Serve one request after another."""
        m = Module()
        m.submodules.counts = self._counts
        m.submodules.opened, m.submodules.cursors = self._opened, self._cursors
        given, pool = self._request.open, self._request.open.pool
        m.d.comb += [
            *(self._counts.writes[core].eq(self.writes[core]) for core in range(self._cores)),
            self._counts.counter.eq(given.counter + self._segment),
            self._segments.eq(Mux(given.flag_static, 1, given.segments)),
            self._opened.write_address.eq(pool),
            self._opened.write_data.eq(Cat(given, self._size)),
            self._opened.read_address.eq(pool),
            self._cursors.write_address.eq(pool),
            self._cursors.read_address.eq(pool),
        ]
        self._guard(m)
        with m.FSM():
            self._choose(m)
            self._add(m)
            self._divide(m)
            self._take(m)
            with m.State("ANSWER"):
                for core in range(self._cores):
                    with m.If(self._core == core):
                        m.d.comb += [self.ports[core].answer.eq(self._answer), self.ports[core].answer.valid.eq(1)]
                m.next = "CHOOSE"
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
            m.d.comb += self._open[pool].eq(~self._told[pool].all())
            for core in range(self._cores):
                counter = self.guard_counters[core]
                held[core].append(self._open[pool] & (counter >= first) & (counter < last))
        m.d.sync += self.guard_held.eq(Cat(Cat(*parts).any() for parts in held))

    def _of_pool(self, bits: Value, pool: Value) -> Value:
        return bits.bit_select(pool, 1)

    def _choose(self, m: Module) -> None:
        """Look at the cores in turns; take what can be served."""
        serve = Signal(self._cores)
        for core in range(self._cores):
            port = self.ports[core]
            pool, opens = port.request.p.open.pool, port.request.p.operation == PoolOperation.OPEN
            joined = Cat(self._joined[number][core] for number in range(POOLS))
            waits = opens & self._of_pool(self._exists & joined & self._open, pool)
            m.d.comb += [port.blocked.eq(port.request.valid & waits), serve[core].eq(port.request.valid & ~waits)]
        with m.State("CHOOSE"):
            m.d.sync += [self._answer.eq(0), self._segment.eq(0), self._overrun.eq(0)]
            for core in range(self._cores):
                with m.If(self._core == core):
                    m.d.comb += self.ports[core].request.ready.eq(serve[core])
                    with m.If(serve[core]):
                        m.d.sync += self._request.eq(self.ports[core].request.p)
                        m.next = "BEGIN"
                    with m.Else():
                        m.d.sync += self._core.eq(0 if core == self._cores - 1 else core + 1)
        with m.State("BEGIN"):
            given, pool = self._request.open, self._request.open.pool
            exists, joined, is_open = (Signal(name=name) for name in ("exists", "joined", "is_open"))
            mine = Cat(self._joined[number].bit_select(self._core, 1) for number in range(POOLS))
            m.d.comb += [
                exists.eq(self._of_pool(self._exists, pool)),
                joined.eq(self._of_pool(mine, pool)),
                is_open.eq(self._of_pool(self._open, pool)),
                self._opened.read_enable.eq(1),
                self._cursors.read_enable.eq(1),
            ]
            m.d.sync += self._sum.eq(Mux(given.flag_static, given.rows, 0))
            with m.If((self._request.operation == PoolOperation.TILE) & exists & joined):
                m.next = "LOAD"
            with m.Elif(self._request.operation == PoolOperation.TILE):
                self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(exists & ~joined & is_open):
                self._join(m)
                m.next = "ANSWER"
            with m.Elif(given.counter + given.segments > COUNTERS):
                self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(given.flag_static):
                m.next = "REMAINDER"
            with m.Else():
                m.next = "COUNT"
            m.d.sync += self._rest.eq(given.largest)

    def _join(self, m: Module) -> None:
        for number in range(POOLS):
            with m.If(self._request.open.pool == number):
                m.d.sync += self._joined[number].bit_select(self._core, 1).eq(1)

    def _add(self, m: Module) -> None:
        """Sum of the segments; none may exceed its stride."""
        given, value = self._request.open, self._counts.value
        with m.State("COUNT"):
            m.d.comb += self._counts.read.eq(1)
            m.next = "ADD"
            with m.If(self._segment == self._segments):
                m.next = "REMAINDER"
        with m.State("ADD"):
            m.d.sync += [self._sum.eq(self._sum + value), self._segment.eq(self._segment + 1)]
            with m.If((given.segments > 1) & (value > given.stride)):
                m.d.sync += self._overrun.eq(1)
            m.next = "COUNT"

    def _divide(self, m: Module) -> None:
        """Check that the granule divides the largest unit; then the step of all units, and how many it takes."""
        given, difference = self._request.open, Signal(_SUM_BITS + 1)
        part = Signal(_SUM_BITS)
        ends, following = Signal(), Signal(_SUM_BITS)
        m.d.comb += [
            difference.eq(self._rest - part),
            ends.eq(difference[_SUM_BITS] | (difference[:_SUM_BITS] == 0)),
            following.eq(Mux(difference[_SUM_BITS], 0, difference[:_SUM_BITS])),
        ]
        largest, step = (Signal(17, name=name, reset_less=True) for name in ("all_largest", "all_granules"))
        m.d.sync += [largest.eq(given.largest * self._cores), step.eq(given.granule * self._cores)]
        with m.State("REMAINDER"):
            m.d.comb += part.eq(given.granule)
            m.d.sync += self._rest.eq(following)
            with m.If((given.granule == 0) | (given.largest == 0) | difference[_SUM_BITS]):
                self._refuse(m, ErrorCode.FIELD_RANGE)
            with m.Elif(ends & self._overrun):
                self._refuse(m, ErrorCode.COUNT_OVERRUN)
            with m.Elif(ends):
                m.d.sync += [self._rest.eq(self._sum), self._step.eq(0), self._size.eq(0)]
                m.next = "NUMBER"
        with m.State("NUMBER"):
            m.d.comb += part.eq(largest)
            m.d.sync += [self._rest.eq(following), self._step.eq(self._step + step)]
            with m.If(ends):
                m.d.sync += self._rest.eq(self._sum)
                m.next = "SIZE"
        with m.State("SIZE"):
            m.d.comb += part.eq(self._step)
            m.d.sync += [self._rest.eq(following), self._size.eq(self._size + given.granule)]
            with m.If(ends):
                m.next = "OPENED"
        with m.State("OPENED"):
            m.d.comb += [self._opened.write_enable.eq(1), self._cursors.write_enable.eq(1)]
            for number in range(POOLS):
                with m.If(given.pool == number):
                    m.d.sync += [
                        self._exists[number].eq(1),
                        self._joined[number].eq(Const(1, self._cores) << self._core),
                        self._told[number].eq(0),
                    ]
            m.next = "ANSWER"

    def _take(self, m: Module) -> None:
        """The next unit: that of the first segment which has rows left."""
        cursor, given, count = self._cursor, self._request.open, Signal(EXTENT_BITS)
        rows, size = Signal(EXTENT_BITS, reset_less=True), self._size
        left = Signal(EXTENT_BITS + 1, reset_less=True)
        m.d.comb += count.eq(Mux(given.flag_static, given.rows, self._counts.value))
        with m.State("LOAD"):
            opened = data.View(_Opened, self._opened.read_data)
            m.d.sync += [
                cursor.eq(self._cursors.read_data),
                self._segment.eq(data.View(_Cursor, self._cursors.read_data).segment),
                given.eq(opened.open),
                size.eq(opened.size),
            ]
            m.next = "LOOK"
        with m.State("LOOK"):
            m.d.comb += self._counts.read.eq(1)
            m.next = "LEFT"
            with m.If(self._segment == self._segments):
                self._tell(m)
                m.d.sync += self._answer.empty.eq(1)
                m.next = "ANSWER"
        with m.State("LEFT"):
            m.d.sync += [left.eq(count - cursor.low), rows.eq(size)]
            m.next = "UNIT"
        with m.State("UNIT"):
            none = left[EXTENT_BITS] | (left == 0)
            m.d.sync += [self._answer.start.eq(cursor.base + cursor.low), self._answer.rows.eq(rows)]
            with m.If(left < size):
                m.d.sync += self._answer.rows.eq(left)
            with m.If(none):
                m.d.sync += [cursor.base.eq(cursor.base + given.stride), cursor.low.eq(0)]
                m.d.sync += self._segment.eq(self._segment + 1)
                m.next = "LOOK"
            with m.Else():
                m.d.sync += cursor.low.eq(cursor.low + Mux(left < size, left, size))
                m.next = "KEEP"
        with m.State("KEEP"):
            m.d.comb += self._cursors.write_enable.eq(1)
            m.next = "ANSWER"
        kept = Signal(_Cursor)
        m.d.comb += [
            kept.eq(cursor),
            kept.segment.eq(self._segment),
            self._cursors.write_data.eq(Mux(self._opened.write_enable, 0, kept.as_value())),
        ]

    def _tell(self, m: Module) -> None:
        for number in range(POOLS):
            with m.If(self._request.open.pool == number):
                m.d.sync += self._told[number].bit_select(self._core, 1).eq(1)

    def _refuse(self, m: Module, code: ErrorCode) -> None:
        m.d.sync += self._answer.error.eq(code)
        m.next = "ANSWER"
