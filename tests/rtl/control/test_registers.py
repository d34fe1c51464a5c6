from flightvgm_rtl.control.registers import Registers, Report
from harness.run import run_bench


def test_registers():
    layout = {name: (field.offset, field.width) for name, field in Report}
    run_bench(
        Registers(digest=0x0123456789ABCDEF), "rtl.control.bench_registers", digest="0123456789abcdef", report=layout
    )
