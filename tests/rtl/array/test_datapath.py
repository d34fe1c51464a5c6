import pytest

from flightvgm_rtl.array.datapath import Datapath
from flightvgm_rtl.array.ports import drained, tag, tile
from flightvgm_rtl.buffers.bank import ProbabilityEntry, probability_write
from flightvgm_rtl.buffers.ports import operand_write
from harness.run import run_bench

WORDS, P_WORDS = 32, 4


def fields(layout):
    return {name: (field.offset, field.width) for name, field in layout}


@pytest.mark.parametrize(
    ("rows", "columns", "depth", "segments"), [(2, 4, 1, 1), (3, 2, 2, 1), (2, 4, 4, 2), (2, 24, 1, 3), (8, 8, 2, 1)]
)
def test_datapath(rows, columns, depth, segments):
    array = {"rows": rows, "columns": columns, "depth": depth, "segments": segments}
    path = Datapath(**array, a_words=WORDS, b_words=WORDS, p_words=P_WORDS, a_writers=2, b_writers=2)
    layouts = {
        "tile": tile(WORDS, WORDS),
        "tag": tag(),
        "drained": drained(),
        "write_a": operand_write(rows, WORDS),
        "write_b": operand_write(columns, WORDS),
        "p": probability_write(P_WORDS),
        "p_entry": ProbabilityEntry,
    }
    run_bench(
        path,
        "rtl.array.bench_datapath",
        **array,
        words=WORDS,
        p_words=P_WORDS,
        latency=path.latency,
        layouts={name: fields(layout) for name, layout in layouts.items()},
    )
