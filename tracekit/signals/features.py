"""The feature table: what the `linear` analyzer knows about a step, and how it is measured.

Every feature is structural (position, order of speakers, kinds, lengths) or a documented cue in
the words; none is a name of an agent, a tool or a benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tracekit.signals.reading import Reading, read
from tracekit.trace import Trace


class Feature(NamedTuple):
    """One column of the matrix."""

    name: str
    meaning: str
    value: Callable[[Reading], np.ndarray]
    """The column, (n_steps,); bools count as 0 and 1."""
    cue: str = ""
    """The cue whose words are quoted as evidence; empty = the step as a whole."""
    ahead: int = 0
    """How many steps later those words stand, 0 to that many; 0 = in the step itself."""


def _cue(name: str) -> Callable[[Reading], np.ndarray]:
    return lambda r: r.cue(name)


def _next(values: np.ndarray, by: int = 1) -> np.ndarray:
    """Values of the step `by` later, 0 past the end."""
    moved = np.zeros(len(values))
    if by < len(values):
        moved[: len(values) - by] = values[by:]
    return moved


def _before(values: np.ndarray) -> np.ndarray:
    moved = np.zeros(len(values))
    moved[1:] = values[:-1]
    return moved


def _z(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


FEATURES: tuple[Feature, ...] = (
    Feature("log_position", "log(1 + index)", lambda r: np.log1p(r.index)),
    Feature("relative_position", "index / last index", lambda r: r.index / max(1, r.n - 1)),
    Feature("first", "first step that can be blamed", lambda r: r.ordinal == 0),
    Feature("second", "second such step that acts", lambda r: r.acts & (r.ordinal == 1)),
    Feature("last", "last step", lambda r: r.index == r.n - 1),
    Feature("log_acts", "log(1 + acting steps before)", lambda r: np.log1p(r.ordinal)),
    Feature("executor", "only reports output", lambda r: r.executor),
    Feature("hub", "the directing agent", lambda r: r.hub),
    Feature("worker", "directed by a hub", lambda r: r.has_hub & ~r.hub & ~r.executor),
    Feature("addressed", "has an addressee", lambda r: r.addressed),
    Feature("hub_aside", "hub talks to itself", lambda r: r.hub & ~r.addressed),
    Feature("new_speaker", "first turn of its agent", lambda r: r.turn == 0),
    Feature("log_turn", "log(1 + earlier turns of the agent)", lambda r: np.log1p(r.turn)),
    Feature("same_before", "same agent as the step before", lambda r: r.same_before),
    Feature("same_after", "same agent as the step after", lambda r: _next(r.same_before)),
    Feature("speaker_share", "share of steps by the agent", lambda r: r.share),
    Feature("first_speaker", "by the agent of the first step", lambda r: r.by_first),
    Feature("length", "log(1 + characters), z-score in trace", lambda r: _z(r.log_length)),
    Feature("short", "under 40 characters", lambda r: r.log_length < np.log(41)),
    Feature("code", "holds code", _cue("code"), "code"),
    Feature("executed", "its code is run next", lambda r: r.cue("code") * _next(r.executor)),
    Feature("first_code", "first code of the trace", lambda r: r.first("code"), "code"),
    Feature("error", "shows a sign of an error", lambda r: r.error, "error"),
    Feature("error_next", "next step shows one", lambda r: _next(r.error), "error", 1),
    Feature("error_later", "of the two after", lambda r: _next(r.error, 2) + _next(r.error, 3)),
    Feature("error_before", "step before shows one", lambda r: _before(r.error)),
    Feature("first_error_next", "next shows first", lambda r: _next(r.first("error")), "error", 1),
    Feature("assumption", "assumes or makes up", _cue("assumption"), "assumption"),
    Feature("hedge", "guesses or estimates", _cue("hedge"), "hedge"),
    Feature("check", "checks earlier work", _cue("check"), "check"),
    Feature("objection", "objects to earlier work", _cue("objection"), "objection"),
    Feature(
        "objection_next", "reaction objects", lambda r: _next(r.cue("objection")), "objection", 1
    ),
    Feature("stall", "stalls or starts over", _cue("stall"), "stall"),
    Feature("plan", "plan or ledger", _cue("plan"), "plan"),
    Feature("end", "brings the run to its end", _cue("end"), "end"),
    Feature("delegated", "hands work to others", _cue("delegated"), "delegated"),
    Feature("repeat", "repeats an earlier step", lambda r: r.repeat),
    Feature("overlap", "share of question words in it", lambda r: r.overlap),
    Feature("novelty", "share of its words never said", lambda r: r.novelty),
    Feature("introduces", "share of answer words first said here", lambda r: r.introduces),
)


def matrix(trace: Trace, reading: Reading | None = None) -> np.ndarray:
    """All features of all steps, float64 (n_steps, n_features), columns as in `FEATURES`."""
    r = reading or read(trace)
    return np.stack([np.asarray(f.value(r), dtype=np.float64) for f in FEATURES], axis=1)
