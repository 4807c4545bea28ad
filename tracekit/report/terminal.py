"""Traces, verdicts and summaries for the terminal. Functions return renderables, print nothing.

Words of a trace are only ever `rich.text.Text` made from `visible` strings: no markup, no escape
sequence and no control character of a log reaches the terminal.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tracekit.attribution import Attribution, Evidence, Suspect
from tracekit.errors import Problem
from tracekit.report.explain import agent_name, explain, percent, reason
from tracekit.report.facts import arguments, method_name, pointer, ranges, run_facts, step_facts
from tracekit.report.quotes import gathered
from tracekit.report.visible import one_line, visible
from tracekit.trace import Step, ToolCall, Trace

Pair = tuple[Trace, Attribution]

COLOURS = ("blue", "yellow", "magenta", "green", "cyan", "bright_blue", "bright_magenta", "white")
"""Agents by their place on the roster; names stand beside the colours."""
OUTCOMES = {"failure": ("failed", "red"), "success": ("ok", "green"), "unknown": ("?", "yellow")}
SEVERITIES = {"error": "red", "warning": "yellow", "skip": "dim"}
WARNINGS = 5
"""Different warnings that are told below a table."""
WIDTH = 100
"""Columns where there is no terminal to ask and COLUMNS is not set."""


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that interprets nothing in the text: no markup, no emoji codes, no highlighting.

    Colour follows NO_COLOR, FORCE_COLOR and TERM; away from a terminal the width is COLUMNS or
    100.
    """
    target = file or (sys.stderr if stderr else sys.stdout)
    away = not target.isatty() and not os.environ.get("COLUMNS", "").isdigit()
    return Console(
        file=file,
        stderr=stderr,
        width=WIDTH if away else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def verdict_table(pairs: Iterable[Pair]) -> RenderableType:
    """One row a run: outcome, agent, step, probability, the suspect set if any has one, why."""
    shown = list(pairs)
    table = _table("Run", "Outcome", "Agent", "Step", "Sure", "Set", "Why")
    for column, width in ((0, 12), (1, 7), (2, 10), (3, 4), (4, 6), (5, 3)):
        table.columns[column].min_width = width
    table.columns[3].justify = table.columns[4].justify = "right"
    table.columns[5].max_width = 9
    table.columns[0].ratio, table.columns[2].ratio, table.columns[6].ratio = 2, 2, 4
    if not any(verdict.suspect_set for _, verdict in shown):
        del table.columns[5]
    for trace, verdict in shown:
        cells = _answer(trace, verdict)
        if len(table.columns) == 6:
            del cells[3]
        table.add_row(Text(one_line(trace.id, 40)), _outcome(trace), *cells)
    return Group(table, *(Text(note, "dim") for note in _notes(shown)))


def _notes(pairs: Sequence[Pair]) -> list[str]:
    """What holds for the rows of the table, in sentences."""
    notes = []
    sets = {verdict.suspect_set.coverage for _, verdict in pairs if verdict.suspect_set}
    notes += [f"Set: steps that hold the cause in {share:.0%} of runs." for share in sorted(sets)]
    if any(verdict.conditional for _, verdict in pairs):
        notes.append("? The outcome is unknown: the verdict holds if the run failed.")
    counts = Counter(warning for _, verdict in pairs for warning in verdict.warnings)
    for warning, count in counts.most_common(WARNINGS):
        notes.append(f"! {count} {'run' if count == 1 else 'runs'}: {one_line(warning, 300)}")
    if len(counts) > WARNINGS:
        notes.append(f"! and {len(counts) - WARNINGS} other warnings")
    return notes


def verdict_detail(trace: Trace, attribution: Attribution, *, top: int = 3) -> RenderableType:
    """One verdict with its `top` suspects and their evidence."""
    parts: list[RenderableType] = [
        Text.assemble((one_line(trace.id), "bold"), "  ", _outcome(trace)),
        Text(explain(trace, attribution)),
    ]
    for rank, suspect in enumerate(attribution.suspects[:top], 1):
        parts.append(Text())
        parts.append(_suspect_head(trace, rank, suspect))
        parts += [_evidence(suspect, items) for items in gathered(suspect.evidence)]
    facts = [*run_facts(trace, attribution), ("Method", method_name(attribution.method))]
    facts += [("Warning", one_line(warning, 400)) for warning in attribution.warnings]
    return Group(*parts, Text(), _facts(facts))


def trace_view(trace: Trace, *, limit: int = 400) -> RenderableType:
    """A whole trace, step by step; texts cut to `limit` characters."""
    began = _began(trace)
    return Group(
        trace_head(trace, limit=limit),
        *(_step(trace, step, began, limit) for step in trace.steps),
    )


def trace_head(trace: Trace, *, limit: int = 400) -> RenderableType:
    """What is known of a trace besides its steps; texts cut to `limit` characters."""
    facts = [
        ("File", one_line(trace.source.path or "not known", 400)),
        ("Format", one_line(trace.source.format)),
        ("Task", one_line(trace.task.question, limit)),
        ("Expected", one_line(trace.task.expected or "", limit)),
        ("Answer", one_line(trace.outcome.answer or "", limit)),
        ("Agents", ", ".join(agent_name(trace, agent.id) for agent in trace.agents)),
        ("Steps", str(len(trace.steps))),
        *run_facts(trace, None),
    ]
    head = Text.assemble((one_line(trace.id), "bold"), "  ", _outcome(trace))
    return Group(head, _facts((name, value) for name, value in facts if value))


def step_view(trace: Trace, index: int, *, limit: int = 2_000) -> RenderableType:
    """One step of a trace with its place in it; texts cut to `limit` characters."""
    return _step(trace, trace.steps[index], _began(trace), limit)


def ingest_summary(
    summary: Mapping[str, Any], problems: Sequence[Problem] = (), *, most: int = 20
) -> RenderableType:
    """What `ingest.pipeline.summarise` counted, and the first `most` problems, worst first."""
    table = _table("Format", "Files", "Records", "Traces", "Steps")
    for column in table.columns[1:]:
        column.justify = "right"
    columns = ("files", "records", "traces", "steps")
    for name, counts in summary["formats"].items():
        row = [f"{counts.get(column, 0):,}" for column in columns]
        table.add_row(Text(one_line(name)), *map(Text, row))
    if len(summary["formats"]) != 1:
        table.add_section()
        table.add_row(Text("all", "bold"), *(Text(f"{summary[c]:,}", "bold") for c in columns))
    counts = {name: count for name, count in summary["problems"].items() if count}
    parts: list[RenderableType] = [table]
    if counts or summary["skipped"]:
        words = [f"{count:,} {name}{'s' if count > 1 else ''}" for name, count in counts.items()]
        if summary["skipped"]:
            words.append(f"{summary['skipped']:,} records skipped, each with a reason")
        parts.append(Text(", ".join(words)))
    order = list(SEVERITIES)
    ranked = sorted(problems, key=lambda problem: order.index(problem.severity))
    parts += [Text(one_line(str(p), 600), SEVERITIES[p.severity]) for p in ranked[:most]]
    if len(ranked) > most:
        parts.append(Text(f"… and {len(ranked) - most:,} more", "dim"))
    return Group(*parts)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=False)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    return table


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(name, "dim"), Text(value, overflow="fold"))
    return grid


