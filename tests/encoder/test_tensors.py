"""The safetensors files of others are read, ours are read by others, and damage is an InputError."""

import json
import random

import numpy as np
import pytest

from tracekit.encoder.tensors import parse, read, write
from tracekit.errors import InputError

ARRAYS = {
    "half": np.array([[1.5, -2.0]], dtype=np.float16),
    "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "signed": np.array([-1, 1], dtype=np.int8),
    "whole": np.array([1, 2], dtype=np.int32),
    "long": np.array([2**40], dtype=np.int64),
    "real": np.linspace(0, 1, 5, dtype=np.float32),
    "none": np.zeros((0, 4), dtype=np.float32),
    "one": np.array(3.0, dtype=np.float32),
}


def equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name].dtype == wanted[name].dtype
        assert found[name].shape == wanted[name].shape
        assert (found[name] == wanted[name]).all()


def test_others_read_what_we_write(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file

    write(tmp_path / "a.safetensors", ARRAYS, {"k": "v"})
    equal(load_file(tmp_path / "a.safetensors"), ARRAYS)
    with safe_open(tmp_path / "a.safetensors", "numpy") as opened:
        assert opened.metadata() == {"k": "v"}


def test_we_read_what_others_write(tmp_path):
    from safetensors.numpy import save_file

    save_file(ARRAYS, tmp_path / "b.safetensors", {"k": "v"})
    found = read(tmp_path / "b.safetensors")
    equal(found.arrays, ARRAYS)
    assert found.metadata == {"k": "v"}


def test_same_arrays_same_bytes(tmp_path):
    write(tmp_path / "a", ARRAYS, {"x": "1", "y": "2"})
    write(tmp_path / "b", dict(reversed(ARRAYS.items())), {"y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_are_read_only(tmp_path):
    write(tmp_path / "a", ARRAYS, {})
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path / "a").arrays["real"][0] = 1


def packed(header, body=b"", size=None):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(head) if size is None else size).to_bytes(8, "little") + head + body


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"a": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


HOSTILE = {
    "empty": b"",
    "short": b"\x08\x00",
    "header beyond the end": packed({}, size=2**63),
    "header of a terabyte": packed(b"{}", size=2**40),
    "not JSON": packed(b"pickle\x80"),
    "not an object": packed([1]),
    "metadata not strings": packed({"__metadata__": {"a": 1}}),
    "no shape": packed({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, b"1234"),
    "unknown type": packed(entry("F8_E4M3"), b"1234"),
    "objects": packed(entry("O"), b"1234"),
    "beyond the end": packed(entry(offsets=(0, 8), shape=(2,)), b"1234"),
    "before the start": packed(entry(offsets=(-4, 0)), b"1234"),
    "backwards": packed(entry(offsets=(4, 0)), b"1234"),
    "shape does not fit": packed(entry(shape=(2,)), b"1234"),
    "negative side": packed(entry(shape=(-1, -1)), b"1234"),
    "enormous shape": packed(entry(shape=(2**62, 4)), b"1234"),
    "three offsets": packed(entry(offsets=(0, 4, 4)), b"1234"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_damage_is_an_input_error(tmp_path, data):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.safetensors: not a safetensors file: .+; fetch"):
        read(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "gone.safetensors")


def test_random_damage_never_escapes(tmp_path):
    """Bytes changed anywhere: read, or refused with a ValueError, nothing else."""
    write(tmp_path / "a", ARRAYS, {"k": "v"})
    good, rng = (tmp_path / "a").read_bytes(), random.Random(0)
    refused = 0
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            parse(bytes(bad[: rng.randrange(len(bad) // 2, len(bad) + 1)]))
        except ValueError:
            refused += 1
    assert refused > 1000


def test_only_known_types_are_written(tmp_path):
    with pytest.raises(ValueError, match="not written"):
        write(tmp_path / "a", {"a": np.array([1j])}, {})
