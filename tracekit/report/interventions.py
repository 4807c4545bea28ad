"""Diagnoses by intervention for people: what terminal and HTML share, and the terminal's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tracekit.analyzers.intervene.types import (
    Diagnosis,
    Gain,
    Round,
    Session,
    Tested,
    percent,
)
from tracekit.replay.types import Action
from tracekit.report.explain import agent_name
from tracekit.report.facts import ranges
from tracekit.report.visible import one_line
from tracekit.stats import Estimate
from tracekit.trace import Trace

COLOURS = {
    "validated": "green",
    "partially validated": "yellow",
    "refuted": "dim",
    "inconclusive": "magenta",
}


class Line(msgspec.Struct, frozen=True):
    """One hypothesis, ready to be shown; its words are neutralised, not escaped."""

    finding: str
    trial: int
    step: int
    agent: str
    probability: float
    rates: str
    difference: str
    reason: str
    was: str
    now: str


class Shown(msgspec.Struct, frozen=True):
    """One diagnosis, ready to be shown."""

    run: str
    answer: str
    """The decisive step in words, or why there is none."""
    explained: bool
    lines: tuple[Line, ...]
    """Its hypotheses, in the order in which they were tested."""
    right: str
    """Steps that need no correction, e.g. `0, 2-5`; empty when there are none."""
    facts: str


def shown(trace: Trace, diagnosis: Diagnosis, limit: int = 160) -> Shown:
    """A diagnosis in words; texts of the run are cut to `limit` characters."""
    count = len(diagnosis.trials)
    return Shown(
        run=one_line(trace.id),
        answer=_answer(trace, diagnosis),
        explained=diagnosis.answer is not None,
        lines=tuple(_line(trace, one, limit) for one in diagnosis.tested),
        right=ranges(diagnosis.right),
        facts=f"{count} {'trial' if count == 1 else 'trials'}, {diagnosis.replays} replays",
    )


def _answer(trace: Trace, diagnosis: Diagnosis) -> str:
    if diagnosis.abstained is not None:
        return f"Not tested: {one_line(diagnosis.abstained, 200)}"
    found = diagnosis.answer
    if found is None:
        return "No correction of a suspected step makes the run succeed more often"
    who = agent_name(trace, found.hypothesis.agent)
    return (
        f"{who} at step {found.hypothesis.step}: {percent(found.rate_with)} of {found.n} replays "
        f"succeed with the step corrected, {percent(found.rate_without)} as recorded"
    )


def _line(trace: Trace, one: Tested, limit: int) -> Line:
    guess = one.hypothesis
    return Line(
        finding=one.finding,
        trial=guess.trial,
        step=guess.step,
        agent=agent_name(trace, guess.agent),
        probability=guess.probability,
        rates=f"{percent(one.rate_with)} / {percent(one.rate_without)} of {one.n}" if one.n else "",
        difference=signed(one.difference) if one.difference is not None else "",
        reason=one_line(one.reason, 200),
        was=one_line(_said(Action.of(trace.steps[guess.step])), limit),
        now=one_line(_instead(one), limit),
    )


def _said(action: Action) -> str:
    calls = "; ".join(
        f"{call.name}({msgspec.json.encode(call.arguments).decode()})"
        for call in action.tools
        if action.kind == "tool_call"
    )
    return " ".join(part for part in (action.content, calls) if part)


def _instead(one: Tested) -> str:
    if one.change is None:
        return ""
    if one.change.actions is None:
        return f"(acts again, told: {one.change.inputs[-1].content})" if one.change.inputs else ""
    return " / ".join(map(_said, one.change.actions)) or "(nothing)"


def signed(estimate: Estimate) -> str:
    """A difference with its interval.

    >>> signed(Estimate(0.5, 0.25, 0.75))
    '+0.50 (+0.25 to +0.75)'
    """
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"


def share(estimate: Estimate) -> str:
    """A share with its interval.

    >>> share(Estimate(0.5, 0.25, 0.75))
    '50 % (25 to 75)'
    """
    return f"{percent(estimate.value)} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


# --- the terminal -------------------------------------------------------------------------------


def terminal(session: Session, traces: Mapping[str, Trace], *, detail: int) -> RenderableType:
    """Runs in detail for up to `detail` of them, else one row a run; then findings and repairs."""
    views = [shown(traces[one.trace_id], one) for one in session.diagnoses]
    parts: list[RenderableType] = []
    if len(views) <= detail:
        for view in views:
            parts += [*_detail(view), Text()]
    else:
        parts.append(_overview(session.diagnoses, views))
    parts.append(Text(summary(session)))
    for number, each in enumerate(session.rounds, 1):
        head = f"Round {number}. " if len(session.rounds) > 1 else ""
        parts += [Text(), *(Text(head + line) for line in repair_lines(each)[:1])]
        parts += [Text(line) for line in repair_lines(each)[1:]]
        if each.gain is not None:
            parts.append(_gain(each.gain))
    return Group(*parts)


def _table(*names: str) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=False)
    for name in names:
        found.add_column(Text(name), overflow="fold")
    return found


def _overview(diagnoses: Sequence[Diagnosis], views: Sequence[Shown]) -> Table:
    rows = _table("Run", "Step", "Agent", "With / without", "Repair", "Replays")
    rows.columns[1].justify = rows.columns[5].justify = "right"
    rows.columns[0].min_width, rows.columns[3].min_width, rows.columns[5].min_width = 20, 18, 7
    for one, view in zip(diagnoses, views, strict=True):
        found = one.answer
        line = next((each for each in view.lines if found and each.step == found.hypothesis.step
                     and each.finding == "validated"), None)  # fmt: skip
        cells = [
            Text(),
            Text("none", "dim"),
            Text("nothing validated" if one.tested else view.answer, "dim"),
            Text(),
        ]
        if line is not None:
            repair = one_line(str(one.repair), 40) if one.repair else ""
            cells = [Text(str(line.step)), Text(line.agent), Text(line.rates), Text(repair)]
        rows.add_row(Text(view.run), *cells, Text(str(one.replays)))
    return rows


def _detail(view: Shown) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text.assemble((view.run, "bold"), f"  {view.facts}"),
        Text(view.answer + ".", "" if view.explained else "dim"),
    ]
    if view.lines:
        rows = _table("Step", "Agent", "Suspected", "Finding", "With / without", "Gain")
        rows.columns[0].justify = rows.columns[2].justify = "right"
        for line in view.lines:
            rows.add_row(
                Text(str(line.step)),
                Text(line.agent),
                Text(percent(line.probability)),
                Text(line.finding, COLOURS[line.finding]),
                Text(line.rates or line.reason),
                Text(line.difference),
            )
        parts.append(rows)
        best = next((each for each in view.lines if each.finding == "validated"), None)
        if best is not None:
            parts += [Text.assemble(("was  ", "dim"), best.was)]
            parts += [Text.assemble(("now  ", "dim"), best.now)]
    if view.right:
        parts.append(Text(f"Right as they are: steps {view.right}.", "dim"))
    return parts


def summary(session: Session) -> str:
    """Failures looked into, how many were flipped, and hypotheses by finding."""
    counted = ", ".join(f"{count} {name}" for name, count in session.findings.items())
    failures = len(session.diagnoses)
    return (
        f"{failures} {'failure' if failures == 1 else 'failures'}: a correction flips "
        f"{share(session.flipped)}. Hypotheses: {counted or 'none'}; {session.replays} replays."
    )


def repair_lines(each: Round) -> list[str]:
    """What a round suggests, in sentences."""
    if each.repair is None:
        return ["No repair: nothing was validated that the system could be repaired by."]
    asked = ", ".join(f"{name} ({count})" for name, count in each.asked.items())
    lines = [f"Repair {one_line(str(each.repair), 100)}. {one_line(each.repair.text, 400)}"]
    lines.append(f"What the failures ask for: {one_line(asked, 300)}.")
    if each.gain is None:
        lines.append("Its effect was not measured: no fresh tasks, or a system without repairs.")
    return lines


def _gain(gain: Gain) -> Table:
    rows = _table(f"On {gain.n} fresh tasks", "Success", "Gain over none", "Over a random repair")
    rows.add_row("as it is", share(gain.before))
    rows.add_row("repaired", share(gain.after), signed(gain.gain), signed(gain.over_random))
    rows.add_row("a random repair", share(gain.random), signed(gain.random_gain))
    return rows
