from flightvgm_rtl.control.commands import Increment
from flightvgm_rtl.control.ledger import Ledger
from flightvgm_rtl.control.shared import SharedControl
from harness.run import run_bench

POST = {name: (field.offset, field.width) for name, field in Increment}


def test_ledger():
    run_bench(Ledger(sources=2), "rtl.control.bench_ledger", post=POST)


def test_shared_control():
    shared = SharedControl(cores=2, digest=0x123, timeout=2048)
    run_bench(shared, "rtl.control.bench_shared", post=POST)
