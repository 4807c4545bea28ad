"""From findings to a repair: what to change about the system for good, for whom, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tracekit.analyzers.intervene.types import Diagnosis, Tested, percent
from tracekit.replay.types import Action, Repair, RepairKind
from tracekit.signals.roles import charged
from tracekit.trace import Agent, Trace

CHECKER = re.compile(r"verif|valid|check|critic|review|judge|audit|moderat|test", re.IGNORECASE)
"""Roles and names of those who look over the work of others."""

ADVICE: dict[RepairKind, str] = {
    "prompt": "Tell {target} to go over its work item by item before it answers",
    "verification": "Have what {target} approves looked over once more before it goes on",
    "tool": "Validate the arguments of the tool calls of {target} before they are made",
    "termination": "Do not let {target} end the run; only whoever closes it may",
}


def suggestion(trace: Trace, diagnosis: Diagnosis) -> Repair | None:
    """The repair for the validated step of one run; None without one."""
    found = diagnosis.answer
    if found is None or found.change is None:
        return None
    agent = _answerable(trace, found)
    kind, target = kind_of(trace, found), agent.role or agent.id
    words = (
        f"{ADVICE[kind].format(target=target)}: at step {found.hypothesis.step} of {trace.id} the "
        f"step of {found.hypothesis.agent} decided. Corrected, {percent(found.rate_with)} of "
        f"{found.n} replays succeed, as recorded {percent(found.rate_without)}."
    )
    return Repair(kind=kind, target=target, text=words, by=f"intervene:{found.hypothesis.by}")


def kind_of(trace: Trace, found: Tested) -> RepairKind:
    """What a repair has to change, told by the step and its correction.

    A final answer that should have been none: termination. A call that should have been another
    one, or none, or what a tool gave back: tool. A verdict of somebody who checks: verification.
    What is left is what agents are told.
    """
    old = Action.of(trace.steps[found.hypothesis.step])
    actions = found.change.actions if found.change is not None else None
    new = actions[0] if actions else None
    if old.kind == "final" and new is not None and new.kind != "final":
        return "termination"
    if old.kind == "tool_result" or _calls(old) != (_calls(new) if new is not None else ()):
        return "tool"
    agent = _answerable(trace, found)
    return "verification" if CHECKER.search(f"{agent.role} {agent.id}") else "prompt"


def best(
    diagnoses: Iterable[Diagnosis], can: Sequence[Repair] | None = None
) -> tuple[Repair, int] | None:
    """The repair that the runs ask for most, and how many of them do.

    Each run votes with the gain of its correction. With `can`, only repairs that the system can
    take count. Among equals the one named first.
    """
    known = None if can is None else {each.key for each in can}
    votes: dict[tuple[str, str], list[tuple[float, Repair]]] = {}
    for one in diagnoses:
        answer = one.answer
        if one.repair is None or answer is None or answer.difference is None:
            continue
        if known is None or one.repair.key in known:
            votes.setdefault(one.repair.key, []).append((answer.difference.value, one.repair))
    if not votes:
        return None
    most = max(votes.values(), key=lambda cast: sum(gain for gain, _ in cast))
    _, example = max(most, key=lambda vote: vote[0])
    return example, len(most)


def tally(diagnoses: Iterable[Diagnosis]) -> Mapping[str, int]:
    """How many runs ask for each repair, most first."""
    counts: dict[str, int] = {}
    for one in diagnoses:
        if one.repair is not None:
            counts[str(one.repair)] = counts.get(str(one.repair), 0) + 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _answerable(trace: Trace, found: Tested) -> Agent:
    """Who took the step, or asked for it where it only hands back an output."""
    step = trace.steps[charged(trace)[found.hypothesis.step]]
    return next(agent for agent in trace.agents if agent.id == step.agent)


def _calls(action: Action) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (call.name, msgspec.json.encode(call.arguments, order="sorted")) for call in action.tools
    )
