"""One pass over a trace that collects everything features are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tracekit.signals.cues import ERRORS, broken, cues
from tracekit.signals.provenance import answer_words, first_said
from tracekit.signals.roles import candidates, executors, hub, reports
from tracekit.signals.text import Span, ends, share, words
from tracekit.trace import Step, Trace

LITTLE = 40
"""Characters below which a step says next to nothing (`TERMINATE`, `ok`)."""
EMPTY = 50
"""Characters below which an executor's report holds no output to speak of."""
OPENING = 80
"""Characters within which an announcement stands that a step is about."""


@dataclass(frozen=True)
class Reading:
    """Columns over the steps of one trace, each an array (n_steps,); bool unless it says more."""

    n: int
    """Number of steps."""
    blamable: np.ndarray
    """Can be blamed: not by a person, not a system prompt."""
    executor: np.ndarray
    """Only reports what a tool or a program put out."""
    acts: np.ndarray
    """Blamable and not an executor's."""
    hub: np.ndarray
    """By the agent that directs the others."""
    deed: np.ndarray
    """Acts and is not the hub's: the work itself."""
    deeds_before: np.ndarray
    """Int: deeds earlier in the trace."""
    little: np.ndarray
    """Says next to nothing and calls no tool."""
    action: np.ndarray
    """Acts by code or by a tool call."""
    error: np.ndarray
    """Shows a sign of an error."""
    failed: np.ndarray
    """An action that ends in an error or in no output: in its own step or in the report after."""
    overlap: np.ndarray
    """Float: share of the question's words that it holds."""
    introduces: np.ndarray
    """Float: share of the final answer's words that it says first."""
    fresh: tuple[frozenset[str], ...]
    """Those words, of each step."""
    spans: tuple[dict[str, Span], ...]
    """Cues of each step with the place of the first."""

    @property
    def directed(self) -> bool:
        """Whether the team has a hub."""
        return bool(self.hub.any())

    def cue(self, name: str, within: int | None = None) -> np.ndarray:
        """Where a step shows the cue, if wanted within its first so many characters."""
        found = [spans.get(name) for spans in self.spans]
        return _flags(s is not None and (within is None or s.start < within) for s in found)


def read(trace: Trace) -> Reading:
    """Everything features need, in one pass over the texts; under 1 ms per step."""
    steps, n = trace.steps, len(trace.steps)
    spans = tuple(cues(step) for step in steps)
    tools, director, question = executors(trace), hub(trace), words(trace.task.question)
    blamable = np.zeros(n, dtype=bool)
    blamable[list(candidates(trace))] = True
    executor = _flags(s.agent in tools or reports(s) for s in steps)
    acts = blamable & ~executor
    by_hub = acts & _flags(s.agent == director for s in steps)
    deed = acts & ~by_hub
    asks = _flags(any(call.arguments is not None for call in s.tools) for s in steps)
    action = acts & (asks | _flags("code" in found for found in spans))
    tool_error = _flags(any(broken(call) for call in s.tools) for s in steps)
    error = tool_error | _flags(any(cue in found for cue in ERRORS) for found in spans)
    empty = executor & _flags(_empty(step) for step in steps)
    fresh = tuple(first_said(trace))
    answer = max(1, len(answer_words(trace)))
    return Reading(
        n=n,
        blamable=blamable,
        executor=executor,
        acts=acts,
        hub=by_hub,
        deed=deed,
        deeds_before=np.cumsum(deed) - deed,
        little=_flags(len(s.content) < LITTLE and not s.tools for s in steps),
        action=action,
        error=error,
        failed=action & (later(executor & error | empty) | tool_error),
        overlap=np.array([share(question, words(ends(s.content))) for s in steps]),
        introduces=np.array([len(found) / answer for found in fresh]),
        fresh=fresh,
        spans=spans,
    )


def later(values: np.ndarray, by: int = 1) -> np.ndarray:
    """Each step's value `by` steps later, 0 past the end.

    >>> later(np.array([1, 2, 3])).tolist()
    [2, 3, 0]
    """
    moved = np.zeros_like(values)
    moved[: max(0, len(values) - by)] = values[by:]
    return moved


def _flags(values: Iterable[bool]) -> np.ndarray:
    return np.fromiter(values, dtype=bool)


def _empty(step: Step) -> bool:
    """An executor's report without output, or that it was given nothing to run."""
    text = step.content or "".join(call.result or "" for call in step.tools)
    return len(text) < EMPTY or text.startswith("There is no code")
