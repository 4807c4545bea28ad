import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.report.visible import one_line, visible

ANYTHING = st.text(st.characters(categories=None), max_size=200)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]8;;http://x\x07y", "␛]8;;http://x␇y"),
        ("\x9b2J", "⟨U+009B⟩2J"),
        ("a\x00b\x7f", "a␀b␡"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("\u202egpj.exe", "⟨U+202E⟩gpj.exe"),
        ("a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("half\ud800", "half⟨U+D800⟩"),
        ("line\u2028end", "line⟨U+2028⟩end"),
        ("naïve 日本 👩\u200d🚀\tok\n", "naïve 日本 👩\u200d🚀\tok\n"),
    ],
)
def test_what_hides_is_shown(raw, shown):
    assert visible(raw) == shown


@given(ANYTHING)
def test_nothing_that_acts_is_left(text):
    shown = visible(text)
    shown.encode()
    for character in shown:
        assert unicodedata.category(character) != "Cc" or character in "\n\t"
        assert unicodedata.bidirectional(character) not in (
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        )
    assert visible(shown) == shown


@given(ANYTHING, st.integers(1, 30))
def test_one_line_is_one_line_of_at_most_that_length(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\t" not in line


def test_a_long_line_says_that_it_was_cut():
    assert one_line("word " * 1_000_000, 12) == "word word w…"
    assert one_line("exactly ten", 11) == "exactly ten"
