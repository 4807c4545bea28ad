"""The HTML report: one file, no network, nothing in a trace is executed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from tracekit.attribution import Attribution
from tracekit.trace import Trace

Pair = tuple[Trace, Attribution]


def render(
    pairs: Iterable[Pair],
    *,
    title: str = "Failure attribution",
    counted: Mapping[str, int] | None = None,
    text_limit: int = 8_000,
) -> str:
    """The report as one HTML document; the same bytes for the same input.

    `counted` adds runs that are not among `pairs`, by outcome status: successful runs that were
    only counted, for instance `{"success": 12}`. Texts longer than `text_limit` characters keep
    their head, their tail and the quoted evidence.
    """
    raise NotImplementedError


def write_html(
    path: str | os.PathLike[str],
    pairs: Iterable[Pair],
    *,
    title: str = "Failure attribution",
    counted: Mapping[str, int] | None = None,
    text_limit: int = 8_000,
) -> None:
    """Write `render`'s document, whole or not at all."""
    raise NotImplementedError
