"""The HTML report: one file, no network, nothing in a trace is executed.

Three walls keep hostile text inert: `visible` marks what cannot be seen, the template escapes, and
the data of the steps lies in blocks of escaped JSON that the script puts on the page as text
nodes only. The page's Content-Security-Policy allows its own script and style by their hashes,
forbids every request, and lets Chromium refuse any assignment to `innerHTML` and its like.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import repeat
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from tracekit.attribution import Attribution
from tracekit.prm.score import RunScore
from tracekit.report.explain import percent
from tracekit.report.machine import json_bytes
from tracekit.report.view import RunView, Shown, State, run_view
from tracekit.report.visible import one_line
from tracekit.store import atomic
from tracekit.trace import Trace
from tracekit.version import __version__

Pair = tuple[Trace, Attribution]

STYLES = ("theme.css", "page.css", "run.css", "print.css")
SCRIPTS = ("dom.js", "timeline.js", "steps.js", "run.js", "overview.js", "app.js")
EARLY = "early.js"
"""Runs before the page is painted."""

STATES: dict[State, str] = {
    "explained": "Failure explained",
    "conditional": "If it failed",
    "none": "No verdict",
    "success": "Succeeded",
    "asked": "Succeeded, still attributed",
}


class Totals(msgspec.Struct, frozen=True):
    """The counts in the report's header."""

    runs: int
    states: dict[State, int]
    elsewhere: dict[str, int]
    """Runs that are counted and not shown, by outcome status."""


def render(
    pairs: Iterable[Pair],
    *,
    title: str = "Failure attribution",
    counted: Mapping[str, int] | None = None,
    scores: Iterable[RunScore] | None = None,
    top: int = 5,
    text_limit: int = 8_000,
) -> str:
    """The report as one HTML document; the same bytes for the same input.

    `counted` adds runs that are not among `pairs`, by outcome status: successful runs that were
    only counted, for instance `{"success": 12}`. `scores`, one for each pair, adds values of steps.
    `top` suspects are shown with their evidence. Texts longer than `text_limit` characters keep their head, their tail and the quotes.
    """
    shown = Shown(text=text_limit, top=top)
    values = repeat(None) if scores is None else scores
    known = list(pairs)
    runs = [
        run_view(number, *pair, shown, scored)
        for number, (pair, scored) in enumerate(zip(known, values, strict=False), 1)
    ]
    style = "\n".join(map(static, STYLES))
    script = "(() => {\n" + "\n".join(map(static, SCRIPTS)) + "\n})();"
    return (
        environment()
        .get_template("report.html")
        .render(
            title=one_line(title, 200),
            totals=totals(runs, counted or {}),
            runs=runs,
            methods=sorted({run.method for run in runs}),
            config=_made_with([verdict for _, verdict in known]),
            states=STATES,
            scored=scores is not None,
            policy=policy([static(EARLY), script], [style]),
            style=Markup(style),  # noqa: S704 (our own files)
            early=Markup(static(EARLY)),  # noqa: S704
            script=Markup(script),  # noqa: S704
            version=__version__,
        )
    )


def _made_with(verdicts: Sequence[Attribution]) -> str:
    """The configuration of the command, where all verdicts have one; empty where they differ."""
    said = {json_bytes(verdict.config) for verdict in verdicts if verdict.config}
    return one_line(said.pop().decode(), 4_000) if len(said) == 1 else ""


def write_html(
    path: str | os.PathLike[str],
    pairs: Iterable[Pair],
    *,
    title: str = "Failure attribution",
    counted: Mapping[str, int] | None = None,
    scores: Iterable[RunScore] | None = None,
    top: int = 5,
    text_limit: int = 8_000,
) -> None:
    """Write `render`'s document, whole or not at all."""
    document = render(
        pairs, title=title, counted=counted, scores=scores, top=top, text_limit=text_limit
    )
    with atomic(path) as stream:
        stream.write(document.encode())


def totals(runs: Sequence[RunView], counted: Mapping[str, int]) -> Totals:
    """Counts over the runs shown and those that were only counted.

    >>> totals([], {"success": 3}).runs
    3
    """
    states = Counter(run.state for run in runs)
    elsewhere = {status: count for status, count in counted.items() if count}
    return Totals(
        runs=len(runs) + sum(elsewhere.values()),
        states={state: states[state] for state in STATES if states[state]},
        elsewhere=elsewhere,
    )


def data_block(run: RunView) -> str:
    """The part of a run that the script draws, as JSON that cannot end or open an element.

    `<`, `>`, `&` and the line ends that old scripts tripped over are written as escapes.
    """
    drawn = {"number": run.number, "agents": run.agents, "steps": run.steps}
    text = msgspec.json.encode(drawn).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """The Content-Security-Policy that admits exactly these elements."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(map(_hash, scripts)),
            "style-src " + " ".join(map(_hash, styles)),
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def static(name: str) -> str:
    """One of our own style sheets or scripts."""
    return files("tracekit.report").joinpath("static", name).read_text("utf-8").strip()


@cache
def environment() -> jinja2.Environment:
    """Templates that escape whatever they are given."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracekit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "percent": percent,
        "data_block": lambda run: Markup(data_block(run)),  # noqa: S704 (escaped there)
    }
    environment.filters.update(filters)
    return environment
