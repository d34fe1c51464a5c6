import pytest

from flightvgm_rtl.buffers.operand import OperandBuffer
from flightvgm_rtl.buffers.ports import BACK_LATENCY, operand_write
from harness.run import run_bench

WORDS = 16


@pytest.mark.parametrize(("banks", "columns", "writers"), [(3, False, 1), (8, True, 2), (4, True, 3), (24, True, 2)])
def test_operand(banks, columns, writers):
    unit = OperandBuffer(banks=banks, words=WORDS, writers=writers, columns=columns)
    fields = {name: (field.offset, field.width) for name, field in operand_write(banks, WORDS)}
    run_bench(
        unit, "rtl.buffers.bench_operand", banks=banks, columns=columns, writers=writers, words=WORDS,
        latency=BACK_LATENCY, fields=fields,
    )  # fmt: skip


def test_pairs_need_an_even_number_of_banks():
    with pytest.raises(ValueError, match="3 banks has no pairs"):
        OperandBuffer(banks=3, words=WORDS, writers=1, columns=True)
