"""`tracekit gate`: may this build go on?"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from tracekit.errors import InputError, UsageError
from tracekit.export.verdicts.judged import Judged, judged, made_with
from tracekit.export.verdicts.junit import encode as encode_junit
from tracekit.export.verdicts.sarif import encode as encode_sarif
from tracekit.gate import baseline as baselines
from tracekit.gate import github as runner
from tracekit.gate import words
from tracekit.gate.decision import Decision, decide
from tracekit.gate.rules import check, usual
from tracekit.report import terminal
from tracekit.store import atomic
from tracekit_cli import options
from tracekit_cli.grouped import grouped
from tracekit_cli.judging import Asked, Reading, VerdictsOption, judging
from tracekit_cli.output import GATE, emit, note, show
from tracekit_cli.resolved import kept
from tracekit_cli.verdicts import close, write_report

BaselineOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Failures that are known: only what is new ends the gate."),
]
FailOnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="RULE,...",
        help="any-failure, new-failures, more-failures, more-than-chance, missing-runs[:SHARE], "
        "changed-culprit, unknown-outcomes, agent:NAME, mode:CODE; repeatable, or by comma.",
    ),
]
AcceptOption = Annotated[
    bool, typer.Option("--accept", help="Write the baseline as it is now, and pass.")
]
TightenOption = Annotated[
    bool,
    typer.Option("--tighten", help="If it passes, take what is fixed out of the baseline."),
]
SarifOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write SARIF 2.1.0.")]
JunitOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML.")]
GithubOption = Annotated[
    bool | None,
    typer.Option(
        "--github/--no-github",
        help="Annotations and a step summary; by itself where GITHUB_ACTIONS is set.",
    ),
]


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """What runs are held against, and whether that moves."""

    baseline: BaselineOption = None
    fail_on: FailOnOption = None
    accept: AcceptOption = False
    tighten: TightenOption = False

    def rules(self) -> list[str]:
        """Names of the rules asked for; raises `UsageError` for such as cannot be followed."""
        given = (name.strip() for text in self.fail_on or () for name in text.split(","))
        names = [name for name in given if name]
        check(names, has_baseline=self.baseline is not None)
        if (self.accept or self.tighten) and self.baseline is None:
            raise UsageError("--accept and --tighten write a baseline: name it, --baseline FILE")
        return names

    def known(self) -> baselines.Baseline | None:
        """The failures known so far; none where they are written anew."""
        return None if self.baseline is None or self.accept else baselines.read(self.baseline)


@grouped
def command(
    paths: options.Logs,
    *,
    against: Against,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    html: options.Html = None,
    github: GithubOption = None,
    json: options.Json = False,
    verdicts: VerdictsOption = None,
    asked: Asked,
    redact: options.Redact = True,
    pii: options.Pii = False,
    quiet: options.Quiet = False,
) -> None:
    """Stop a build for failed runs, and say what broke each.

    Without a baseline any failed run ends the gate; with one, what is worse than there: cases that
    fail more often, and cases with fewer runs of known outcome. Runs of one task are one case,
    whatever their ids.

    \b
    Exit codes: 0 passed, 1 a rule ended it, 2 usage, 3 nothing to judge by (no run, no known
    outcome, unreadable logs), 4 something needed is missing.

    \b
    Examples:
      tracekit gate runs/ --outcome-from outcomes.csv
      tracekit gate runs/ --baseline base.json --accept
      tracekit gate runs/ --baseline base.json --fail-on new-failures --sarif tracekit.sarif
      tracekit gate runs/ --fail-on agent:Planner,mode:FM-3.2 --baseline base.json
    """
    names, baseline = against.rules(), against.baseline
    reading = Reading(
        paths=tuple(paths),
        verdicts=verdicts,
        redaction=options.redaction(redact=redact, pii=pii),
        quiet=quiet,
    )
    base = against.known()
    with judging(asked, reading) as made:
        known = list(judged(made))
    unread = close(made)
    followed = {"baseline": baseline and str(baseline), "fail_on": names or list(usual(base))}
    before = {"made": made_with(known)} if verdicts is not None else {}
    config = kept({**made.request.config, **followed, **before}, reading.redaction)
    _write(known, config, sarif=sarif, junit=junit, quiet=quiet)
    if html is not None:
        made.pairs = [(one.trace, one.verdict) for one in known if one.trace.failed is not False]
        write_report(html, made, quiet=quiet)
    if against.accept and baseline is not None:
        _accept(known, baseline, config)
        raise typer.Exit(unread)
    decision = decide(known, base, names, config)
    _tell(decision, json=json, github=_on_github(github), quiet=quiet)
    if against.tighten and decision.passed and baseline is not None and base is not None:
        baselines.write(baseline, baselines.tightened(base, baselines.tally(known, config)))
        note(f"wrote {baseline}", quiet=quiet)
    raise typer.Exit(unread if decision.passed else GATE)


def _on_github(asked: bool | None) -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true" if asked is None else asked


def _write(
    known: Sequence[Judged],
    config: dict[str, Any],
    *,
    sarif: Path | None,
    junit: Path | None,
    quiet: bool,
) -> None:
    """The files that other tools read, before anything is decided."""
    for path, encode in ((sarif, encode_sarif), (junit, encode_junit)):
        if path is not None:
            with atomic(path) as stream:
                stream.write(encode(known, config))
            note(f"wrote {path}", quiet=quiet)


def _accept(known: Sequence[Judged], path: Path, config: dict[str, Any]) -> None:
    """The failures of today become the known ones."""
    now = baselines.tally(known, config)
    if not now.cases:
        raise InputError("no run has a known outcome: --outcome-from says who knows")
    baselines.write(path, now)
    show(
        f"accepted: {now.failures} failures in {now.runs} runs of {len(now.cases)} cases are known "
        f"from now on, {path}"
    )


def _hanging(line: str) -> str:
    """A line cut to the width of the terminal, its continuations indented as it is."""
    indent = " " * (len(line) - len(line.lstrip(" ")))
    width = max(terminal.console().width, 40)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)


def _tell(decision: Decision, *, json: bool, github: bool, quiet: bool) -> None:
    """The decision on stdout; with `github` for its runner as well.

    Annotations follow the text, or go to stderr where stdout is JSON: the runner reads both.
    """
    commands = list(runner.commands(decision, os.environ.get("GITHUB_WORKSPACE")))
    text = "".join(line + "\n" for line in words.lines(decision))
    if json:
        emit(words.as_json(decision))
    elif github:
        emit(runner.quiet(text).encode("utf-8", "replace"))
        emit("".join(f"{line}\n" for line in commands).encode("utf-8", "replace"))
    else:
        show(Text("\n".join(map(_hanging, words.lines(decision)))))
    if not github:
        return
    if json:
        sys.stderr.write("".join(f"{line}\n" for line in commands))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        runner.append_summary(summary, words.markdown(decision))
        note(f"wrote the summary of the step, {summary}", quiet=quiet)
