"""`tracekit rank`: which of several runs of a task to trust."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from tracekit.errors import InputError
from tracekit.folds import question_key
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.prm.rank import Ranking, rank
from tracekit.trace import Trace
from tracekit_cli import options, values
from tracekit_cli.output import emit, note, report_problems, show
from tracekit_cli.resolved import resolved


class Weights(StrEnum):
    """What the vote of a run counts."""

    odds = "odds"
    value = "value"
    one = "one"


RunsArgument = Annotated[
    list[str], typer.Argument(metavar="RUNS", help="Logs of several runs of each task.")
]
WeightOption = Annotated[
    Weights,
    typer.Option(metavar="NAME", help="A vote counts its odds, its value, or one like all."),
]


def command(
    context: typer.Context,
    paths: RunsArgument,
    weight: WeightOption = Weights.odds,
    values_: values.Values = values.DEFAULT,
    model: values.Model = None,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Rank runs of one task by value, and let them vote.

    Runs of several tasks are told apart by their questions. The first run is best-of-n; the first
    answer is the one with the most weight. Neither outcomes nor expected answers are read. --json
    prints one line a task.

    \b
    Examples:
      tracekit rank runs/
      tracekit rank candidate-1.json candidate-2.json candidate-3.json --json
    """
    if format is not None:
        reader_of(format)
    function = values.chosen(values_, model)
    ingest = Ingest(paths, formats=[format] if format else None)
    tasks: dict[str, list[Trace]] = {}
    for trace in ingest.traces():
        if trace.steps:
            tasks.setdefault(question_key(trace), []).append(trace)
        else:
            note(f"tracekit: {trace.id}: left out, it has no steps", quiet=quiet)
    code = report_problems([p for file in ingest.files for p in file.problems], quiet=quiet)
    if not tasks:
        raise InputError(f"no run in {', '.join(paths)}; `tracekit ingest` says why, file by file")
    for runs in tasks.values():
        ranked = rank(runs, function, weight.value)
        _print(runs[0], ranked, resolved(context), json=json)
    raise typer.Exit(code)


def _print(first: Trace, ranked: Ranking, config: dict[str, Any], *, json: bool) -> None:
    question = first.task.question or first.task.id or ""
    if json:
        record = {
            "task": first.task.id,
            "question": question,
            "answer": ranked.answer,
            "best": ranked.best.id,
        }
        emit(
            msgspec.json.encode({**record, **msgspec.to_builtins(ranked), "config": config}) + b"\n"
        )
        return
    from tracekit.report.values import ranking_view

    show(ranking_view(question, ranked), "")
