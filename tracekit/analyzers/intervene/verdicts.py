"""What replays say of a hypothesis: validated, partially validated, refuted or inconclusive.

The four words are those of DoVer (arXiv 2512.06749), which counts three replays and has a model
judge whether a change was followed and how far the run came. Here shares stand with intervals, a
change was followed when the log shows it, and sub-goals come from the system (`Milestones`):

- *validated*: the correction raises the share of successes, the interval lies above zero;
- *partially validated*: it does not, but it was followed, and the share of sub-goals reached grows
  by at least `PROGRESS`, the interval above zero;
- *refuted*: it was followed, and the interval of the difference ends below `delta`: the step may
  matter a little, but not that much;
- *inconclusive*: everything else: too few replays, no correction, or one that was not followed.

Replays with the correction and with the step as recorded use the same seeds. They are looked at
after 8, 16, 32, ... of each, and end when a finding is certain; the level of the intervals allows
for every look and every hypothesis of the run (Bonferroni), so that a run in which no correction
does anything has a validated step in at most 5 % of cases.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracekit import stats
from tracekit.analyzers.intervene.branches import Branches, End, Spent
from tracekit.analyzers.intervene.types import Finding, Hypothesis, Tested, percent
from tracekit.replay.types import Intervention
from tracekit.stats import Estimate

LEVEL = 0.05
"""Chance that some hypothesis of a run is validated although no correction does anything."""
PROGRESS = 0.2
"""Growth of the share of sub-goals that counts as progress (DoVer: more than 20 %)."""
FOLLOWED = 2 / 3
"""Share of the replays in which the change must have been followed (DoVer: two of three)."""

LOOKS = (8, 16, 32, 64)
"""Replays of each kind after which a hypothesis is judged; fewer than 8 cannot validate one."""

Pair = tuple[End, End]
"""How a seed ends with the correction, and with the step as recorded."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How hypotheses are tested."""

    n: int
    """Replays of each kind for one hypothesis, at most."""
    delta: float
    """Difference of success, 0 to 1, that a refuted hypothesis certainly does not make."""
    hypotheses: int
    """Hypotheses of the run that may be tested; the level allows for all of them."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Replays of each kind after which a hypothesis is judged."""
        return (*(look for look in LOOKS if look < self.n), self.n)

    @property
    def level(self) -> float:
        """Level of one interval."""
        return 1 - LEVEL / (len(self.looks) * max(1, self.hypotheses))


def tested(branches: Branches, guess: Hypothesis, change: Intervention, rules: Rules) -> Tested:
    """Replay until the hypothesis is validated or refuted, or the replays of the rules are made."""
    recorded, pairs = branches.recorded(guess.step), list[Pair]()
    out_of = False
    for look in rules.looks:
        try:
            for number in range(len(pairs), look):
                pairs.append((branches.end(change, number), branches.end(recorded, number)))
        except Spent:
            out_of = True
        if out_of or _judged(pairs, rules)[0] in ("validated", "refuted"):
            break
    if not pairs:
        return untested(guess, "the replays that were granted are used up", change)
    finding, reason = _judged(pairs, rules)
    if out_of and finding == "inconclusive":
        reason += "; the replays that were granted are used up"
    return Tested(
        hypothesis=guess,
        finding=finding,
        reason=reason,
        change=change,
        n=len(pairs),
        rate_with=sum(a.success for a, _ in pairs) / len(pairs),
        rate_without=sum(b.success for _, b in pairs) / len(pairs),
        difference=_difference(pairs, rules.level),
        followed=sum(a.followed for a, _ in pairs) / len(pairs),
        progress=_progress(pairs, rules.level),
    )


def untested(guess: Hypothesis, reason: str, change: Intervention | None = None) -> Tested:
    """A hypothesis that no replay was made for."""
    return Tested(hypothesis=guess, finding="inconclusive", reason=reason, change=change)


def _judged(pairs: Sequence[Pair], rules: Rules) -> tuple[Finding, str]:
    """The finding and why, by the definitions above."""
    difference, gone = _difference(pairs, rules.level), _progress(pairs, rules.level)
    followed = sum(a.followed for a, _ in pairs) / len(pairs)
    if followed < FOLLOWED:
        return "inconclusive", f"the correction was followed in {percent(followed)} of the replays"
    if difference.low > 0:
        return "validated", "with the step corrected more replays succeed"
    if gone is not None and gone.value >= PROGRESS and gone.low > 0:
        return (
            "partially validated",
            "the run comes further; that it succeeds more often is not certain",
        )
    if difference.high < rules.delta:
        return "refuted", "with the step corrected it goes on failing"
    return "inconclusive", f"{len(pairs)} replays of each kind do not tell"


def _difference(pairs: Sequence[Pair], level: float) -> Estimate:
    """Successes with the correction less those without, of the same seeds."""
    gained = sum(a.success and not b.success for a, b in pairs)
    lost = sum(b.success and not a.success for a, b in pairs)
    return stats.paired_difference(gained, lost, len(pairs), level)


def _progress(pairs: Sequence[Pair], level: float) -> Estimate | None:
    """Sub-goals with the correction less those without; None where the system knows none."""
    grown = [
        a.progress - b.progress
        for a, b in pairs
        if a.progress is not None and b.progress is not None
    ]
    return stats.mean(grown, level) if len(grown) > 1 else None
