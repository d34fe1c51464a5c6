from flightvgm_rtl.control.commands import command
from flightvgm_rtl.sparsifier.ports import Token
from flightvgm_rtl.sparsifier.walk import TokenWalk
from harness.layout import fields
from harness.run import run_bench


def test_walk():
    run_bench(
        TokenWalk(reference_bytes=8192),
        "rtl.sparsifier.bench_walk",
        reference_bytes=8192,
        command=fields(command("rows")),
        token=fields(Token),
    )
