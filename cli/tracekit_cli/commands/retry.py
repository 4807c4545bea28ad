"""`tracekit retry`: failed tasks tried again, with what a method says of the attempt before."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit.analyzers.intervene.feedback import (
    History,
    Rules,
    by_method,
    gain,
    in_rounds,
    shares,
    silent,
)
from tracekit.analyzers.intervene.types import Feedback, Retried
from tracekit.analyzers.run import choose
from tracekit.context import Context
from tracekit.stats import Estimate
from tracekit.store import write_traces
from tracekit_cli import options
from tracekit_cli.calls import Calls
from tracekit_cli.failures import RunOption, SystemOption, failed_runs
from tracekit_cli.grouped import grouped
from tracekit_cli.judging import MethodOption, ModelOption, SetOption
from tracekit_cli.means import Means, check, opened
from tracekit_cli.output import emit_json, listing, note, show
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
    Path | None, typer.Option("-o", metavar="FILE", help="Also write every attempt, as JSONL.")
]
MostOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Failed runs to take up, the first ones.")
]


@grouped
def command(
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
    context, rules = Context(seed=seed, settings=settings), Rules(rounds=rounds, start=start.value)
    with opened(context, means, quiet=quiet) as ready:
        team = ready.system
        assert team is not None  # `opened` loads it, or raises
        failures, _, code = failed_runs(logs, run, team)
        runs = failures[:most]
        found = in_rounds(team, runs, by_method(analyzer, ready), rules, seed)
        without = in_rounds(team, runs, silent, rules, seed) if plain else []
    if not found:
        note("tracekit: none of the runs failed", quiet=quiet)
        raise typer.Exit(code)
    told = _told(system, analyzer.name, rules, seed, found)
    if without:
        told = msgspec.structs.replace(
            told, plain=shares(without, rounds), gain=gain(found, without, rounds)
        )
    if json:
        emit_json(told)
    else:
        _print(told)
    if out is not None:
        write_traces((one.trace for each in found for one in each.attempts), out)
        note(f"wrote {out}", quiet=quiet)
    raise typer.Exit(code)


def _told(system: str, method: str, rules: Rules, seed: int, found: Sequence[History]) -> Feedback:
    return Feedback(
        system=system,
        method=method,
        start=rules.start,
        seed=seed,
        runs=tuple(
            Retried(
                one.attempts[0].trace.id,
                tuple(attempt.advice for attempt in one.attempts[:-1]),
                tuple(one.solved(number) for number in range(1, rules.rounds + 1)),
            )
            for one in found
        ),
        solved=shares(found, rules.rounds),
    )


def _print(told: Feedback) -> None:
    """One row a run, then the shares."""
    listing(("run", "solved after", "blamed"), [_row(one) for one in told.runs])
    show("")
    columns = ["rounds", f"solved with {told.method}", *(["plain retries"] if told.plain else [])]
    rows = [[str(n), _share(one)] for n, one in enumerate(told.solved, 1)]
    for line, one in zip(rows, told.plain, strict=False):
        line.append(_share(one))
    listing(columns, rows)
    if told.gain is not None:
        found = told.gain
        show(
            f"difference after {len(told.solved)}: {100 * found.value:+.0f} points, "
            f"95 % interval {100 * found.low:+.0f} to {100 * found.high:+.0f}"
        )


def _row(one: Retried) -> tuple[str, str, str]:
    solved = next((str(n) for n, done in enumerate(one.solved, 1) if done), "never")
    blamed = "; ".join(f"{a.agent} {a.step}" if a else "nobody" for a in one.advice)
    return one.trace_id, solved, blamed


def _share(found: Estimate) -> str:
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
