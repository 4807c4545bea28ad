"""`tracekit influence`: which messages mattered, who was lazy, what was handed over in vain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from tracekit.analyzers.influence.analyzer import scorer_of
from tracekit.analyzers.influence.measures import MEASURES, Measure, influence_of
from tracekit.analyzers.influence.milestones import Milestones, SubGoal, milestones, read_goals
from tracekit.analyzers.influence.report import Report, report_of
from tracekit.errors import InputError, UsageError
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.report.visible import one_line
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.output import emit, listing, note, report_problems, show
from tracekit_cli.progress import bar
from tracekit_cli.resolved import resolved

if TYPE_CHECKING:
    from tracekit.analyzers.influence.measures import Scorer

MeasureOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="overlap, embedding, or model; model when --model is given."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|REPO", help="Causal language model that scores messages (extra `train`)."
    ),
]
GoalsOption = Annotated[
    Path | None,
    typer.Option(
        "--subgoals", metavar="FILE", help="JSON list of {name, pattern, task?} to be reached."
    ),
]
TraceOption = Annotated[str | None, typer.Option(metavar="ID", help="Only the trace of that id.")]


class Told(msgspec.Struct, frozen=True):
    """What is said of one run."""

    trace: Trace
    report: Report
    milestones: Milestones | None

    def line(self, config: dict[str, Any]) -> bytes:
        """As a line of JSON, with what it was made with."""
        found: dict[str, Any] = msgspec.to_builtins(self.report)
        found["outcome"] = self.trace.outcome.status
        if self.milestones is not None:
            found["milestones"] = msgspec.to_builtins(self.milestones)
        return msgspec.json.encode({**found, "config": config}) + b"\n"


def command(
    context: typer.Context,
    paths: options.Logs,
    measure: MeasureOption = None,
    model: ModelOption = None,
    subgoals: GoalsOption = None,
    trace: TraceOption = None,
    format: options.Format = None,
    json: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> None:
    """Say which messages mattered, and who was lazy.

    A message matters as far as later ones rest on it: by the words they take up (overlap), by what
    their vectors lose without it (embedding), or by how much likelier a language model finds them
    with it (model). Influence is not harm: for blame, see `tracekit attribute --method influence`.
    With --subgoals also how far each run got, where it stopped, and who helped.

    \b
    Examples:
      tracekit influence logs/
      tracekit influence logs/run.json --subgoals goals.json
      tracekit influence logs/ --model path/to/model --json
    """
    if format is not None:
        reader_of(format)
    chosen = _measure(measure, model)
    goals = read_goals(subgoals) if subgoals is not None else []
    scorer = scorer_of(model) if model is not None else None
    ingest = Ingest(paths, formats=[format] if format else None)
    kept: list[Told] = []
    with bar("reading", None, quiet=quiet) as tick:
        ingest.progress = lambda report: tick(report.path)
        for told in _told(ingest, trace, chosen, scorer, goals):
            if json:
                emit(told.line(resolved(context)))
            kept.append(told)
    code = report_problems([p for file in ingest.files for p in file.problems], quiet=quiet)
    if not kept and trace is not None:
        raise UsageError(f"no trace has the id {trace!r}; `tracekit show {paths[0]}` lists them")
    if not kept:
        raise InputError(f"no trace with a step in {', '.join(paths)}; `tracekit ingest` says why")
    if not json:
        _detail(kept[0]) if len(kept) == 1 else _overview(kept)
    note(f"measure: {chosen}. Influence is not harm.", quiet=quiet)
    raise typer.Exit(code)


def _measure(measure: str | None, model: str | None) -> Measure:
    wanted = measure or ("model" if model is not None else "overlap")
    if wanted not in MEASURES:
        raise UsageError(f"--measure {wanted}: known are {', '.join(MEASURES)}")
    if (wanted == "model") != (model is not None):
        raise UsageError("--measure model and --model DIR go together: give both or none")
    return cast("Measure", wanted)


def _told(
    ingest: Ingest,
    id: str | None,
    measure: Measure,
    scorer: Scorer | None,
    goals: Sequence[SubGoal],
) -> Iterator[Told]:
    for trace in ingest.traces():
        if not trace.steps or id not in (None, trace.id):
            continue
        found = influence_of(trace, measure, scorer)
        yield Told(trace, report_of(trace, found), milestones(trace, goals, found))


def _overview(kept: Sequence[Told]) -> None:
    """One row a run, then the team over all runs."""
    listing(
        ("run", "outcome", "most credit", "lazy", "ignored", *_goal_heads(kept)),
        [_row(told) for told in kept],
    )
    show("")
    listing(
        ("agent", "runs", "credit if failed", "credit else", "adds", "moves", "lazy in"),
        _team(kept),
    )


def _goal_heads(kept: Sequence[Told]) -> tuple[str, ...]:
    return ("progress",) if any(told.milestones for told in kept) else ()


def _row(told: Told) -> tuple[object, ...]:
    report = told.report
    lazy = ", ".join(member.agent for member in report.members if member.lazy)
    most = next((f"{m.agent} {m.credit:.0%}" for m in report.members), "-")
    cells = (
        one_line(told.trace.id, 40),
        told.trace.outcome.status,
        most,
        lazy or "-",
        ", ".join(str(each.step) for each in report.ignored) or "-",
    )
    return cells if told.milestones is None else (*cells, _progress(told.milestones))


def _progress(found: Milestones) -> str:
    stopped = "" if found.stalled is None else f", none after step {found.stalled}"
    return f"{len(found.reached)} of {found.goals}{stopped}"


def _team(kept: Sequence[Told]) -> Iterator[tuple[object, ...]]:
    """Means over the runs that an agent is in."""
    names = dict.fromkeys(m.agent for told in kept for m in told.report.members)
    for name in names:
        found = [
            (told.trace.failed, member)
            for told in kept
            for member in told.report.members
            if member.agent == name
        ]
        lazy = sum(member.lazy for _, member in found)
        yield (
            name,
            len(found),
            _mean([member.credit for failed, member in found if failed]),
            _mean([member.credit for failed, member in found if not failed]),
            _mean([member.adds for _, member in found]),
            _mean([member.moves for _, member in found]),
            f"{lazy} runs",
        )


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.0%}" if values else "-"


def _detail(told: Told) -> None:
    """One run in full."""
    report = told.report
    what = {True: "of a failed run", False: "of a success", None: "outcome unknown"}
    show(f"{one_line(told.trace.id)} ({what[told.trace.failed]}), answer in step {report.final}")
    show("")
    listing(
        ("agent", "messages", "credit", "adds", "moves", "lazy"),
        [
            (m.agent, m.messages, *(f"{x:.0%}" for x in (m.credit, m.adds, m.moves)), _yes(m.lazy))
            for m in report.members
        ],
    )
    show("")
    show("Credit for the answer, by agent and round:")
    rounds = len(next(iter(report.grid.values())))
    listing(
        ("agent", *(str(number) for number in range(rounds))),
        [
            (agent, *(f"{x:.0%}" if x >= 0.005 else "." for x in row))
            for agent, row in report.grid.items()
        ],
    )
    if report.ignored:
        show("")
        show("Handed over in vain:")
        for each in report.ignored:
            show(
                f"  step {each.step} by {one_line(each.agent)}: step {each.reader} by "
                f"{one_line(each.read_by)} rests on it by {each.share:.0%}, no later one by more "
                f"than {each.anywhere:.0%}"
            )
    if told.milestones is not None:
        _goals(told.milestones)


def _yes(lazy: bool) -> str:
    return "lazy" if lazy else ""


def _goals(found: Milestones) -> None:
    show("")
    show(f"Sub-goals: {_progress(found)}")
    for name, step in found.reached.items():
        show(f"  {one_line(name)}: step {step}")
    show("")
    listing(("agent", "contributed to"), [(who, f"{k:.0%}") for who, k in found.kpi.items()])
