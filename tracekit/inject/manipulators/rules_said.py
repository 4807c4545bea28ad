"""Faults in what an agent says, by rule, on any text.

What is not at fault stays word for word, and what is new comes from the run itself.
"""

from __future__ import annotations

from random import Random

import msgspec

from tracekit.inject import strategies, wording
from tracekit.inject.modes import place
from tracekit.inject.strategies import Given
from tracekit.inject.types import Scene
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Step

NAME = "rules"
Made = Intervention | None


def step_of(scene: Scene) -> Step:
    """The step to strike."""
    return scene.trace.steps[scene.step]


def says(scene: Scene, text: str | None, **changes: object) -> Made:
    """The step with another text."""
    if text is None:
        return None
    action = msgspec.structs.replace(Action.of(step_of(scene)), content=text, **changes)
    return strategies.said_instead(scene, (action,), NAME)


def slip(scene: Scene, rng: Random, source: str | None = None) -> str | None:
    """The step with a number, or else a name, replaced; only what a source mentions, if given."""
    text = step_of(scene).content
    found = [
        n for n in wording.numbers(text) if source is None or wording.mention(n).search(source)
    ]
    if found:
        old = found[-1] if source is None else rng.choice(found)
        return wording.replaced(text, old, wording.slipped(old, rng))
    return renamed(scene, text, rng, source)


def renamed(scene: Scene, text: str, rng: Random, source: str | None = None) -> str | None:
    """A text with one name replaced by another one of the run."""
    known = wording.names(scene.trace)
    here = [name for name in known if wording.mention(name).search(text)]
    held = [name for name in here if source is None or wording.mention(name).search(source)]
    others = [name for name in known if name not in here]
    if not held or not others:
        return None
    old = rng.choice(held)
    alike = [name for name in others if name.count(" ") == old.count(" ")] or others
    return wording.replaced(text, old, rng.choice(alike))


def disobeys(scene: Scene, rng: Random) -> Made:
    """Something quoted from the task is quoted otherwise."""
    return says(scene, slip(scene, rng, scene.trace.task.question))


def answers_itself(scene: Scene, rng: Random) -> Made:
    """The step, and the answer of the run after it, not quite right."""
    last = scene.trace.steps[-1]
    if last.index == scene.step or not last.content:
        return None
    found = wording.numbers(last.content)
    end = (
        wording.replaced(last.content, found[-1], wording.slipped(found[-1], rng))
        if found
        else renamed(scene, last.content, rng)
    )
    return None if end is None else says(scene, f"{step_of(scene).content}\n{end}")


def repeats(scene: Scene, rng: Random) -> Made:
    """The step twice, the second time with a slip."""
    once, again = Action.of(step_of(scene)), slip(scene, rng)
    if again is None or once.tools:
        return None
    twice = msgspec.structs.replace(once, content=again)
    return strategies.said_instead(scene, (once, twice), NAME)


def overturns(scene: Scene, rng: Random) -> Made:
    """The last step, and then another last word."""
    return repeats(scene, rng) if scene.step == len(scene.trace.steps) - 1 else None


def resets(scene: Scene, _: Random) -> Made:
    """The first thing that was said, once more."""
    first = next((s for s in scene.trace.steps if s.content and place(s) == "speech"), None)
    return None if first is None or first.index >= scene.step else says(scene, first.content)


def guesses(scene: Scene, rng: Random) -> Made:
    """A number that others stated is taken from what the agent is given, and made up."""
    text, messages = step_of(scene).content, strategies.given(scene.trace, scene.step)
    found = [
        n for n in wording.numbers(text) if any(mentions(n, m.content) for m in messages if m.name)
    ]
    if not found:
        return None
    old = rng.choice(found)
    made = says(scene, wording.replaced(text, old, wording.slipped(old, rng)))
    left: Given = messages
    for at, message in enumerate(messages):
        if message.name:
            left = strategies.altered(left, at, without_mention(message.content, old))
    return made and msgspec.structs.replace(made, inputs=left)


def mentions(word: str, text: str) -> bool:
    """Whether a text has a word or number standing by itself."""
    return wording.mention(word).search(text) is not None


def without_mention(text: str, word: str) -> str:
    """The text without the sentences that have a word or number in them."""
    for span in reversed(wording.sentences(text)):
        if mentions(word, text[slice(*span)]):
            text = wording.without(text, span)
    return text


