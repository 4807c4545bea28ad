"""Which method judges, and with what: options that commands share, and the verdicts they ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import typer

from tracekit.analyzers.asking import may_ask
from tracekit.analyzers.run import DEFAULT, abstain, choose
from tracekit.attribution import Attribution, Method
from tracekit.context import Context
from tracekit.errors import SchemaError, UsageError
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.redact import Redaction, Redactor, redactor_for
from tracekit.ingest.sniff import reader_of
from tracekit.ingest.sources import Limits
from tracekit.llm.terms import asked_for
from tracekit.protocols import Analyzer
from tracekit.trace import Trace
from tracekit.version import __version__
from tracekit_cli import calls, defaults, options
from tracekit_cli.means import Means, check, opened
from tracekit_cli.resolved import kept
from tracekit_cli.settings import parse_settings
from tracekit_cli.verdicts import Request, Verdicts

TO_JUDGE = ("method", "model", "set", "repeat", "corpus", "system", "llm", "replay")
"""Options of which verdicts that were made before need none."""


def _with_its_settings(context: typer.Context, method: str | None) -> str | None:
    """Model and settings of the configuration are those of its method, and of others like it."""
    if isinstance(context.default_map, dict):
        defaults.leave_to(context, method)
    return method


def _instead_of_a_method(context: typer.Context, file: str | None) -> str | None:
    """Verdicts that were made before need nothing of what the configuration says of a method."""
    if file is not None and context.default_map:
        for name in TO_JUDGE:
            context.default_map.pop(name, None)
    return file


MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        "-m",
        metavar="NAME",
        help=f"One of `tracekit methods`; {DEFAULT} unless --model is of another kind.",
        callback=_with_its_settings,
        is_eager=True,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|REPO",
        help="Weights: a folder, or owner/name[@revision] on the Hub. For a method that asks a "
        "model, its name: short for --set model=NAME.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of the method; repeatable."),
]
CorpusOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR",
        help="Logs of other runs, for methods that learn from many; else the runs themselves.",
    ),
]
SystemOption = Annotated[
    str,
    typer.Option(
        metavar="MODULE:FACTORY", help="The system that made the runs, for methods that replay it."
    ),
]
VerdictsOption = Annotated[
    str | None,
    typer.Option(
        "--verdicts",
        metavar="FILE",
        help="Take verdicts that `tracekit attribute --json` printed, and attribute nothing.",
        callback=_instead_of_a_method,
        is_eager=True,
    ),
]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options that say how runs are judged."""

    method: MethodOption = None
    model: ModelOption = None
    set: SetOption = None
    seed: options.Seed = 0
    outcome_from: options.OutcomeFrom = None
    with_answer: options.WithAnswer = False
    corpus: CorpusOption = None
    system: SystemOption = ""
    format: options.Format = None
    repeat: calls.Repeat = None
    calls: calls.Calls = calls.Calls()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are judged, and what is kept of them."""

    paths: tuple[str, ...]
    verdicts: str | None = None
    """Verdicts that were made before; then nothing is attributed."""
    limits: Limits = Limits()
    all: bool = False
    """Whether successful runs get verdicts too."""
    redaction: Redaction = "none"
    quiet: bool = False


def configuration(asked: Asked, reading: Reading, method: Analyzer) -> dict[str, Any]:
    """What the verdicts depend on, to be kept with them."""
    said: dict[str, Any] = {"tracekit": __version__, "verdicts": reading.verdicts}
    told = msgspec.to_builtins(asked, enc_hook=str)
    server = told.pop("calls")
    if reading.verdicts:  # who made them, and with what, they say themselves
        said |= {name: told[name] for name in ("outcome_from", "format")}
    else:
        said |= told | {"method": method.name}
        said |= server if may_ask(method) else {}
    return kept({**said, "all": reading.all, "redact": reading.redaction}, reading.redaction)


class Made:
    """Verdicts that `tracekit attribute --json` printed, in place of a method.

    Raises `SchemaError` for a file that holds something else.
    """

    name: ClassVar[str] = "verdicts"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})

    def __init__(self, path: str, redactor: Redactor | None = None) -> None:
        self._path = path
        self._redactor = redactor
        self._known: dict[str, list[Attribution]] = {}
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            try:
                verdict = msgspec.json.decode(line, type=Attribution)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                what = "not a verdict of `tracekit attribute --json`"
                raise SchemaError(f"{path}:{number}: {what}: {error}") from None
            self._known.setdefault(verdict.trace_id, []).append(verdict)

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict on the run of that id; on several of one id, in their order."""
        if known := self._known.get(trace.id):
            return self._clean(known.pop(0))
        name = os.path.basename(self._path)
        return abstain(trace, Method(name=self.name), f"{name} holds none on this run")

    def _clean(self, verdict: Attribution) -> Attribution:
        """The verdict without the secrets that it quotes: the run had them when it was made."""
        verdict = msgspec.structs.replace(verdict, config=kept(verdict.config))
        if self._redactor is None:
            return verdict
        clean = [
            msgspec.structs.replace(
                suspect, evidence=tuple(map(self._redactor.struct, suspect.evidence))
            )
            for suspect in verdict.suspects
        ]
        config = self._redactor.value(verdict.config)
        return msgspec.structs.replace(verdict, suspects=tuple(clean), config=config)


@contextmanager
def judging(asked: Asked, reading: Reading) -> Iterator[Verdicts]:
    """The verdicts, made while the body goes through them; what they need is open until its end."""
    if asked.format is not None:
        reader_of(asked.format)
    if asked.outcome_from is not None or asked.system:
        sys.path.append(os.getcwd())  # both lie beside the logs more often than on the path
    redactor = redactor_for(reading.redaction)
    analyzer, chosen = _chosen(asked, reading, redactor)
    given = parse_settings(asked.set, chosen.get("model"), asked.repeat)
    means = Means(
        corpus=tuple(asked.corpus or ()),
        system=asked.system,
        calls=asked.calls,
        model=asked_for(given),
    )
    check(analyzer, means)
    context = Context(seed=asked.seed, with_answer=asked.with_answer, settings=given)
    with opened(context, means, quiet=reading.quiet) as ready:
        yield Verdicts(
            Request(
                paths=reading.paths,
                analyzer=analyzer,
                context=ready,
                corpus=means.corpus,
                outcomes=outcomes_from(asked.outcome_from) if asked.outcome_from else None,
                format=asked.format,
                limits=reading.limits,
                all=reading.all,
                redactor=redactor,
                concurrency=asked.calls.concurrency,
                config=configuration(asked, reading, analyzer),
                quiet=reading.quiet,
            )
        )


def _chosen(
    asked: Asked, reading: Reading, redactor: Redactor | None
) -> tuple[Analyzer, dict[str, Any]]:
    """The method, or the verdicts that stand in for one; and the settings that follow."""
    if reading.verdicts:
        given = {**msgspec.structs.asdict(asked), **msgspec.structs.asdict(asked.calls)}
        if idle := [f"--{name}" for name in TO_JUDGE if given[name]]:
            raise UsageError(f"--verdicts are made already: nothing is left for {', '.join(idle)}")
        return Made(reading.verdicts, redactor), {}
    return choose(asked.method, asked.model)
