"""AEGIS: 9,533 runs with injected faults, labelled by agent and mode (arXiv 2509.14295).

Public at kfq20/AEGIS. A record holds `metadata`, `input` (`query`, `conversation_history`,
`final_output`) and `output.faulty_agents`, each an agent and one of the 14 MAST codes. A fault is
injected into every call of its agent, so there is no step. The source reports micro and macro F1
over agents, modes and pairs, as here. Files are JSON Lines, or lists of records.

Not to be confused with the Aegis of arXiv 2508.19504.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, rows, table
from tracekit.eval.benchmarks.vocabulary import MAST, Names
from tracekit.folds import question_key
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.names import speaker
from tracekit.trace import Definition, Label, Outcome, Task, Trace

PLACES = Places("AEGIS", (), ("aegis", "AEGIS", "aegis-bench"), ("*.jsonl", "*.json"))
"""Where the benchmark is looked for."""

CODES = Names(MAST)


class AegisReader:
    """Reads the unified records."""

    name: ClassVar[str] = "aegis"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the keys of a record are in sight."""
        return 0.95 if b'"conversation_history"' in head and b'"faulty_agents"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per record."""
        if not self.sniff(source.head, source.name):
            yield source.skip_file("there are no records of AEGIS in it")
            return
        for row in rows(source):
            if isinstance(row, Problem):
                yield row
            elif isinstance(table(row.value, "input").get("conversation_history"), list):
                yield from _trace(source, row.value, row.pointer, row.line)
            else:
                what = "there is no list under `input.conversation_history`"
                yield source.problem(None, what, line=row.line)


def _trace(
    source: OpenSource, record: dict[str, Any], pointer: str, line: int | None
) -> Iterator[Trace | Problem]:
    given, meta = table(record, "input"), table(record, "metadata")
    build = Builder(source, AegisReader.name, framework=as_text(meta.get("framework")) or None)
    where = f"{pointer}/input/conversation_history"
    for raw, item in source.records(given["conversation_history"], where, line):
        if not isinstance(item, dict):
            yield source.problem(raw, "a step is not an object")
            continue
        who = as_text(item.get("agent_name")) or None
        known = ("content", "agent_name", "agent_role")
        index = build.add(who, read_content(item.get("content")), raw, extra=rest(item, *known))
        if who and item.get("agent_role"):
            build.agent(build.steps[index].agent, role=as_text(item["agent_role"]))
    truth = table(record, "ground_truth")
    yield build.trace(
        as_text(record.get("id")) or source.default_id(position=pointer or f"-{line}"),
        task=Task(
            question=as_text(given.get("query")),
            expected=as_text(truth.get("correct_answer")) or None,
        ),
        outcome=Outcome("failure", as_text(given.get("final_output")) or None, by="injection"),
        labels=_labels(record),
        extra={"metadata": meta} | rest(record, "id", "metadata", "input", "output"),
        sha256=source.sha256,
    )


def _labels(record: dict[str, Any]) -> list[Label]:
    """One label for each faulty agent and mode."""
    listed = table(record, "output").get("faulty_agents")
    return [
        Label(
            definition="injected",
            agent=speaker(as_text(item.get("agent_name"))).name,
            modes=(as_text(item.get("error_type")),) if item.get("error_type") else (),
            annotator="injection",
            extra=rest(item, "agent_name", "error_type"),
        )
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and item.get("agent_name")
    ]


class Aegis:
    """Faulty agents and their modes; there are no steps."""

    name: ClassVar[str] = "aegis"
    definition: ClassVar[Definition] = "injected"
    base: ClassVar[int] = 0
    modes: ClassVar[tuple[str, ...]] = CODES.all
    notes: ClassVar[tuple[str, ...]] = (
        (
            "There is no step: a fault is injected into every call of an agent. An agent is right when"
            " it is any of the faulty ones; F1 is over all of them."
        ),
        "An agent whose every message is odd gives itself away by style.",
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The records under `path`; raises `InputError` when there is no file that may hold any."""
        return PLACES.read_with(AegisReader(), PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the query: clean and faulty runs of one query stay together."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """The system that ran."""
        return (trace.source.framework or "").casefold()

    def mode(self, name: str) -> str | None:
        """The MAST code."""
        return CODES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[None, None]:
        """The source scores sets, not first answers: see the F1 columns."""
        return None, None