def derails(scene: Scene, rng: Random) -> Made:
    """A name is replaced by another one of the run."""
    return says(scene, renamed(scene, step_of(scene).content, rng))


def withholds(scene: Scene, rng: Random) -> Made:
    """A sentence that holds a number or a name is left out."""
    text = step_of(scene).content
    spans = [
        span
        for span in wording.sentences(text)
        if wording.NUMBER.search(text[slice(*span)]) or wording.NAME.search(text[slice(*span)])
    ]
    return says(scene, wording.without(text, rng.choice(spans))) if spans else None


def ignores(scene: Scene, rng: Random) -> Made:
    """Something quoted from a colleague is quoted otherwise."""
    messages = strategies.given(scene.trace, scene.step)
    heard = "\n".join(m.content for m in messages if m.name and m.role != "assistant")
    if place(step_of(scene)) == "tool_call":
        return miscalls(scene, rng)
    return says(scene, slip(scene, rng, heard))


def mismatches(scene: Scene, rng: Random) -> Made:
    """The last number is another than the one that the text before it comes to."""
    step = step_of(scene)
    if place(step) == "tool_call":
        return miscalls(scene, rng)
    found = wording.numbers(step.content)
    if len(found) < 2:
        return None
    new = wording.slipped(found[-1], rng)
    return says(scene, wording.replaced(step.content, found[-1], new, last=True))


def miscalls(scene: Scene, rng: Random) -> Made:
    """A call with a number or name in its arguments replaced."""
    step = step_of(scene)
    if step.tool is None:
        return None
    call = step.tool
    text = msgspec.json.encode(call.arguments).decode()
    known = [n for n in wording.numbers(text) if wording.deep_replaced(call.arguments, n, "0") != call.arguments]  # fmt: skip
    if known:
        old = rng.choice(known)
        new = wording.slipped(old, rng)
    else:
        every = wording.names(scene.trace)
        here = [name for name in every if mentions(name, text)]
        others = [name for name in every if name not in here]
        if not here or not others:
            return None
        old, new = rng.choice(here), rng.choice(others)
    changed = wording.deep_replaced(call.arguments, old, new)
    wrong = msgspec.structs.replace(call, arguments=changed)
    action = msgspec.structs.replace(Action.of(step), tools=(wrong, *step.tools[1:]))
    return strategies.said_instead(scene, (action,), NAME)


def checks_less(scene: Scene, _: Random) -> Made:
    """A verdict without what it was based on: all sentences but the verdict are left out."""
    text = step_of(scene).content
    spans = wording.sentences(text)
    kept = [span for span in spans if wording.other_verdict(text[slice(*span)]) is not None]
    if not kept or len(kept) == len(spans):
        return None
    return says(scene, " ".join(text[slice(*span)] for span in kept))


def misjudges(scene: Scene, _: Random) -> Made:
    """The verdict is turned round."""
    return says(scene, wording.other_verdict(step_of(scene).content))


def colludes(scene: Scene, rng: Random) -> Made:
    """First a slip; then a partner who takes the number over."""
    if scene.after is None:
        return says(scene, slip(scene, rng))
    stated = wording.numbers(scene.trace.steps[scene.after].content)
    own = wording.numbers(step_of(scene).content)
    if not stated or not own or stated[-1] == own[-1]:
        return None
    return says(scene, wording.replaced(step_of(scene).content, own[-1], stated[-1]))


def stops(scene: Scene, _: Random) -> Made:
    """What was said so far is the end of it."""
    step = step_of(scene)
    if scene.step == len(scene.trace.steps) - 1:
        return None
    return strategies.said_instead(scene, (Action(step.content, "final"),), NAME)


def in_other_role(scene: Scene, rng: Random) -> Made:
    """What another agent said before, in its role, is said by this one."""
    step = step_of(scene)
    others = [
        each.content
        for each in scene.trace.steps[: scene.step]
        if each.agent != step.agent and place(each) == "speech" and each.content
    ]
    return says(scene, rng.choice(others), tools=()) if others else None


def judging(scene: Scene) -> bool:
    """Whether the step passes a verdict."""
    return wording.other_verdict(step_of(scene).content) is not None
