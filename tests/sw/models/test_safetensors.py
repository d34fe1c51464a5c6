import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from flightvgm.models.safetensors import SafetensorsError, load_safetensors, save_safetensors

DTYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "|u1"]


def raw(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype="U8", shape=(2,), offsets=(0, 2)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@given(st.data())
def test_what_is_saved_is_loaded(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("files") / "a.safetensors"
    tensors = {}
    for name in data.draw(st.lists(st.text('ab.é"', min_size=1, max_size=4), unique=True, max_size=4)):
        dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
        finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
        shape = data.draw(nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
        tensors[name] = data.draw(nps.arrays(dtype, shape, elements=nps.from_dtype(dtype, **finite)))
    metadata = data.draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2))
    save_safetensors(path, tensors, metadata)
    loaded, words = load_safetensors(path)
    assert words == metadata
    assert set(loaded) == set(tensors)
    for name, value in tensors.items():
        assert loaded[name].dtype == value.dtype
        np.testing.assert_array_equal(loaded[name], value)
    first = path.read_bytes()
    save_safetensors(path, dict(reversed(tensors.items())), metadata)
    assert path.read_bytes() == first


def test_bf16_becomes_float32(tmp_path):
    bits = np.array([0x3F80, 0xC040, 0x0001], "<u2")
    loaded, _ = load_safetensors(raw(tmp_path / "a", {"x": entry("BF16", (3,), (0, 6))}, bits.tobytes()))
    assert loaded["x"].dtype == np.float32
    assert loaded["x"].tolist() == [1.0, -3.0, 2.0**-133]


def test_big_endian_and_strided_arrays_are_written_in_order(tmp_path):
    x = np.arange(12, dtype=">i4").reshape(3, 4)
    save_safetensors(tmp_path / "a", {"x": x, "y": x.T[::-1]}, {})
    loaded, _ = load_safetensors(tmp_path / "a")
    np.testing.assert_array_equal(loaded["x"], x)
    np.testing.assert_array_equal(loaded["y"], x.T[::-1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(tmp_path, value):
    with pytest.raises(SafetensorsError, match=r"tensor 'bad' of what is to become .* holds NaN or infinity"):
        save_safetensors(tmp_path / "a", {"good": np.ones(2), "bad": np.array([1, value])}, {})
    assert not list(tmp_path.iterdir())
    data = np.array([value], "<f4").tobytes()
    with pytest.raises(SafetensorsError, match=r"tensor 'bad' of .* holds NaN or infinity"):
        load_safetensors(raw(tmp_path / "a", {"bad": entry("F32", (1,), (0, 4))}, data))
    with pytest.raises(SafetensorsError, match="holds NaN"):
        load_safetensors(raw(tmp_path / "a", {"bad": entry("BF16", (1,), (0, 2))}, data[2:]))


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (b"{ ", "header of .* is malformed"),
        (b"\xff\xff", "header of .* is malformed"),
        (b"[1]", "no JSON object"),
        (b'{"x":1,"x":2}', "a name occurs twice"),
        (b"[" * 100_000, "malformed"),
        ({"__metadata__": {"a": 1}}, "metadata of .* must be strings"),
        ({"x": [1]}, "tensor 'x' of .* must state dtype, shape and data_offsets"),
        ({"x": entry() | {"more": 1}}, "must state"),
        ({"x": entry("I16")}, "tensor 'x' of .* is of type I16; convert it to one of F64, F32"),
        ({"x": entry(["U8"])}, "is of type"),
        ({"x": entry(shape=(-2,))}, "malformed shape"),
        ({"x": entry(shape=(True,))}, "malformed shape"),
        ({"x": entry() | {"shape": 2}}, "malformed shape"),
        ({"x": entry(offsets=(0, 1, 2))}, "unlike its data_offsets"),
        ({"x": entry(offsets=(0, 1))}, "needs 2 bytes, unlike"),
        ({"x": entry(offsets=(1, 3))}, "leaves a gap or overlaps"),
        ({"x": entry(), "y": entry()}, "tensor 'y' of .* leaves a gap or overlaps"),
        ({"x": entry(shape=(1,), offsets=(0, 1))}, "holds 2 bytes of data, not 1"),
        ({"x": entry(shape=(3,), offsets=(0, 3))}, "holds 2 bytes of data, not 3"),
    ],
)
def test_malformed_files_are_refused(tmp_path, header, sentence):
    with pytest.raises(SafetensorsError, match=sentence):
        load_safetensors(raw(tmp_path / "a", header, b"ab"))


@pytest.mark.parametrize("data", [b"", b"abc", b"\x02" + bytes(7), b"\xff" * 20, bytes(16)])
def test_what_is_no_such_file_is_refused(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(SafetensorsError, match="is not a safetensors file or was cut short"):
        load_safetensors(tmp_path / "a")


def test_a_file_must_be_there(tmp_path):
    with pytest.raises(SafetensorsError, match="cannot be read"):
        load_safetensors(tmp_path / "a")


def test_a_failure_leaves_the_older_file(tmp_path):
    path = tmp_path / "a"
    save_safetensors(path, {"x": np.ones(2)}, {})
    before = path.read_bytes()
    for bad in ({"x": np.ones(2, complex)}, {"__metadata__": np.ones(2)}):
        with pytest.raises(SafetensorsError, match="cannot be stored; convert it to F64"):
            save_safetensors(path, bad, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SafetensorsError, match="cannot be written"):
        save_safetensors(tmp_path / "none" / "a", {"x": np.ones(2)}, {})
