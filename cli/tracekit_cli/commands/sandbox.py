"""`tracekit sandbox`: runs of built-in teams on tasks with known answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import write_traces
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.output import emit_json, note, show
from tracekit_cli.progress import bar


def run(
    family: Annotated[
        str,
        typer.Option(metavar="F", help="arithmetic, tables, programs, retrieval or scheduling."),
    ] = "arithmetic",
    topology: Annotated[
        str, typer.Option(metavar="T", help="chain, star, debate, hierarchy or blackboard.")
    ] = "chain",
    n: Annotated[int, typer.Option("--n", "-n", min=1, metavar="N", help="How many runs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of tasks and runs.")] = 0,
    difficulty: Annotated[int, typer.Option(min=1, metavar="N", help="Size of the tasks.")] = 2,
    skill: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="1 never errs, 0 always.")
    ] = 0.85,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="JSONL of normalised traces.")
    ] = Path("runs.jsonl"),
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a team of seeded agents on tasks whose answers are known.

    No model is needed. Agents make natural mistakes and sometimes find them. The same options give
    the same bytes, and every step of every run can be replayed with `tracekit replay`.

    \b
    Examples:
      tracekit sandbox run --family tables --topology star --n 100 -o runs.jsonl
      tracekit sandbox run --family scheduling --skill 0.7 --seed 3 --json
    """
    sandbox = Sandbox(family, topology, difficulty=difficulty, skill=skill)
    ends: Counter[str] = Counter()
    steps = 0

    def traces() -> Iterator[Trace]:
        nonlocal steps
        for number, task in zip(range(n), sandbox.tasks(seed), strict=False):
            trace = sandbox.run(task, seed + number)
            ends[trace.outcome.status] += 1
            steps += len(trace.steps)
            tick(trace.id)
            yield trace

    with bar("running", n, quiet=quiet) as tick:
        write_traces(traces(), out)
    summary = {"output": str(out), "runs": n, "steps": steps, "successes": ends["success"]}
    if json:
        emit_json({**summary, "family": family, "topology": topology, "seed": seed})
    else:
        show(f"{n:,} runs with {steps:,} steps; {ends['success']:,} succeeded")
    note(f"wrote {out}", quiet=quiet)


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Run built-in teams on tasks with known answers.

    \b
    Example:
      tracekit sandbox run --family tables --topology star -o runs.jsonl
    """,
)
app.command("run")(run)


@app.callback()
def group() -> None:
    """A group of one, with room for more."""
