"""A core: control, units, buffers and array, joined. Wires only."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_arch.config import Config
from flightvgm_arch.isa import QUEUES, REGISTER_BITS
from flightvgm_rtl.array.datapath import Datapath
from flightvgm_rtl.array.matrix import MatrixUnit
from flightvgm_rtl.array.sequencer_ports import Shape
from flightvgm_rtl.control import core as control
from flightvgm_rtl.control.commands import PC_BITS, Increment
from flightvgm_rtl.control.faults import Faults
from flightvgm_rtl.control.issue import ISSUED
from flightvgm_rtl.control.operands import RegisterWrite
from flightvgm_rtl.control.ports import COUNTER_BITS, BarrierPort, CountWrite, PoolPort
from flightvgm_rtl.dma.load import Load
from flightvgm_rtl.dma.ports import BEAT_BYTES, ReadPort, WritePort
from flightvgm_rtl.dma.store import StoreUnit
from flightvgm_rtl.dma.weights import WeightsUnit
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.recovery.compaction import Compaction
from flightvgm_rtl.vector.rows import Rows

READS = ("fetch", "weights", "load_map", "load_row", "rows_x", "rows_map", "rows_y", "store_list")
WRITES = ("records", "map", "store", "rows_x")
SATURATION_BITS = 8
_LEDGER_POSTS = ("matrix", "rows")


def shape(config: Config) -> Shape:
    """Sizes of a core's array and buffers."""
    return Shape(
        rows=config.rows,
        columns=config.columns,
        depth=config.depth,
        segments=config.segments,
        a_words=config.a_bytes // (BEAT_BYTES * config.rows),
        b_words=config.b_bytes // (BEAT_BYTES * config.columns),
        result_words=config.result_bytes // BEAT_BYTES,
        score_keys=config.score_keys,
        gelu_lanes=config.gelu_lanes,
        exp_lanes=config.exp_lanes,
    )


