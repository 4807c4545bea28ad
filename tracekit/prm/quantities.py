"""Where the numbers of a run come from: the task, earlier steps, one sum of known ones, or nowhere.

A number that follows from nothing known is made up, or was worked out in the head.
"""

from __future__ import annotations

import re

from tracekit.signals.text import lowered, window

MOST = 100
"""Numbers of earlier steps that are remembered: the latest."""
EACH = 40
"""Numbers that are looked at in one text."""
COMMON = frozenset(
    {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 12.0, 24.0, 30.0, 52.0, 60.0, 100.0, 365.0, 1000.0}
)
"""Numbers that everybody knows: small counts, days, hours, per cents."""

_NUMBER = re.compile(
    r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?(?![\w]|\.\d)|\d{1,15}(?:\.\d{1,9})?(?=%)"
)
_LITERAL = re.compile(
    r"^\s*[a-z_]\w{0,60}\s*=\s*(?P<number>\d{1,15}(?:\.\d{1,9})?)\s*(?:#[^\n]*)?$", re.M
)
_WORDS = {
    word: float(value)
    for value, words in {
        0.5: "half halves", 1: "one once", 2: "two twice double doubles doubled pair couple", 3: "three thrice triple",
        4: "four quarter quarters", 5: "five", 6: "six", 7: "seven week weeks", 8: "eight", 9: "nine", 10: "ten",
        11: "eleven", 12: "twelve dozen dozens", 15: "fifteen", 20: "twenty", 30: "thirty", 40: "forty",
        50: "fifty", 100: "hundred",
    }.items()
    for word in words.split()
}  # fmt: skip
_WORD = re.compile(r"[a-z]{3,8}")


def quantities(text: str, *, spelled: bool = False) -> list[float]:
    """The numbers of a text in order, without signs; spelled-out ones too if wanted.

    >>> quantities("three boxes of 1,200 for 20%", spelled=True)
    [1200.0, 20.0, 3.0]
    """
    low = lowered(window(text))
    found = [float(match.group().replace(",", "")) for match in _NUMBER.finditer(low)]
    if spelled:
        found += [_WORDS[word] for word in _WORD.findall(low) if word in _WORDS]
    return found


def literals(text: str) -> list[float]:
    """Numbers that code gives a name to: what it takes as known.

    >>> literals("boats = 12\\ntotal = boats * 3\\ndays = 30  # assumed")
    [12.0, 30.0]
    """
    return [float(match["number"]) for match in _LITERAL.finditer(lowered(window(text)))]


class Known:
    """The numbers that a run may use so far. What copies share is never changed in place."""

    def __init__(self, question: str) -> None:
        self.asked = frozenset(quantities(question, spelled=True))
        """Those of the task."""
        self._base = self.asked | COMMON
        self._later: tuple[float, ...] = ()

    def made_up(self, text: str) -> int:
        """How many different numbers of a text do not follow; they are known from then on.

        >>> known = Known("A pen costs 4 and a book 9. How much are 3 pens and a book?")
        >>> known.made_up("3 * 4 = 12, 12 + 9 = 21"), known.made_up("Tax is 0.77 each.")
        (0, 1)
        """
        count = 0
        for number in list(dict.fromkeys(quantities(text)))[:EACH]:
            if not self.has(number):
                count += not self._follows(number)
                self._later = (*self._later, number)[-MOST:]
        return count

    def foreign(self, values: list[float]) -> int:
        """How many of the values stand neither in the task nor among what everybody knows."""
        return sum(value not in self._base for value in values)

    def has(self, number: float) -> bool:
        """Whether a number is known by now."""
        return number in self._base or number in self._later

    def copy(self) -> Known:
        """An independent copy."""
        twin = object.__new__(Known)
        twin.asked, twin._base, twin._later = self.asked, self._base, self._later
        return twin

    def _follows(self, number: float) -> bool:
        """Whether one sum, difference, product or quotient of two known numbers gives it."""
        terms = {*self.asked, *self._later, 1.0, 2.0, 7.0, 10.0, 12.0, 60.0, 100.0}
        near = {round(term, 6) for term in terms}
        for term in terms:
            wanted = [number + term, abs(number - term)]
            if term:
                wanted += [number / term, number * term, number * 100 / term]
            if number:
                wanted.append(term / number)
            if any(round(each, 6) in near for each in wanted):
                return True
        return False
