"""A benchmark's traces as cases: what methods may see, what they may learn from, what is right."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError, Problem
from tracekit.eval.extra import Vocabulary
from tracekit.folds import fingerprint
from tracekit.protocols import Benchmark
from tracekit.trace import Definition, Label, Step, Trace


class Item(msgspec.Struct, frozen=True):
    """One labelled run."""

    trace: Trace
    """What a method is shown: no labels, no leftovers of the source, and no answer unless asked."""
    labelled: Trace
    """The same with its labels of the benchmark's definition: what methods are fitted on."""
    labels: tuple[Label, ...]
    """What is right: any of these; modes in the vocabulary of the benchmark."""
    subset: str
    """Part of the benchmark; empty when it has none."""
    group: str
    """Key of the question: runs of one group share a fold."""

    @property
    def label(self) -> Label:
        """The first label: the only one in most benchmarks."""
        return self.labels[0]


class Dataset(msgspec.Struct, frozen=True):
    """The labelled runs of a benchmark, and what could not be used."""

    items: tuple[Item, ...]
    """In the order in which the benchmark yields them."""
    unlabelled: int
    """Traces without a label of the benchmark's definition."""
    problems: tuple[Problem, ...]
    """Files that could not be read in full; records skipped on purpose are left out."""
    answers: int = 0
    """Runs whose correct answer is known, shown or not."""
    spoken: int = 0
    """Those in which it stands in the log itself, word for word (`says`)."""

    @property
    def subsets(self) -> list[str]:
        """Names of the parts, sorted; empty when the benchmark has none."""
        return sorted({item.subset for item in self.items if item.subset})

    @property
    def digest(self) -> str:
        """SHA-256 over the histories, questions and labels of the runs, in no order: 64 hex digits."""
        lines = sorted(
            msgspec.json.encode([fingerprint(item.trace), item.group, item.labels])
            for item in self.items
        )
        return hashlib.sha256(b"\n".join(lines)).hexdigest()

    @property
    def has_steps(self) -> bool:
        """Whether any label names a step."""
        return any(label.step is not None for item in self.items for label in item.labels)

    @property
    def has_agents(self) -> bool:
        """Whether any label names an agent."""
        return any(label.agent is not None for item in self.items for label in item.labels)


def read(benchmark: Benchmark, path: Path, *, with_answer: bool = False) -> Dataset:
    """The benchmark under `path`; raises `InputError` when no labelled run is there."""
    items: list[Item] = []
    problems: list[Problem] = []
    unlabelled = answers = spoken = 0
    ids: set[str] = set()
    for found in benchmark.load(path):
        if isinstance(found, Problem):
            if found.severity != "skip":
                problems.append(found)
            continue
        if found.id in ids:  # a copy of a file: counting it twice would count its verdict twice
            where = found.source.path
            problems.append(Problem(what=f"run {found.id} was read before", path=where, **_COPY))
            continue
        ids.add(found.id)
        shown = blind(found, benchmark.definition, with_answer)
        labels = tuple(canonical(label, benchmark) for label in shown.labels)
        if not labels:
            unlabelled += 1
            continue
        if answer := found.task.expected:
            answers, spoken = answers + 1, spoken + says(shown, answer)
        items.append(
            Item(
                trace=msgspec.structs.replace(shown, labels=()),
                labelled=msgspec.structs.replace(shown, labels=labels),
                labels=labels,
                subset=benchmark.subset(found),
                group=benchmark.group(found),
            )
        )
    if not items:
        raise InputError(f"{path}: no run with a {benchmark.definition} label; see docs/data.md")
    return Dataset(tuple(items), unlabelled, tuple(problems), answers, spoken)


def says(trace: Trace, answer: str) -> bool:
    """Whether the answer stands in the question or a step: whole words, whatever case and spaces.

    >>> from tracekit.testing.traces import make_trace
    >>> run = make_trace("r", [("Ada", "It is  New york, not 42.")])
    >>> says(run, "new York"), says(run, "4")
    (True, False)
    """
    wanted = " ".join(answer.split())
    if not wanted:
        return False
    whole = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)", re.IGNORECASE)
    texts = (trace.task.question, *(text for step in trace.steps for text in _texts(step)))
    return any(whole.search(" ".join(text.split())) for text in texts)


def _texts(step: Step) -> Iterator[str]:
    yield step.content
    for tool in step.tools:
        yield json.dumps(tool.arguments, ensure_ascii=False, default=str)
        yield from (text for text in (tool.result, tool.error) if text)


_COPY: dict[str, Any] = {"severity": "warning", "do": "remove the copy"}


def canonical(label: Label, benchmark: Benchmark) -> Label:
    """The label with its modes in the benchmark's vocabulary; modes outside it are left out."""
    if not isinstance(benchmark, Vocabulary):
        return label
    found = dict.fromkeys(benchmark.mode(name) for name in label.modes)
    return msgspec.structs.replace(label, modes=tuple(mode for mode in found if mode is not None))


def blind(trace: Trace, definition: Definition, with_answer: bool) -> Trace:
    """The trace without what must not be learned from: foreign labels, leftovers, the answer.

    `extra` of the trace goes because sources keep remarks on the error there.
    """
    labels = tuple(label for label in trace.labels if label.definition == definition)
    task = trace.task if with_answer else msgspec.structs.replace(trace.task, expected=None)
    return msgspec.structs.replace(trace, labels=labels, task=task, extra={})
