"""`tracekit search`: runs of a system, led by a value function to a good end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tracekit.inject.tasks import own_tasks, read_tasks
from tracekit.prm.meter import Budget, Meter
from tracekit.prm.search import NEED_VALUES, Found, search
from tracekit.replay.systems import load_system
from tracekit.stats import wilson
from tracekit.store import write_traces
from tracekit.trace import Task
from tracekit_cli import options, values
from tracekit_cli.output import emit, note, show
from tracekit_cli.progress import bar
from tracekit_cli.resolved import resolved
from tracekit_cli.settings import parse_settings

SystemOption = Annotated[
    str, typer.Option(metavar="MODULE:FACTORY", help="What makes the system that is run.")
]
NOption = Annotated[int, typer.Option("--n", "-n", min=1, metavar="N", help="Tasks at most.")]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method", "-m", metavar="NAME", help="beam, mcts, best-of-n, majority or single."
    ),
]
BudgetOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Actions of agents per task, at most.")
]
TokensOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Tokens per task, at most.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as beams=3; repeatable."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="JSONL of the runs found.")
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the first task's runs.")]


def command(
    context: typer.Context,
    system: SystemOption,
    tasks: options.Tasks = None,
    n: NOption = 20,
    method: MethodOption = "beam",
    budget: BudgetOption = None,
    tokens: TokensOption = None,
    set: SetOption = None,
    values_: values.Values = values.DEFAULT,
    model: values.Model = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Search for runs that end well, trying several actions.

    beam keeps the best 3 of 5 tries for each run and action (beams, tries); mcts grows a tree of
    them (children, simulations, exploration, rule); best-of-n and majority make whole runs (runs,
    weight); single makes one. Actions and tokens are counted; a run that is begun when the budget
    ends is brought to its end. The system's own check says afterwards which answers are right; the
    search never sees it. --json prints one line a task.

    \b
    Examples:
      tracekit search --system my_team:build --tasks tasks.jsonl -o found.jsonl
      tracekit search --system my_team:build --method mcts --set simulations=20 --budget 200
      tracekit search --system tracekit.replay.sandbox.system:Sandbox --method majority --json
    """
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    team = load_system(system)
    asked: Iterable[Task] = read_tasks(tasks) if tasks else own_tasks(system)
    named = values_ != values.DEFAULT or model is not None
    function = values.chosen(values_, model) if method in NEED_VALUES or named else None
    cap = Budget(calls=budget, tokens=tokens)
    settings = parse_settings(set)
    found: list[Found] = []
    with bar("searching", None, quiet=quiet) as tick:
        for number, task in enumerate(islice(asked, n)):
            each = search(
                team, task, method, values=function, budget=cap, seed=seed + number, **settings
            )
            found.append(each)
            tick(task.id or "")
            if json:
                emit(_line(each, resolved(context)))
    if not json:
        _print(found)
    if out is not None:
        write_traces((each.trace for each in found), out)
        note(f"wrote {out}", quiet=quiet)


def _line(each: Found, config: dict[str, Any]) -> bytes:
    """What was found, the run itself left out: it is written with --out."""
    record = msgspec.to_builtins(each)
    run = record.pop("trace")
    about = {
        "task": each.trace.task.id,
        "trace_id": run["id"],
        "outcome": each.trace.outcome.status,
    }
    return msgspec.json.encode({**about, **record, "config": config}) + b"\n"


def _print(found: list[Found]) -> None:
    from tracekit.report.values import found_table

    show(found_table(found))
    right = sum(each.trace.outcome.status == "success" for each in found)
    share, spent = wilson(right, len(found)), Meter()
    for each in found:
        spent = spent.plus(each.meter)
    show(
        f"{right} of {len(found)} right ({share.low:.0%} to {share.high:.0%} of such tasks); "
        f"{spent.calls:,} actions, {spent.tokens:,} tokens, {spent.scored:,} steps scored"
    )
