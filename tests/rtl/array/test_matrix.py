from dataclasses import asdict

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.presets import SMALL, TINY, V80
from flightvgm_rtl.array.datapath import Datapath
from flightvgm_rtl.array.matrix import MatrixUnit
from flightvgm_rtl.array.ring import RingPort
from flightvgm_rtl.array.sequencer_ports import Shape
from flightvgm_rtl.buffers.ports import ResultRead, operand_write
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.lib.fault import Fault
from harness.run import run_bench


class MatrixBench(wiring.Component):
    """The matrix unit and the data path of its array, with loaders."""

    def __init__(self, shape):
        self.shape = shape
        super().__init__(
            {
                "command": In(stream.Signature(command("matrix"))),
                "done": Out(1),
                "fault": Out(Fault),
                "busy": Out(1),
                "post": Out(stream.Signature(Increment)),
                "ring": Out(RingPort(2 * shape.b_words)),
                "a": In(stream.Signature(operand_write(shape.rows, shape.a_words))),
                "b": In(stream.Signature(operand_write(shape.columns, shape.b_words))),
                "read": In(ResultRead(shape.result_words)),
                "saturations": Out(range(shape.rows + 1)),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        shape = self.shape
        m.submodules.matrix = matrix = MatrixUnit(shape=shape)
        m.submodules.datapath = datapath = Datapath(
            rows=shape.rows,
            columns=shape.columns,
            depth=shape.depth,
            segments=shape.segments,
            a_words=shape.a_words,
            b_words=shape.b_words,
            p_words=shape.p_words,
        )
        wiring.connect(m, wiring.flipped(self.command), matrix.command)
        wiring.connect(m, matrix.post, wiring.flipped(self.post))
        wiring.connect(m, matrix.ring, wiring.flipped(self.ring))
        wiring.connect(m, wiring.flipped(self.read), matrix.read[0])
        wiring.connect(m, matrix.tile, datapath.i)
        wiring.connect(m, wiring.flipped(self.a), datapath.i_a[0])
        wiring.connect(m, wiring.flipped(self.b), datapath.i_b[0])
        m.d.comb += [
            datapath.i_allow.eq(1),
            self.done.eq(matrix.done),
            self.fault.eq(matrix.fault),
            self.busy.eq(matrix.busy),
            self.saturations.eq(matrix.saturations),
        ]
        for row in range(shape.rows):
            m.d.comb += [datapath.i_p[row].eq(matrix.p[row]), datapath.i_p_entry[row].eq(matrix.p_entry[row])]
            for segment in range(shape.segments):
                m.d.comb += matrix.drained[row][segment].eq(datapath.o[row][segment])
        return m


def shape_of(config, **changes):
    sizes = {
        "rows": config.rows,
        "columns": config.columns,
        "depth": config.depth,
        "segments": config.segments,
        "a_words": config.a_bytes // (32 * config.rows),
        "b_words": config.b_bytes // (32 * config.columns),
        "result_words": config.result_bytes // 32,
        "score_keys": config.score_keys,
        "gelu_lanes": config.gelu_lanes,
        "exp_lanes": config.exp_lanes,
    }
    return Shape(**sizes | changes)


WORDS = {"a_words": 512, "b_words": 512, "result_words": 2048, "score_keys": 64}
SHAPES = {
    "TINY": shape_of(TINY),
    "pairs": shape_of(SMALL, rows=4, columns=8, gelu_lanes=2, exp_lanes=2, **WORDS),
    "segments": shape_of(V80, rows=3, columns=6, gelu_lanes=2, exp_lanes=3, **WORDS),
}


@pytest.mark.parametrize("name", SHAPES)
def test_products(name):
    run_bench(MatrixBench(SHAPES[name]), "rtl.array.bench_matrix_products", name="matrixbench", **asdict(SHAPES[name]))


@pytest.mark.parametrize("name", SHAPES)
def test_attention(name):
    run_bench(MatrixBench(SHAPES[name]), "rtl.array.bench_matrix_attention", name="matrixbench", **asdict(SHAPES[name]))


def test_rates():
    run_bench(
        MatrixBench(SHAPES["pairs"]), "rtl.array.bench_matrix_rates", name="matrixbench", **asdict(SHAPES["pairs"])
    )
