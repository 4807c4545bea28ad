"""Arithmetic that a text spells out, worked out again: `3 * 4 = 13`, `16 minus 38 gives -22`."""

from __future__ import annotations

import re
from typing import NamedTuple

from tracekit.signals.text import lowered, window

MOST = 40
"""Statements that are checked in one text."""

_NUM = r"[-\u2212]?\$?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?%?"
_UNIT = r"(?:\s{0,3}(?!times\b|plus\b|minus\b|over\b|and\b|is\b|by\b|x\b)[a-z]{2,14}\b){0,2}"
_OP = r"(?:[+\-*/\u00d7\u00f7\u2212]|\\times|\\cdot|\\div|x|times|plus|minus|divided by|multiplied by)"
_IS = r"(?:=|\\approx|\u2248|equals?|makes?|gives?|is|comes? out as|comes? to|amounts? to)"
_STATEMENT = re.compile(
    rf"(?<![\w.)/*+^-])(?P<left>{_NUM}{_UNIT}(?:\s{{0,3}}{_OP}\s{{0,3}}{_NUM}{_UNIT}){{1,6}})"
    rf"\s{{0,3}}{_IS}\s{{0,3}}(?P<right>{_NUM})(?![\w.,]?\d|\s{{0,2}}[*/\u00d7+^])"
)
_TOKEN = re.compile(rf"(?P<op>(?<=[\s\da-z%]){_OP}(?=[\s$\d\-]))|(?P<num>{_NUM})")
_TIMES = frozenset({"*", "\u00d7", "\\times", "\\cdot", "x", "times", "multiplied by"})
_OVER = frozenset({"/", "\u00f7", "\\div", "divided by"})
_MINUS = frozenset({"-", "\u2212", "minus"})


class Checked(NamedTuple):
    """How many statements of a text hold."""

    right: int
    wrong: int


def check(text: str) -> Checked:
    """Count what holds and what does not; rounding to the digits written is no error.

    >>> check("6 * 2 = 12 and 12 + 22 = 35"), check("16 minus 38 gives -22; $1,000 x 20% = $200")
    (Checked(right=1, wrong=1), Checked(right=2, wrong=0))
    >>> check("(2 + 3) * 4 = 20"), check("on 3/4 and 5-6")
    (Checked(right=0, wrong=0), Checked(right=0, wrong=0))
    """
    right = wrong = 0
    for n, match in enumerate(_STATEMENT.finditer(lowered(window(text)))):
        if n == MOST:
            break
        value = _value(match["left"])
        if value is None:
            continue
        said, digits = _number(match["right"])
        near = abs(value - said) <= max(0.51 * 10.0**-digits, 0.005 * abs(value) * (digits > 0))
        right, wrong = right + near, wrong + (not near)
    return Checked(right, wrong)


def _number(written: str) -> tuple[float, int]:
    """Its value and the digits after its point."""
    plain = written.replace(",", "").replace("$", "").replace("\u2212", "-")
    percent = plain.endswith("%")
    plain = plain.rstrip("%")
    value = float(plain)
    return (value / 100 if percent else value), len(plain.partition(".")[2]) + 2 * percent


def _value(left: str) -> float | None:
    """A chain of numbers and signs, products before sums; None when it is not one."""
    terms: list[float] = []
    sign: str | None = "+"
    for match in _TOKEN.finditer(left):
        if match["op"] is not None and sign is None:
            sign = match["op"]
            continue
        if match["num"] is None or sign is None:
            return None
        value = _number(match["num"])[0]
        if sign in _TIMES:
            terms[-1] *= value
        elif sign in _OVER:
            if not value:
                return None
            terms[-1] /= value
        else:
            terms.append(-value if sign in _MINUS else value)
        sign = None
    return sum(terms) if sign is None and terms else None
