"""numpy and torch agree, and both agree with the reference implementation of BERT."""

import sys

import numpy as np
import pytest
import torch

from tracekit.encoder.encoder import Encoder
from tracekit.encoder.transformer import END, START, gelu
from tracekit.errors import InputError, MissingExtra
from tracekit_models.encoder.network import cut_down, minilm, padded
from tracekit_models.encoder.onnx_export import export

TEXTS = ["The sum is 12.", "so the total is zwölf", "steps", "the sum " * 40, "中", "a-b.c!"]


@torch.inference_mode()
def said(network, encoder, texts):
    return network(*padded([encoder.pieces(text) for text in texts], "cpu")).numpy()


def test_numpy_and_torch_agree(network, network_file):
    encoder = Encoder.load(network_file)
    found = encoder.encode(TEXTS)
    np.testing.assert_allclose(found, said(network, encoder, TEXTS), atol=1e-5)


def test_rounding_to_bytes_costs_little(network, tables_file):
    from tracekit_models.encoder.export import save_network

    path = tables_file.with_name("bytes.safetensors")
    save_network(path, network, tables_file, "a test", small=True)
    encoder = Encoder.load(path)
    cosines = (encoder.encode(TEXTS) * said(network, encoder, TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999


@pytest.fixture(scope="module")
def reference():
    """BERT with MiniLM's shape, random weights and a small vocabulary."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=200, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=512,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def teacher(reference, tmp_path_factory):
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("reference")
    state = {name: value.contiguous() for name, value in reference.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return minilm(folder)


@torch.inference_mode()
def test_a_checkpoint_is_read_as_bert_reads_it(reference, teacher):
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, 200, size) for size in (1, 7, 30)]
    found = teacher(*padded(ids, "cpu"))
    for row, vector in zip(ids, found, strict=True):
        whole = torch.tensor([[START, *row, END]])
        hidden = reference(input_ids=whole).last_hidden_state[0].mean(0)
        torch.testing.assert_close(vector, hidden / hidden.norm(), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_all_layers_at_full_rank_are_the_teacher(teacher):
    batch = padded([np.arange(5), np.arange(12)], "cpu")
    same = cut_down(teacher, range(6), rank=384, pieces=62)
    torch.testing.assert_close(same(*batch), teacher(*batch))
    factored = cut_down(teacher, range(6), rank=199, pieces=62)  # the table has 200 rows
    assert ((factored(*batch) * teacher(*batch)).sum(1) > 0.99).all()


def test_gelu_is_exact_enough():
    x = np.linspace(-12, 12, 100_001, dtype=np.float32)
    wanted = torch.nn.functional.gelu(torch.from_numpy(x.copy()).double()).numpy()
    np.testing.assert_allclose(gelu(x.copy()), wanted, atol=2e-6)


@pytest.mark.parametrize("kind", ["transformer", "static"])
def test_onnx_gives_the_same_vectors(kind, network_file, static_file):
    path = export(network_file if kind == "transformer" else static_file).with_suffix(
        ".safetensors"
    )
    plain, fast = Encoder.load(path), Encoder.load(path, engine="onnx")
    np.testing.assert_allclose(fast.encode(TEXTS), plain.encode(TEXTS), atol=1e-5)
    alone = np.concatenate([fast.encode([text]) for text in TEXTS])
    assert (alone == fast.encode(TEXTS)).all()
    assert (fast.encode([""]) == 0).all()


def test_onnx_of_other_weights_is_refused(network_file, static_file):
    made = export(static_file)
    other = made.with_name("other.safetensors")
    other.write_bytes(network_file.read_bytes())
    with pytest.raises(InputError, match="no such file; make it with"):
        Encoder.load(other, engine="onnx")
    other.with_suffix(".onnx").write_bytes(made.read_bytes())
    with pytest.raises(InputError, match=r"made from weights \w+, not \w+; export it again"):
        Encoder.load(other, engine="onnx")
    other.with_suffix(".onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="not an ONNX model"):
        Encoder.load(other, engine="onnx")


def test_onnxruntime_is_named_when_missing(static_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"mas-tracekit\[onnx\]"):
        Encoder.load(static_file, engine="onnx")
