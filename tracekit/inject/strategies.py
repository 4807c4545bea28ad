"""How faults are brought into a run, whatever system made it: what an agent is given, and when.

Changes of inputs are written out as messages, those of the log by their authors' names, and the
agent then acts by itself on what it was given.
"""

from __future__ import annotations

from tracekit.errors import InjectionError
from tracekit.inject.types import Scene
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Message, Trace

Given = tuple[Message, ...]


def given(trace: Trace, step: int) -> Given:
    """What the agent of a step had before it, as messages.

    Where the log does not say, all that came before. The task and other messages outside the log come first and have no name; messages of the log
    have the id of their author as name, and the role `assistant` where that is the agent itself.
    """
    acting = trace.steps[step]
    if acting.inputs is None:
        told: Given = (Message("user", trace.task.question),) if trace.task.question else ()
        seen = tuple(range(step))
    else:
        told, seen = acting.inputs.messages, acting.inputs.steps
    heard = (trace.steps[index] for index in seen if index < step)
    return told + tuple(
        Message("assistant" if one.agent == acting.agent else "user", one.content, name=one.agent)
        for one in heard
    )


def dropped(scene: Scene, by: str) -> Intervention:
    """The step does not happen."""
    return Intervention(step=scene.step, actions=(), by=by)


def doubled(scene: Scene, by: str) -> Intervention:
    """The step happens twice, word for word."""
    action = Action.of(scene.trace.steps[scene.step])
    return Intervention(step=scene.step, actions=(action, action), by=by)


def said_instead(scene: Scene, actions: tuple[Action, ...], by: str) -> Intervention:
    """Other actions take the place of the step."""
    return Intervention(step=scene.step, actions=actions, by=by)


def told_instead(scene: Scene, messages: Given, by: str) -> Intervention:
    """The agent is given other messages and acts by itself."""
    return Intervention(step=scene.step, inputs=messages, by=by)


def forgotten(messages: Given) -> list[Given]:
    """Context loss: what is left when the end of the conversation is gone, the least loss first.

    >>> told = (Message("user", "Task?"), Message("user", "Plan.", name="Planner"))
    >>> [[m.content for m in left] for left in forgotten(told)]
    [['Task?']]
    """
    tasks = tuple(message for message in messages if not message.name)
    heard = tuple(message for message in messages if message.name)
    return [(*tasks, *heard[:kept]) for kept in range(len(heard) - 1, -1, -1)]


def delayed(messages: Given) -> Given | None:
    """A message that has not arrived yet: the last one from somebody else; None without one."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].name and messages[at].role != "assistant":
            return messages[:at] + messages[at + 1 :]
    return None


def altered(messages: Given, at: int, content: str) -> Given:
    """The messages with another text in one place."""
    old = messages[at]
    return (*messages[:at], Message(old.role, content, name=old.name), *messages[at + 1 :])


def refuse_nothing(trace: Trace, change: Intervention) -> None:
    """Raise `InjectionError` for a change that is what was recorded anyway."""
    step = trace.steps[change.step]
    same = change.actions is not None and [gist(a) for a in change.actions] == [
        gist(Action.of(step))
    ]
    if same or (change.actions is None and change.inputs is None):
        raise InjectionError(f"step {change.step} of {trace.id}: the change changes nothing")


def struck(trace: Trace, change: Intervention) -> int:
    """Index of the step that a change spoils, counted in the run with the change.

    A turn of two actions may begin with what was recorded: then the one that comes on top is the
    fault, not the right one before it. Of copies it is the second.
    """
    actions = change.actions or ()
    right = gist(Action.of(trace.steps[change.step]))
    odd = (at for at, action in enumerate(actions) if gist(action) != right)
    return change.step + next(odd, 1 if len(actions) > 1 else 0)


def gist(action: Action) -> tuple[object, ...]:
    """An action without its addressee, which a system may fill in."""
    return action.content, action.kind, action.tools
