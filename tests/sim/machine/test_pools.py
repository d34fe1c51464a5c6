import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.errors import ErrorCode
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.pools import Pool, cut


def test_units_of_the_paper_s_workload_are_equal():
    units = cut([4156], stride=0, cores=6, largest=256, granule=16)
    assert [unit.rows for unit in units[:-1]] == [240] * 17
    assert sum(unit.rows for unit in units) == 4156


@given(
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=6),
    cores=st.integers(1, 6),
    granule=st.integers(1, 16),
    multiple=st.integers(1, 8),
)
def test_units_cover_each_row_once_and_stay_small(counts, cores, granule, multiple):
    largest, stride = granule * multiple, 300
    units = cut(counts, stride=stride, cores=cores, largest=largest, granule=granule)
    covered = [row for unit in units for row in range(unit.start, unit.start + unit.rows)]
    assert covered == [number * stride + row for number, count in enumerate(counts) for row in range(count)]
    assert all(0 < unit.rows <= largest for unit in units)


def test_a_count_beyond_its_segment_is_refused():
    with pytest.raises(FaultError, match="segment 1 counts 9 rows but has room for 8") as caught:
        cut([8, 9], stride=8, cores=1, largest=16, granule=1)
    assert caught.value.code is ErrorCode.COUNT_OVERRUN


@pytest.mark.parametrize(("largest", "granule"), [(10, 4), (0, 1), (4, 0)])
def test_a_granule_divides_the_largest_unit(largest, granule):
    with pytest.raises(FaultError, match="granule"):
        cut([8], stride=8, cores=1, largest=largest, granule=granule)


def test_a_pool_is_opened_once_for_all_cores_and_again_when_all_were_told():
    pool = Pool(2)
    fill = cut([5], stride=0, cores=2, largest=2, granule=1)
    assert pool.open(0, lambda: list(fill))
    assert pool.take(0) == fill[0]
    assert pool.open(1, lambda: pytest.fail("the second core joins"))
    assert [pool.take(1), pool.take(1), pool.take(1)] == [*fill[1:], None]
    assert not pool.open(1, lambda: list(fill))
    assert pool.take(0) is None
    assert pool.open(1, lambda: list(fill))
    with pytest.raises(FaultError, match="has not opened"):
        pool.take(0)
    assert pool.open(0, list)
    assert pool.take(0) == fill[0]


def test_a_pool_holds_its_counters_until_all_cores_were_told():
    pool = Pool(2)
    held = []
    steps = [
        lambda: pool.open(0, list, range(3, 5)),
        lambda: pool.open(1, list),
        lambda: pool.take(0),
        lambda: pool.take(1),
    ]
    for step in steps:
        step()
        held.append([counter for counter in range(8) if pool.holds(counter)])
    assert held == [[3, 4], [3, 4], [3, 4], []]
