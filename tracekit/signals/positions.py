"""Where a step stands in the run and in its agent's work: turns, order, and who speaks around it."""

from __future__ import annotations

import numpy as np

from tracekit.signals.outcomes import after, before, first, last
from tracekit.signals.reading import Reading, later
from tracekit.signals.repeats import repeats
from tracekit.signals.segments import segment_of
from tracekit.trace import Trace


def positions(trace: Trace, reading: Reading) -> dict[str, np.ndarray]:
    """Columns about order and roles, each (n_steps,)."""
    r, n = reading, reading.n
    index, owners = np.arange(n), [step.agent for step in trace.steps]
    deeds = max(1, int(r.deed.sum()))
    posed = r.acts & (index == 0)
    length = np.log1p([len(step.content) for step in trace.steps])
    turn = segment_of(trace)
    return {
        "executor": r.executor,
        "hub": r.hub,
        "deed": r.deed,
        "worker": r.deed & r.directed,
        "little": r.little,
        "thought": np.array([step.kind == "thought" for step in trace.steps]),
        "action": r.action,
        "talk": r.deed & ~r.action,
        "poses_task": posed,
        "task_dropped": posed & (r.overlap < 0.5),
        "acts_at_once": posed & r.action,
        "first_deed": first(r.deed & ~posed),
        "second_deed": r.deed & (before(r.deed & ~posed) == 1) & ~posed,
        "last_deed": last(r.deed),
        "last_but_one_deed": r.deed & (after(r.deed) == 1),
        "closes": (index == n - 1) & (not r.directed),
        "log_deeds_before": np.log1p(before(r.deed)),
        "log_deeds_after": np.log1p(after(r.deed)),
        "relative": before(r.deed) / deeds,
        "log_turn": np.log1p(turn),
        "length": length,
        "repeats": np.array([again is not None for again in repeats(trace)]),
        **_agents(owners, r),
    }


def _agents(owners: list[str], reading: Reading) -> dict[str, np.ndarray]:
    """Who spoke before and after, and how much of the run is this agent's."""
    n, acts = reading.n, reading.acts
    earlier: dict[str, int] = {}
    first_turn, own_before = np.zeros(n), np.zeros(n)
    for i, owner in enumerate(owners):
        own_before[i] = earlier.get(owner, 0)
        first_turn[i] = owner not in earlier
        earlier[owner] = earlier.get(owner, 0) + 1
    previous, following = _neighbours(owners, acts), _neighbours(owners[::-1], acts[::-1])[::-1]
    names = np.array(owners, dtype=object)
    own_total = np.array([earlier[owner] for owner in owners])
    last_actor = next((owners[i] for i in range(n - 1, -1, -1) if acts[i]), "")
    return {
        "new_agent": first_turn * reading.deed,
        "own_before": np.log1p(own_before),
        "own_after": np.log1p(own_total - own_before - 1),
        "own_share": own_total / max(1, n),
        "same_as_previous": (names == previous) & acts,
        "same_as_next": (names == following) & acts,
        "alone_next": acts & (following == ""),
        "last_actors": (names == last_actor) & acts,
        "next_is_report": later(reading.executor),
    }


def _neighbours(owners: list[str], acts: np.ndarray) -> np.ndarray:
    """For each step the agent of the latest earlier step that is no report; empty for none."""
    found: list[str] = []
    current = ""
    for owner, active in zip(owners, acts, strict=True):
        found.append(current)
        if active:
            current = owner
    return np.array(found, dtype=object)
