import pytest

from flightvgm_rtl.control.commands import command
from flightvgm_rtl.vector.rows import Rows
from flightvgm_rtl.vector.share import Share
from harness.layout import fields
from harness.run import run_bench


@pytest.mark.parametrize(("lanes", "channels"), [(4, 160), (8, 300), (16, 160)])
def test_rows(lanes, channels):
    sizes = {"lanes": lanes, "channels": channels, "parameter_words": 256, "result_words": 512}
    run_bench(Rows(**sizes), "rtl.vector.bench_rows", fields=fields(command("rows")), **sizes)


def test_share():
    run_bench(Share(), "rtl.vector.bench_share", latency=Share.latency)
