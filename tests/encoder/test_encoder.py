"""One interface, whatever the weights: unit vectors that depend on the text alone."""

import subprocess
import sys

import numpy as np
import pytest

from tracekit.encoder.encoder import LETTERS, Encoder
from tracekit.encoder.tensors import read, write
from tracekit.errors import InputError

TEXTS = ["The sum is 12.", "so the total is zwölf", "steps", "the sum " * 40, "中", "a-b.c!"]


@pytest.fixture
def static(static_file):
    return Encoder.load(static_file)


@pytest.fixture(params=["static", "transformer", "shipped"])
def encoder(request, static, network_file):
    if request.param == "static":
        return static
    return Encoder.load(network_file) if request.param == "transformer" else Encoder.load()


def test_vectors(encoder):
    found = encoder.encode(TEXTS)
    assert found.shape == (len(TEXTS), encoder.width)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(encoder):
    """To the last bit: alone, in any order, and repeated."""
    together = encoder.encode(TEXTS)
    backwards = encoder.encode(TEXTS[::-1] + TEXTS)
    for n, text in enumerate(TEXTS):
        assert (encoder.encode([text])[0] == together[n]).all()
        assert (backwards[len(TEXTS) - 1 - n] == together[n]).all()
        assert (backwards[len(TEXTS) + n] == together[n]).all()


def test_nothing_to_read_is_zero(encoder):
    found = encoder.encode(["", " \n", "\x00\x07"])
    assert (found == 0).all()
    assert encoder.encode([]).shape == (0, encoder.width)


def test_static_vectors_are_means(static, static_arrays):
    arrays, _ = static_arrays
    ids = static.pieces("the sum the total")
    mean = (arrays["words"][ids] * np.float32(0.5)).mean(axis=0)
    np.testing.assert_allclose(static.encode(["the sum the total"])[0], mean / np.linalg.norm(mean),
                               rtol=1e-5)  # fmt: skip


def test_long_texts_are_read_at_both_ends(static):
    ids = static.pieces("the the the the the sum sum is is is is total".replace(" ", "  "))
    words = static.pieces("the is total sum")
    assert ids.tolist() == [words[0]] * 4 + [words[1]] * 3 + [words[2]]
    far = "the " * 50 + "is " * 10_000 + "total " * 50
    assert len(far) > 2 * LETTERS * 8
    assert static.pieces(far).tolist() == [words[0]] * 4 + [words[2]] * 4


def test_the_shipped_encoder_knows_likeness():
    sure, same, other = Encoder.load().encode(
        [
            "The total price is twelve dollars.",
            "Altogether it costs 12 dollars.",
            "The museum opens at nine in the morning.",
        ]
    )
    assert sure @ same > sure @ other + 0.2


def test_loading_is_cached_and_light():
    assert Encoder.load() is Encoder.load()
    code = (
        "import sys, time; t = time.process_time()\n"
        "from tracekit.encoder.encoder import Encoder\n"
        "Encoder.load().encode(['x'])\n"
        "assert time.process_time() - t < 1.0, time.process_time() - t\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'safetensors', 'onnxruntime', 'scipy'}\n"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {}}, "its format is None"),
        ({"settings": '{"kind": "static", "width": 4, "pieces": 8}'}, "do not fit"),
        ({"settings": '{"kind": "static", "width": 3, "pieces": 0}'}, "do not fit"),
        ({"settings": '{"kind": "lstm", "width": 3, "pieces": 8}'}, "Invalid enum value"),
        ({"words": np.zeros((4, 3), dtype=np.int8), "words.step": None}, "differ in number"),
        ({"words": None}, "words"),
        ({"words.step": np.ones(5, dtype=np.float32)}, "steps for 5"),
        ({"vocabulary": None}, "vocabulary"),
        ({"characters.marks": np.zeros(3, dtype=np.int32)}, "characters"),
    ],
)
def test_wrong_weights_are_refused(static_arrays, tmp_path, change, said):
    arrays, metadata = static_arrays
    metadata = change.pop("metadata", metadata)
    if "settings" in change:
        metadata = {**metadata, "settings": change.pop("settings")}
    arrays = {name: a for name, a in {**arrays, **change}.items() if a is not None}
    write(tmp_path / "wrong.safetensors", arrays, metadata)
    with pytest.raises(InputError, match=rf"wrong\.safetensors: .*{said}"):
        Encoder.load(tmp_path / "wrong.safetensors")


def test_a_transformer_without_heads_is_refused(network_file, tmp_path):
    arrays, metadata = read(network_file)
    settings = '{"kind": "transformer", "width": 384, "pieces": 14}'
    write(tmp_path / "headless.safetensors", arrays, {**metadata, "settings": settings})
    with pytest.raises(InputError, match=r"headless\.safetensors: not the weights"):
        Encoder.load(tmp_path / "headless.safetensors")


def test_more_pieces_than_positions_are_refused(network_file, tmp_path):
    arrays, metadata = read(network_file)
    settings = '{"kind": "transformer", "width": 384, "pieces": 15, "heads": 12}'
    write(tmp_path / "long.safetensors", arrays, {**metadata, "settings": settings})
    with pytest.raises(InputError, match=r"long\.safetensors: not the weights"):
        Encoder.load(tmp_path / "long.safetensors")
