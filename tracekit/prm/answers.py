"""The answer that a text gives, in a form in which two answers can be compared.

Numbers become plain numbers, whatever their notation and unit; an answer that says there is none,
or that leaves an unknown open (`2h + 4`), becomes `none`. Nothing is computed but fractions.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from tracekit.signals.text import lowered, window
from tracekit.trace import Trace

NONE = "none"
"""The answer that there is no answer, or none without an unknown in it."""
LONGEST = 200
"""Characters of an answer that are compared."""

_MARKED = re.compile(
    r"(?:solution_found|####|(?:\b(?:final (?:answer|result|solution)|(?:correct )?answer|result to hand in)"
    r"[*`]*\s*(?:\bis\b|:|=)))[\s:*`=]*(?P<said>\S[^\n]{0,199})"
)
_REPORT = re.compile(r"(?:code )?output:\s*(?P<said>[^\n]{1,200})|^\s*(?P<bare>\S[^\n]{0,80})\s*$")
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+")
_FRACTION = re.compile(r"\\d?frac\s*\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}")
_UNIT = re.compile(r"\\(?:text|mathrm|textbf|operatorname)\s*\{([^{}]*)\}")
_NONE = re.compile(
    r"\bnone\b|\bn/a\b|\bunknown\b|\bundefined\b|\bindeterminate\b|\bimpossible\b|\bno (?:unique )?solution"
    r"|\bcan(?:not|'t| not) be (?:\w+ )?(?:determined|calculated|computed|solved|found|answered)"
    r"|\b(?:not enough|insufficient|missing|lacks?|more) information\b|\bnot (?:specified|provided|given)\b"
    r"|\bunable to (?:determine|calculate|solve)"
)
_OPEN = re.compile(r"(?<![a-z])[a-z](?![a-z])|\d\s*[a-z](?![a-z])|[a-z]_[a-z]|[=+]")


class Answer(NamedTuple):
    """What a text answers."""

    key: str
    """Equal for equal answers: a number, `none`, or the words in lower case."""
    marked: bool
    """Whether the text calls it its answer; otherwise it is the last number in sight."""

    @property
    def number(self) -> float | None:
        """The answer as a number, None when it is not one."""
        try:
            value = float(self.key)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def answer(text: str) -> Answer | None:
    r"""The last answer that a text marks as such, else its last number, else None.

    >>> answer(r"So the total is \\boxed{1,250} dollars.")
    Answer(key='1250', marked=True)
    >>> answer("SOLUTION_FOUND: None"), answer("3 + 4 makes 7 apples.")
    (Answer(key='none', marked=True), Answer(key='7', marked=False))
    >>> answer("Well done.") is None
    True
    """
    shown = window(text)
    said = _boxed(shown)
    if said is None:
        marks = list(_MARKED.finditer(lowered(shown)))
        said = marks[-1]["said"] if marks else None
    key = "" if said is None else canonical(said)
    if key:
        return Answer(key, marked=True)
    numbers = [match.group() for match in _NUMBER.finditer(shown[-2000:])]
    if numbers:
        return Answer(_plain(numbers[-1]) or NONE, marked=False)
    return None


def says_none(text: str) -> bool:
    """Whether a text says that the question cannot be answered.

    >>> says_none("The price is not given, so it cannot be determined.")
    True
    """
    return _NONE.search(lowered(window(text))) is not None


def final_answer(trace: Trace) -> str | None:
    """The answer of a run: that of its outcome, else the last one that a step marks.

    Then the last number that stands in any of its last three steps. None when there is none.
    """
    if trace.outcome.answer is not None:
        return canonical(trace.outcome.answer) or None
    unmarked = None
    for n, step in enumerate(reversed(trace.steps)):
        found = answer(step.content)
        if found is not None and found.marked:
            return found.key
        if found is None and n < 3 and says_none(step.content):
            return NONE
        if found is not None and unmarked is None and n < 3:
            unmarked = NONE if says_none(step.content) else found.key
    return unmarked


def canonical(said: str) -> str:
    r"""An answer in the form that is compared; empty when nothing is left of it.

    >>> [canonical(s) for s in ("$1,250.00", r"\\frac{1}{4}", "40 + b", "'None'", "Mor Tor.", "12 km")]
    ['1250', '0.25', 'none', 'none', 'mor tor', '12']
    """
    low = lowered(said.strip()[:LONGEST])
    if _NONE.search(low):
        return NONE
    low = _FRACTION.sub(r" \1/\2 ", low)
    bare = _UNIT.sub(" ", low) if _NUMBER.search(low) else _UNIT.sub(r" \1 ", low)
    bare = re.sub(r"\\[a-z]+|[\\${}()\[\]*`'\"!?]", " ", bare).strip().rstrip(".,;:").strip()
    if not bare:
        return ""
    numbers = _NUMBER.findall(bare)
    if not numbers:
        return NONE if re.fullmatch(r"[a-z]", bare) else " ".join(bare.split())
    rest = re.sub(r"\b[a-z]{2,}\b|[%\u00b0\u20ac\u00a3]", " ", _NUMBER.sub(" ", bare, count=1))
    ratio = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*(?:[a-z]{2,}\s*)*", bare)
    if ratio and float(ratio[2]):
        return _plain(str(float(ratio[1]) / float(ratio[2])))
    if len(numbers) == 1 and _OPEN.search(rest):
        return NONE
    if len(numbers) == 1 or (bare.startswith(numbers[0]) and not _OPEN.search(rest)):
        return _plain(numbers[0])
    if _OPEN.search(rest):
        return _plain(numbers[-1]) if "=" in rest and bare.endswith(numbers[-1]) else NONE
    return " ".join(bare.split())


def report(text: str) -> str | None:
    """What a program put out, when that is short: the answer of an executor's report.

    >>> report("exitcode: 0 (execution succeeded)\\nCode output: 40"), report("42\\n"), report("a b")
    ('40', '42', None)
    """
    match = _REPORT.search(lowered(window(text)))
    if match is None:
        return None
    key = canonical(match["said"] or match["bare"])
    return key if _NUMBER.fullmatch(key) or key == NONE else None


def _boxed(text: str) -> str | None:
    r"""What stands in the last `\\boxed{...}`, braces balanced."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 1, start + len("\\boxed{")
    for place in range(begin, min(len(text), begin + LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[begin:place]
    return text[begin : begin + LONGEST]


def _plain(number: str) -> str:
    """A number without commas, sign of plus and needless digits; empty when it is out of range."""
    try:
        value = float(number.replace(",", ""))
    except ValueError:
        return ""
    if abs(value) > 1e15:
        return number.replace(",", "").lstrip("+")[:LONGEST]
    whole = round(value, 2)
    return f"{whole:.0f}" if whole == round(whole) else f"{whole:.2f}".rstrip("0")
