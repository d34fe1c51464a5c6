"""The components of a machine that the table lists, with what bounds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib import wiring

from flightvgm_arch.config import Config
from flightvgm_rtl.array.drain import Drain
from flightvgm_rtl.array.edge import Edge
from flightvgm_rtl.array.feeder import Feeder
from flightvgm_rtl.array.grid import Grid
from flightvgm_rtl.array.matrix import MatrixUnit
from flightvgm_rtl.array.sequencer import Sequencer
from flightvgm_rtl.buffers.operand import OperandBuffer
from flightvgm_rtl.control.core import Core as Control
from flightvgm_rtl.control.shared import SharedControl
from flightvgm_rtl.core import READS, WRITES, shape
from flightvgm_rtl.dma.load import Load
from flightvgm_rtl.dma.read import ReadEngine
from flightvgm_rtl.dma.store import StoreUnit
from flightvgm_rtl.dma.walker import RowWalker
from flightvgm_rtl.dma.weights import WeightsUnit
from flightvgm_rtl.dma.write import WriteEngine
from flightvgm_rtl.pe.column import Column
from flightvgm_rtl.recovery.compaction import Compaction
from flightvgm_rtl.vector.epilogue import EpilogueLane
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.exp2 import Exp2Half
from flightvgm_rtl.vector.fp.gelu import Gelu
from flightvgm_rtl.vector.fp.half import FpToHalf, HalfToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.fp.reciprocal import Reciprocal
from flightvgm_rtl.vector.fp.rsqrt import Rsqrt
from flightvgm_rtl.vector.rows import Rows
from flightvgm_rtl.vector.softmax import Softmax

ARRAY_LEVELS, LEVELS = 4, 6
CARRY_BITS = 32
FAN_OUT = 256
PACKED_PER_DSP, LUTS_PER_DSP = 90, 115


@dataclass(frozen=True)
class Part:
    """A component to measure.

    Attributes
    ----------
    name : str
        Its class, with the parameters that matter.
    make : callable
        Makes it.
    throughput : str
        What it takes or gives, in words.
    levels : int
        Most LUT levels.
    per_dsp : bool
        Whether LUTs per DSP58 are bounded.

    PE and array are mapped compactly, with levels to spare; everything else for few levels.
    """

    name: str
    make: Callable[[], wiring.Component]
    throughput: str
    levels: int = LEVELS
    per_dsp: bool = False

    @property
    def compact(self) -> bool:
        """Whether it is a part of PE or array."""
        return self.levels == ARRAY_LEVELS


def parts(config: Config) -> tuple[Part, ...]:
    """List the components of a machine's core, from the array outwards."""
    sizes, words = shape(config), config.parameter_bytes // 32
    rows, columns, depth, segments = config.rows, config.columns, config.depth, config.segments
    lane = {"lanes": config.row_lanes, "row_channels": config.row_channels, "reference_bytes": config.reference_bytes}
    return (
        *(
            Part(f"Column, depth {slices}", lambda slices=slices: Column(depth=slices), "a feed a cycle", ARRAY_LEVELS)
            for slices in (1, 2, 4)
        ),
        Part(
            f"Grid, 1 x {columns} x {depth}",
            lambda: Grid(rows=1, columns=columns, depth=depth, segments=segments),
            "a feed a cycle; a sum a cycle and segment",
            ARRAY_LEVELS,
            per_dsp=True,
        ),
        Part("Grid, 1 x 4 x 1", lambda: Grid(rows=1, columns=4, depth=1), "a feed a cycle", ARRAY_LEVELS),
        Part("Edge of a row", lambda: Edge(depth=depth, column=False), "a piece a cycle", ARRAY_LEVELS),
        Part("Edge of a column", lambda: Edge(depth=depth, column=True), "a piece a cycle", ARRAY_LEVELS),
        Part(
            "Drain", lambda: Drain(rows=rows, columns=columns, segments=segments, delay=8),
            "a result a cycle, row and segment", ARRAY_LEVELS,
        ),
        Part(
            "Feeder",
            lambda: Feeder(a_words=sizes.a_words, b_words=sizes.b_words, depth=depth, least=columns // segments),
            "a feed a cycle",
            ARRAY_LEVELS,
        ),
        Part(
            "OperandBuffer A",
            lambda: OperandBuffer(banks=rows, words=sizes.a_words, writers=2, columns=False, p_words=sizes.p_words),
            "32 bytes a cycle in, a piece of each bank out",
        ),
        Part(
            "OperandBuffer B",
            lambda: OperandBuffer(banks=columns, words=sizes.b_words, writers=2, columns=True),
            "32 bytes a cycle in, a piece of each bank out",
        ),
        Part("Sequencer", lambda: Sequencer(shape=sizes), "a tile a plan"),
        Part(
            "Softmax",
            lambda: Softmax(
                rows=rows, columns=columns, segments=segments, keys=sizes.score_keys, lanes=sizes.exp_lanes
            ),
            f"{sizes.exp_lanes} exponentials a cycle at most",
        ),
        Part("EpilogueLane", lambda: EpilogueLane(segments=segments), "a result a cycle"),
        Part("MatrixUnit", lambda: MatrixUnit(shape=sizes), "a tile a plan"),
        Part("FpMul", FpMul, "one a cycle"),
        Part("FpAdd", FpAdd, "one a cycle"),
        Part("HalfToFp", HalfToFp, "one a cycle"),
        Part("FpToHalf", FpToHalf, "one a cycle"),
        Part("Reciprocal", Reciprocal, "one a cycle"),
        Part("Rsqrt", Rsqrt, "one a cycle"),
        Part("Exp2Half", Exp2Half, "one a cycle"),
        Part("Gelu", Gelu, "one a cycle"),
        Part(
            "Rows",
            lambda: Rows(
                lanes=config.row_lanes, channels=config.row_channels, parameter_words=words,
                result_words=sizes.result_words,
            ),
            f"{config.row_lanes} values a cycle",
        ),
        Part(
            "Compaction", lambda: Compaction(rows=rows, a_words=sizes.a_words, **lane),
            f"{config.row_lanes} values a cycle",
        ),
        Part(
            "Load",
            lambda: Load(rows=rows, columns=columns, a_words=sizes.a_words, b_words=sizes.b_words, p_words=words),
            "32 bytes or 8 channels a cycle",
        ),
        Part("WeightsUnit", lambda: WeightsUnit(columns=columns, b_bytes=config.b_bytes), "32 bytes a cycle"),
        Part("StoreUnit", lambda: StoreUnit(result_bytes=config.result_bytes), "32 bytes a cycle"),
        Part("RowWalker", RowWalker, "a row a cycle"),
        Part("ReadEngine", lambda: ReadEngine(clients=len(READS)), "32 bytes a cycle"),
        Part("WriteEngine", lambda: WriteEngine(clients=len(WRITES)), "32 bytes a cycle"),
        Part("Core of control", Control, "an instruction in a few cycles"),
        Part("SharedControl", lambda: SharedControl(cores=1, digest=0), "-"),
    )  # fmt: skip
