"""A verdict beside its run, with the ids by which other tools know both.

Ids are hashes of what is judged and by what, so that a verdict written twice is one verdict, and
never of the clock. Spans are those of the log where it had spans, else those that
`tracekit export traces` gives the same run.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tracekit.attribution import Attribution, Suspect
from tracekit.export import tree
from tracekit.report.machine import json_bytes
from tracekit.report.visible import one_line
from tracekit.trace import Step, Trace

_SPAN = re.compile(r"[0-9a-f]{16}")
_TRACE = re.compile(r"[0-9a-f]{32}\b|[0-9a-f]{16}\b")

Pair = tuple[Trace, Attribution]


class Where(msgspec.Struct, frozen=True):
    """A span, as the judged system's own telemetry knows it."""

    trace: str
    """Trace id: 16 or 32 hex digits, or the word of the tool that is written to."""
    span: str | None
    """Span id; None = the whole trace."""
    time: int
    """When it ended, nanoseconds since 1970 UTC; a few microseconds where the log has no clock."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A run, the verdict on it, and the verdict's id."""

    trace: Trace
    verdict: Attribution
    id: str
    """Of the verdict: the same run judged by the same method, model, settings and seed."""
    case: str
    """Of what was tried in the run, the same in every later run of it (`case_id`)."""
    copy: int = 0
    """How many runs of the same id came before."""

    def at(self, step: int | None = None, home: str = "") -> Where:
        """The span of a step, or the whole trace.

        Ids of the log count where they are OpenTelemetry's, or where the log is an export of the
        tool that is written to: the format `home`.
        """
        root, *others = tree.grow(self.trace, self.copy)
        node = next((n for n in others if n.step and n.step.index == (step or 0)), root)
        logged = _span(node.step) if node.step else None
        trace, span = root.trace, node.id
        if logged not in (None, span):  # equal are the spans of tracekit's own exports
            known = _TRACE.match(self.trace.id)
            if known and _SPAN.fullmatch(logged or ""):
                trace, span = known[0], logged or span
            elif self.trace.source.format == home:
                trace, span = self.trace.id, logged or span
        return Where(trace, None, root.end) if step is None else Where(trace, span, node.end)

    @property
    def shown(self) -> bool:
        """Whether there is something to say: runs that succeeded are not blamed."""
        return self.trace.failed is not False or bool(self.verdict.suspects)


def _span(step: Step) -> str | None:
    """The span that the log has for a step."""
    return step.raw[0].span if step.raw else None


def judged(pairs: Iterable[Pair]) -> Iterator[Judged]:
    """Every run with the ids of its verdict, in order."""
    seen: Counter[str] = Counter()
    for trace, verdict in pairs:
        copy = seen[trace.id]
        seen[trace.id] += 1
        yield Judged(
            trace=trace,
            verdict=verdict,
            id=verdict_id(verdict, copy),
            case=case_id(trace),
            copy=copy,
        )


def made_with(known: Sequence[Judged]) -> dict[str, Any]:
    """The configuration that all verdicts were made with; empty when they differ, or say none.

    Runs that succeeded were judged by nobody.
    """
    said = [one.verdict.config for one in known if one.shown]
    return said[0] if said and all(config == said[0] for config in said) else {}


def verdict_id(verdict: Attribution, copy: int = 0) -> str:
    """32 hex digits for a run and the method that judges it.

    What the verdict says is not in it: a verdict that changed replaces the one before.
    """
    method = msgspec.to_builtins(verdict.method, order="deterministic")
    return digest("verdict", verdict.trace_id, copy, method)


def case_id(trace: Trace) -> str:
    """32 hex digits for what was tried: the task where the log names one, else the run itself.

    A test suite runs the same tasks again and again, under new ids of runs.

    >>> from tracekit.trace import Source, Task
    >>> runs = [Trace(id=id, source=Source("demo"), task=Task("2 + 2?")) for id in "ab"]
    >>> case_id(runs[0]) == case_id(runs[1])
    True
    """
    if trace.task.id:
        return digest("task", trace.task.id)
    if trace.task.question.strip():
        return digest("question", " ".join(trace.task.question.split()))
    return digest("run", trace.id)


def digest(*parts: Any) -> str:
    """32 hex digits of values, in order."""
    text = json_bytes(msgspec.to_builtins(["tracekit", *parts], order="deterministic"))
    return hashlib.sha256(text).hexdigest()[:32]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a verdict says about one span: what platforms call a score or an annotation."""

    id: str
    """32 hex digits; the same note has the same id."""
    name: str
    """`tracekit.decisive-step` on the span of a suspect, `tracekit.verdict` on the run."""
    where: Where
    label: str
    """On a step: `decisive`, or `decisive-if-failed` when nobody knows how the run ended. On a
    run: the agent to blame, or `no-verdict`."""
    score: float | None
    """Probability of the step, or of the agent; None without a verdict."""
    explanation: str
    """The verdict in a sentence."""
    by_model: bool
    """Whether a language model was asked."""
    facts: dict[str, Any]
    """The rest: agent, step, modes, method, verdict and case ids."""


STEP = "tracekit.decisive-step"
RUN = "tracekit.verdict"


def notes(one: Judged, explanation: str, home: str = "") -> Iterator[Note]:
    """What there is to say about a run, the run itself first; nothing of one that succeeded.

    `home` is that of `Judged.at`.
    """
    if not one.shown:
        return
    verdict, top = one.verdict, one.verdict.top
    facts: dict[str, Any] = {
        "verdict": one.id,
        "case": one.case,
        "run": one_line(one.trace.id, 200),
        "outcome": one.trace.outcome.status,
        "method": verdict.method.name,
        "version": verdict.method.version,
    }
    common: dict[str, Any] = {"explanation": explanation, "by_model": verdict.cost.tokens > 0}
    blamed = verdict.agents.get(top.agent, top.probability) if top else None
    yield Note(
        id=digest("note", one.id, RUN),
        name=RUN,
        where=one.at(None, home),
        label=one_line(top.agent, 200) if top else "no-verdict",
        score=blamed,
        facts=facts
        | (_about(top) if top else {"abstained": verdict.abstained})
        | {"config": json_bytes(verdict.config).decode() if verdict.config else ""},
        **common,
    )
    if top is not None:
        yield Note(
            id=digest("note", one.id, STEP),
            name=STEP,
            where=one.at(top.step, home),
            label="decisive-if-failed" if verdict.conditional else "decisive",
            score=top.probability,
            facts=facts | _about(top),
            **common,
        )


def _about(suspect: Suspect) -> dict[str, Any]:
    return {
        "agent": one_line(suspect.agent, 200),
        "step": suspect.step,
        "modes": list(suspect.modes),
    }
