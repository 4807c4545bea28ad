"""Facts about runs and steps in words, shared by terminal and HTML; every word is `visible`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tracekit.attribution import Attribution, Method
from tracekit.report.explain import agent_name
from tracekit.report.visible import one_line, visible
from tracekit.trace import Label, Raw, Step, Trace

NAME = 80
"""Longest name shown, in characters."""
SHARES = 8
"""Players whose share of the blame is told."""


def method_name(method: Method) -> str:
    """A method in words: name, version, model.

    >>> method_name(Method("linear", "1", model="abc"))
    'linear 1, model abc'
    """
    name = " ".join(part for part in (method.name, method.version) if part)
    return one_line(f"{name}, model {method.model}" if method.model else name, 160)


def pointer(trace: Trace, raw: Raw) -> str:
    """Where a raw record lies: `path:line` when it has a line, else `path#record`.

    >>> from tracekit.trace import Source
    >>> pointer(Trace(id="t", source=Source("demo", "a.json")), Raw(record="/history/3"))
    'a.json#/history/3'
    """
    path = raw.path or trace.source.path
    line = raw.line if raw.line is not None else raw.record
    return visible(f"{path}:{line}" if isinstance(line, int) else f"{path}#{line}")


def arguments(value: Any, indent: int = 0) -> str:
    """Arguments of a tool call as JSON text, strings as they are; empty when there are none.

    >>> arguments({"q": "tower"}), arguments("tower"), arguments({})
    ('{"q": "tower"}', 'tower', '')
    """
    if value is None or value == {}:
        return ""
    if isinstance(value, str):
        return visible(value)
    try:
        text = visible(json.dumps(value, ensure_ascii=False, default=str))
        return msgspec.json.format(text, indent=indent)
    except RecursionError:
        return "(nested too deeply to be shown)"


def run_facts(trace: Trace, verdict: Attribution | None) -> list[tuple[str, str]]:
    """What is known beyond outcome and answer, by name: score, reason, sets of suspects, labels."""
    outcome = trace.outcome
    facts: list[tuple[str, str]] = []
    if outcome.score is not None:
        facts.append(("Score", f"{outcome.score:g}"))
    if outcome.reason:
        facts.append(("Reason given", one_line(outcome.reason, 400)))
    if outcome.by:
        facts.append(("Outcome by", one_line(outcome.by, NAME)))
    if verdict is not None:
        facts += [*_sets(trace, verdict), *_shares(trace, verdict), *_asked(verdict)]
    facts += [("Label", _label(label)) for label in trace.labels]
    return facts


def _sets(trace: Trace, verdict: Attribution) -> list[tuple[str, str]]:
    """The steps and the agents among which the cause is, with the share of runs in which it is."""
    steps, agents = verdict.suspect_set, verdict.agent_set
    facts: list[tuple[str, str]] = []
    if steps is not None:
        words = ", ".join(str(step) for step in steps.steps)
        of = f"{len(steps.steps)} of {len(trace.steps)}"
        facts.append((f"Suspect set ({steps.coverage:.0%})", f"steps {words} ({of})"))
    if agents is not None:
        names = ", ".join(agent_name(trace, id) for id in agents.agents)
        facts.append((f"Agent set ({agents.coverage:.0%})", names))
    return facts


def _asked(verdict: Attribution) -> list[tuple[str, str]]:
    """How far repeated judgements agree, and what the calls cost."""
    votes, cost = verdict.votes, verdict.cost
    facts: list[tuple[str, str]] = []
    if votes is not None:
        named = [(votes.step, "name this step"), (votes.agent, "this agent")]
        counts = [(votes.abstained, "name nobody"), (votes.failed, "failed")]
        told = (named if verdict.top else []) + [(n, what) for n, what in counts if n]
        words = ", ".join(f"{count} {what}" for count, what in told)
        facts.append(("Agreement", f"of {votes.asked} judgements {words}"))
    if cost.calls:
        calls = "1 call" if cost.calls == 1 else f"{cost.calls:,} calls"
        money = f", ${cost.money:.4g}" if cost.money else ""
        tokens = f", {cost.tokens:,} tokens" if cost.tokens else ""
        facts.append(("Cost", f"{calls}{tokens}{money}"))
    return facts


class _Share(msgspec.Struct):
    """One entry of `extra["shapley"]["shares"]`, as far as it is shown."""

    agent: str
    share: float
    low: float
    high: float
    step: int | None = None


class _Shared(msgspec.Struct):
    """`extra["shapley"]`, as far as it is shown."""

    value: str
    nobody: float
    everybody: float
    shares: list[_Share]


def _shares(trace: Trace, verdict: Attribution) -> list[tuple[str, str]]:
    """Who gets which share of the blame, and what the shares sum to."""
    try:
        found = msgspec.convert(verdict.extra["shapley"], _Shared)
    except (KeyError, msgspec.ValidationError):
        return []
    parts = []
    for one in found.shares[:SHARES]:
        step = "" if one.step is None else f" step {one.step}"
        ends = f" [{one.low:+.2f}, {one.high:+.2f}]" if one.low < one.high else ""
        parts.append(f"{agent_name(trace, one.agent)}{step} {one.share:+.2f}{ends}")
    more = len(found.shares) - SHARES
    parts += [f"{more} more"] if more > 0 else []
    chance = f"chance of success {found.nobody:.0%}, with all corrected {found.everybody:.0%}"
    return [(f"Shapley values ({one_line(found.value, NAME)})", f"{', '.join(parts)}; {chance}")]


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in rising order, neighbours joined.

    >>> ranges([7, 1, 3, 2]), ranges([])
    ('1-3, 7', '')
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _label(label: Label) -> str:
    """A label in words: who and where, by which definition, and its reason."""
    where = f"step {label.step}" if label.step is not None else None
    words = [label.agent, where, *label.modes]
    said = one_line(", ".join(word for word in words if word), 160) or "failed"
    reason = f": {one_line(label.reason, 400)}" if label.reason else ""
    return f"{said} ({label.definition}){reason}"


def step_facts(step: Step, began: float | None) -> list[str]:
    """When the step ran, counted from the first step's start, and what it used."""
    facts: list[str] = []
    if step.time is not None:
        if step.time.start is not None and began is not None:
            facts.append(f"at {duration(step.time.start - began)}")
        if step.time.seconds is not None:
            facts.append(f"took {duration(step.time.seconds)}")
    if step.usage is not None:
        counts = (step.usage.input_tokens, step.usage.output_tokens)
        if any(count is not None for count in counts):
            facts.append(" → ".join("?" if n is None else f"{n:,}" for n in counts) + " tokens")
        if step.usage.cost is not None:
            facts.append(f"${step.usage.cost:.4g}")
        if step.usage.model:
            facts.append(one_line(step.usage.model, NAME))
    return facts


def duration(seconds: float) -> str:
    """Seconds as people write them.

    >>> duration(0.0213), duration(75), duration(7384)
    ('21 ms', '1 m 15 s', '2 h 3 m')
    """
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(abs(seconds)), 60)
    sign = "-" if seconds < 0 else ""
    if minutes < 60:
        return f"{sign}{minutes} m {rest} s"
    return f"{sign}{minutes // 60} h {minutes % 60} m"
