"""From one number per step to a verdict: ranking, agent totals, and settings that are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracekit.attribution import Attribution, Evidence, Method, Suspect
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.trace import Trace

Evidences = Mapping[int, tuple[Evidence, ...]]


def settings(context: Context, method: str, **defaults: Any) -> dict[str, Any]:
    """The method's settings over their defaults; an unknown one raises `UsageError`."""
    unknown = sorted(set(context.settings) - set(defaults))
    if unknown:
        known = ", ".join(sorted(defaults)) or "none"
        raise UsageError(f"{method} has no setting {unknown[0]!r}; its settings: {known}")
    return {**defaults, **context.settings}


def verdict(
    trace: Trace,
    method: Method,
    probabilities: Sequence[float] | np.ndarray,
    *,
    order: Sequence[int] | None = None,
    evidence: Evidences | None = None,
) -> Attribution:
    """All steps ranked by probability, earlier first among equals; agents by their sum.

    `order` replaces the ranking (say by a joint choice of agent and step).
    """
    chances = [float(p) for p in probabilities]
    ranked = sorted(range(len(chances)), key=lambda i: (-chances[i], i)) if order is None else order
    agents: dict[str, float] = {}
    for step in trace.steps:
        agents[step.agent] = agents.get(step.agent, 0.0) + chances[step.index]
    suspects = tuple(
        Suspect(
            agent=trace.steps[i].agent,
            step=i,
            probability=min(1.0, chances[i]),
            evidence=(evidence or {}).get(i, ()),
        )
        for i in ranked
    )
    by_chance = sorted(agents.items(), key=lambda item: (-item[1], item[0]))
    return Attribution(trace_id=trace.id, method=method, suspects=suspects, agents=dict(by_chance))


def around(trace: Trace, step: int) -> np.ndarray:
    """Chances that halve with every step of distance, float64 (n_steps,), sum 1.

    A stand-in for methods that name one step and know nothing of the rest: it ranks neighbours
    before strangers.

    >>> from tracekit.trace import Source, Step
    >>> steps = tuple(Step(index=i, agent="A") for i in range(3))
    >>> around(Trace(id="t", source=Source(format="x"), steps=steps), 0).round(3).tolist()
    [0.571, 0.286, 0.143]
    """
    distance = np.abs(np.arange(len(trace.steps)) - step)
    chances = np.exp2(-distance.astype(float))
    return np.asarray(chances / chances.sum())
