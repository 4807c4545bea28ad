"""What failed before: the file that a gate compares with, so that only what is new stops a build.

Runs have new ids each time a suite is run; a *case* is what was tried (`case_id`), and keeps its id.
The file is sorted, so that a change of it reads well in a review.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit.attribution import Method
from tracekit.errors import SchemaError, UsageError
from tracekit.export.verdicts.judged import Judged
from tracekit.report.machine import json_bytes
from tracekit.report.visible import one_line
from tracekit.store import atomic
from tracekit.trace import Trace

SCHEMA = "tracekit/baseline/1"
"""Name and version of the JSON document."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one case."""

    name: str
    """For people: the task's id, or the beginning of its question, or the id of the run."""
    runs: int
    """Runs whose outcome is known."""
    failures: int
    """Those that failed."""
    agents: dict[str, int] = {}
    """Failures by the agent that the verdict blames."""
    modes: dict[str, int] = {}
    """Failures by failure mode, where the verdict names some."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """All cases, with what made the verdicts."""

    method: Method | None
    """What attributed the failures; None = there was no run."""
    cases: dict[str, Case]
    """By id of the case."""
    config: dict[str, Any] = {}
    """The resolved configuration of the command that wrote it."""

    @property
    def runs(self) -> int:
        """Runs of known outcome."""
        return sum(case.runs for case in self.cases.values())

    @property
    def failures(self) -> int:
        """Failed runs."""
        return sum(case.failures for case in self.cases.values())

    def modes(self, mode: str) -> int:
        """Failed runs that show a failure mode."""
        return sum(case.modes.get(mode, 0) for case in self.cases.values())


def tally(known: Sequence[Judged], config: dict[str, Any] | None = None) -> Baseline:
    """The cases of some runs; runs of unknown outcome count nowhere."""
    groups: dict[str, list[Judged]] = {}
    for one in known:
        if one.trace.failed is not None:
            groups.setdefault(one.case, []).append(one)
    cases = {id: _case(groups[id]) for id in sorted(groups)}
    method = known[0].verdict.method if known else None
    return Baseline(method=method, cases=cases, config=config or {})


def _case(runs: Sequence[Judged]) -> Case:
    failed = [one for one in runs if one.trace.failed]
    tops = [one.verdict.top for one in failed if one.verdict.top is not None]
    return Case(
        name=case_name(runs[0].trace),
        runs=len(runs),
        failures=len(failed),
        agents=_counted(one_line(top.agent, 200) for top in tops),
        modes=_counted(one_line(mode, 200) for top in tops for mode in dict.fromkeys(top.modes)),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def case_name(trace: Trace) -> str:
    """What people call a case.

    >>> from tracekit.trace import Source, Task
    >>> case_name(Trace(id="r1", source=Source("demo"), task=Task("How high is it?", id="tower")))
    'tower'
    """
    return one_line(trace.task.id or trace.task.question or trace.id, 80) or "(no name)"


def tightened(old: Baseline, now: Baseline) -> Baseline:
    """The old baseline without the failures that are gone: it never allows more than before.

    Cases that did not fail now are taken as they are now; new ones come in if they pass. A case
    with fewer runs than before stays as it was: what was not run is not fixed.
    """
    cases = dict(old.cases)
    for id, case in now.cases.items():
        before = old.cases.get(id)
        if before is None:
            better = case.failures == 0
        else:
            passes = case.failures == 0 or share(case) < share(before)
            better = passes and case.runs >= before.runs
        if better:
            cases[id] = case
    return Baseline(method=now.method, cases=dict(sorted(cases.items())), config=now.config)


def share(case: Case) -> float:
    """Share of the runs of a case that failed, 0 to 1."""
    return case.failures / case.runs if case.runs else 0.0


def read(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in a file; raises `UsageError` when there is none, `SchemaError` for other files."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Baseline)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: there is no baseline yet; --accept writes one of the failures of today"
        ) from None
    except msgspec.DecodeError as error:
        raise SchemaError(f"{path}: not a {SCHEMA} document: {error}") from None


def write(path: str | os.PathLike[str], baseline: Baseline) -> None:
    """Write the baseline, whole or not at all, the same bytes for the same cases."""
    encoded = json_bytes(msgspec.to_builtins(baseline, order="deterministic"))
    with atomic(path) as stream:
        stream.write(msgspec.json.format(encoded, indent=2) + b"\n")
