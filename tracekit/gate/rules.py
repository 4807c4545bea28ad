"""Rules by which a gate ends: each looks at the runs, and at the baseline where it needs one.

any-failure        a run failed
new-failures       a case fails more often than the baseline allows at its rate
more-failures      the share of failed runs is higher than in the baseline
more-than-chance   cases fail more often than in the baseline by more than chance; one that is not
                   in the baseline fails
changed-culprit    a case that failed before fails by an agent or mode that it did not show there
missing-runs       a case has fewer runs of known outcome than in the baseline; missing-runs:SHARE
                   lets that share of the case's runs be missing (0.2, 1/3)
unknown-outcomes   nobody knows how a run ended
agent:NAME         a failure is attributed to that agent
mode:CODE          a failure mode is more frequent than in the baseline (without one: occurs)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from math import ceil

import msgspec

from tracekit.errors import UsageError
from tracekit.export.verdicts.judged import Judged
from tracekit.gate import changes
from tracekit.gate.baseline import Baseline, Case, tally
from tracekit.gate.chance import LEVEL, more_by_chance
from tracekit.report.explain import agent_name
from tracekit.report.visible import one_line


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that ends the gate, and why."""

    rule: str
    """As it was asked for."""
    says: str
    """The reason in a sentence."""
    verdicts: tuple[str, ...] = ()
    """Ids of the verdicts concerned (`Judged.id`)."""


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at."""

    known: Sequence[Judged]
    """Every run with its verdict."""
    now: Baseline
    """Their cases."""
    base: Baseline | None
    """The baseline, None = there is none."""

    @property
    def failed(self) -> list[Judged]:
        """Runs that failed."""
        return [one for one in self.known if one.trace.failed]

    @property
    def before(self) -> Baseline:
        """The baseline, for rules that need one."""
        assert self.base is not None
        return self.base


Rule = Callable[[Runs, str], list[Hit]]
"""(runs, argument) to what is wrong."""


def runs_of(known: Sequence[Judged], base: Baseline | None) -> Runs:
    """Runs beside the baseline."""
    return Runs(known=known, now=tally(known), base=base)


def _any_failure(runs: Runs, _: str) -> list[Hit]:
    failed = runs.failed
    says = f"{len(failed)} of {len(runs.known)} runs failed"
    return [Hit(rule="any-failure", says=says, verdicts=_ids(failed))] if failed else []


def _new_failures(runs: Runs, _: str) -> list[Hit]:
    hits = []
    for id, case in runs.now.cases.items():
        before = runs.before.cases.get(id)
        if case.failures > _allowed(before, case.runs):
            was = f"{_of(before)} in the baseline" if before else "it is not in the baseline"
            says = f"{case.name}: {_of(case)} failed; {was}"
            failed = [one for one in runs.failed if one.case == id]
            hits.append(Hit(rule="new-failures", says=says, verdicts=_ids(failed)))
    return hits


def _allowed(before: Case | None, runs: int) -> int:
    """Failures that a case may have in so many runs: those of the baseline, at its rate."""
    if before is None or not before.runs:
        return 0
    return ceil(before.failures * runs / before.runs)


def _of(case: Case) -> str:
    return f"{case.failures} of {case.runs} {'run' if case.runs == 1 else 'runs'}"


def _more_failures(runs: Runs, _: str) -> list[Hit]:
    now, before = runs.now, runs.before
    if now.failures * max(before.runs, 1) <= before.failures * now.runs:
        return []
    says = (
        f"{_share(now.failures, now.runs)} failed; baseline {_share(before.failures, before.runs)}"
    )
    return [Hit(rule="more-failures", says=says, verdicts=_ids(runs.failed))]


def _more_than_chance(runs: Runs, _: str) -> list[Hit]:
    """Cases of the baseline are compared with themselves; what fails beside them is new."""
    return [*_by_chance(runs), *_unheard_of(runs)]


def _by_chance(runs: Runs) -> list[Hit]:
    both = [
        (runs.before.cases[id], now)
        for id, now in runs.now.cases.items()
        if id in runs.before.cases
    ]
    chance = more_by_chance((b.failures, b.runs, n.failures, n.runs) for b, n in both)
    if chance > LEVEL:
        return []
    was, now = (
        _share(sum(c.failures for c in side), sum(c.runs for c in side))
        for side in zip(*both, strict=True)
    )
    says = f"{now} failed in the cases of the baseline, {was} there; by chance: {chance:.2g}"
    failed = [one for one in runs.failed if one.case in runs.before.cases]
    return [Hit(rule="more-than-chance", says=says, verdicts=_ids(failed))]


def _unheard_of(runs: Runs) -> list[Hit]:
    """Failures that cannot be compared: no rate was ever allowed to their cases."""
    new = {id: case for id, case in changes.added(runs.now, runs.before) if case.failures}
    if not new:
        return []
    share = _share(sum(c.failures for c in new.values()), sum(c.runs for c in new.values()))
    names = changes.some([case.name for case in new.values()])
    says = (
        f"{share} failed in cases that the baseline does not have: {names}; --accept takes them in"
    )
    failed = [one for one in runs.failed if one.case in new]
    return [Hit(rule="more-than-chance", says=says, verdicts=_ids(failed))]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} runs ({part / whole:.0%})" if whole else "no runs"


def _missing_runs(runs: Runs, tolerance: str) -> list[Hit]:
    few = changes.short(runs.known, runs.now, runs.before, _tolerated(tolerance))
    if not few:
        return []
    says = (
        f"{len(few)} of {len(runs.before.cases)} cases of the baseline have fewer runs of known "
        f"outcome than there: {changes.some(few)}"
    )
    return [Hit(rule=f"missing-runs:{tolerance}" if tolerance else "missing-runs", says=says)]


def _tolerated(text: str) -> Fraction:
    """A share below 1, exactly; raises `UsageError` for anything else."""
    try:
        share = Fraction(text or 0)
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 <= share < 1:
        raise UsageError(f"--fail-on missing-runs:{text}: a share of a case's runs, 0.2 or 1/3")
    return share


def _changed_culprit(runs: Runs, _: str) -> list[Hit]:
    return [
        Hit(
            rule="changed-culprit",
            says=f"{case.name}: {', '.join(new)}; in the baseline {', '.join([*case.agents, *case.modes])}",
            verdicts=_ids(failed),
        )
        for case, new, failed in changes.changed(runs.known, runs.before)
    ]


def _unknown_outcomes(runs: Runs, _: str) -> list[Hit]:
    unknown = [one for one in runs.known if one.trace.failed is None]
    says = f"nobody knows how {len(unknown)} of {len(runs.known)} runs ended"
    return [Hit(rule="unknown-outcomes", says=says, verdicts=_ids(unknown))] if unknown else []


def _agent(runs: Runs, name: str) -> list[Hit]:
    blamed = [
        one
        for one in runs.failed
        if (top := one.verdict.top) and name in (top.agent, agent_name(one.trace, top.agent, 200))
    ]
    says = f"{len(blamed)} of {len(runs.failed)} failures are attributed to {one_line(name)}"
    return [Hit(rule=f"agent:{name}", says=says, verdicts=_ids(blamed))] if blamed else []


def _mode(runs: Runs, mode: str) -> list[Hit]:
    now, before = runs.now, runs.base
    found, was = now.modes(mode), before.modes(mode) if before else 0
    if found * max(before.runs if before else 1, 1) <= was * now.runs:
        return []
    says = f"{mode} in {_share(found, now.runs)}"
    says += f"; baseline {_share(was, before.runs)}" if before else ""
    shows = [one for one in runs.failed if one.verdict.top and mode in one.verdict.top.modes]
    return [Hit(rule=f"mode:{mode}", says=says, verdicts=_ids(shows))]


def _ids(known: Sequence[Judged]) -> tuple[str, ...]:
    return tuple(one.id for one in known)


PLAIN: dict[str, Rule] = {
    "any-failure": _any_failure,
    "new-failures": _new_failures,
    "more-failures": _more_failures,
    "more-than-chance": _more_than_chance,
    "missing-runs": _missing_runs,
    "changed-culprit": _changed_culprit,
    "unknown-outcomes": _unknown_outcomes,
}
"""Rules by name."""

WITH_ARGUMENT: dict[str, Rule] = {"agent": _agent, "mode": _mode, "missing-runs": _missing_runs}
"""Rules that are written `name:argument`."""

NEED_BASELINE = frozenset(
    {"new-failures", "more-failures", "more-than-chance", "missing-runs", "changed-culprit"}
)


def usual(base: Baseline | None) -> tuple[str, ...]:
    """The rules when none is asked for: any failure, or with a baseline what it does not hold."""
    return ("any-failure",) if base is None else ("new-failures", "missing-runs")


def check(names: Sequence[str], *, has_baseline: bool) -> None:
    """Raise `UsageError` for a rule that does not exist or cannot be followed."""
    known = [*PLAIN, *(f"{name}:…" for name in WITH_ARGUMENT)]
    for name in names:
        head, colon, argument = name.partition(":")
        if name not in PLAIN and not (head in WITH_ARGUMENT and argument):
            near = get_close_matches(head if colon else name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"--fail-on {name}: no such rule; {hint}")
        if head in NEED_BASELINE and not has_baseline:
            raise UsageError(f"--fail-on {name} compares with a baseline: name it, --baseline FILE")
        if head == "missing-runs":
            _tolerated(argument)


def hits(names: Sequence[str], runs: Runs) -> list[Hit]:
    """What ends the gate, rule by rule in the order given; raises as `check` does."""
    check(names, has_baseline=runs.base is not None)
    found: list[Hit] = []
    for name in dict.fromkeys(names):
        head, _, argument = name.partition(":")
        rule = PLAIN.get(name) or WITH_ARGUMENT[head]
        found += rule(runs, argument)
    return found
