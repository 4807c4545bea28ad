"""`tracekit discover`: what leads to failure, over a corpus of runs of one system."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tracekit.analyzers.causal.discover import CausalEffect, Discovery, Node, discover, when
from tracekit.analyzers.causal.search import ALGORITHMS, TESTS, Settings
from tracekit.analyzers.causal.table import MOST_COLUMNS
from tracekit.errors import InputError, UsageError
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.report.visible import one_line
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.output import emit_json, listing, note, report_problems, show
from tracekit_cli.progress import bar

DEFAULTS = Settings()
ROWS = 12
"""Lines of a table on the terminal; JSON and HTML have them all."""

AlgorithmOption = Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(ALGORITHMS)}.")]
TestOption = Annotated[
    str, typer.Option(metavar="NAME", help=f"Test of independence: {', '.join(TESTS)}.")
]
AlphaOption = Annotated[float, typer.Option(metavar="P", help="Level of each test.")]
PhasesOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Phases of a run; six, or as few as three to fit --columns."
    ),
]
ColumnsOption = Annotated[
    int, typer.Option(min=2, metavar="N", help="Behaviours at most, before phases are merged.")
]
VariantOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", help="What of a run's path names the variant of the system (group 1)."
    ),
]
HalvesOption = Annotated[
    int, typer.Option(min=2, metavar="N", help="Half samples behind stabilities and intervals.")
]
ShufflesOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Shuffled tables that show what chance finds.")
]
HtmlOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also draw the graph on a page for a browser.")
]
GraphmlOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write the graph as GraphML.")
]


def command(
    paths: options.Logs,
    algorithm: AlgorithmOption = DEFAULTS.algorithm,
    test: TestOption = DEFAULTS.test,
    alpha: AlphaOption = DEFAULTS.alpha,
    phases: PhasesOption = None,
    columns: ColumnsOption = MOST_COLUMNS,
    variant: VariantOption = None,
    halves: HalvesOption = 30,
    shuffles: ShufflesOption = 10,
    seed: options.Seed = 0,
    outcome_from: options.OutcomeFrom = None,
    html: HtmlOption = None,
    graphml: GraphmlOption = None,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find what leads to failure over many runs of one system.

    Runs become rows, what agents do in each phase becomes columns, and a search for a causal graph
    (causal-learn) says which behaviour depends on which, forward in time. Where tasks were run
    repeatedly, runs are compared with others of the same task only. Half samples say how stable an
    edge is, shuffled tables what chance alone finds. It takes 30 runs of known outcome and 8 of
    each; exit code 3 without. Hidden common causes are assumed away, but by fci. Needs the extra
    `analyze`.

    \b
    Examples:
      tracekit discover runs/ --html graph.html
      tracekit discover runs/ --outcome-from outcomes.csv --graphml graph.graphml
      tracekit discover runs.tar.xz --variant 'trajs_(.*)_' --json
    """
    if format is not None:
        reader_of(format)
    settings = Settings(_known(algorithm, ALGORITHMS), _known(test, TESTS), alpha)
    runs, code = _read(paths, format, outcome_from, quiet=quiet)
    with bar("searching", 1 + halves + shuffles, quiet=quiet) as tick:
        found = discover(
            runs,
            settings,
            phases=phases,
            most=columns,
            variant=_variant(variant),
            halves=halves,
            shuffles=shuffles,
            seed=seed,
            progress=tick,
        )
    if json:
        emit_json(found)
    else:
        _print(found)
    _write(found, html, graphml, quiet=quiet)
    raise typer.Exit(code)


def _known(name: str, names: Sequence[str]) -> Any:
    if name not in names:
        raise UsageError(f"{name!r} is none of {', '.join(names)}")
    return name


def _variant(pattern: str | None) -> Callable[[Trace], str]:
    """Names the variant of a run: group 1 of the pattern in its path; empty where it is not."""
    if pattern is None:
        return lambda _: ""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--variant {pattern}: {error}") from None
    if wanted.groups < 1:
        raise UsageError(f"--variant {pattern}: it has no group in parentheses")

    def named(trace: Trace) -> str:
        match = wanted.search(trace.source.path)
        return (match[1] or "") if match else ""

    return named


