"""The decision of a gate: whether a build may go on, and every reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from tracekit.errors import InputError
from tracekit.export.verdicts.judged import Judged
from tracekit.gate import rules
from tracekit.gate.baseline import Baseline
from tracekit.gate.notes import notes
from tracekit.gate.rules import Hit
from tracekit.report.explain import explain
from tracekit.report.facts import pointer
from tracekit.report.visible import one_line

SCHEMA = "tracekit/gate/1"
"""Name and version of the JSON document."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a rule speaks of."""

    verdict: str
    """Id of its verdict."""
    id: str
    """Id of the run."""
    case: str
    """Id of what was tried in it."""
    says: str
    """The verdict in a sentence."""
    agent: str | None = None
    """Who is to blame; None without a verdict."""
    step: int | None = None
    """The step blamed, counted from 0."""
    path: str = ""
    """The log."""
    line: int | None = None
    """Line of the step in the log; None where its format has no lines."""
    where: str = ""
    """`path:line` or `path#record` of the step."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """What a gate decided. Holds no clock."""

    passed: bool
    """Whether no rule ended it."""
    rules: tuple[str, ...]
    """The rules that were followed."""
    hits: tuple[Hit, ...]
    """What ended it."""
    runs: tuple[Run, ...]
    """The runs that the hits speak of, in the order of the logs."""
    outcomes: dict[str, int]
    """Runs by outcome."""
    baseline: dict[str, int] | None = None
    """Runs and failures of the baseline; None without one."""
    fixed: tuple[str, ...] = ()
    """Names of cases that fail in the baseline and no longer."""
    notes: tuple[str, ...] = ()
    """What a reader should know besides."""
    config: dict[str, Any] = {}
    """The resolved configuration."""


def decide(
    known: Sequence[Judged],
    base: Baseline | None,
    names: Sequence[str] = (),
    config: dict[str, Any] | None = None,
) -> Decision:
    """Follow the rules. A gate that has nothing to look at must not be green.

    Raises `InputError` when no run has a known outcome, and `UsageError` for impossible rules.
    """
    names = tuple(names) or rules.usual(base)
    rules.check(names, has_baseline=base is not None)
    if all(one.trace.failed is None for one in known):
        raise InputError(
            f"how the {len(known)} runs ended is not in their logs: say who knows, "
            "--outcome-from FILE or MODULE:FUNC"
        )
    runs = rules.runs_of(known, base)
    found = rules.hits(names, runs)
    concerned = {id for hit in found for id in hit.verdicts}
    counted = Counter(one.trace.outcome.status for one in known)
    return Decision(
        passed=not found,
        rules=names,
        hits=tuple(found),
        runs=tuple(_run(one) for one in known if one.id in concerned),
        outcomes={status: counted[status] for status in ("failure", "success", "unknown")},
        baseline=None if base is None else {"runs": base.runs, "failures": base.failures},
        fixed=() if base is None else _fixed(base, runs.now),
        notes=tuple(notes(runs, names, found)),
        config=config or {},
    )


def _run(one: Judged) -> Run:
    trace, top = one.trace, one.verdict.top
    raw = trace.steps[top.step].raw[:1] if top else ()
    where = pointer(trace, raw[0]) if raw else trace.source.path
    return Run(
        verdict=one.id,
        id=one_line(trace.id, 200),
        case=one.case,
        says=explain(trace, one.verdict),
        agent=one_line(top.agent, 200) if top else None,
        step=top.step if top else None,
        path=one_line((raw[0].path if raw else None) or trace.source.path, 1000),
        line=raw[0].line if raw else None,
        where=one_line(where, 1000),
    )


def _fixed(base: Baseline, now: Baseline) -> tuple[str, ...]:
    return tuple(
        case.name
        for id, case in base.cases.items()
        if case.failures and id in now.cases and not now.cases[id].failures
    )
