"""`tracekit label`: labels asked for in the terminal, or taken from a file, checked and joined."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tracekit.errors import InputError
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.labels.book import Book
from tracekit.labels.compare import Report
from tracekit.labels.join import Labels
from tracekit.labels.table import DEFINITIONS
from tracekit.stats import Estimate
from tracekit.store import write_traces
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.labelling import Leave, Session, hidden
from tracekit_cli.output import emit_json, listing, note, report_problems, show


class Meaning(StrEnum):
    """What a label may mean."""

    decisive = "decisive"
    injected = "injected"
    first_unrecoverable = "first-unrecoverable"
    span_error = "span-error"
    outcome_only = "outcome-only"


def ask(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Logs, folders or normalised traces.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="JSONL that labels are added to.")
    ] = Path("labels.jsonl"),
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who labels; asked once when not given.")
    ] = None,
    definition: Annotated[
        Meaning | None,
        typer.Option(metavar="NAME", help=f"What labels mean: {', '.join(DEFINITIONS)}."),
    ] = None,
    answer: Annotated[
        bool,
        typer.Option("--answer", help="Show expected answers, stated reasons and present labels."),
    ] = False,
    all: Annotated[bool, typer.Option("--all", help="Ask about successful runs too.")] = False,
    format: options.Format = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the counts as JSON on stdout at the end.")
    ] = False,
) -> None:
    """Ask about each failed run in the terminal.

    Which agent, which step, which modes, and why? A run is shown step by step. Enter goes on, b
    back, a number to that step, f shows it in full; x blames the step, n an agent without a step;
    s skips the run, q leaves. Every label is saved at once, and runs that the annotator has
    labelled are not asked again: call it again to go on.

    \b
    Examples:
      tracekit label logs/ --annotator ada
      tracekit label logs/run.json -o labels.jsonl --definition decisive
    """
    if format is not None:
        reader_of(format)
    book = Book(out)
    ingest = Ingest(paths, formats=[format] if format else None)
    found = [
        trace for trace in ingest.traces() if trace.steps and (all or trace.failed is not False)
    ]
    code = report_problems([problem for file in ingest.files for problem in file.problems])
    if not found:
        raise InputError(f"no failed run in {', '.join(paths)}; --all asks about every run")
    means = next((name for name in DEFINITIONS if name == definition), None)
    session = Session(book, annotator, means)
    left = _sit(session, found, answer=answer)
    note(f"{session.added} labels added to {out}; {left} of {len(found)} runs are left")
    if json:
        emit_json({"output": str(out), "added": session.added, "runs": len(found), "left": left})
    raise typer.Exit(code)


def _sit(session: Session, traces: list[Trace], *, answer: bool) -> int:
    """Ask about one run after the other; returns how many this annotator has not labelled."""
    try:
        for number, trace in enumerate(traces, 1):
            if not session.book.holds(trace.id, session.annotator):
                session.label(trace if answer else hidden(trace), f"{number} of {len(traces)}")
    except Leave:
        note("leaving")
    return sum(not session.labelled(trace.id) for trace in traces)


class Resolution(StrEnum):
    """What becomes of several annotators."""

    majority = "majority"
    keep = "keep"


def apply(
    paths: options.Logs,
    labels: Annotated[
        list[Path],
        typer.Option("--labels", "-l", metavar="FILE", help="CSV or JSONL of labels; repeatable."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Traces with their labels, as JSONL."),
    ] = None,
    base: Annotated[
        int, typer.Option(min=0, max=1, metavar="0|1", help="What the file counts step one as.")
    ] = 0,
    resolve: Annotated[
        Resolution,
        typer.Option(metavar="HOW", help="Several annotators: majority, or keep all labels."),
    ] = Resolution.majority,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check a table of labels and join it to the runs.

    A bad row is reported with its line and does not stop the others (exit code 3). With several
    annotators the agreement is printed: kappa for agents and modes, shares for steps, each with a
    95 % interval, and the runs on which they differ.

    \b
    Examples:
      tracekit label apply logs/ --labels labels.csv
      tracekit label apply logs/ -l ada.csv -l bob.jsonl --base 1 -o labelled.jsonl
    """
    if format is not None:
        reader_of(format)
    joined = Labels(labels, base=base, resolve="keep" if resolve == Resolution.keep else "majority")
    ingest = Ingest(paths, formats=[format] if format else None)
    if out is not None:
        write_traces((joined.apply(trace) for trace in ingest.traces()), out)
    else:
        for trace in ingest.traces():
            joined.apply(trace)
    problems = [problem for file in ingest.files for problem in file.problems]
    problems += [*joined.problems, *joined.unmatched()]
    report = joined.report()
    if json:
        counts = {"rows": joined.rows, "applied": joined.applied, "output": out and str(out)}
        compared = {"agreement": report.agreement, "disagreements": report.disagreements}
        emit_json({**counts, **compared, "problems": [*joined.problems, *joined.unmatched()]})
    else:
        show(f"{joined.applied} of {joined.rows} labels fit their traces")
        print_agreement(report)
    if out is not None:
        note(f"wrote {out}", quiet=quiet)
    raise typer.Exit(report_problems(problems, quiet=quiet))


def print_agreement(report: Report) -> None:
    """The figures of several annotators as tables; nothing where there was only one."""
    for found in report.agreement:
        who = f"{len(found.annotators)} annotators, {found.traces} runs in common"
        show("", f"{found.definition}: {who}")
        rows = [
            (f"agent, {found.statistic} kappa", *_figures(found.agent)),
            ("same step", *_figures(found.step)),
            ("step within 1", *_figures(found.near)),
            *((f"mode {m}, {found.statistic} kappa", *_figures(k)) for m, k in found.modes.items()),
        ]
        listing(("agreement", "value", "95 % interval"), rows)
    if report.disagreements:
        show("", "They differ on")
        said_by = [
            (item.trace, name or "unnamed", said["agent"] or "-", _step(said["step"]), _modes(said))
            for item in report.disagreements
            for name, said in item.said.items()
        ]
        listing(("trace", "annotator", "agent", "step", "modes"), said_by)


def _figures(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "not defined: nobody differs, or nobody says"
    return f"{estimate.value:.2f}", f"{estimate.low:.2f} to {estimate.high:.2f}"


def _step(step: int | None) -> str:
    return "-" if step is None else str(step)


def _modes(said: dict[str, Any]) -> str:
    return ", ".join(said["modes"]) or "-"


class AskUnlessNamed(TyperGroup):
    """`tracekit label FILE` is `tracekit label ask FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `ask` before arguments that name no command."""
        helped = args[:1] in (["--help"], ["-h"])
        if args and not helped and args[0] not in self.commands:
            args = ["ask", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=AskUnlessNamed,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Label runs in the terminal, or join a table of labels.

    `tracekit label FILE` asks about each failed run (short for `tracekit label ask FILE`);
    `tracekit label apply` checks a CSV or JSONL of labels and puts them on the runs.

    \b
    Examples:
      tracekit label logs/ --annotator ada
      tracekit label apply logs/ --labels labels.csv -o labelled.jsonl
    """,
)
app.command("ask")(ask)
app.command("apply")(apply)
