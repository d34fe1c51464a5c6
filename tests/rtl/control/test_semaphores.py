import pytest

from flightvgm_rtl.control.semaphores import Semaphores
from harness.run import run_bench


@pytest.mark.parametrize("clients", [1, 6])
def test_semaphores(clients):
    run_bench(Semaphores(clients=clients), "rtl.control.bench_semaphores", clients=clients)
