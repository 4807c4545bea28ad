"""Shortlist: the judge reads only the steps that `compact` suspects, for a tenth of the tokens.

tracekit's own. The suspects are taken in the order of `compact`'s probability until they hold
`coverage` of it. Each is shown with the steps next to it, all cut so that the log in the prompt stays
within `share` of the whole one. Where there is little room, the steps beside go first, and the least
likely suspects last. What is left out cannot be blamed: docs/benchmarks.md says how often it is the decisive step.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

import msgspec
import numpy as np

from tracekit.analyzers.judges.case import Blame, Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.priors import Prior
from tracekit.analyzers.judges.prompts import BLAME, Prompt
from tracekit.analyzers.judges.shown import Shown, View, cut
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.llm.tokens import estimate
from tracekit.trace import Trace

CUTS = tuple(round(60 * 1.5**power) for power in range(18))
"""Characters that a suspect may have, from the fewest that say anything."""
BESIDE = 0.25
"""Characters that a step next to a suspect may have, as a share of those of a suspect."""
LEGIBLE = 60
"""Characters below which a step next to a suspect says nothing, and is left out."""
FEWEST = 300
"""Tokens that a log may always have: a tenth of a short log says nothing."""

ASK = Prompt(
    "shortlist",
    1,
    """\
$log

Most of the log is left out. A first look has left these steps under suspicion, the most suspect \
first: $suspects. The steps next to them are shown for context, cut short.

Which of the suspected steps is the decisive error?

Answer: """
    + BLAME,
)


class Shortlist(Judge):
    """An LLM reads only the steps that `compact` suspects, with context, and chooses among them.

    Settings: `coverage`, the probability that the suspects hold together; `share`, the most tokens
    of the log that are shown, both from 0 to 1.
    """

    name: ClassVar[str] = "judge:shortlist"
    prompts: ClassVar = (ASK,)
    defaults: ClassVar = {"coverage": 0.9, "share": 0.1}

    def __init__(self, prior: Prior | None = None) -> None:
        self._prior = prior or Prior()

    async def judge(self, case: Case) -> Finding:
        """One call."""
        coverage, share = (_share(name, case.options[name]) for name in ("coverage", "share"))
        chances = await asyncio.to_thread(self._prior.chances, case.trace)
        cut_down = shortened(case.shown, suspects(chances, coverage), share)

        def chosen(said: Blame) -> Choice:
            if said.step not in cut_down.suspects:
                raise ValueError("`step` must be one of the suspected steps")
            return case.choice(said)

        listed = ", ".join(map(str, cut_down.suspects))
        prompt = ASK.fill(log=cut_down.log, suspects=listed)
        said = await case.ask(prompt, Blame, chosen)
        return Finding((chosen(said),))

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces that `compact` was fitted on."""
        return self._prior.seen()

    def fit(self, traces: Iterable[Trace], context: Context) -> Shortlist:
        """With `compact` refitted on labelled traces."""
        return Shortlist(self._prior.fitted(traces, context))


class Shortened(msgspec.Struct, frozen=True):
    """A log that is shown in part."""

    suspects: tuple[int, ...]
    """The steps that can be blamed, most suspect first."""
    log: str
    """Those and their neighbours, fenced."""
    longest: int
    """Characters that a suspect may have."""


def suspects(chances: np.ndarray, coverage: float) -> list[int]:
    """The fewest steps that hold so much probability, most suspect first.

    >>> suspects(np.array([0.2, 0.5, 0.3, 0.0]), 0.8), suspects(np.array([0.2, 0.8]), 0.0)
    ([1, 2], [1])
    """
    order = np.argsort(-chances, kind="stable")
    above = np.cumsum(chances[order]) - chances[order]  # of the steps before it
    return [int(i) for i in order[above < coverage - 1e-12]] or [int(order[0])]


def shortened(shown: Shown, suspected: Sequence[int], share: float) -> Shortened:
    """The longest cuts that stay within the share, with as many suspects as fit at the shortest."""
    most = max(FEWEST, int(share * estimate(shown.log())))

    def fits(kept: Sequence[int], longest: int) -> bool:
        return estimate(_log(shown, kept, longest)) <= most

    count = _last(range(1, len(suspected) + 1), lambda number: fits(suspected[:number], CUTS[0]))
    kept = tuple(suspected[:count])
    longest = _last(CUTS, lambda longest: fits(kept, longest))
    return Shortened(kept, _log(shown, kept, longest), longest)


def _last(sizes: Sequence[int], fits: Callable[[int], bool]) -> int:
    """The largest of rising sizes that fits, or the smallest when none does."""
    return sizes[max(0, bisect_left(sizes, True, key=lambda size: not fits(size)) - 1)]


def _log(shown: Shown, kept: Sequence[int], longest: int) -> str:
    inside = set(kept)
    beside: set[int] = set()
    if longest * BESIDE >= LEGIBLE:
        beside = {near for step in kept for near in (step - 1, step + 1)} - inside
    there = [step for step in beside if 0 <= step < len(shown.trace.steps)]
    view = _view(inside, longest)
    return shown.log([*inside, *there], view=view, instructions=False)


def _view(inside: set[int], longest: int) -> View:
    return lambda step, text: cut(text, longest if step in inside else int(longest * BESIDE))


def _share(name: str, value: object) -> float:
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise UsageError(f"judge:shortlist: {name} is {value!r}, wanted a number from 0 to 1")
