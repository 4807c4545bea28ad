"""The wide feature matrix: everything the `compact` analyzer knows about the steps of one trace.

Columns come in families, so that ablations can name them: `position`, `outcome`, `phrase`, `cue`,
`influence`, `progress`, `deviation` (local TF-IDF) and `embedding` (deviation of step vectors).
None reads labels, the correct answer, or the names of agents, tools and benchmarks.
"""

from __future__ import annotations

import numpy as np

from tracekit.signals.cues import CUES
from tracekit.signals.deviation import deviations, tfidf, unit
from tracekit.signals.influence import influence
from tracekit.signals.outcomes import before, first, outcomes
from tracekit.signals.phrases import phrases
from tracekit.signals.positions import positions
from tracekit.signals.progress import directed, progress
from tracekit.signals.provenance import final_step
from tracekit.signals.reading import OPENING, Reading, later, read
from tracekit.signals.text import ends
from tracekit.trace import Source, Step, Trace

Columns = dict[str, np.ndarray]
AHEAD = ("trouble", "agrees", "checks", "hedges", "concludes")
"""Phrase families that say something about the step before: how others react to it."""


def columns(trace: Trace, reading: Reading, embeddings: np.ndarray | None = None) -> Columns:
    """All columns by name, `family.feature`, each float64 (n_steps,).

    `embeddings` holds one vector per step and a last one for the question, float (n_steps + 1,
    n_dimensions); without it the family `embedding` is left out.
    """
    reading, said = directed(trace, reading), phrases(trace)
    families = {
        "position": positions(trace, reading),
        "outcome": outcomes(reading, said["soft_failure"]),
        "phrase": said | _reactions(reading, said),
        "cue": _cues(reading),
        "influence": influence(trace, reading),
        "progress": progress(trace, reading),
        "deviation": _local(trace, reading),
    }
    if embeddings is not None:
        rows = unit(np.asarray(embeddings, dtype=np.float64))
        families["embedding"] = _deviations(trace, reading, rows)
    return {
        f"{family}.{name}": np.asarray(column, dtype=np.float64)
        for family, found in families.items()
        for name, column in found.items()
    }


def names(*, embeddings: bool = False) -> tuple[str, ...]:
    """Names of the columns, in order, with or without the family `embedding`."""
    trace = Trace(id="", source=Source(format=""), steps=(Step(index=0, agent="a"),))
    return tuple(columns(trace, read(trace), np.zeros((2, 1)) if embeddings else None))


def matrix(trace: Trace, reading: Reading, embeddings: np.ndarray | None = None) -> np.ndarray:
    """`columns` side by side, float64 (n_steps, n_features), in the order of `names`."""
    return np.stack(list(columns(trace, reading, embeddings).values()), axis=1)


def _cues(reading: Reading) -> Columns:
    """The cues of `linear`, with the two that need a place."""
    found: Columns = {name.replace("-", "_"): reading.cue(name) for name in CUES}
    opened = np.cumsum(reading.acts) - reading.acts > 0
    return found | {
        "first_restart": first(reading.acts & reading.cue("restart", OPENING)),
        "error": reading.deed & reading.error,
        "first_assumption": first(reading.acts & reading.cue("assumption")),
        "question": reading.overlap * opened,
        "question_of_order": reading.overlap * reading.hub,
    }


def _reactions(reading: Reading, said: Columns) -> Columns:
    """What the next acting step says, and the worst of the next three."""
    found: Columns = {}
    acting = _next_acting(reading)
    for name in AHEAD:
        column = said[name]
        found[f"next_{name}"] = np.array([0.0 if j is None else column[j] for j in acting])
    ahead = np.stack([later(said["trouble"] * reading.acts, by) for by in (1, 2, 3)])
    found["trouble_ahead"] = ahead.max(axis=0)
    found["trouble_before"] = before(said["trouble"] * reading.acts > 0) / max(1, reading.n)
    return found


def _next_acting(reading: Reading) -> list[int | None]:
    """For each step the next one that is no mere output."""
    found: list[int | None] = []
    upcoming: int | None = None
    for i in range(reading.n - 1, -1, -1):
        found.append(upcoming)
        if reading.acts[i]:
            upcoming = i
    return found[::-1]


def _local(trace: Trace, reading: Reading) -> Columns:
    texts = [ends(step.content) for step in trace.steps]
    return _deviations(trace, reading, tfidf([*texts, trace.task.question]))


def _deviations(trace: Trace, reading: Reading, rows: np.ndarray) -> Columns:
    owners = [step.agent for step in trace.steps]
    return deviations(rows[:-1], owners, rows[-1], reading.acts, final_step(trace))
