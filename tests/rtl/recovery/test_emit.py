import pytest

from flightvgm_rtl.buffers.ports import operand_write
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.control.ports import CountWrite
from flightvgm_rtl.recovery.emit import Emit
from flightvgm_rtl.sparsifier.ports import QuantisedRow, quantised_group
from harness.layout import fields
from harness.run import run_bench


@pytest.mark.parametrize(("lanes", "rows"), [(4, 2), (8, 3), (16, 8), (32, 6)])
def test_emit(lanes, rows):
    words = 64
    run_bench(
        Emit(lanes=lanes, row_channels=256, reference_bytes=4096, rows=rows, a_words=words),
        "rtl.recovery.bench_emit",
        lanes=lanes,
        rows=rows,
        words=words,
        command=fields(command("rows")),
        group=fields(quantised_group(lanes)),
        row=fields(QuantisedRow),
        write=fields(operand_write(rows, words)),
        count=fields(CountWrite),
        increment=fields(Increment),
    )
