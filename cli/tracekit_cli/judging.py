"""Runs with their verdicts for the commands that hand them on whole: `export verdicts`, `gate`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import typer

from tracekit.analyzers.run import abstain, choose
from tracekit.attribution import Attribution, Method
from tracekit.context import Context
from tracekit.errors import SchemaError
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.redact import Redactor, redactor_for
from tracekit.ingest.sniff import reader_of
from tracekit.llm.retry import silence
from tracekit.protocols import Analyzer
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.means import Means, check, opened
from tracekit_cli.settings import parse_settings
from tracekit_cli.verdicts import Request, Verdicts

VerdictsOption = Annotated[
    str | None,
    typer.Option(
        "--verdicts",
        metavar="FILE",
        help="Take verdicts that `tracekit attribute --json` printed, and attribute nothing.",
    ),
]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of such a command say, under their names."""

    paths: tuple[str, ...]
    verdicts: str | None = None
    """Verdicts that were made before; then nothing is attributed."""
    method: str | None = None
    model: str | None = None
    set: tuple[str, ...] = ()
    seed: int = 0
    with_answer: bool = False
    outcome_from: str | None = None
    format: str | None = None
    corpus: tuple[str, ...] = ()
    system: str = ""
    llm: str = ""
    key_env: str = ""
    redact: bool = False
    pii: bool = False
    quiet: bool = False

    def resolved(self) -> dict[str, Any]:
        """What the verdicts depend on, to be kept with them: defaults and files included."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["quiet"]
        named = None if self.verdicts else choose(self.method, self.model)[0].name
        return {**found, "method": named}


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
        if self._redactor is None:
            return verdict
        clean = [
            msgspec.structs.replace(
                suspect, evidence=tuple(map(self._redactor.struct, suspect.evidence))
            )
            for suspect in verdict.suspects
        ]
        return msgspec.structs.replace(verdict, suspects=tuple(clean))


@contextmanager
def judging(asked: Asked) -> Iterator[Verdicts]:
    """The verdicts, made while the body goes through them; what they need is open until its end."""
    if asked.format is not None:
        reader_of(asked.format)
    if asked.outcome_from is not None or asked.system:
        sys.path.append(os.getcwd())  # both lie beside the logs more often than on the path
    redactor = redactor_for(options.redaction(redact=asked.redact, pii=asked.pii))
    analyzer, chosen = _chosen(asked, redactor)
    if "llm" in analyzer.needs:
        silence()
    means = Means(corpus=asked.corpus, system=asked.system, llm=asked.llm, key_env=asked.key_env)
    check(analyzer, means)
    given = parse_settings(asked.set, chosen.get("model"))
    context = Context(seed=asked.seed, with_answer=asked.with_answer, settings=given)
    with opened(context, means, quiet=asked.quiet) as ready:
        yield Verdicts(
            Request(
                paths=asked.paths,
                analyzer=analyzer,
                context=ready,
                corpus=asked.corpus,
                outcomes=outcomes_from(asked.outcome_from) if asked.outcome_from else None,
                format=asked.format,
                redactor=redactor,
                concurrency=means.calls.concurrency,
                quiet=asked.quiet,
            )
        )


def _chosen(asked: Asked, redactor: Redactor | None) -> tuple[Analyzer, dict[str, Any]]:
    """The method, or the verdicts that stand in for one; and the settings that follow."""
    if asked.verdicts:
        return Made(asked.verdicts, redactor), {}
    return choose(asked.method, asked.model)
