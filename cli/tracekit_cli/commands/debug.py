"""`tracekit debug`: failed runs corrected and run again, and the system repaired by what that says."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer

from tracekit import stats
from tracekit.analyzers.intervene.diagnose import Plan, diagnose, plan_of
from tracekit.analyzers.intervene.loop import fresh_tasks, improve
from tracekit.analyzers.intervene.types import Diagnosis, Finding, Round, Session
from tracekit.context import Context
from tracekit.inject.tasks import read_tasks
from tracekit.protocols import Repairable, Replayable
from tracekit.report import interventions
from tracekit.trace import Task, Trace
from tracekit_cli import options
from tracekit_cli.calls import Calls
from tracekit_cli.failures import RunOption, SystemOption, failed_runs, first
from tracekit_cli.grouped import grouped
from tracekit_cli.means import Means, opened
from tracekit_cli.output import emit_json, note, show
from tracekit_cli.progress import bar
from tracekit_cli.resolved import resolved

DEFAULTS = Plan()
DETAIL = 3
"""Runs that are shown one by one; of more there is one row each."""

MethodOption = Annotated[
    str, typer.Option("--method", "-m", metavar="NAME", help="Who suspects steps, from one log.")
]
HypothesesOption = Annotated[
    int, typer.Option(min=1, metavar="K", help="Suspected steps of a trial to replay at most.")
]
TimesOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Replays of a hypothesis with its step corrected, "
                      "and as many as recorded.")
]  # fmt: skip
BudgetOption = Annotated[int, typer.Option(min=1, metavar="N", help="Replays of a run at most.")]
CorrectionOption = Annotated[
    str, typer.Option(metavar="NAME", help="Who corrects: system, llm, reason (the agent itself, "
                      "told of the failure), or auto for the first there is.")
]  # fmt: skip
ModelOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Model that is asked: by who corrects, and by the method."),
]
MostOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Failed runs to debug, the first ones.")
]
FreshOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Fresh tasks to measure the repair on, each run "
                      "three times; 0 = do not.")
]  # fmt: skip
RoundsOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="How often to repair, debug and repair again.")
]


class Trials(msgspec.Struct, frozen=True, kw_only=True):
    """Who suspects and who corrects steps, and how much is replayed."""

    method: MethodOption = DEFAULTS.method
    hypotheses: HypothesesOption = DEFAULTS.hypotheses
    times: TimesOption = DEFAULTS.n
    budget: BudgetOption = DEFAULTS.budget
    correction: CorrectionOption = DEFAULTS.correction
    model: ModelOption = ""

    def plan(self) -> Plan:
        """The same for the library; raises what `plan_of` does."""
        return plan_of(
            {"method": self.method, "hypotheses": self.hypotheses, "n": self.times,
             "budget": self.budget, "correction": self.correction, "model": self.model}
        )  # fmt: skip


@grouped
def command(
    typed: typer.Context,
    logs: options.Logs,
    system: SystemOption,
    run: RunOption = None,
    *,
    trials: Trials,
    most: MostOption = 20,
    fresh: FreshOption = 50,
    rounds: RoundsOption = 1,
    tasks: options.Tasks = None,
    seed: options.Seed = 0,
    html: options.Html = None,
    json: options.Json = False,
    asking: Calls,
    quiet: options.Quiet = False,
) -> None:
    """Correct suspected steps, run on, and repair the system.

    Steps that a method suspects are corrected one at a time, and the run goes on from there several
    times, against as many times with the step as recorded. A hypothesis is validated, partially
    validated (the run only comes further), refuted or inconclusive. What the validated ones have in
    common suggests a repair; a system that can take it is measured with it on fresh tasks, against
    itself and against a random repair.

    \b
    Examples:
      tracekit debug runs.jsonl --system my_team:build
      tracekit debug runs.jsonl --system my_team:build --run r-17 --fresh 0
      tracekit debug runs.jsonl --system my_team:build --rounds 3 --html debug.html
      tracekit debug runs.jsonl --system my_team:build --llm http://localhost:8000/v1 --model my-model
    """
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    plan = trials.plan()
    means = Means(system=system, calls=asking, model=trials.model)
    with opened(Context(seed=seed), means) as context:
        team = context.system
        assert team is not None  # `opened` loads it, or raises
        failures, seen, code = failed_runs(logs, run, team)
        found = _diagnosed(first(failures, most, quiet=quiet), team, context, plan, quiet=quiet)
        told = _tasks(team, seen, tasks) if fresh else iter(())
        turns = improve(team, found, told, context, plan, fresh=fresh, rounds=rounds, most=most)
        session = _session(system, plan, seed, found, tuple(turns) if found else ())
        session = msgspec.structs.replace(session, config=resolved(typed))
    by_id = {trace.id: trace for trace in failures}
    if json:
        emit_json(session)
    else:
        show(interventions.terminal(session, by_id, detail=DETAIL))
    if html is not None:
        from tracekit.report.interventions_html import write_html  # jinja2 only where it is wanted

        write_html(html, session, by_id)
        note(f"wrote {html}", quiet=quiet)
    raise typer.Exit(code)


def _diagnosed(
    failures: list[Trace], system: Replayable, context: Context, plan: Plan, *, quiet: bool
) -> list[Diagnosis]:
    found = []
    with bar("debugging", len(failures), quiet=quiet) as tick:
        for trace in failures:
            found.append(diagnose(trace, system, context, plan))
            tick(trace.id)
    return found


def _tasks(system: Replayable, seen: list[Trace], file: Path | None) -> Iterator[Task]:
    """Fresh tasks for a system that can be repaired; none for another one."""
    if not isinstance(system, Repairable):
        return iter(())
    given = None if file is None else read_tasks(file)
    return fresh_tasks(system, [trace.task for trace in seen], given)


def _session(
    system: str, plan: Plan, seed: int, found: list[Diagnosis], turns: tuple[Round, ...]
) -> Session:
    counts = Counter(one.finding for each in found for one in each.tested)
    return Session(
        system=system,
        settings=msgspec.to_builtins(plan),
        seed=seed,
        diagnoses=tuple(found),
        flipped=stats.wilson(sum(one.answer is not None for one in found), len(found)),
        findings={name: counts[name] for name in get_args(Finding) if counts[name]},
        replays=sum(one.replays for one in found),
        rounds=turns,
    )
