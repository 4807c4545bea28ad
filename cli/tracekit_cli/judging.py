"""Runs with their verdicts for the commands that hand them on whole: `export verdicts`, `gate`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tracekit.analyzers.run import choose
from tracekit.context import Context
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.redact import redactor_for
from tracekit.ingest.sniff import reader_of
from tracekit.llm.retry import silence
from tracekit_cli import options
from tracekit_cli.means import Means, check, opened
from tracekit_cli.settings import parse_settings
from tracekit_cli.verdicts import Request, Verdicts


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of such a command say, under their names."""

    paths: tuple[str, ...]
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
        return {**found, "method": choose(self.method, self.model)[0].name}


@contextmanager
def judging(asked: Asked) -> Iterator[Verdicts]:
    """The verdicts, made while the body goes through them; what they need is open until its end."""
    if asked.format is not None:
        reader_of(asked.format)
    if asked.outcome_from is not None or asked.system:
        sys.path.append(os.getcwd())  # both lie beside the logs more often than on the path
    analyzer, chosen = choose(asked.method, asked.model)
    if "llm" in analyzer.needs:
        silence()
    means = Means(corpus=asked.corpus, system=asked.system, llm=asked.llm, key_env=asked.key_env)
    check(analyzer, means)
    given = parse_settings(asked.set, chosen.get("model"))
    context = Context(seed=asked.seed, with_answer=asked.with_answer, settings=given)
    with opened(context, means) as ready:
        yield Verdicts(
            Request(
                paths=asked.paths,
                analyzer=analyzer,
                context=ready,
                corpus=asked.corpus,
                outcomes=outcomes_from(asked.outcome_from) if asked.outcome_from else None,
                format=asked.format,
                redactor=redactor_for(options.redaction(redact=asked.redact, pii=asked.pii)),
                quiet=asked.quiet,
            )
        )
