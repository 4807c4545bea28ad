"""Rewards of a tracer's answer, each a plain function; what training adds up.

Sources: AgenTracer (arXiv 2509.03312, section 3.3) for format, agent and step; AEGIS
(arXiv 2509.14295, section 4.2) for pairs, whose constants the paper leaves out: those here are
tracekit's own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tracekit.analyzers.tracer.answer import parse
from tracekit.trace import Trace

SIGMA = 1.0
"""Width of the Gaussian over steps, in steps (AgenTracer)."""
SHARE = 0.5
"""Weight of the step against the agent (AgenTracer's lambda)."""

Pair = tuple[str, str]
"""An agent and a failure mode."""


def format_gate(text: str, trace: Trace) -> float:
    """1 when the answer can be read and names an agent and a step of the run, else 0.

    >>> from tracekit.testing.traces import make_trace
    >>> run = make_trace("t", [("Ada", "one"), ("Ben", "two")])
    >>> format_gate("<think>why</think>\\nBen | 1", run), format_gate("Ben | 1", run)
    (1.0, 0.0)
    """
    try:
        parse(text, trace)
    except ValueError:
        return 0.0
    return 1.0


def agent_reward(said: str, truth: str) -> float:
    """1 for the right agent, else 0.

    >>> agent_reward("Ben", "Ben"), agent_reward("Ada", "Ben")
    (1.0, 0.0)
    """
    return float(said == truth)


def step_reward(said: int, truth: int, sigma: float = SIGMA) -> float:
    """exp(-(distance)^2 / (2 sigma^2)): 1 for the right step, 0.61 for its neighbour.

    >>> [round(step_reward(said, 3), 3) for said in (3, 4, 5, 9)]
    [1.0, 0.607, 0.135, 0.0]
    """
    return math.exp(-((said - truth) ** 2) / (2 * sigma**2))


def combined(
    text: str,
    trace: Trace,
    agent: str,
    step: int,
    *,
    share: float = SHARE,
    sigma: float = SIGMA,
    pair: float = 0.0,
) -> float:
    """Format gate times the weighted mean of step and agent, 0 to 1.

    `pair` is the part of it that only an answer earns whose agent and step are both right
    (tracekit's own; 0 is AgenTracer's reward). Without it, an answer may trade the one for the
    other: an agent who is often to blame beside a step in the middle.

    >>> from tracekit.testing.traces import make_trace
    >>> run = make_trace("t", [("Ada", "one"), ("Ben", "two")])
    >>> combined("<think>why</think>\\nBen | 1", run, "Ben", 1)
    1.0
    >>> combined("<think>why</think>\\nAda | 1", run, "Ben", 1)
    0.5
    >>> combined("<think>why</think>\\nAda | 1", run, "Ben", 1, pair=0.5)
    0.25
    >>> combined("Ben | 1", run, "Ben", 1)
    0.0
    """
    try:
        said = parse(text, trace)
    except ValueError:
        return 0.0
    who = agent_reward(said.agent, agent)
    parts = share * step_reward(said.step, step, sigma) + (1 - share) * who
    return (1 - pair) * parts + pair * (who if said.step == step else 0.0)


def length_reward(tokens: int, limit: int, *, slack: float = 0.2) -> float:
    """0 up to `1 - slack` of the limit, falling to -1 at the limit: a soft bound on length.

    >>> [length_reward(tokens, 100) for tokens in (50, 80, 90, 100, 150)]
    [0.0, 0.0, -0.5, -1.0, -1.0]
    """
    start = (1 - slack) * limit
    if tokens <= start:
        return 0.0
    return -min(1.0, (tokens - start) / (limit - start))


def pairs_reward(
    said: Sequence[Pair],
    truth: Collection[Pair],
    *,
    exact: float = 1.0,
    agent: float = 0.4,
    mode: float = 0.2,
    wrong: float = -0.3,
    repeat: float = 0.3,
    excess: float = 0.2,
    bonus: float = 0.2,
) -> float:
    """Credit for (agent, mode) pairs over the most there is to earn: at most 1, may be negative.

    An exact pair earns `exact`; else the right agent or the right mode earns less, each agent and
    mode of the truth credited once; anything else costs. Each repeat costs, and so does each pair
    beyond twice as many as there are. `bonus` is for an answer that could be read.

    >>> truth = {("Ada", "FM-1.1"), ("Ben", "FM-3.2")}
    >>> pairs_reward([("Ada", "FM-1.1"), ("Ben", "FM-3.2")], truth)
    1.0
    >>> pairs_reward([("Ada", "FM-1.1"), ("Ada", "FM-1.1")], truth) < pairs_reward(
    ...     [("Ada", "FM-1.1")], truth
    ... )
    True
    >>> pairs_reward([("Cid", "FM-9.9")], truth) < 0
    True
    """
    if not truth:
        raise ValueError("pairs_reward: there is nothing to find")
    distinct = list(dict.fromkeys(said))
    hits = [pair for pair in distinct if pair in truth]
    agents = {who for who, _ in truth} - {who for who, _ in hits}
    modes = {what for _, what in truth} - {what for _, what in hits}
    total = bonus + exact * len(hits)
    for who, what in distinct:
        if (who, what) in truth:
            continue
        if who in agents:
            agents.discard(who)
            total += agent
        elif what in modes:
            modes.discard(what)
            total += mode
        else:
            total += wrong
    total -= repeat * (len(said) - len(distinct))
    total -= excess * max(0, len(distinct) - 2 * len(truth))
    return total / (exact * len(truth) + bonus)
