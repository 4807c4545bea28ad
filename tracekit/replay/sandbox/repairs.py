"""Repairs of a sandbox team: what is changed about how agents of one role act, in all their turns.

None of them looks at the right answer. Each is a mechanism, and worth what it is worth:

- `prompt`: the agent is told to take care. In `HEEDED` of its turns it does, and makes no lapse;
- `verification`: what it did is looked over. A check that finds nothing is made up to twice more;
  other work is done twice, and a third time to decide where the two differ;
- `tool`: the arguments of a call are held against what the agent itself has noted to look up;
- `termination`: nobody but those whose duty it is may give the final answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from tracekit.errors import UsageError
from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.state import Settings, draw
from tracekit.replay.sandbox.topologies.table import topology
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action, Repair, RepairKind

HEEDED = 0.5
"""Share of the turns in which an agent does as its prompt says."""
CLOSES = ("report", "judge")
"""Duties that end a run."""
CHECKS = ("check", "rebut")
"""Duties of which one outcome is that nothing is wrong."""
CLOSERS = ("reporter", "judge", "orchestrator", "manager")
"""Roles with such duties that end a run."""
CALLERS = ("worker", "debater")
"""Roles with tools, in families that have some."""

WORDS: dict[RepairKind, str] = {
    "prompt": "Tell every {role} to go over its work item by item before it answers.",
    "verification": "Have what a {role} says looked over once more before it goes on.",
    "tool": "Hold the arguments of every call of a {role} against what it means to look up.",
    "termination": "Let no {role} give the final answer.",
}


def repairs(settings: Settings) -> list[Repair]:
    """Every repair that a team so set up can take: for each of its roles, those that make sense."""
    roles = dict.fromkeys(place.role for place in topology(settings.topology).places)
    has_tool = bool(family(settings.family).tool)
    found: list[Repair] = []
    for role in roles:
        kinds: list[RepairKind] = ["prompt", "verification"]
        kinds += ["tool"] if has_tool and role in CALLERS else []
        kinds += ["termination"] if role not in CLOSERS else []
        found += [
            Repair(kind=kind, target=role, text=WORDS[kind].format(role=role), by="sandbox")
            for kind in kinds
        ]
    return found


def repaired(
    policies: Mapping[str, Policy], repair: Repair, known: list[Repair]
) -> dict[str, Policy]:
    """The policies of a team with a repair.

    Policies that are given by the id of an agent are out of its reach. Raises `UsageError` for a
    repair that is not among the known ones.
    """
    if repair.key not in {each.key for each in known}:
        names = ", ".join(map(str, known))
        raise UsageError(f"the team cannot take the repair {str(repair)!r}; it can take {names}")
    old = policies.get(repair.target) or policies.get("*") or act
    return {**policies, repair.target: WAYS[repair.kind](old)}


def _prompted(policy: Policy) -> Policy:
    def careful(view: View) -> Action:
        heeds = draw(view.seed, view.number, view.agent.id, "heeds").random() < HEEDED
        return act(again(view, skill=1.0)) if heeds else policy(view)

    return careful


def _verified(policy: Policy) -> Policy:
    def attempt(view: View, number: int) -> Action:
        seed = view.seed if number == 0 else -1 - 3 * abs(view.seed) - number  # of no other run
        return policy(again(view, seed=seed))

    def checked(view: View) -> Action:
        first = attempt(view, 0)
        if view.duty in CHECKS:
            tried = (first, *(attempt(view, number) for number in (1, 2)))
            return next((said for said in tried if _objects(view, said)), first)
        second = attempt(view, 1)
        if gist(view, first) == gist(view, second):
            return first
        third = attempt(view, 2)
        agrees = gist(view, first) == gist(view, third)
        return first if agrees else third  # which is the second one, or as good as any

    return checked


def _validated(policy: Policy) -> Policy:
    def calling(view: View) -> Action:
        said, meant = policy(again(view)), act(again(view, skill=1.0))
        if not (said.tools and meant.tools):
            return said
        right = meant.tools[0].arguments
        call = msgspec.structs.replace(said.tools[0], arguments=right)
        return msgspec.structs.replace(said, tools=(call, *said.tools[1:]))

    return calling


def _kept_going(policy: Policy) -> Policy:
    def patient(view: View) -> Action:
        said = policy(view)
        if said.kind != "final" or view.duty in CLOSES:
            return said
        return msgspec.structs.replace(said, kind="message", to=view.turn.to)

    return patient


WAYS: dict[RepairKind, Callable[[Policy], Policy]] = {
    "prompt": _prompted,
    "verification": _verified,
    "tool": _validated,
    "termination": _kept_going,
}
"""How each kind is brought about."""


def again(view: View, **changes: object) -> View:
    """The view before anything was drawn in it, with a memory of its own."""
    return msgspec.structs.replace(view, memory=view.memory.copy(), **changes)


def _objects(view: View, said: Action) -> bool:
    """Whether a check sends something back."""
    return any(each.what == "again" for each in read(view.problem.family, said.content))


def gist(view: View, said: Action) -> tuple[object, ...]:
    """What an action comes to, and of what kind it is."""
    return said.kind, *meaning(view.problem.family, said)
