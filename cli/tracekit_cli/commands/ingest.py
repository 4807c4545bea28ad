"""`tracekit ingest`: logs of any format to one file of traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit import registry
from tracekit.errors import UsageError
from tracekit.ingest.batch import Manifest, Options, ingest_to
from tracekit.ingest.files import find_files
from tracekit.ingest.readers.mapped import PREFIX
from tracekit.ingest.sniff import reader_of
from tracekit.report import terminal
from tracekit.store import atomic
from tracekit_cli import options
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit_json, note, redacted, report_problems, show
from tracekit_cli.progress import bar

OutOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE", help="Traces as JSONL, `.gz` or `.zst` too."),
]
MappingOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Mapping of an in-house format, tried before all others."),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Where the account of every file goes; beside the output when not given.",
    ),
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes that read at a time.")
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on where a killed run with the same output stopped."),
]
KeepDuplicatesOption = Annotated[
    bool, typer.Option("--keep-duplicates", help="Keep runs that equal an earlier one.")
]
EngineOption = Annotated[str, typer.Option(metavar="NAME", help="Where it runs: local or ray.")]


@grouped
def command(
    paths: options.Logs,
    out: OutOption = Path("traces.jsonl"),
    format: options.Format = None,
    mapping: MappingOption = None,
    manifest: ManifestOption = None,
    jobs: JobsOption = 1,
    resume: ResumeOption = False,
    keep_duplicates: KeepDuplicatesOption = False,
    redact: options.Redact = False,
    pii: options.Pii = False,
    engine: EngineOption = "local",
    *,
    caps: options.Caps,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Normalise logs into one file and account for every record.

    Formats are detected by content. A file that cannot be read is reported and does not stop the
    others (exit code 3). The output appears whole or not at all; the manifest beside it
    (`traces.manifest.json`) says for every file what was read, what was skipped, and why.

    \b
    Examples:
      tracekit ingest logs/ -o traces.jsonl
      tracekit ingest logs/ more.tar.xz -o traces.jsonl.gz --jobs 4 --json
    """
    chosen = Options(
        formats=_formats(format, mapping),
        limits=caps.limits(),
        keep_duplicates=keep_duplicates,
        redact=options.redaction(redact=redact, pii=pii),
    )
    account = manifest or beside(out)
    if account.resolve() == out.resolve():
        raise UsageError("--manifest and --out name the same file")
    files = sum(1 for _ in find_files(paths))
    with bar("reading", files, quiet=quiet) as tick:
        result = ingest_to(
            paths,
            out,
            options=chosen,
            jobs=jobs,
            resume=resume,
            engine_name=engine,
            progress=lambda part: tick(part.task.path),
        )
    with atomic(account) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    raise typer.Exit(_report(result, account, json=json, quiet=quiet))


def _formats(format: str | None, mapping: Path | None) -> tuple[str, ...] | None:
    """The readers that may take a file; all when None."""
    if format is not None and mapping is not None:
        raise UsageError("--format reads every file one way, --mapping some: give one of the two")
    named = format if mapping is None else f"{PREFIX}{mapping}"
    if named is None:
        return None
    reader_of(named)
    return (named,) if mapping is None else (named, *registry.plugins("readers"))


def beside(out: Path) -> Path:
    """The manifest's place beside an output: `traces.jsonl.gz` has `traces.manifest.json`."""
    return out.with_name(out.name.split(".jsonl")[0].removesuffix(".json") + ".manifest.json")


def _report(result: Manifest, account: Path, *, json: bool, quiet: bool) -> int:
    problems = [problem for file in result.files for problem in file.problems]
    if json:
        emit_json(result)
    else:
        show(terminal.ingest_summary(result.totals, problems))
        if result.options.redact != "none":
            show(redacted(result.redacted))
    note(f"wrote {result.output} and {account}", quiet=quiet)
    failed = any(problem.severity == "error" for problem in problems)
    if json:
        report_problems(problems, quiet=quiet)
    return 3 if failed else 0
