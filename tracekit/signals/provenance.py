"""Where the final answer comes from: which step first says what it repeats."""

from __future__ import annotations

from tracekit.signals.cues import find
from tracekit.signals.roles import candidates, reports
from tracekit.signals.text import ends, words
from tracekit.trace import Trace

MIN_WORDS = 3
"""A closing step with fewer words of its own (`TERMINATE`) is not taken for the answer."""


def final_step(trace: Trace) -> int | None:
    """The step that gives the answer: the last one of a blamable agent that says something.

    Outputs of executors do not count; None when no step says anything.

    >>> from tracekit.trace import Source, Step
    >>> said = ["the total is 12 red apples", "TERMINATE"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> final_step(Trace(id="t", source=Source(format="x"), steps=steps))
    0
    """
    for index in reversed(candidates(trace)):
        step = trace.steps[index]
        long_enough = len(words(step.content)) >= MIN_WORDS
        if not reports(step) and (long_enough or find("final-answer", step.content)):
            return index
    return None


def answer_words(trace: Trace) -> frozenset[str]:
    """Words of the final answer that the question does not hold.

    The answer is the outcome's, else the line after `final answer` in the final step, else all
    of that step.
    """
    question = words(trace.task.question)
    if trace.outcome.answer:
        return words(trace.outcome.answer) - question
    index = final_step(trace)
    if index is None:
        return frozenset()
    text = trace.steps[index].content
    marker = find("final-answer", text)
    answer = text[marker.end :].strip().partition("\n")[0] if marker else text
    return words(ends(answer)) - question


def first_said(trace: Trace) -> list[frozenset[str]]:
    """For each step the words of the final answer that it says first.

    Steps of people and system prompts get none, but what they say is known from then on.

    >>> from tracekit.trace import Source, Step
    >>> said = ["the total comes to 12", "so the total is 12 apples", "TERMINATE"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> found = first_said(Trace(id="t", source=Source(format="x"), steps=steps))
    >>> [sorted(words) for words in found]
    [['12', 'total'], ['apples'], []]
    """
    missing, blamable = set(answer_words(trace)), set(candidates(trace))
    found = []
    for step in trace.steps:
        fresh = missing & words(ends(step.content))
        found.append(frozenset(fresh) if step.index in blamable else frozenset())
        missing -= fresh
    return found