def _read(
    paths: list[str], format: str | None, outcome_from: str | None, *, quiet: bool
) -> tuple[list[Trace], int]:
    """Runs with their outcomes, at least one, and the exit code that the files ask for."""
    if outcome_from is not None:
        sys.path.append(os.getcwd())  # a check lies beside the logs more often than on the path
    outcomes = outcomes_from(outcome_from) if outcome_from else None
    ingest = Ingest(paths, formats=[format] if format else None)
    runs = [run if outcomes is None else outcomes.apply(run) for run in ingest.traces()]
    code = report_problems([p for file in ingest.files for p in file.problems], quiet=quiet)
    if not runs:
        raise InputError(f"no trace in {', '.join(paths)}; `tracekit ingest` says why")
    return runs, code


def _print(found: Discovery) -> None:
    """What a reader can act on, in three tables."""
    tasks = f"{found.tasks:,} tasks, runs compared within each" if found.within_tasks else "tasks"
    show(f"{found.runs:,} runs, {found.failures:,} failed; {tasks}\n")
    if found.effects:
        rows = [_effect(found, one) for one in found.effects[:ROWS]]
        listing(("failures, points", "path", "failed", "succeeded", "behaviour"), rows)
        _print_seats(found)
    else:
        show("No behaviour leads to failure in this corpus.")
    stable = [link for link in found.links if link.stable]
    if stable:
        show("")
        says = {node.name: _said(found, node) for node in found.nodes}
        edges = [
            (f"{link.stability:.0%}", f"{says[link.source]} {link.mark} {says[link.target]}")
            for link in stable[:ROWS]
        ]
        listing(("stable", f"edge ({len(stable)} of {len(found.links)} are stable)"), edges)
    _print_company(found)
    chance = f"{found.false_edges:.1%} of pairs joined"
    show(f"\nIn shuffled data: {chance}, largest effect {100 * found.false_effect:.0f} points.")
    for text in found.warnings:
        show(f"Note: {one_line(text, 1000)}.")


def _print_seats(found: Discovery) -> None:
    """What each agent brings into failed runs, below the behaviours that it does so by."""
    top = [
        f"{one_line(seat, 60)} {100 * worth:+.0f}"
        for seat, worth in found.seats.items()
        if abs(worth) > 0.005
    ]
    if top:
        show(f"\nBrought into a failed run, in points of its chance of failure: {', '.join(top)}")


def _said(found: Discovery, node: Node) -> str:
    """A node in words, with its time."""
    return f"{node.says} ({when(found, node.tier)})" if node.seat else node.says


def _effect(found: Discovery, one: CausalEffect) -> tuple[str, ...]:
    low, high = 100 * one.effect.low, 100 * one.effect.high
    return (
        f"{100 * one.effect.value:+.0f} ({low:+.0f} to {high:+.0f})",
        f"{one.path:.0%}",
        f"{one.failing / found.failures:.0%}",
        f"{one.passing / (found.runs - found.failures):.0%}",
        f"{one.says} ({when(found, one.phase)})",
    )


def _print_company(found: Discovery) -> None:
    """Actions that go with failure, or with success, beyond chance."""
    sure = [one for one in found.company if one.sure]
    if not sure:
        show(f"\nNone of {len(found.company)} actions keeps company with failure beyond chance.")
        return
    show("")
    rows = [
        (
            f"{100 * one.difference.value:+.0f}",
            f"{one.failing_with / max(1, one.failing):.0%}",
            f"{one.passing_with / max(1, one.passing):.0%}",
            f"{one.agent}: {one.action}",
        )
        for one in sure[:ROWS]
    ]
    listing(("points", "failed", "succeeded", "action that keeps company with failure"), rows)


def _write(found: Discovery, html: Path | None, graphml: Path | None, *, quiet: bool) -> None:
    if html is not None:
        from tracekit.report.graph import write_graph  # jinja2 only where a page is wanted

        write_graph(html, found, title="What leads to failure")
        note(f"wrote {html}", quiet=quiet)
    if graphml is not None:
        from tracekit.report.graphml import write_graphml

        write_graphml(graphml, found)
        note(f"wrote {graphml}", quiet=quiet)
