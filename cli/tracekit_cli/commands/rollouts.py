"""`tracekit rollouts`: values of unfinished runs from replays, to train a value function on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit.inject.tasks import own_tasks, read_tasks
from tracekit.prm.mcts import Values, continuations, grow, paths
from tracekit.prm.targets import Target, write_targets
from tracekit.prm.tree import Rule, Settings
from tracekit.protocols import Replayable
from tracekit.replay.systems import load_system
from tracekit.store import write_traces
from tracekit.trace import Task, Trace
from tracekit_cli import options
from tracekit_cli.commands.search import NOption, SeedOption, SystemOption
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit_json, note, show
from tracekit_cli.progress import bar

USUAL = Settings()


class How(StrEnum):
    """Where values come from."""

    mcts = "mcts"
    mc = "mc"


class Choice(StrEnum):
    """How a tree chooses its way down."""

    uct = "uct"
    puct = "puct"


HowOption = Annotated[
    How, typer.Option(metavar="NAME", help="mcts, a tree of rollouts; mc, plain continuations.")
]
RolloutsOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Rollouts of a tree, or continuations of a step.")
]
ChildrenOption = Annotated[int, typer.Option(min=1, metavar="N", help="Actions tried at a state.")]
ExplorationOption = Annotated[float, typer.Option(min=0, metavar="C", help="Weight c of the rule.")]
RuleOption = Annotated[Choice, typer.Option(metavar="NAME", help="uct or puct.")]
ParallelOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Rollouts side by side, for systems that wait.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Keep trees of tasks that nearly always or never succeed.")
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Gets traces.jsonl and targets.jsonl.")
]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """How far, and which way, runs are finished."""

    rollouts: RolloutsOption = USUAL.rollouts
    children: ChildrenOption = USUAL.children
    exploration: ExplorationOption = USUAL.exploration
    rule: RuleOption = Choice.uct
    parallel: ParallelOption = USUAL.parallel

    def settings(self) -> Settings:
        """The same for the library."""
        chosen: Rule = "uct" if self.rule is Choice.uct else "puct"
        return Settings(
            rollouts=self.rollouts,
            children=self.children,
            exploration=self.exploration,
            rule=chosen,
            parallel=self.parallel,
        )


@grouped
def command(
    system: SystemOption,
    tasks: options.Tasks = None,
    n: NOption = 20,
    how: HowOption = How.mcts,
    *,
    search: Search,
    all: AllOption = False,
    out: OutOption = Path("rollouts"),
    seed: SeedOption = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Value unfinished runs by finishing them many times.

    mcts grows a tree for each task, by default with the settings of MASPRM (arXiv 2510.24803);
    its values are those of a team that is led to good ends. mc makes one run a task and goes on
    from each of its steps many times; its values are those of the team as it is. Trees whose task
    is solved nearly always or never teach little and are left out. Runs and values are written to
    train on: tracekit train prm DIR/traces.jsonl --targets DIR/targets.jsonl

    \b
    Examples:
      tracekit rollouts --system my_team:build --tasks tasks.jsonl -o rollouts
      tracekit rollouts --system my_team:build --how mc --rollouts 16 -n 200 -o rollouts
    """
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    team = load_system(system)
    asked: Iterable[Task] = read_tasks(tasks) if tasks else own_tasks(system)
    settings = search.settings()
    runs: list[Trace] = []
    rows: list[Target] = []
    grown = 0
    with bar("rolling out", None, quiet=quiet) as tick:
        for number, task in enumerate(islice(asked, n)):
            grown += 1
            for each in _values(team, task, how, settings, seed + number, all=all):
                runs.append(each.trace)
                rows += each.targets(how.value, seed + number)
            tick(task.id or "")
    out.mkdir(parents=True, exist_ok=True)
    write_traces(runs, out / "traces.jsonl")
    write_targets(rows, out / "targets.jsonl")
    kept = len({row.seed for row in rows})
    if json:
        emit_json(
            {
                "output": str(out),
                "tasks": grown,
                "kept": kept,
                "runs": len(runs),
                "targets": len(rows),
            }
        )
    else:
        show(f"{len(rows):,} targets of {len(runs):,} runs, from {kept} of {grown} tasks")
    note(f"wrote {out}", quiet=quiet)
    raise typer.Exit(0 if rows else 1)


def _values(
    team: Replayable, task: Task, how: How, settings: Settings, seed: int, *, all: bool
) -> Iterator[Values]:
    if how is How.mc:
        yield continuations(team, team.run(task, seed), settings.rollouts, seed)
        return
    tree = grow(team, task, settings, seed)
    if all or tree.open:
        yield from paths(tree.root)
