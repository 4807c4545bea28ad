"""Reading messages: which items are asked for, which values stated, what is to be done again.

The same phrases are used for writing (`words`). Text that says nothing of the kind, whoever wrote
it, reads as nothing; no text raises.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from operator import itemgetter
from typing import NamedTuple

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.problem import Family, Item

LINKS = (
    "is", "are", "equals", "equal", "comes to", "come to", "makes", "make", "amounts to",
    "amount to", "should be", "must be", "works out at", "work out at", "turns out to be",
    "turn out to be", "reads", "read", "=",
)  # fmt: skip
"""Words between a label and its value that every family understands."""

AGAIN = ("redo", "recompute", "rework", "go back over", "take another look at", "recheck")
"""Words before a label whose value is withdrawn."""

FINAL = ("final answer", "answer", "our answer", "result to hand in", "final result")
"""Words before the answer of the team."""


class Said(NamedTuple):
    """One thing that a text says: an item (`spec`), a value, or that a label is open again."""

    what: str
    label: str
    item: Item | None = None
    value: str = ""


class Grammar:
    """The phrases of one family as regular expressions."""

    def __init__(self, family: Family) -> None:
        self.labels = frozenset(family.labels)
        labels = "|".join(sorted(map(re.escape, family.labels), key=len, reverse=True))
        arg = f"(?:the )?({labels}|{family.literal})"
        ways = []
        self._ops: dict[str, tuple[str, list[int]]] = {}
        for op, forms in family.forms.items():
            for number, form in enumerate(forms):
                pieces = re.split(r"\{(\d)\}", form)
                name = f"{op}_{number}"
                self._ops[name] = (op, [int(piece) for piece in pieces[1::2]])
                body = [arg if n % 2 else re.escape(piece) for n, piece in enumerate(pieces)]
                ways.append(f"(?P<{name}>{''.join(body)})")
        links = "|".join(re.escape(link) for link in dict.fromkeys((*family.links, *LINKS)))
        self._spec = re.compile(rf"\s{{0,2}}[:,=—-]?\s{{1,2}}(?:{'|'.join(ways)})", re.I)
        stated = rf"(?:\s(?:{links})\s?:?\s|:\s(?={family.value}\s*(?:[.,;\n]|$)))"
        self._value = re.compile(rf"{stated}({family.value})", re.I)
        self._again = re.compile(rf"\b(?:{'|'.join(AGAIN)}) (?:the )?({labels})\b", re.I)
        self._label = re.compile(rf"\b(?:{labels})\b", re.I)
        self._final = re.compile(
            rf"\b(?:{'|'.join(FINAL)})(?: is| would be|:| =) ?:?\s?({family.value})", re.I
        )

    def read(self, sentence: str) -> tuple[Said, ...]:
        """Everything that a sentence says, in its order."""
        found = [(m.start(), Said("again", m[1].lower())) for m in self._again.finditer(sentence)]
        stated = asked = 0  # where the last value and the last item end
        for label in self._label.finditer(sentence):
            at, name = label.start(), label[0].lower()
            if at >= stated and (match := self._value.match(sentence, label.end())):
                found.append((at, Said("value", name, None, match[1])))
                stated = match.end()
            if at >= asked and (match := self._spec.match(sentence, label.end())):
                found.append((at, Said("spec", name, self._item(name, match))))
                asked = match.end()
        found.sort(key=itemgetter(0))
        return tuple(said for _, said in found)

    def _item(self, label: str, match: re.Match[str]) -> Item:
        name = match.lastgroup or ""
        op, places = self._ops[name]
        first = match.re.groupindex[name] + 1
        given = dict(zip(places, match.groups()[first - 1 :], strict=False))
        args = [given[place] for place in sorted(given)]
        known = [arg.lower() if self._label.fullmatch(arg) else arg for arg in args]
        return Item(label, op, tuple(known))

    def label(self, text: str) -> str | None:
        """The last label that a text mentions."""
        found = self._label.findall(text)
        return found[-1].lower() if found else None

    def answer(self, text: str) -> str | None:
        """The answer that a text gives, None when it gives none."""
        found = self._final.findall(text)
        return found[-1] if found else None


@cache
def grammar(name: str) -> Grammar:
    """The grammar of a family."""
    return Grammar(family(name))


@lru_cache(maxsize=1 << 14)
def read(name: str, text: str) -> tuple[Said, ...]:
    """What a text says in the terms of a family.

    Texts are read by many and parsed once; the sentences of which they are made recur even more.

    >>> [said.value for said in read("scheduling", "Done. The baking ends at hour 7. Bye.")]
    ['7']
    """
    return tuple(said for part in _END.split(text) for said in _sentence(name, part))


@lru_cache(maxsize=1 << 16)
def _sentence(name: str, sentence: str) -> tuple[Said, ...]:
    return grammar(name).read(sentence)


_END = re.compile(r"(?<=\.)\s+")
"""Where sentences end; nothing that is said goes beyond."""
