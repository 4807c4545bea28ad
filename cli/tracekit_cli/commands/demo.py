"""`tracekit demo`: the example logs, attributed; a first look that needs nothing else."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from tracekit import registry
from tracekit.analyzers.run import DEFAULT
from tracekit.ingest.outcomes import outcomes_from
from tracekit.report.visible import one_line
from tracekit_cli import options
from tracekit_cli.output import note, report_problems, show
from tracekit_cli.verdicts import Request, Verdicts, write_report


def command(
    html: Annotated[Path, typer.Option(metavar="FILE", help="Where the report goes.")] = Path(
        "tracekit-demo.html"
    ),
    method: Annotated[
        str, typer.Option("--method", "-m", metavar="NAME", help="One of `tracekit methods`.")
    ] = DEFAULT,
    json: options.Json = False,
) -> None:
    """Attribute the example logs that come with tracekit.

    Small invented runs in several formats. Prints a table and writes an HTML report; what truly
    went wrong in each run is written in the README beside the logs.

    \b
    Example:
      tracekit demo --html demo.html
    """
    with as_file(files("tracekit_cli") / "examples") as packaged:
        examples = nearby(packaged.resolve())
        request = Request(
            paths=(str(examples / "logs"),),
            analyzer=registry.get("analyzers", method),
            outcomes=outcomes_from(examples / "outcomes.csv"),
        )
        verdicts = Verdicts(request)
        if json:
            verdicts.print_lines(top=None, keep=True)
        else:
            verdicts.print_table(top=None)
        write_report(html, verdicts, quiet=True)
        code = report_problems(verdicts.problems())
        (note if json else show)(f"Report: {one_line(str(html.resolve()), 300)}")
        note(f"The logs, and the truth about them: {examples}/README.md")
    note("Your own: tracekit attribute DIR --html report.html")
    raise typer.Exit(code)


def nearby(path: Path) -> Path:
    """The path as a person in this folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
