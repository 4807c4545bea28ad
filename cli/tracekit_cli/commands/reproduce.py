"""`tracekit reproduce`: an evaluation once more, from its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit.errors import UsageError
from tracekit.eval.manifest import differences, read
from tracekit_cli import calls, options
from tracekit_cli.evaluation import Job, evaluated
from tracekit_cli.output import emit_json, report_problems, show

DIFFERS = 1
"""Exit code when data or figures are not those of the manifest."""

ManifestArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="What `tracekit eval --manifest` wrote.")
]
DataOption = Annotated[
    str, typer.Option("--data", metavar="DIR", help="Where the data lie on this machine.")
]

ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="DIR", help="Where the weights lie on this machine."),
]


def command(
    manifest: ManifestArgument,
    data: DataOption,
    model: ModelOption = None,
    llm: calls.Llm = "",
    key_env: calls.KeyEnv = "",
    replay: calls.Replay = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Do an evaluation again and say whether it comes out the same.

    FILE is what `tracekit eval --manifest FILE` wrote. Exit code 0: both are, byte for byte; 1:
    something differs, and what. Methods that asked a model are the same only when its answers are:
    replay them from a store.

    \b
    Examples:
      tracekit reproduce linear.json --data labeled/
      tracekit reproduce mine.json --data labeled/ --model my-weights/
      tracekit reproduce judged.json --data labeled/ --replay calls.db
    """
    then = read(manifest)
    if (model or then.model) is None and then.weights is not None:
        raise UsageError(
            f"{manifest}: weights {then.weights} of a folder were scored, say where they lie: --model DIR"
        )
    if model is not None and then.weights is None:
        raise UsageError(f"{manifest}: no weights were scored, so --model has no place here")
    job = Job(
        benchmark=then.benchmark,
        methods=then.methods,
        model=model or then.model,
        data=data,
        config=then.config,
        calls=calls.Calls(llm=llm, key_env=key_env, replay=replay),
        settings=then.asked,
    )
    again = evaluated(job, quiet=quiet)
    found = differences(then, again.manifest())
    if json:
        emit_json({"same": not found, "differences": found, "manifest": msgspec.to_builtins(then)})
    else:
        names = ", ".join(f"{name} ({board.n} runs)" for name, board in then.boards.items())
        show(*(found or [f"the same data and the same figures: {names}"]))
    code = report_problems(again.problems, quiet=quiet)
    raise typer.Exit(DIFFERS if found else code)
