"""`tracekit replay`: a logged run once more from one step on, with another message there."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import msgspec
import typer

from tracekit.errors import UsageError
from tracekit.ingest.pipeline import Ingest
from tracekit.replay.effect import Effect, checkpoint_at, effect
from tracekit.replay.systems import load_system
from tracekit.replay.types import Action, Intervention
from tracekit.report import terminal
from tracekit.store import encode
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.failures import SystemOption
from tracekit_cli.output import emit, emit_json, report_problems, show


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUNS", help="Traces of the system.")],
    system: SystemOption,
    step: Annotated[int, typer.Option(min=0, metavar="N", help="The step to go on from.")],
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="Which run; needed where there are several.")
    ] = None,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What is said at the step instead.")
    ] = None,
    arguments: Annotated[
        str | None, typer.Option(metavar="JSON", help="Arguments of its tool call instead.")
    ] = None,
    times: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Replay N times with the change and N without."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the replay.")] = 0,
    json: options.Json = False,
) -> None:
    """Replay a run from one step on, with another message there.

    Without --times the new run is shown. With it, success rates of replays with the change and
    without are compared; both use the same seeds, and the interval is that of the difference.
    Runs of the sandbox need --system tracekit.replay.sandbox.system:Sandbox.

    \b
    Examples:
      tracekit replay runs.jsonl --system my_team:build --run r-17 --step 4
      tracekit replay runs.jsonl --system my_team:build --run r-17 --step 4 \\
        --message "The total is 84." --times 20 --json
    """
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    team = load_system(system)
    trace, code = _trace(runs, run)
    before = checkpoint_at(team, trace, step)
    change = _change(trace, step, message, arguments)
    if times is None:
        again = team.resume(before, change, seed)
        if json:
            emit(encode(again) + b"\n")
        else:
            show(terminal.trace_view(again))
    else:
        if change is None:
            raise UsageError("--times compares with a change: add --message or --arguments")
        _print_effect(effect(team, trace, step, change, times, seed), json=json)
    raise typer.Exit(code)


def _trace(runs: list[str], run: str | None) -> tuple[Trace, int]:
    """The run asked for, and the exit code that the files ask for."""
    ingest = Ingest(runs)
    found = [trace for trace in ingest.traces() if run in (None, trace.id)]
    code = report_problems([problem for file in ingest.files for problem in file.problems])
    if len(found) != 1:
        which = f"{run!r}" if run else "--run ID"
        raise UsageError(f"one run is replayed and there are {len(found)} for {which}")
    return found[0], code


def _change(
    trace: Trace, step: int, message: str | None, arguments: str | None
) -> Intervention | None:
    """The recorded action with what was asked for in its place."""
    if message is None and arguments is None:
        return None
    action = Action.of(trace.steps[step])
    if message is not None:
        action = msgspec.structs.replace(action, content=message)
    if arguments is not None:
        if len(action.tools) != 1:
            raise UsageError(
                f"--arguments: step {step} has {len(action.tools)} tool calls, not one"
            )
        try:
            value: Any = msgspec.json.decode(arguments)
        except msgspec.DecodeError as error:
            raise UsageError(f"--arguments is not JSON: {error}") from None
        call = msgspec.structs.replace(action.tools[0], arguments=value)
        action = msgspec.structs.replace(action, tools=(call,))
    return Intervention(step=step, actions=(action,), by="person")


def _print_effect(found: Effect, *, json: bool) -> None:
    if json:
        emit_json(found)
        return
    show(
        f"success {found.rate_with:.0%} with the change, {found.rate_without:.0%} without "
        f"({found.n} replays each)",
        f"difference {found.difference:+.2f}, 95 % interval {found.low:+.2f} to {found.high:+.2f}",
    )
