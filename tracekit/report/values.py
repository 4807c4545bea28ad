"""Values of runs for the terminal: a line of blocks per run, a row per step, rankings, searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tracekit.prm.rank import Ranking
from tracekit.prm.score import RunScore, StepScore
from tracekit.prm.search import Found
from tracekit.report.explain import agent_name, percent
from tracekit.report.terminal import OUTCOMES, WARNINGS
from tracekit.report.visible import one_line
from tracekit.trace import Trace

BLOCKS = "▁▂▃▄▅▆▇█"
LINE = 28
"""Characters of a line of values; longer runs show the lowest value of each stretch."""
FALL = -0.7
"""A change of the log-odds by which the odds are halved: worth a colour."""


def sparkline(values: Sequence[float], width: int = LINE) -> str:
    """Values from 0 to 1 as blocks, one a step, or one a stretch where they are too many.

    >>> sparkline([0.0, 0.5, 1.0]), sparkline([0.9] * 99 + [0.0], 4)
    ('▁▅█', '███▁')
    """
    count = len(values)
    if count > width:
        edges = [round(n * count / width) for n in range(width + 1)]
        values = [min(values[a:b]) for a, b in pairwise(edges)]
    return "".join(BLOCKS[min(int(value * 8), 7)] for value in values)


def score_table(pairs: Sequence[tuple[Trace, RunScore]]) -> RenderableType:
    """One row a run: how it ended, its values, the last of them, its largest fall."""
    table = _table("Run", "Outcome", "Values", "End", "Largest fall")
    for trace, scored in pairs:
        status, colour = OUTCOMES[trace.outcome.status]
        values = [step.value for step in scored.steps]
        table.add_row(
            Text(one_line(trace.id, 40)),
            Text(status, colour),
            Text(sparkline(values), _colour(scored.end)),
            Text(percent(scored.end)),
            Text(_fall(trace, scored), overflow="fold"),
        )
    doubts = Counter(doubt.partition(" (")[0] for _, scored in pairs for doubt in scored.warnings)
    notes = [
        Text(f"! {count} {'run' if count == 1 else 'runs'}: {one_line(doubt, 300)}", "yellow")
        for doubt, count in doubts.most_common(WARNINGS)
    ]
    return Group(table, *notes)


def score_detail(trace: Trace, scored: RunScore) -> RenderableType:
    """One run: a row a step with its value as a bar, then what each agent changed."""
    steps = _table("Step", "Agent", "Value", "", "Change", "Says")
    steps.columns[0].justify = steps.columns[2].justify = steps.columns[4].justify = "right"
    for column in steps.columns[:-1]:  # the words give way in a narrow terminal, not the figures
        column.no_wrap = True
    steps.add_row(Text(), Text(), Text(percent(scored.begin)), _bar(scored.begin), Text(), Text())
    for step in scored.steps:
        steps.add_row(
            Text(str(step.step)),
            Text(one_line(agent_name(trace, step.agent), 24)),
            Text(percent(step.value)),
            _bar(step.value),
            _change(step),
            Text(
                one_line(trace.steps[step.step].content, 60),
                "dim",
                overflow="ellipsis",
                no_wrap=True,
            ),
        )
    agents = _table("Agent", "Steps", "Change", "Worst step")
    for each in scored.agents:
        agents.add_row(
            Text(one_line(agent_name(trace, each.agent), 24)),
            Text(str(each.steps)),
            Text(f"{each.change:+.2f}", "red" if each.change < FALL else ""),
            Text(str(each.worst)),
        )
    doubts = [Text(f"! {one_line(doubt, 300)}", "yellow") for doubt in scored.warnings]
    note = Text(
        f"Value: probability of success by {scored.values}; change: of its log-odds, by the step.",
        "dim",
    )
    return Group(steps, Text(), agents, *doubts, note)


def ranking_view(question: str, ranked: Ranking) -> RenderableType:
    """The runs of one task, best first, and its answers by their weight."""
    runs = _table("Rank", "Run", "Value", "", "Answer")
    for number, run in enumerate(ranked.runs, 1):
        said = Text("none", "dim") if run.answer is None else Text(one_line(run.answer, 40))
        runs.add_row(
            Text(str(number)),
            Text(one_line(run.id, 40)),
            Text(percent(run.value)),
            _bar(run.value),
            said,
        )
    votes = [
        Text.assemble(
            f"  {percent(vote.share):>6}  ",
            (one_line(vote.answer, 60), "bold" if number == 0 else ""),
            (f"  {len(vote.runs)} of {len(ranked.runs)} runs", "dim"),
        )
        for number, vote in enumerate(ranked.votes)
    ]
    head = Text(one_line(question, 96), "bold")
    return Group(head, runs, Text("Weighted votes" if votes else "No run has an answer"), *votes)


def found_table(rows: Sequence[Found]) -> RenderableType:
    """One row a task: what was found, whether it is right, what it cost."""
    table = _table("Task", "Answer", "Checked", "Value", "Actions", "Tokens")
    table.columns[4].justify = table.columns[5].justify = "right"
    for each in rows:
        status, colour = OUTCOMES[each.trace.outcome.status]
        task = each.trace.task
        table.add_row(
            Text(one_line(task.id or task.question, 40)),
            Text("none", "dim") if each.answer is None else Text(one_line(each.answer, 40)),
            Text(status, colour),
            Text("" if each.value is None else percent(each.value)),
            Text(f"{each.meter.calls:,}{' !' if each.stopped else ''}"),
            Text(f"{each.meter.tokens:,}"),
        )
    stopped = any(each.stopped for each in rows)
    return Group(table, *([Text("! the budget ended it early", "dim")] if stopped else []))


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name)
    return table


def _bar(value: float) -> Text:
    filled = round(value * 10)
    return Text.assemble(("█" * filled, _colour(value)), ("·" * (10 - filled), "dim"))


def _colour(value: float) -> str:
    return "red" if value < 1 / 3 else "yellow" if value < 2 / 3 else "green"


def _change(step: StepScore) -> Text:
    return Text(f"{step.change:+.2f}", "red" if step.change < FALL else "")


def _fall(trace: Trace, scored: RunScore) -> str:
    drop = scored.drop
    if drop is None:
        return ""
    before = scored.steps[drop.step - 1].value if drop.step else scored.begin
    who = agent_name(trace, drop.agent, 24)
    return f"step {drop.step}, {who}: {percent(before)} to {percent(drop.value)}"
