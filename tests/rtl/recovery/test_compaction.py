from flightvgm_rtl.buffers.ports import operand_write
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.control.ports import CountWrite
from flightvgm_rtl.recovery.compaction import Compaction
from flightvgm_rtl.sparsifier.ports import QuantisedRow, Token, quantised_group
from harness.layout import fields
from harness.run import run_bench


def test_compaction():
    lanes, rows, words = 8, 4, 64
    run_bench(
        Compaction(lanes=lanes, row_channels=256, reference_bytes=4096, rows=rows, a_words=words),
        "rtl.recovery.bench_compaction",
        lanes=lanes,
        rows=rows,
        words=words,
        command=fields(command("rows")),
        token=fields(Token),
        group=fields(quantised_group(lanes)),
        row=fields(QuantisedRow),
        write=fields(operand_write(rows, words)),
        count=fields(CountWrite),
        increment=fields(Increment),
    )
