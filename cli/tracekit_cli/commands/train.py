"""`tracekit train`: a method fitted on the user's own labels, or values on their outcomes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit.analyzers.models import save_model
from tracekit.errors import UsageError
from tracekit.eval import tables
from tracekit.eval.training import Trained, card, train, trainable
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.labels.join import Labels
from tracekit.labels.table import DEFINITIONS
from tracekit.trace import Definition, Trace
from tracekit_cli import options
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit_json, note, report_problems, show
from tracekit_cli.progress import bar
from tracekit_cli.train_language import OnLanguage
from tracekit_cli.train_tracer import train_tracer
from tracekit_cli.train_values import Wanted, train_prm

MethodArgument = Annotated[
    str, typer.Argument(metavar="METHOD", help="A method with weights, such as linear, or prm.")
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the weights and card.")
]
LabelsOption = Annotated[
    list[Path] | None,
    typer.Option("--labels", "-l", metavar="FILE", help="CSV or JSONL of labels; repeatable."),
]
BaseOption = Annotated[
    int, typer.Option(min=0, max=1, metavar="0|1", help="What the file counts step one as.")
]
DefinitionOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which labels; needed where they are mixed.")
]
FoldsOption = Annotated[
    int | None,
    typer.Option(min=2, metavar="N", help="Folds of the evaluation, by question; 10 if they can."),
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of folds and fit.")]
TargetsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="prm: targets of prefixes, instead of outcomes."),
]
LicenceOption = Annotated[
    str | None,
    typer.Option("--license", metavar="ID", help="For the card, such as apache-2.0."),
]
RecipeOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="For tracer: what to train, and how (YAML).")
]


class OnLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Which labels the method learns from."""

    labels: LabelsOption = None
    base: BaseOption = 0
    definition: DefinitionOption = None

    def meaning(self) -> Definition | None:
        """What the labels mean; raises `UsageError` for a name that is not known."""
        found = next((name for name in DEFINITIONS if name == self.definition), None)
        if self.definition is not None and found is None:
            known = ", ".join(DEFINITIONS)
            raise UsageError(f"--definition {self.definition}: known are {known}")
        return found


@grouped
def command(
    method: MethodArgument,
    paths: options.Logs,
    out: OutOption,
    *,
    labelled: OnLabels,
    folds: FoldsOption = None,
    seed: SeedOption = 0,
    licence: LicenceOption = None,
    targets: TargetsOption = None,
    recipe: RecipeOption = None,
    language: OnLanguage,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a method on your own labels, and say how good it is.

    At least ten failed runs with a labelled step are needed. The figures are out of fold, grouped
    by question, beside constants and chance; the weights that are saved are fitted on all runs.
    Several annotators count by their majority. Use the result with --model DIR.

    prm learns how likely a run is to end well, and needs no labels: runs with a known outcome, at
    least twenty, or --targets from `tracekit rollouts`. It needs the extra train. With a --backbone
    it is a language model that reads the runs.

    tracer is a language model, fine-tuned by a --recipe such as those of models/recipes: on written
    answers first, on rewards then. What a killed run had finished is kept. To use several GPUs:
    `accelerate launch -m tracekit_models.tracer.train RECIPE LOGS -o DIR`.

    \b
    Examples:
      tracekit train linear logs/ --labels labels.csv -o my-model
      tracekit attribute new-logs/ --model my-model
      tracekit train prm logs/ -o my-values
      tracekit train prm logs/ -o my-values --backbone Qwen/Qwen3-0.6B --lora 16
      tracekit train tracer injected/ --recipe models/recipes/qwen3-0.6b-lora.yaml -o my-tracer
    """
    if format is not None:
        reader_of(format)
    _check_licence(licence)
    language.check()
    if method == "prm":
        if labelled.labels or labelled.definition:
            raise UsageError("prm learns from outcomes or --targets; labels say nothing to it")
        wanted = Wanted(paths, out, targets, folds, seed, licence, format, json, quiet, language)
        raise typer.Exit(train_prm(wanted))
    if targets is not None or language.backbone is not None:
        raise UsageError(f"--targets and --backbone are for prm, not for {method}")
    _check_fit(method, recipe, folds)
    meaning = labelled.meaning()
    traces, code = _read(paths, format, labelled, quiet=quiet)
    if recipe is not None:
        train_tracer(recipe, traces, out, licence=licence, json=json, quiet=quiet)
        raise typer.Exit(code)
    with bar("training", None, quiet=quiet) as tick:
        trained = train(method, traces, definition=meaning, seed=seed, folds=folds, progress=tick)
    _save(trained, out, licence=licence, json=json, quiet=quiet)
    raise typer.Exit(code)


def _check_licence(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", name):
        raise UsageError(f"--license {name}: an identifier such as apache-2.0 or cc-by-4.0")


def _check_fit(method: str, recipe: Path | None, folds: int | None) -> None:
    """Raises for a method that is not fitted on labels, or not in the way that is asked."""
    if (recipe is not None) != (method == "tracer"):
        raise UsageError("tracer is trained by a --recipe, and nothing else is")
    if recipe is None:
        trainable(method)
    elif folds is not None:
        raise UsageError("--folds: tracer is not fitted per fold; `tracekit eval` judges it")


def _read(
    paths: list[str], format: str | None, labelled: OnLabels, *, quiet: bool
) -> tuple[list[Trace], int]:
    """The runs with their labels, and the exit code that the files ask for."""
    joined = Labels(labelled.labels or [], base=labelled.base)
    ingest = Ingest(paths, formats=[format] if format else None)
    traces = [joined.apply(trace) for trace in ingest.traces()]
    problems = [problem for file in ingest.files for problem in file.problems]
    problems += [*joined.problems, *joined.unmatched()]
    return traces, report_problems(problems, quiet=quiet)


def _save(trained: Trained, out: Path, *, licence: str | None, json: bool, quiet: bool) -> None:
    """Write the weights with their card, and say how good they are."""
    config = save_model(
        trained.analyzer, out, definition=trained.definition, card=card(trained, licence=licence)
    )
    if json:
        board = trained.board and msgspec.Raw(tables.as_json(trained.board))
        emit_json({"output": str(out), "config": config, "evaluation": board})
    else:
        show(*(tables.as_rich(trained.board) if trained.board else ()))
    if trained.unevaluated:
        note(f"tracekit: no out-of-fold figures: {trained.unevaluated}")
    note(f"wrote {out}: {trained.analyzer.name} fitted on {trained.traces} runs", quiet=quiet)
