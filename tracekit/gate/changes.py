"""How the cases of now differ from those of the baseline, beside failing more or less often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import msgspec

from tracekit.export.verdicts.judged import Judged
from tracekit.gate.baseline import Baseline, Case, case_name
from tracekit.report.visible import one_line

NAMED = 5
"""Cases that are named before the rest is counted."""


class Short(msgspec.Struct, frozen=True):
    """A case of the baseline with fewer runs of known outcome than there."""

    case: Case
    """As the baseline has it."""
    runs: int
    """Runs of known outcome now."""
    unknown: int
    """Runs now whose outcome is not known: those that crashed, for one."""

    def __str__(self) -> str:
        lost = f", {self.unknown} of unknown outcome" if self.unknown else ""
        return f"{self.case.name} ({self.runs} of {self.case.runs}{lost})"


def short(
    known: Sequence[Judged], now: Baseline, base: Baseline, tolerance: Fraction = Fraction(0)
) -> list[Short]:
    """Cases that lost more than a share `tolerance` of the baseline's runs; all, if none was run."""
    unknown = Counter(one.case for one in known if one.trace.failed is None)
    found = []
    for id, before in base.cases.items():
        runs = now.cases[id].runs if id in now.cases else 0
        if before.runs - runs > tolerance * before.runs:
            found.append(Short(before, runs, unknown[id]))
    return found


def added(now: Baseline, base: Baseline) -> list[tuple[str, Case]]:
    """Cases that the baseline does not have, by id."""
    return [(id, case) for id, case in now.cases.items() if id not in base.cases]


def silent(known: Sequence[Judged], now: Baseline, base: Baseline) -> list[str]:
    """Names of cases that the baseline does not have and of which no outcome is known."""
    names = {
        one.case: case_name(one.trace)
        for one in known
        if one.case not in base.cases and one.case not in now.cases
    }
    return list(names.values())


def strangers(one: Judged, before: Case) -> tuple[str, ...]:
    """The agent that a verdict blames and the modes it names, those that the case did not have.

    Nothing where the baseline blames nobody: there is nobody to compare with.
    """
    top = one.verdict.top
    if top is None or not before.agents or not one.trace.failed:
        return ()
    agent, modes = one_line(top.agent, 200), (one_line(mode, 200) for mode in top.modes)
    found = [] if agent in before.agents else [agent]
    return (*found, *(mode for mode in dict.fromkeys(modes) if mode not in before.modes))


def changed(
    known: Sequence[Judged], base: Baseline
) -> Iterator[tuple[Case, tuple[str, ...], list[Judged]]]:
    """Cases that fail by others than before: as the baseline has them, who is new, and the runs."""
    groups: dict[str, list[Judged]] = {}
    for one in known:
        if one.case in base.cases and strangers(one, base.cases[one.case]):
            groups.setdefault(one.case, []).append(one)
    for id, runs in groups.items():
        case = base.cases[id]
        new = dict.fromkeys(name for one in runs for name in strangers(one, case))
        yield case, tuple(new), runs


def some(names: Sequence[object]) -> str:
    """The first few names and how many more there are.

    >>> some(["a", "b"]), some("abcdefg")
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    rest = len(names) - NAMED
    return ", ".join(map(str, names[:NAMED])) + (f" and {rest} more" if rest > 0 else "")
