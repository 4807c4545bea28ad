"""Rules by which a gate ends: each looks at the runs, and at the baseline where it needs one.

any-failure        a run failed
new-failures       a case fails more often than the baseline allows at its rate
more-failures      the share of failed runs is higher than in the baseline
missing-runs       a case of the baseline was not run, or its outcome is not known
unknown-outcomes   nobody knows how a run ended
agent:NAME         a failure is attributed to that agent
mode:CODE          a failure mode is more frequent than in the baseline (without one: occurs)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import ceil

import msgspec

from tracekit.errors import UsageError
from tracekit.export.verdicts.judged import Judged
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
    return [Hit(rule="more-than-chance", says=says, verdicts=_ids(runs.failed))]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} runs ({part / whole:.0%})" if whole else "no runs"


def _missing_runs(runs: Runs, _: str) -> list[Hit]:
    gone = [case.name for id, case in runs.before.cases.items() if id not in runs.now.cases]
    if not gone:
        return []
    some = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    says = f"{len(gone)} of {len(runs.before.cases)} cases of the baseline have no outcome: {some}"
    return [Hit(rule="missing-runs", says=says)]


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
    "unknown-outcomes": _unknown_outcomes,
}
"""Rules by name."""

WITH_ARGUMENT: dict[str, Rule] = {"agent": _agent, "mode": _mode}
"""Rules that are written `name:argument`."""

NEED_BASELINE = frozenset({"new-failures", "more-failures", "more-than-chance", "missing-runs"})


def usual(base: Baseline | None) -> tuple[str, ...]:
    """The rules when none is asked for: any failure, or with a baseline what it does not hold."""
    return ("any-failure",) if base is None else ("new-failures", "missing-runs")


def check(names: Sequence[str], *, has_baseline: bool) -> None:
    """Raise `UsageError` for a rule that does not exist or cannot be followed."""
    known = [*PLAIN, *(f"{name}:…" for name in WITH_ARGUMENT)]
    for name in names:
        head, colon, argument = name.partition(":")
        if head in WITH_ARGUMENT and argument:
            continue
        if name not in PLAIN:
            near = get_close_matches(head if colon else name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"--fail-on {name}: no such rule; {hint}")
        if name in NEED_BASELINE and not has_baseline:
            raise UsageError(f"--fail-on {name} compares with a baseline: name it, --baseline FILE")


def hits(names: Sequence[str], runs: Runs) -> list[Hit]:
    """What ends the gate, rule by rule in the order given; raises as `check` does."""
    check(names, has_baseline=runs.base is not None)
    found: list[Hit] = []
    for name in dict.fromkeys(names):
        head, _, argument = name.partition(":")
        rule = PLAIN.get(name) or WITH_ARGUMENT[head]
        found += rule(runs, argument)
    return found
