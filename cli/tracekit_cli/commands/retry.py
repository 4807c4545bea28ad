"""`tracekit retry`: failed tasks tried again, with what a method says of the attempt before."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tracekit.analyzers.intervene.feedback import (
    ByMethod,
    History,
    Rules,
    gain,
    in_rounds,
    shares,
    silent,
)
from tracekit.analyzers.intervene.types import Feedback, Retried
from tracekit.analyzers.run import choose
from tracekit.context import Context
from tracekit.errors import Problem
from tracekit.replay.types import Advice
from tracekit.stats import Estimate
from tracekit.store import write_traces
from tracekit_cli import options
from tracekit_cli.calls import Calls
from tracekit_cli.failures import RunOption, SystemOption, failed_runs, first
from tracekit_cli.grouped import grouped
from tracekit_cli.judging import MethodOption, ModelOption, SetOption
from tracekit_cli.means import Means, check, opened
from tracekit_cli.output import emit_json, listing, note, report_problems, show
from tracekit_cli.resolved import resolved
from tracekit_cli.settings import parse_settings


class Start(StrEnum):
    """Where an attempt starts."""

    beginning = "beginning"
    step = "step"


RoundsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Further attempts at most.")]
StartOption = Annotated[
    Start, typer.Option("--from", help="Start anew, or at the step that is blamed.")
]
PlainOption = Annotated[
    bool, typer.Option("--plain/--no-plain", help="Try as often without advice, to compare.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="JSONL of every attempt.")
]
MostOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Failed runs to take up, the first ones.")
]


@grouped
def command(
    context: typer.Context,
    logs: options.Logs,
    system: SystemOption,
    run: RunOption = None,
    method: MethodOption = None,
    model: ModelOption = None,
    set: SetOption = None,
    rounds: RoundsOption = 3,
    start: StartOption = Start.beginning,
    plain: PlainOption = True,
    most: MostOption = 20,
    seed: options.Seed = 0,
    out: OutOption = None,
    json: options.Json = False,
    *,
    asking: Calls,
    quiet: options.Quiet = False,
) -> None:
    """Try failed tasks again, with a verdict as feedback.

    What a method says of a failed run goes to the system, which tries again; up to --rounds times,
    until its check is passed. Plain retries with the same seeds stand beside it: a system that
    errs by chance gets better without any advice.

    \b
    Examples:
      tracekit retry runs.jsonl --system my_team:build
      tracekit retry runs.jsonl --system my_team:build --from step -o attempts.jsonl
      tracekit retry runs.jsonl --system my_team:build --method tracer --model my-tracer/final
    """
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    analyzer, chosen = choose(method, model)
    settings = parse_settings(set, chosen.get("model"), None)
    means = Means(system=system, calls=asking, model=str(settings.get("model", "")))
    check(analyzer, means)
    rules = Rules(rounds=rounds, start=start.value)
    with opened(Context(seed=seed, settings=settings), means, quiet=quiet) as ready:
        team = ready.system
        assert team is not None  # `opened` loads it, or raises
        failures, _, code = failed_runs(logs, run, team)
        runs = first(failures, most, quiet=quiet)
        adviser = ByMethod(analyzer, ready, asking.concurrency)
        found = in_rounds(team, runs, adviser, rules, seed)
        without = in_rounds(team, runs, silent, rules, seed) if plain else []
    told = Feedback(
        system=system,
        method=adviser.method,
        start=rules.start,
        seed=seed,
        failures=len(failures),
        **_counted(found, without, rounds),
        config=resolved(context),
    )
    emit_json(told) if json else _print(told)
    if not found:
        note("tracekit: none of the runs failed", quiet=quiet)
    _write(found, out, quiet=quiet)
    raise typer.Exit(max(code, report_problems(_lost(found), quiet=quiet)))


def _write(found: list[History], out: Path | None, *, quiet: bool) -> None:
    if out is not None:
        write_traces((one.trace for each in found for one in each.attempts), out)
        note(f"wrote {out}", quiet=quiet)


def _lost(found: list[History]) -> list[Problem]:
    return [each for one in found for each in one.failed if each is not None]


def _counted(found: list[History], without: list[History], rounds: int) -> dict[str, Any]:
    """What became of the runs, with advice and without."""
    return {
        "runs": tuple(_retried(one, rounds) for one in found),
        "failed": len(_lost(found)),
        "solved": shares(found, rounds) if found else (),
        "plain": shares(without, rounds) if without else (),
        "gain": gain(found, without, rounds) if without else None,
    }


def _retried(one: History, rounds: int) -> Retried:
    return Retried(
        one.attempts[0].trace.id,
        advice=tuple(attempt.advice for attempt in one.attempts[:-1]),
        failed=tuple(None if each is None else each.what for each in one.failed),
        solved=tuple(one.solved(number) for number in range(1, rounds + 1)),
    )


def _print(told: Feedback) -> None:
    """One row a run, then the shares; nothing of no runs."""
    if not told.runs:
        return
    listing(("run", "solved after", "blamed"), [_row(one) for one in told.runs])
    show("")
    columns = [
        "rounds",
        f"solved with {told.method.name}",
        *(["plain retries"] if told.plain else []),
    ]
    rows = [[str(n), _share(one)] for n, one in enumerate(told.solved, 1)]
    for line, one in zip(rows, told.plain, strict=False):
        line.append(_share(one))
    listing(columns, rows)
    if told.failed:
        asked = sum(len(one.advice) for one in told.runs)
        show(f"{told.failed} of {asked} judgements failed: those attempts had no advice")
    if told.gain is not None:
        found = told.gain
        show(
            f"difference after {len(told.solved)}: {100 * found.value:+.0f} points, "
            f"95 % interval {100 * found.low:+.0f} to {100 * found.high:+.0f}"
        )


def _row(one: Retried) -> tuple[str, str, str]:
    solved = next((str(n) for n, done in enumerate(one.solved, 1) if done), "never")
    return one.trace_id, solved, "; ".join(map(_blamed, one.advice, one.failed))


def _blamed(advice: Advice | None, failed: str | None) -> str:
    if failed is not None:
        return "judgement failed"
    return f"{advice.agent} {advice.step}" if advice else "nobody"


def _share(found: Estimate) -> str:
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
