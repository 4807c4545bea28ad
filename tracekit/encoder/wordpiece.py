"""WordPiece of uncased BERT in plain Python: text in, ids of word pieces out.

The same ids as the `BertTokenizer` of Hugging Face gives with `encode_special_tokens`: text that
spells `[SEP]` is text, so a log cannot smuggle in a control token. Cleaning, accents, case and
punctuation as in Devlin et al. 2019 (arXiv 1810.04805, the published tokenizer); pieces by greedy
longest match (Wu et al. 2016, arXiv 1609.08144, section 4.1).

Which characters count as marks, punctuation and so on depends on a version of Unicode. The tables
come with the weights, so that ids do not depend on the Python that runs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

UNKNOWN = "[UNK]"
LONGEST_WORD = 100
"""Characters; a longer word is unknown."""
REMEMBERED = 100_000
"""Words whose pieces are kept, and characters."""

Ranges = Sequence[tuple[int, int]]
"""First and last code point of each run."""


class Characters(NamedTuple):
    """What kinds of characters there are, as ranges of code points."""

    removed: Ranges
    """Control characters and the like, which vanish."""
    spaces: Ranges
    """White space."""
    ideographs: Ranges
    """Each is a word of its own."""
    marks: Ranges
    """Accents, dropped after canonical decomposition."""
    punctuation: Ranges
    """Each is a word of its own."""


class _Cleaned(dict[int, str]):
    """What becomes of a character before decomposition; filled as characters turn up."""

    def __init__(self, characters: Characters) -> None:
        super().__init__()
        self._characters = characters

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if _within(code, self._characters.removed):
            char = ""
        elif _within(code, self._characters.spaces):
            char = " "
        elif _within(code, self._characters.ideographs):
            char = f" {char} "
        return _kept(self, code, char)


class _Lowered(dict[int, str]):
    """What becomes of it afterwards: no accents, lower case, punctuation apart."""

    def __init__(self, characters: Characters) -> None:
        super().__init__()
        self._characters = characters

    def __missing__(self, code: int) -> str:
        char = "" if _within(code, self._characters.marks) else chr(code).lower()
        if char and _within(ord(char[0]), self._characters.punctuation):
            char = f" {char} "
        return _kept(self, code, char)


class _Pieces(dict[str, tuple[int, ...]]):
    """The pieces of a word; filled as words turn up."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        super().__init__()
        self._whole = {piece: n for n, piece in enumerate(vocabulary)}
        self._inner = {piece[2:]: n for piece, n in self._whole.items() if piece[:2] == "##"}
        self._longest = max(map(len, vocabulary))
        self._unknown = (self._whole[UNKNOWN],)

    def __missing__(self, word: str) -> tuple[int, ...]:
        return _kept(self, word, self._split(word))

    def _split(self, word: str) -> tuple[int, ...]:
        """Greedy: the longest piece that starts the rest, again and again."""
        if len(word) > LONGEST_WORD:
            return self._unknown
        found: list[int] = []
        start, known = 0, self._whole
        while start < len(word):
            end = min(len(word), start + self._longest)
            while end > start and word[start:end] not in known:
                end -= 1
            if end == start:
                return self._unknown
            found.append(known[word[start:end]])
            start, known = end, self._inner
        return tuple(found)


class WordPiece:
    """A vocabulary, and how text is cut into its pieces.

    >>> characters = Characters([(0, 8)], [(32, 32)], [], [(0x301, 0x301)], [(33, 47)])
    >>> pieces = WordPiece(["[UNK]", "caf", "##e", "!"], characters)
    >>> pieces("Café! [UNK]")
    [1, 2, 3, 0]
    """

    def __init__(self, vocabulary: Sequence[str], characters: Characters) -> None:
        self._cleaned, self._lowered = _Cleaned(characters), _Lowered(characters)
        self._pieces = _Pieces(vocabulary)
        ascii_only = [chr(code) for code in range(128)]
        self._ascii = {ord(char): self._normal(char) for char in ascii_only}

    def _normal(self, text: str) -> str:
        cleaned = text.translate(self._cleaned)
        return unicodedata.normalize("NFD", cleaned).translate(self._lowered)

    def words(self, text: str) -> list[str]:
        """The words of a text, normalised; punctuation and ideographs are words."""
        return (text.translate(self._ascii) if text.isascii() else self._normal(text)).split(" ")

    def __call__(self, text: str) -> list[int]:
        """Ids of all pieces of a text, without markers of start and end."""
        pieces = self._pieces
        return list(chain.from_iterable([pieces[word] for word in self.words(text) if word]))


def _within(code: int, ranges: Ranges) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _kept(table: dict[K, V], key: K, value: V) -> V:
    """The value, remembered; no text can make a table grow without end."""
    if len(table) >= REMEMBERED:
        table.clear()
    table[key] = value
    return value
