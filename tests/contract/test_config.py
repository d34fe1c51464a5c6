from dataclasses import asdict, replace

import pytest

from flightvgm_arch.config import PAGED, RANGES, Config, ConfigError
from flightvgm_arch.formats import reference_bytes
from flightvgm_arch.grid import Grid
from flightvgm_arch.presets import PRESETS, SMALL, V80, by_name


def toml(config, **changes):
    values = asdict(config) | changes
    return "".join(
        f'{key} = "{value}"\n' if isinstance(value, str) else f"{key} = {value}\n" for key, value in values.items()
    )


@pytest.mark.parametrize("field", RANGES)
def test_each_field_out_of_range_is_refused_by_name(field):
    low, high = RANGES[field]
    for value in (low - 1, high + 1, -low):
        with pytest.raises(ConfigError, match=f"{field} is {value}; it must be {low} to {high}"):
            replace(SMALL, **{field: value})


@pytest.mark.parametrize("value", [1.0, "8", True, None])
def test_a_field_that_is_no_whole_number_is_refused(value):
    with pytest.raises(ConfigError, match=r"cores is .*; it must be a whole number"):
        replace(SMALL, cores=value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"depth": 3}, "depth is 3; it must be a power of two"),
        ({"row_lanes": 12}, "row_lanes is 12; it must be a power of two"),
        ({"segments": 3}, "segments is 3; it must divide the 8 columns"),
        ({"unit_rows": 20}, "unit_rows is 20; it must be a multiple of the 8 rows of the array"),
        ({"name": ""}, "name is ''; give the machine a name"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        replace(SMALL, **changes)


@pytest.mark.parametrize("field", PAGED)
def test_sizes_are_multiples_of_a_page(field):
    value = getattr(SMALL, field) + 32
    with pytest.raises(ConfigError, match=f"{field} is {value}; it must be a multiple of 4096"):
        replace(SMALL, **{field: value})


def test_derived_figures_are_those_of_the_blueprint():
    assert V80.dsps == 9216
    assert V80.int8_macs_per_cycle == 36864
    assert V80.fp16_macs_per_cycle == 18432
    assert V80.drain_lanes == 48
    assert SMALL.dsps == 128


@pytest.mark.parametrize(
    ("config", "channels", "grid", "size"),
    [
        (SMALL, 144, Grid("t / h / w", 3, (2, 2)), (16, 8, 8)),
        (SMALL, 144, Grid("t / h / w", 4, (2, 2)), (8, 12, 12)),
        (SMALL, 144, Grid("- / h / tw", 1, (2, 2)), (12, 8, 8)),
        (V80, 1152, Grid("t / h / w", 3, (2, 2)), (19, 27, 15)),
        (V80, 1152, Grid("t / h / w", 3, (2, 2)), (19, 15, 27)),
        (V80, 1152, Grid("- / h / tw", 1, (2, 2)), (19, 27, 15)),
    ],
)
def test_the_row_unit_holds_the_bands_of_the_workloads(config, channels, grid, size):
    assert 4 * channels <= config.row_channels
    assert reference_bytes(grid.reference_tokens(*size), channels) <= config.reference_bytes


def test_the_digest_names_the_machine_and_not_its_name():
    assert replace(SMALL, name="MINE").digest == SMALL.digest
    digests = {
        SMALL.digest,
        *(replace(SMALL, **{field: 2 * getattr(SMALL, field)}).digest for field in RANGES if field != "segments"),
    }
    assert len(digests) == len(RANGES)
    assert SMALL.digest == "5751ccfabf9b04ac"


def test_the_large_machine_is_in_balance_at_its_width():
    assert V80.balance(1152) == ()


def test_a_shortfall_is_a_sentence():
    (sentence,) = V80.balance(144)
    assert sentence == (
        "16 row lanes are fewer than the 128.0 that keep up with the array, so the row unit runs at 12% of the array's "
        "rate; raise row_lanes"
    )
    starved = replace(V80, segments=1, exp_lanes=8)
    assert [line.split(" are")[0] for line in starved.balance(1152)] == ["16 drain lanes", "8 exp lanes"]


def test_a_preset_is_found_by_name():
    assert by_name("small") is SMALL
    assert [by_name(name).name for name in PRESETS] == list(PRESETS)
    with pytest.raises(ConfigError, match=r"there is no preset 'HUGE'; name one of TINY, SMALL, SMALL4, V80, or a"):
        by_name("HUGE")


def test_a_machine_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(toml(SMALL, name="MINE", cores=2))
    machine = by_name(str(path))
    assert machine == replace(SMALL, name="MINE", cores=2)
    assert isinstance(machine, Config)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (toml(SMALL) + "speed = 1\n", "names the unknown field 'speed'; known fields are a_bytes"),
        (toml(SMALL).replace("cores = 1\n", ""), "lacks the field 'cores'"),
        (toml(SMALL, depth=3), "mine.toml: depth is 3; it must be a power of two"),
        ("cores = ", "cannot be read as TOML"),
        ("cores = " + "[" * 5000 + "]" * 5000, "mine.toml is nested too deeply; give each field"),
        ("cores = " + "9" * 5000, "mine.toml cannot be read as TOML"),
        (toml(SMALL).replace("cores", "cores" + ".a" * 5000), "mine.toml: cores is .*; it must be a whole number"),
        (toml(SMALL).replace("name", "name" + ".a" * 5000), "mine.toml: name is .*; give the machine a name"),
        (toml(SMALL, cores="0x" + "f" * 5000).replace('"0x', "0x").replace('f"', "f"), "mine.toml: "),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path, text, sentence):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        by_name(str(path))


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read as TOML"):
        by_name(str(tmp_path / "none.toml"))
