"""How a run went, step by step: the values of its steps, what each step and agent changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from tracekit.prm.rank import log_odds
from tracekit.protocols import Doubting, ValueFunction
from tracekit.trace import Trace


class StepScore(msgspec.Struct, frozen=True):
    """What a step did to the run."""

    step: int
    """Index, 0-based."""
    agent: str
    """Who acted."""
    value: float
    """Probability of success after the step, 0 to 1."""
    change: float
    """Change of the log-odds of the value by the step; negative is worse."""


class AgentScore(msgspec.Struct, frozen=True):
    """What an agent did to the run."""

    agent: str
    """Its id."""
    steps: int
    """Steps that it took."""
    change: float
    """Sum of the changes of its steps, in log-odds."""
    worst: int
    """Its step with the largest fall, or the least rise."""


class RunScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """The values of a run."""

    trace_id: str
    """`id` of the trace."""
    values: str
    """Name of the value function."""
    begin: float
    """Value before the first step, 0 to 1."""
    steps: tuple[StepScore, ...]
    """One for each step of the trace."""
    agents: tuple[AgentScore, ...]
    """Who changed most to the worse comes first."""
    warnings: tuple[str, ...] = ()
    """Why the values may mean little here, in sentences."""

    @property
    def end(self) -> float:
        """Value after the last step."""
        return self.steps[-1].value if self.steps else self.begin

    @property
    def drop(self) -> StepScore | None:
        """The step with the largest fall; None when the value never falls."""
        worst = min(self.steps, key=lambda step: step.change, default=None)
        return worst if worst is not None and worst.change < 0 else None


def score(trace: Trace, values: ValueFunction) -> RunScore:
    """The values of a run and what every step and agent changed."""
    begin = float(values.begin(trace).value)
    found = [float(value) for value in values.values(trace)]
    by = changes(begin, found)
    steps = tuple(
        StepScore(step.index, step.agent, value, change)
        for step, value, change in zip(trace.steps, found, by, strict=True)
    )
    return RunScore(
        trace_id=trace.id,
        values=values.name,
        begin=begin,
        steps=steps,
        agents=_agents(steps),
        warnings=doubts(trace, values),
    )


def doubts(trace: Trace, values: ValueFunction) -> tuple[str, ...]:
    """Why the values of a run may mean little, as far as the value function can tell."""
    return tuple(values.doubts(trace)) if isinstance(values, Doubting) else ()


def changes(begin: float, values: Sequence[float]) -> list[float]:
    """How each step changes the log-odds of the value.

    >>> [round(change, 3) for change in changes(0.5, [0.5, 0.75, 0.25])]
    [0.0, 1.099, -2.197]
    """
    at = [log_odds(value) for value in (begin, *values)]
    return [after - before for before, after in pairwise(at)]


def _agents(steps: Sequence[StepScore]) -> tuple[AgentScore, ...]:
    by: dict[str, list[StepScore]] = {}
    for step in steps:
        by.setdefault(step.agent, []).append(step)
    found = [
        AgentScore(
            agent=agent,
            steps=len(its),
            change=sum(step.change for step in its),
            worst=min(its, key=lambda step: step.change).step,
        )
        for agent, its in by.items()
    ]
    return tuple(sorted(found, key=lambda each: (each.change, each.agent)))
