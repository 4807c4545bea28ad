"""Performance causal inversion: who fed whom, turned round, and the bottleneck it points at.

CDC-MAS (arXiv 2509.08682) draws an edge from a step to each later step that used its output,
reverses all edges, since a consumer's performance is explained by who fed it, and names the agent
with the largest `BS = phi * (Y_counterfactual - Y_original)`. How the paper weighs edges and what Y is
estimated by is not known; docs/adr/0014-performance-causal-inversion.md says what is done here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.shapley.game import Player
from tracekit.signals.dataflow import uses
from tracekit.signals.provenance import final_step
from tracekit.trace import Trace

UNSEEN = 0.01
"""What rests on a step at least, whatever the graph shows."""


class Explains(NamedTuple):
    """How a step did is explained by a step that it used."""

    consumer: int
    """Index of the later step, whose performance is to be explained."""
    producer: int
    """Index of the earlier step, whose output it used."""
    share: float
    """How much of what it used came from there, 0 to 1; the shares of a consumer sum to 1."""


def inverted(trace: Trace) -> tuple[Explains, ...]:
    """The data-dependency graph (`signals.dataflow.flow`) turned round, by consumer and producer.

    >>> from tracekit.trace import Source, Step
    >>> said = ["the total is 1250", "so we report 1250"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> inverted(Trace(id="t", source=Source(format="x"), steps=steps))
    (Explains(consumer=1, producer=0, share=1.0),)
    """
    weights = uses(trace)
    consumers, producers = np.nonzero(weights)
    return tuple(
        Explains(consumer, producer, float(weights[consumer, producer]))
        for consumer, producer in zip(consumers.tolist(), producers.tolist(), strict=True)
    )


def rests_on(trace: Trace) -> np.ndarray:
    """How much of the end of the run rests on each step, (n_steps,): 1 for the last one.

    A walk from the final step along the inverted graph: the chance to come by a step when each one
    the next is drawn by `Explains.share`. 0 for steps that nothing at the end goes back to.
    """
    weights = uses(trace)
    reached = np.zeros(len(weights))
    declared = [step.index for step in trace.steps if step.kind == "final"]
    end = declared[-1] if declared else final_step(trace)
    reached[-1 if end is None else end] = 1.0
    for consumer in range(len(weights) - 1, 0, -1):  # edges go back in time alone
        reached += reached[consumer] * weights[consumer]
    return reached


def bottleneck(gained: np.ndarray, players: Sequence[Player], trace: Trace) -> np.ndarray:
    """Bottleneck scores, (players,): what each correction gains, times what rests on the player.

    `gained` is at least 0. What rests on an agent is the sum over its steps, and a little on all:
    not every use of an output leaves words behind.
    """
    reached = rests_on(trace)
    by_agent: dict[str, float] = defaultdict(float)
    for step in trace.steps:
        by_agent[step.agent] += float(reached[step.index])
    weights = [
        by_agent[player.agent] if player.step is None else float(reached[player.step])
        for player in players
    ]
    return np.asarray(gained * (np.array(weights) + UNSEEN))
