"""Who does what in a team, told by behaviour first and by names only where the log gives a role."""

from __future__ import annotations

from collections import Counter

from tracekit.signals.cues import find
from tracekit.trace import Step, Trace

_PEOPLE = frozenset({"user", "human", "human_user", "customer", "user_proxy_human"})


def people(trace: Trace) -> frozenset[str]:
    """Ids of agents who are people: they pose the task and answer questions."""
    return frozenset(
        agent.id
        for agent in trace.agents
        if agent.role == "user" or (agent.role is None and agent.id.lower() in _PEOPLE)
    )


def candidates(trace: Trace) -> tuple[int, ...]:
    """Indices of the steps that can be blamed: all but those of people and system prompts.

    The task itself is not the team's error. Where nothing else is left, every step counts.

    >>> from tracekit.trace import Agent, Source
    >>> steps = (Step(index=0, agent="user"), Step(index=1, agent="A"))
    >>> agents = (Agent("user", "user", role="user"), Agent("A", "A"))
    >>> candidates(Trace(id="t", source=Source(format="x"), agents=agents, steps=steps))
    (1,)
    """
    persons = people(trace)
    found = tuple(
        step.index for step in trace.steps if step.agent not in persons and step.kind != "system"
    )
    return found or tuple(range(len(trace.steps)))


def reports(step: Step) -> bool:
    """Whether a step only hands back what a tool or an executor put out.

    >>> reports(Step(index=0, agent="T", content="exitcode: 0 (execution succeeded)"))
    True
    """
    return step.kind == "tool_result" or find("report", step.content[:80]) is not None


def executors(trace: Trace) -> frozenset[str]:
    """Ids of agents that never say anything but the output of tools or code."""
    said: Counter[str] = Counter()
    silent: set[str] = set()
    for step in trace.steps:
        said[step.agent] += 1
        if not reports(step):
            silent.add(step.agent)
    tools = {agent.id for agent in trace.agents if agent.role == "tool"}
    return frozenset((set(said) - silent) | (tools & set(said)))


def hub(trace: Trace) -> str | None:
    """Id of the agent that directs the others, None in a team of equals.

    It is the one the log calls an orchestrator, else the one that addresses at least two thirds of
    the hand-offs (steps with an addressee, or of kind `handoff`), with three hand-offs or more.
    """
    for agent in trace.agents:
        if agent.role == "orchestrator":
            return agent.id
    persons = people(trace)
    sent = Counter(
        step.agent
        for step in trace.steps
        if (step.to is not None or step.kind == "handoff") and step.agent not in persons
    )
    if not sent:
        return None
    agent_id, count = sent.most_common(1)[0]
    return agent_id if count >= 3 and 3 * count >= 2 * sum(sent.values()) else None


def charged(trace: Trace) -> list[int]:
    """For each step the one that answers for it: itself, or whoever asked for an output.

    An executor's output is charged to its parent, else to the nearest earlier step that is no
    output, else to itself.

    >>> from tracekit.trace import Source
    >>> steps = (Step(index=0, agent="A"), Step(index=1, agent="T", kind="tool_result"))
    >>> charged(Trace(id="t", source=Source(format="x"), steps=steps))
    [0, 0]
    """
    tools = executors(trace)
    found: list[int] = []
    asker: int | None = None
    for step in trace.steps:
        if step.agent not in tools and not reports(step):
            asker = step.index
            found.append(step.index)
        elif step.parent is not None and 0 <= step.parent < step.index:
            found.append(step.parent)
        else:
            found.append(step.index if asker is None else asker)
    return found
