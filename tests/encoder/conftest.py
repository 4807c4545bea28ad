"""A tokenizer and a network of a few words, so that no test needs weights from anywhere."""

import json

import numpy as np
import pytest
import torch

from tracekit.encoder.encoder import FORMAT
from tracekit.encoder.tensors import write
from tracekit_models.encoder.export import save_network
from tracekit_models.encoder.network import Network

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "caf",
    "##e",
    "!",
    "zwölf",
    "12",
    "zwolf",
]
VOCABULARY += [f"[unused{n}]" for n in range(100)]
VOCABULARY += [
    "the",
    "sum",
    "is",
    "##s",
    "total",
    "so",
    "中",
    "step",
    "##ping",
    "a",
    "##b",
    ".",
    "-",
]


@pytest.fixture(scope="session")
def tokenizer():
    """The real thing: Hugging Face's BERT tokenizer over the same few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: n for n, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


@pytest.fixture(scope="session")
def tokenizer_folder(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def tables_file(tokenizer_folder):
    """The tokenizer's tables, asked once: it takes seconds."""
    from tracekit_models.encoder.vocabulary import tables

    path = tokenizer_folder / "tables.safetensors"
    write(path, tables(tokenizer_folder), {"format": "tables"})
    return path


@pytest.fixture(scope="session")
def network():
    torch.manual_seed(0)
    return Network(14, layers=2, rank=16, positions=16, words=len(VOCABULARY)).eval()


@pytest.fixture(scope="session")
def network_file(network, tables_file):
    path = tables_file.with_name("network.safetensors")
    save_network(path, network, tables_file, "a test", small=False)
    return path


@pytest.fixture
def static_arrays(tables_file):
    """Arrays and metadata of a static encoder of three dimensions."""
    from tracekit.encoder.tensors import read

    rng = np.random.default_rng(0)
    arrays = dict(read(tables_file).arrays)
    arrays["words"] = rng.integers(-127, 128, (len(VOCABULARY), 3)).astype(np.int8)
    arrays["words.step"] = np.full(len(VOCABULARY), 0.5, dtype=np.float32)
    settings = {"kind": "static", "width": 3, "pieces": 8}
    return arrays, {"format": FORMAT, "settings": json.dumps(settings)}


@pytest.fixture
def static_file(static_arrays, tmp_path):
    write(tmp_path / "static.safetensors", *static_arrays)
    return tmp_path / "static.safetensors"
