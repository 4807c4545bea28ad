"""The contract of an exporter of verdicts, checked on verdicts of every kind."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable

import msgspec

from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution
from tracekit.protocols import Post, VerdictExporter, VerdictSender
from tracekit.testing.readers import NAME
from tracekit.testing.rules import broken
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.testing.watch import watched
from tracekit.trace import Label, Outcome, Source, Task, Trace

Pair = tuple[Trace, Attribution]

NOT_UTF8 = "a\udcff\0\u202e</x>\n::error::"
"""What file names and contents can hold."""


def check_verdict_exporter(exporter: VerdictExporter, pairs: Iterable[Pair] = ()) -> None:
    """Check that an exporter keeps its promises (`tracekit.testing.rules.VERDICT_EXPORTER`).

    It is tried on made-up runs of every outcome, with verdicts and abstentions, and on `pairs`.
    Nothing is ever sent. Raises `ContractError` that names the rule.
    """
    name = getattr(exporter, "name", None)
    subject = f"verdict-exporter {name!r}"
    if not NAME.fullmatch(str(name)):
        raise broken(subject, "name", f"it is {name!r}")
    suffix = getattr(exporter, "suffix", None)
    if not isinstance(suffix, str) or not suffix.startswith("."):
        raise broken(subject, "suffix", f"it is {suffix!r}")
    known = [*_made_up(), *pairs]
    with watched(subject, "no-network", "no-writes"):
        for some in ([], known[:1], known):
            _check(exporter.encode, some, subject)
        if isinstance(exporter, VerdictSender):
            for post in exporter.posts(known):
                _check_post(post, subject)
            _check(lambda some: _sent(exporter, some), known, subject)


def _made_up() -> list[Pair]:
    """Runs at the edges with verdicts, and without."""
    traces = [*edge_traces(), make_trace("won", [("A", "24")], outcome=Outcome("success"))]
    odd = make_trace(NOT_UTF8, [(NOT_UTF8, NOT_UTF8)], task=Task(NOT_UTF8, None, NOT_UTF8))
    traces.append(msgspec.structs.replace(odd, source=Source(NOT_UTF8, NOT_UTF8, NOT_UTF8)))
    return [(t, attribute(t, m)) for t in traces for m in ("first-error", "last-speaker")]


def _sent(exporter: VerdictSender, pairs: list[Pair]) -> bytes:
    """All requests as one text."""
    return b"\n".join(post.path.encode() + b" " + post.body for post in exporter.posts(pairs))


def _check(write: Callable[[list[Pair]], bytes], pairs: list[Pair], subject: str) -> None:
    """One document: whole, the same again, and of nothing that it must not know."""
    before = _image(pairs)
    try:
        document = write(pairs)
    except (UnicodeError, TypeError, ValueError, LookupError) as error:
        raise broken(subject, "writes", f"{type(error).__name__}: {error}") from error
    if not isinstance(document, bytes):
        raise broken(subject, "writes", f"a {type(document).__name__}")
    if _image(pairs) != before:
        raise broken(subject, "input-unchanged", f"{len(pairs)} verdicts")
    random.seed(1)
    first = write([(t, _timed(v, 1.0)) for t, v in pairs])
    random.seed(2)
    if write([(t, _timed(v, 2.0)) for t, v in pairs]) != first:
        raise broken(subject, "same-bytes", f"{len(pairs)} verdicts")
    if write([(_labelled(t), v) for t, v in pairs]) != document:
        raise broken(subject, "label-blind", f"{len(pairs)} verdicts")


def _image(pairs: list[Pair]) -> list[str]:
    return [repr(pair) for pair in pairs]


def _timed(verdict: Attribution, seconds: float) -> Attribution:
    """The verdict as a slower machine would have made it."""
    cost = msgspec.structs.replace(verdict.cost, seconds=seconds)
    return msgspec.structs.replace(verdict, cost=cost)


def _labelled(trace: Trace) -> Trace:
    label = Label("decisive", step=0, reason="what a benchmark knows")
    return msgspec.structs.replace(trace, labels=(label,))


def _check_post(post: Post, subject: str) -> None:
    if not post.path.startswith("/"):
        raise broken(subject, "posts", f"the path {post.path!r}")
    try:
        json.loads(post.body)
    except ValueError as error:
        raise broken(subject, "posts", f"{post.path}: {error}") from error