class Core(wiring.Component):
    """Everything of the machine that there is once a core.

    It shares with other cores what its members lead to: memory ports, pools, count registers, barriers and the ledger.
    It is reset before each start.

    Parameters
    ----------
    config : Config
        The machine.

    Members
    -------
    run, entry, preset :
        As :class:`flightvgm_rtl.control.core.Core` has them.
    reads : Out(ReadPort()).array(len(READS))
        Clients of memory, in the order of :data:`READS`.
    writes : Out(WritePort()).array(len(WRITES))
        In the order of :data:`WRITES`.
    pool : Out(PoolPort())
    barrier : Out(BarrierPort())
    count : Out(CountWrite)
    guard_counter, guard_held :
        The count register that the next ROWS would write, and whether a pool holds it.
    posts : Out(stream.Signature(Increment)).array(2)
        Increments of the matrix and of the row unit.
    ended, end_code, fault, progress, stuck, starved, pc, stuck_pc :
        As :class:`flightvgm_rtl.control.core.Core` has them.
    busy : Out(len(QUEUES))
        Queues that work, in the order of :data:`flightvgm_arch.isa.QUEUES`.
    saturations : Out(8)
        Values that were saturated in this cycle.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "run": In(1),
                "entry": In(REGISTER_BITS),
                "preset": In(RegisterWrite),
                "reads": Out(ReadPort()).array(len(READS)),
                "writes": Out(WritePort()).array(len(WRITES)),
                "pool": Out(PoolPort()),
                "barrier": Out(BarrierPort()),
                "count": Out(CountWrite),
                "guard_counter": Out(COUNTER_BITS),
                "guard_held": In(1),
                "posts": Out(stream.Signature(Increment)).array(len(_LEDGER_POSTS)),
                "ended": Out(1),
                "end_code": Out(8),
                "fault": Out(Fault),
                "progress": Out(1),
                "stuck": Out(1),
                "starved": Out(1),
                "pc": Out(PC_BITS),
                "stuck_pc": Out(PC_BITS),
                "busy": Out(len(QUEUES)),
                "saturations": Out(SATURATION_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Join control, units and buffers."""
        m = Module()
        self._place(m)
        self._control(m)
        self._operands(m)
        self._rows(m)
        self._memory(m)
        return m

    def _place(self, m: Module) -> None:
        """Place control and units."""
        config, sizes = self._config, shape(self._config)
        words = config.parameter_bytes // BEAT_BYTES
        self._core = control.Core()
        self._weights = WeightsUnit(columns=config.columns, b_bytes=config.b_bytes)
        self._load = Load(
            rows=config.rows, columns=config.columns, a_words=sizes.a_words, b_words=sizes.b_words, p_words=words
        )
        self._matrix = MatrixUnit(shape=sizes)
        self._stream = Rows(
            lanes=config.row_lanes, channels=config.row_channels, parameter_words=words, result_words=sizes.result_words
        )
        self._compaction = Compaction(
            lanes=config.row_lanes, row_channels=config.row_channels, reference_bytes=config.reference_bytes,
            rows=config.rows, a_words=sizes.a_words,
        )  # fmt: skip
        self._store = StoreUnit(result_bytes=config.result_bytes)
        self._array = Datapath(
            rows=sizes.rows, columns=sizes.columns, depth=sizes.depth, segments=sizes.segments, a_words=sizes.a_words,
            b_words=sizes.b_words, p_words=sizes.p_words, a_writers=2, b_writers=2,
        )  # fmt: skip
        for name, part in (
            ("control", self._core), ("weights", self._weights), ("load", self._load), ("matrix", self._matrix),
            ("rows", self._stream), ("compaction", self._compaction), ("store", self._store), ("datapath", self._array),
        ):  # fmt: skip
            add_with_own_reset(m, name, part)

    def _control(self, m: Module) -> None:
        """Join control with the units and with what the cores share."""
        core = self._core
        units = dict(zip(ISSUED, (self._weights, self._load, self._matrix, self._stream, self._store), strict=True))
        busy, saturations = Signal(len(QUEUES)), Signal(SATURATION_BITS)
        m.submodules.rows_faults = faults = Faults(sources=2)
        m.d.comb += [faults.i[0].eq(self._stream.fault), faults.i[1].eq(self._compaction.fault)]
        for name, unit in units.items():
            connect(m, getattr(core, f"{name}_command"), unit.command)
            m.d.comb += [
                getattr(core, f"{name}_done").eq(unit.done),
                getattr(core, f"{name}_active").eq(unit.active),
                getattr(core, f"{name}_fault").eq(faults.o if name == "rows" else unit.fault),
            ]
        m.d.comb += busy.eq(Cat(core.busy_front, *(unit.busy for unit in units.values())))
        m.d.sync += [
            self.busy.eq(busy),
            saturations.eq(self._load.saturations + self._matrix.saturations),
            self.saturations.eq(saturations + self._stream.saturations),
        ]
        connect(m, core.pool, flipped(self.pool))
        connect(m, core.barrier, flipped(self.barrier))
        for post, unit in zip(self.posts, (self._matrix, self._compaction), strict=True):
            connect(m, unit.post, flipped(post))
        for name in ("run", "entry", "preset", "guard_held"):
            m.d.comb += getattr(core, name).eq(getattr(self, name))
        for name in ("ended", "end_code", "fault", "progress", "stuck", "starved", "pc", "stuck_pc", "guard_counter"):
            m.d.comb += getattr(self, name).eq(getattr(core, name))
        m.d.comb += [self.count.eq(self._compaction.count), core.ring_empty.eq(self._weights.empty)]

    def _operands(self, m: Module) -> None:
        """Join loaders, operand buffers, array and matrix unit."""
        array, matrix, weights = self._array, self._matrix, self._weights
        connect(m, self._load.write_a, array.i_a[0])
        connect(m, self._compaction.a, array.i_a[1])
        connect(m, self._load.write_b, array.i_b[0])
        connect(m, weights.write, array.i_b[1])
        connect(m, self._load.back_b, array.b_back)
        connect(m, matrix.tile, array.i)
        connect(m, matrix.ring, weights.tiles)
        m.d.comb += array.i_allow.eq(1)
        for row in range(self._config.rows):
            m.d.comb += [array.i_p[row].eq(matrix.p[row]), array.i_p_entry[row].eq(matrix.p_entry[row])]
            for segment in range(self._config.segments):
                m.d.comb += matrix.drained[row][segment].eq(array.o[row][segment])

    def _rows(self, m: Module) -> None:
        """Join the row stream with the sparsifier, and both with buffers."""
        stream_, compaction = self._stream, self._compaction
        connect(m, stream_.o_command, compaction.i)
        connect(m, compaction.o_token, stream_.i_token)
        connect(m, stream_.o_values, compaction.i_values)
        connect(m, stream_.o_row, compaction.i_row)
        m.d.comb += [
            stream_.i_done.eq(compaction.done),
            stream_.parameters.eq(self._load.parameters),
        ]
        connect(m, self._store.result, self._matrix.read[0])
        connect(m, stream_.result, self._matrix.read[1])

    def _memory(self, m: Module) -> None:
        """Join clients of memory with the ports."""
        reads = {
            "fetch": self._core.fetch,
            "weights": self._weights.read,
            "load_map": self._load.map,
            "load_row": self._load.row,
            "rows_x": self._stream.x,
            "rows_map": self._stream.map,
            "rows_y": self._stream.y,
            "store_list": self._store.read,
        }
        writes = {
            "records": self._compaction.records,
            "map": self._compaction.map,
            "store": self._store.write,
            "rows_x": self._stream.write_back,
        }
        for name, port in zip(READS, self.reads, strict=True):
            connect(m, reads[name], flipped(port))
        for name, port in zip(WRITES, self.writes, strict=True):
            connect(m, writes[name], flipped(port))
