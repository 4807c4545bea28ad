"""The plain Python tokenizer gives the ids of the real one, on anything."""

import random
import sys
import time
import unicodedata

import pytest

from tracekit import load
from tracekit.encoder import wordpiece
from tracekit.encoder.encoder import Encoder, _wordpiece, shipped
from tracekit.encoder.tensors import read

HARD = [
    "",
    " \t\r\n",
    "Café ZWÖLF zwo\u0308lf!",
    "[SEP] [CLS][UNK] [PAD]",
    "中the中",
    "the\x00sum\x07is\u200bso",
    "the\u00a0sum\u3000is\u2028so\x0bthe\x85sum\x1cis",
    "ΣΑΣ İstanbul ǅ ﬁ",
    "한국어 각",
    "a" * 100 + " " + "a" * 101,
    "totalb totalx stepping steps",
    "1,5°C — “quoted” … $12 + 12 = 24 ^_^ `the`",
    "\ud800the",
    "e\u0301\u0327 \u0327\u0301",
]


@pytest.fixture(scope="module")
def real():
    """The tokenizer of the shipped vocabulary, built by Hugging Face's library."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = read(shipped()).arrays["vocabulary"].tobytes().decode().split("\n")
    words = {word: n for n, word in enumerate(vocabulary)}
    made = Tokenizer(models.WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


@pytest.fixture(scope="module")
def ours():
    return _wordpiece(read(shipped()))


def same(real, ours, text):
    return ours(text) == real.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", HARD, ids=ascii)
def test_hard_texts(real, ours, text):
    if "\ud800" not in text:
        assert same(real, ours, text)
    else:  # Rust takes no lone surrogates; ours must survive them
        assert ours(text) == ours("the")


def test_every_character(real, ours):
    """All that this Python's Unicode knows; letters of a newer one may have another lower case."""
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    known = [chr(code) for code in codes if unicodedata.category(chr(code)) != "Cn"]
    for start in range(0, len(known), 100):
        some = known[start : start + 100]
        if not same(real, ours, " ".join(f"the{char}s" for char in some)):
            assert [ascii(char) for char in some if not same(real, ours, f"the{char}s")] == []


def test_random_texts(real, ours):
    rng = random.Random(0)
    pool = [chr(rng.randrange(0x3000)) for _ in range(600)]
    pool += [chr(rng.randrange(0x10000, 0x30000)) for _ in range(100)]
    pool += list("  \n[SEP]##abcdefg.,!") * 20 + [chr(code) for code in range(0x300, 0x340)]
    for _ in range(5000):
        text = "".join(rng.choices(pool, k=rng.randrange(1, 40)))
        assert same(real, ours, text), ascii(text)


@pytest.mark.data
def test_real_logs(real, ours, data):
    """Every step of the labelled logs, whole."""
    seen = 0
    for folder in sorted(path for path in (data / "labeled").iterdir() if path.is_dir()):
        for trace in load(folder):
            for step in trace.steps:
                text = step.content[:50_000]
                seen += 1
                assert same(real, ours, text), (folder.name, trace.id, step.index)
    assert seen > 5000


def test_a_megabyte_a_second(ours):
    text = "The orchestrator asked WebSurfer to open https://example.org/?q=1 (step 3). " * 14_000
    began = time.process_time()
    ours(text)
    assert len(text) / 1e6 / (time.process_time() - began) > 1


def test_memory_is_bounded(ours, monkeypatch):
    """A hostile text of ever new words does not grow the table without end."""
    monkeypatch.setattr(wordpiece, "REMEMBERED", 50)
    expected = [ours(f"w{n}") for n in range(200)]
    assert [ours(f"w{n}") for n in range(200)] == expected
    assert len(ours._pieces) <= 50


def test_the_shipped_vocabulary_is_berts():
    encoder = Encoder.load()
    assert encoder._words("hello world") == [7592, 2088]
