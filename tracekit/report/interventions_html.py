"""The page of `tracekit debug`: one file, no script, no request; every word of a trace is escaped."""

from __future__ import annotations

import os
from collections.abc import Mapping

from markupsafe import Markup

from tracekit.analyzers.intervene.types import Session
from tracekit.report.html import environment, policy, static
from tracekit.report.interventions import repair_lines, share, shown, signed, summary
from tracekit.store import atomic
from tracekit.trace import Trace
from tracekit.version import __version__

STYLES = ("theme.css", "page.css", "interventions.css")


def render(session: Session, traces: Mapping[str, Trace], *, text_limit: int = 2_000) -> str:
    """The page; the same bytes for the same input. `traces` holds the runs by their ids."""
    style = "\n".join(map(static, STYLES))
    return (
        environment()
        .get_template("interventions.html")
        .render(
            session=session,
            runs=[shown(traces[one.trace_id], one, text_limit) for one in session.diagnoses],
            summary=summary(session),
            share=share,
            signed=signed,
            lines=repair_lines,
            policy=policy([], [style]),
            style=Markup(style),  # noqa: S704 (our own files)
            version=__version__,
        )
    )


def write_html(path: str | os.PathLike[str], session: Session, traces: Mapping[str, Trace]) -> None:
    """Write `render`'s page, whole or not at all."""
    with atomic(path) as stream:
        stream.write(render(session, traces).encode())
