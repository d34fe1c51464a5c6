import pytest

from flightvgm.runtime import Ledger, Place, Work


def ledger():
    return Ledger({
        Place(0, 0, "spatial.mlp"): Work(10, 6, 100, 60, 40, 7),
        Place(1, 0, "spatial.mlp"): Work(10, 10, 100, 100, 0, 7),
        Place(0, 1, "temporal.mlp"): Work(10, 5, 100, 50, 50),
    })  # fmt: skip


def test_work_is_summed_by_site_and_in_all():
    sites = ledger().by_site()
    assert list(sites) == ["spatial.mlp", "temporal.mlp"]
    assert sites["spatial.mlp"] == Work(20, 16, 200, 160, 40, 14)
    assert ledger().total == Work(30, 21, 300, 210, 90, 14)
    assert ledger().by_layer()[1].skipped == 50


def test_fp16_counts_twice():
    assert ledger().equivalent == 210 + 2 * 14


def test_ledgers_add_and_subtract():
    twice = ledger() + ledger()
    assert twice.total == ledger().total + ledger().total
    assert (twice - ledger()).entries == ledger().entries


def test_the_law_is_checked():
    ledger().check()
    broken = Ledger({Place(1, 3, "spatial.mlp"): Work(offered=10, done=4, skipped=5)})
    with pytest.raises(ValueError, match=r"branch 1, block 3, spatial\.mlp"):
        broken.check()
