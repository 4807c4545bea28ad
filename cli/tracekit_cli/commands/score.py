"""`tracekit score`: how likely each run was to end well, step by step, afterwards or live."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tracekit.analyzers.value_drop import ValueDrop
from tracekit.errors import InputError, UsageError
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.prm.alarm import Alarm, Rule, first_alarm
from tracekit.prm.score import RunScore, score
from tracekit.protocols import ValueFunction
from tracekit.report.machine import json_bytes
from tracekit.trace import Trace
from tracekit_cli import options, values
from tracekit_cli.following import Waiting, follow
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit, note, report_problems, show
from tracekit_cli.progress import bar
from tracekit_cli.resolved import resolved

ALARM = 1
"""Exit code when a run broke the rule that was given."""
USUAL_BOUND = 0.2
"""Below it a run that is followed is alarming, where no rule is given."""

LogsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="DIR", help="Folders, files or archives of logs.")
]


def _instead_of_logs(context: typer.Context, file: Path | None) -> Path | None:
    """A file to follow goes before the logs that the configuration names."""
    if file is not None and context.default_map:
        context.default_map.pop("paths", None)
    return file


FollowOption = Annotated[
    Path | None,
    typer.Option(
        "--follow",
        "-f",
        metavar="FILE",
        help="A journal that still grows.",
        callback=_instead_of_logs,
        is_eager=True,
    ),
]
BelowOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="Alarm when the value is below P; 0.2 with --follow."),
]
DropOption = Annotated[
    float | None,
    typer.Option(metavar="D", help="Alarm when it is D or more below its highest so far."),
]
PatienceOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Steps in a row for which it must hold.")
]
OnAlarmOption = Annotated[
    str,
    typer.Option(metavar="MODULE:FUNC", help="Called with each alarm (tracekit.prm.alarm.Alarm)."),
]
KeepGoingOption = Annotated[
    bool, typer.Option("--keep-going", help="Follow on after an alarm, to the end of the run.")
]
PollOption = Annotated[
    float, typer.Option(min=0.01, metavar="S", help="Look for new lines every S seconds.")
]
IdleOption = Annotated[
    float | None, typer.Option(min=0, metavar="S", help="End when nothing came for S seconds.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON lines: one a run, one a step with --follow.")
]


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What is alarming about a value."""

    below: BelowOption = None
    drop: DropOption = None
    patience: PatienceOption = 1

    @property
    def said(self) -> bool:
        """Whether the command line says anything about it."""
        return self.below is not None or self.drop is not None

    def rule(self, *, usual: float | None = None) -> Rule:
        """The same for the library; `usual` is the bound where none is said."""
        below = self.below if self.said else usual
        return Rule(below=below, drop=self.drop, patience=self.patience)


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is followed while it goes on."""

    on_alarm: OnAlarmOption = ""
    keep_going: KeepGoingOption = False
    poll: PollOption = 0.5
    until_idle: IdleOption = None


@grouped
def command(
    context: typer.Context,
    paths: LogsArgument = None,
    follow_: FollowOption = None,
    *,
    watch: Watch,
    live: Live,
    values_: values.Values = values.DEFAULT,
    model: values.Model = None,
    html: options.Html = None,
    format: options.Format = None,
    json: JsonOption = False,
    quiet: options.Quiet = False,
) -> None:
    """Say how likely each run was to end well, after every step.

    A value is a probability of success, read off the steps up to there. It holds for systems like
    those that the value function was trained on; of others a warning says so. With --below or
    --drop, a run that breaks the rule makes the exit code 1. --follow scores a journal while a
    system writes it (docs/capture.md) and ends at the first alarm, or when the run does. Nothing
    that stands in a log is run or obeyed.

    \b
    Examples:
      tracekit score logs/ --html values.html
      tracekit score logs/ --below 0.2 --json
      tracekit score --follow own.jsonl.running/run-1.jsonl --drop 0.4 --on-alarm my_team:page_me
    """
    if (follow_ is None) == (not paths):
        raise UsageError("name logs to score, or one file with --follow")
    if format is not None:
        reader_of(format)
    function = values.chosen(values_, model)
    if follow_ is not None:
        alarmed = _followed(follow_, function, watch, live, json=json, quiet=quiet)
        raise typer.Exit(ALARM if alarmed else 0)
    if live.on_alarm:
        raise UsageError("--on-alarm is for --follow; of finished runs the exit code tells")
    gate = watch.rule() if watch.said else None
    keep = html is not None or not json
    scored = _Scored(function, gate, resolved(context), keep=keep)
    code = scored.read(paths or [], format, json=json, quiet=quiet)
    if not json:
        from tracekit.report.values import score_detail, score_table

        found = scored.found
        show(score_table(found) if len(found) > 1 else score_detail(*found[0]))
    if html is not None:
        _report(html, scored.found, function, quiet=quiet)
    for alarm in scored.alarms:
        where = f"{alarm.trace_id}, step {alarm.step}, {alarm.agent}"
        note(f"alarm: {where}: {alarm.reason}", quiet=quiet)
    raise typer.Exit(ALARM if scored.alarms else code)


def _followed(
    path: Path, function: ValueFunction, watch: Watch, live: Live, *, json: bool, quiet: bool
) -> bool:
    """Score a journal as it grows; whether there was an alarm."""
    sys.path.append(os.getcwd())  # a callback lies beside its logs more often than on the path
    return follow(
        path,
        function,
        watch.rule(usual=USUAL_BOUND),
        Waiting(poll=live.poll, idle=live.until_idle),
        on_alarm=live.on_alarm,
        keep_going=live.keep_going,
        json=json,
        quiet=quiet,
    )


class _Scored:
    """Runs of logs with their values; those of JSON lines are printed and forgotten."""

    def __init__(
        self, function: ValueFunction, gate: Rule | None, config: dict[str, Any], *, keep: bool
    ) -> None:
        self.found: list[tuple[Trace, RunScore]] = []
        self.alarms: list[Alarm] = []
        self._function, self._gate, self._keep = function, gate, keep
        self._config = config

    def read(self, paths: list[str], format: str | None, *, json: bool, quiet: bool) -> int:
        """Score every run; returns the exit code that the files ask for."""
        ingest, count = Ingest(paths, formats=[format] if format else None), 0
        with bar("scoring", None, quiet=quiet) as tick:
            for trace in ingest.traces():
                count += 1
                self._take(trace, json=json)
                tick(trace.id)
        problems = [problem for file in ingest.files for problem in file.problems]
        code = report_problems(problems, quiet=quiet)
        if not count:
            where = ", ".join(paths)
            raise InputError(f"no trace in {where}; `tracekit ingest` says why, file by file")
        return code

    def _take(self, trace: Trace, *, json: bool) -> None:
        scored = score(trace, self._function)
        if json:
            emit(json_bytes({**msgspec.to_builtins(scored), "config": self._config}) + b"\n")
        if self._keep:
            self.found.append((trace, scored))
        alarm = first_alarm(trace, self._function, self._gate) if self._gate else None
        if alarm is not None:
            self.alarms.append(alarm)


def _report(
    path: Path, found: list[tuple[Trace, RunScore]], function: ValueFunction, *, quiet: bool
) -> None:
    """The HTML report: every run with its line of values, failures with the step that fell most."""
    from tracekit.analyzers.run import attribute
    from tracekit.report import html

    method = ValueDrop(function)
    pairs = [(trace, attribute(trace, method)) for trace, _ in found]
    scores = [scored for _, scored in found]
    html.write_html(path, pairs, title="Values of runs", scores=scores)
    note(f"wrote {path}", quiet=quiet)
