"""The page of `tracekit debug`: one file, no script, no request; every word of a trace is escaped."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from tracekit.analyzers.intervene.types import Session
from tracekit.report.interventions import repair_lines, share, shown, signed, summary
from tracekit.store import atomic
from tracekit.trace import Trace
from tracekit.version import __version__

STYLES = ("theme.css", "page.css", "interventions.css")


def render(session: Session, traces: Mapping[str, Trace], *, text_limit: int = 2_000) -> str:
    """The page; the same bytes for the same input. `traces` holds the runs by their ids."""
    style = "\n".join(map(_static, STYLES))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("interventions.html")
        .render(
            session=session,
            runs=[shown(traces[one.trace_id], one, text_limit) for one in session.diagnoses],
            summary=summary(session),
            policy=(
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
                "base-uri 'none'; form-action 'none'"
            ),
            style=Markup(style),  # noqa: S704 (our own files)
            version=__version__,
        )
    )


def write_html(path: str | os.PathLike[str], session: Session, traces: Mapping[str, Trace]) -> None:
    """Write `render`'s page, whole or not at all."""
    with atomic(path) as stream:
        stream.write(render(session, traces).encode())


@cache
def _static(name: str) -> str:
    return files("tracekit.report").joinpath("static", name).read_text("utf-8").strip()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracekit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(share=share, signed=signed, lines=repair_lines)
    return environment