def _outcome(trace: Trace) -> Text:
    return Text(*OUTCOMES[trace.outcome.status])


def _agent(trace: Trace, id: str) -> Text:
    """The agent's name in the colour of its place on the roster."""
    place = next((n for n, agent in enumerate(trace.agents) if agent.id == id), 0)
    return Text(agent_name(trace, id), COLOURS[place % len(COLOURS)], overflow="fold")


def _answer(trace: Trace, verdict: Attribution) -> list[Text]:
    """The cells that differ between a verdict and an abstention."""
    if verdict.top is None:
        why = one_line(verdict.abstained or "no suspects", 200)
        return [Text("none", "dim"), Text(), Text(), Text(), Text(why, "dim")]
    suspect, inside = verdict.top, verdict.suspect_set
    return [
        _agent(trace, suspect.agent),
        Text(str(suspect.step)),
        Text(percent(suspect.probability)),
        Text(ranges(inside.steps) if inside else "", overflow="fold"),
        Text(one_line(reason(suspect), 110), overflow="fold"),
    ]


def _suspect_head(trace: Trace, rank: int, suspect: Suspect) -> Text:
    filled = round(suspect.probability * 10)
    head = Text.assemble(
        f"{rank}  ",
        ("█" * filled, "red"),
        ("·" * (10 - filled), "dim"),
        f" {percent(suspect.probability):>6}  ",
        _agent(trace, suspect.agent),
        f"  step {suspect.step}",
    )
    if suspect.modes:
        head.append("  " + ", ".join(one_line(mode) for mode in suspect.modes), "dim")
    return head


def _evidence(suspect: Suspect, items: Sequence[Evidence]) -> RenderableType:
    """One quote with every reason for which it is quoted."""
    quote = items[0].quote
    text = Text(f"“{one_line(quote, 240)}”" if quote.strip() else "", overflow="fold")
    where = "" if items[0].step == suspect.step else f" at step {items[0].step}"
    weighed = (f" {item.weight:+.2f}" if item.weight else "" for item in items)
    notes = [f"{one_line(item.shows, 160)}{w}" for item, w in zip(items, weighed, strict=True)]
    note = f"{'; '.join(filter(None, notes))}{where}".strip()
    if note:
        text.append(("  " if text else "") + note, "dim")
    return Padding(text, (0, 0, 0, 3))


def _step(trace: Trace, step: Step, began: float | None, limit: int) -> RenderableType:
    head = Text.assemble((f"{step.index:>4}  ", "bold"), _agent(trace, step.agent))
    if step.to is not None:
        head.append(" → ").append_text(_agent(trace, step.to))
    notes = [step.kind.replace("_", " "), *step_facts(step, began)]
    notes += [_place(trace, step)] if step.raw else []
    head.append("  " + " · ".join(notes), "dim")
    body = [Text(_cut(step.content, limit), overflow="fold")] if step.content else []
    body += [_tool(tool, limit) for tool in step.tools]
    return Group(Text(), head, Padding(Group(*body), (0, 0, 0, 6)))


def _place(trace: Trace, step: Step) -> str:
    """Where the step lies, without the name of the file that the heading gives."""
    return pointer(trace, step.raw[0]).removeprefix(visible(trace.source.path))


def _tool(tool: ToolCall, limit: int) -> Text:
    text = Text.assemble(("tool ", "dim"), (one_line(tool.name) or "not named", "bold"))
    if given := arguments(tool.arguments):
        text.append(f" {one_line(given, limit)}")
    if tool.result is not None:
        text.append("\n= ", "dim").append(_cut(tool.result, limit))
    if tool.error is not None:
        text.append("\n! ", "red").append(_cut(tool.error, limit), "red")
    return text


def _began(trace: Trace) -> float | None:
    """Start of the first step that has one."""
    return next((s.time.start for s in trace.steps if s.time and s.time.start is not None), None)


def _cut(text: str, limit: int) -> str:
    shown = visible(text[:limit]).rstrip()
    left_out = len(text) - limit
    return shown if left_out <= 0 else f"{shown} … ({left_out:,} more characters)"
