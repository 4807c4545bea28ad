"""One pass over a trace that collects everything features are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tracekit.signals.cues import ERRORS, Span, cues
from tracekit.signals.provenance import introduced
from tracekit.signals.repeats import repeats
from tracekit.signals.roles import candidates, executors, hub, reports
from tracekit.signals.text import share, window, words
from tracekit.trace import Trace


@dataclass(frozen=True)
class Reading:
    """Columns over the steps of one trace, each an array (n_steps,)."""

    n: int
    index: np.ndarray
    blamable: np.ndarray
    """Bool: can be blamed (not a person, not a system prompt)."""
    acts: np.ndarray
    """Bool: blamable and not an executor."""
    ordinal: np.ndarray
    """Acting steps before this one, counted from 0."""
    executor: np.ndarray
    hub: np.ndarray
    """Bool: by the agent that directs the others."""
    has_hub: np.ndarray
    addressed: np.ndarray
    turn: np.ndarray
    """Earlier steps of the same agent."""
    same_before: np.ndarray
    share: np.ndarray
    """Share of the trace's steps that this agent has."""
    by_first: np.ndarray
    log_length: np.ndarray
    spans: tuple[dict[str, Span], ...]
    """Cues of each step with the place of the first."""
    repeat: np.ndarray
    overlap: np.ndarray
    novelty: np.ndarray
    introduces: np.ndarray
    error: np.ndarray

    def cue(self, name: str) -> np.ndarray:
        """1 where a step shows the cue, else 0."""
        return np.array([name in found for found in self.spans], dtype=float)

    def first(self, name: str) -> np.ndarray:
        """1 at the first step that shows the cue (or `error`), else 0."""
        values = self.error if name == "error" else self.cue(name)
        mark = np.zeros(self.n)
        if values.any():
            mark[int(np.argmax(values > 0))] = 1.0
        return mark


def read(trace: Trace) -> Reading:
    """Everything features need, in one pass; about 0.5 ms per step."""
    steps = trace.steps
    n = len(steps)
    spans = tuple(cues(step) for step in steps)
    said = [words(window(step.content)) for step in steps]
    tools = executors(trace)
    blamable = np.zeros(n, dtype=bool)
    blamable[list(candidates(trace))] = True
    executor = np.array([s.agent in tools or reports(s) for s in steps], dtype=bool)
    acts = blamable & ~executor
    director = hub(trace)
    counts = Counter(step.agent for step in steps)
    first_agent = next((s.agent for s in steps if blamable[s.index]), None)
    question = words(trace.task.question)
    return Reading(
        n=n,
        index=np.arange(n),
        blamable=blamable,
        acts=acts,
        ordinal=np.concatenate([[0], np.cumsum(acts)[:-1]]),
        executor=executor,
        hub=np.array([s.agent == director for s in steps], dtype=bool),
        has_hub=np.full(n, director is not None),
        addressed=np.array([s.to is not None for s in steps], dtype=bool),
        turn=_turns([s.agent for s in steps]),
        same_before=np.array([i > 0 and steps[i - 1].agent == steps[i].agent for i in range(n)]),
        share=np.array([counts[s.agent] / n for s in steps]),
        by_first=np.array([s.agent == first_agent for s in steps]),
        log_length=np.log1p([len(s.content) for s in steps]),
        spans=spans,
        repeat=np.array([earlier is not None for earlier in repeats(trace)]),
        overlap=np.array([share(question, found) for found in said]),
        novelty=_novelty(said, question),
        introduces=np.array(introduced(trace)),
        error=np.array(
            [
                any(c in found for c in ERRORS) or any(call.error for call in step.tools)
                for found, step in zip(spans, steps, strict=True)
            ],
            dtype=float,
        ),
    )


def _turns(agents: list[str]) -> np.ndarray:
    seen: Counter[str] = Counter()
    turns = []
    for agent in agents:
        turns.append(seen[agent])
        seen[agent] += 1
    return np.array(turns, dtype=float)


def _novelty(said: list[frozenset[str]], question: frozenset[str]) -> np.ndarray:
    known = set(question)
    values = []
    for found in said:
        values.append(len(found - known) / len(found) if found else 0.0)
        known |= found
    return np.array(values)
