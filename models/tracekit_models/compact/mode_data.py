"""Runs as bags of turns: what the mode model is fitted on and measured with.

Injected failures say of each agent which modes it was made to show; their clean twins show none.
Failures that hold an attack (AT-1 to AT-3) are left out, since the model knows the MAST modes only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.features import said
from tracekit.analyzers.compact.modes import turns
from tracekit.encoder.encoder import Encoder
from tracekit.eval.benchmarks.injected import place
from tracekit.eval.benchmarks.mast import Mast
from tracekit.ingest.pipeline import load
from tracekit.labels.modes import ATTACKS, MAST
from tracekit.signals import columns
from tracekit.signals.reading import read
from tracekit.trace import Trace

MODES = tuple(MAST)
"""Codes, in the order of the outputs."""


class Seen(NamedTuple):
    """One run, as the model sees it."""

    trace: str
    """Id."""
    group: str
    """The task; runs of one task stay on one side of every split."""
    family: str
    topology: str
    agents: tuple[str, ...]
    """In order of appearance."""
    turns: tuple[np.ndarray, ...]
    """Steps of each agent."""
    x: np.ndarray
    """Features as they are, float32 (n, columns)."""
    e: np.ndarray
    """Embeddings, float32 (n, text)."""
    modes: np.ndarray
    """Modes that each agent shows, 0 or 1, float (agents, modes)."""

    @property
    def clean(self) -> str:
        """Id of the clean run that it was made from, or its own."""
        return self.trace.split("~")[0]


def injected(folder: Path) -> list[Seen]:
    """Failures by MAST modes, and the clean successes that they were made from, by id."""
    failures: dict[str, Trace] = {}
    clean: dict[str, Trace] = {}
    for trace in load(folder / "data", format="tracekit-parquet"):
        told = [label for label in trace.labels if label.definition == "injected"]
        if not told and "~" not in trace.id:
            clean[trace.id] = trace
        elif trace.outcome.status == "failure" and not _attacked(trace):
            failures[trace.id] = trace
    wanted = {name.split("~")[0] for name in failures}
    kept = [clean[name] for name in sorted(wanted & clean.keys())]
    return list(seen([*(failures[name] for name in sorted(failures)), *kept]))


class Annotated(NamedTuple):
    """The development half of MAST: real runs, and the modes that people saw in each."""

    traces: list[Trace]
    runs: list[Seen]
    groups: list[str]
    """The words of each question."""
    systems: list[str]
    modes: np.ndarray
    """0 or 1, float (runs, modes)."""


def mast(data: Path) -> Annotated:
    """MAST as the model sees it; raises `InputError` when it is not below `data`."""
    bench = Mast()
    traces = [found for found in bench.load(data) if isinstance(found, Trace)]
    told = np.zeros((len(traces), len(MODES)))
    for number, trace in enumerate(traces):
        for name in {bench.mode(name) for label in trace.labels for name in label.modes}:
            if name in MODES:
                told[number, MODES.index(name)] = 1.0
    groups = [bench.group(trace) for trace in traces]
    systems = [bench.subset(trace) for trace in traces]
    return Annotated(traces, list(seen(traces)), groups, systems, told)


class Blamed(NamedTuple):
    """Runs of which one agent is blamed: Who&When."""

    runs: list[Seen]
    suspects: list[list[int]]
    """Numbers of the agents that can be blamed, in each run."""
    guilty: list[str]
    systems: list[str]


def who_and_when(data: Path) -> Blamed:
    """The development half of Who&When."""
    traces = list(load(data / "labeled" / "who-and-when", format="who-and-when"))
    runs, suspects = list(seen(traces)), []
    for trace, run in zip(traces, runs, strict=True):
        blamable = read(trace).blamable
        suspects.append([n for n, at in enumerate(run.turns) if blamable[at].any()])
    guilty = [trace.labels[0].agent or "" for trace in traces]
    return Blamed(runs, suspects, guilty, [trace.source.framework or "" for trace in traces])


def seen(traces: Iterable[Trace]) -> Iterator[Seen]:
    """Traces as the model sees them; labels of the definition `injected` become its targets."""
    encoder = Encoder.load()
    for trace in traces:
        members = turns(trace)
        family, topology = place(trace)
        yield Seen(
            trace=trace.id,
            group=trace.task.id or trace.task.question,
            family=family,
            topology=topology,
            agents=tuple(members),
            turns=tuple(members.values()),
            x=columns.matrix(trace, read(trace)).astype(np.float32),
            e=encoder.encode([said(step) for step in trace.steps]),
            modes=_targets(trace, list(members)),
        )


def _targets(trace: Trace, agents: list[str]) -> np.ndarray:
    found = np.zeros((len(agents), len(MODES)), dtype=np.float32)
    for label in trace.labels:
        if label.definition == "injected" and label.agent in agents:
            for mode in label.modes:
                if mode in MODES:
                    found[agents.index(label.agent), MODES.index(mode)] = 1.0
    return found


def _attacked(trace: Trace) -> bool:
    return any(mode in ATTACKS for label in trace.labels for mode in label.modes)
