"""Traces, verdicts and summaries for the terminal. Functions return renderables, print nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich.console import Console, RenderableType

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.trace import Trace

Pair = tuple[Trace, Attribution]


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that interprets nothing in the text: no markup, no emoji codes, no highlighting.

    Colour follows NO_COLOR, FORCE_COLOR and TERM; away from a terminal the width is COLUMNS or
    100.
    """
    raise NotImplementedError


def verdict_table(pairs: Iterable[Pair]) -> RenderableType:
    """One row a run: outcome, agent, step, probability, why."""
    raise NotImplementedError


def verdict_detail(trace: Trace, attribution: Attribution, *, top: int = 3) -> RenderableType:
    """One verdict with its `top` suspects and their evidence."""
    raise NotImplementedError


def trace_view(trace: Trace, *, limit: int = 400) -> RenderableType:
    """A whole trace, step by step; texts cut to `limit` characters."""
    raise NotImplementedError


def ingest_summary(
    summary: Mapping[str, Any], problems: Sequence[Problem] = (), *, most: int = 20
) -> RenderableType:
    """What `ingest.pipeline.summarise` counted, and the first `most` problems."""
    raise NotImplementedError
