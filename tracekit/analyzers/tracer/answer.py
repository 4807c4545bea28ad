"""The answer of a generative tracer: reasoning in think tags, then `agent | step`. Read strictly.

Source of the form: Zhang et al. 2025 (AgenTracer), arXiv 2509.03312, section 3.3. Nothing is
guessed from an answer that does not have it: such an answer is invalid, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from tracekit.analyzers.judges.shown import Shown, escaped
from tracekit.trace import Trace

OPEN, CLOSE = "<think>", "</think>"

_FORM = re.compile(
    rf"\s*{OPEN}(?P<why>.*?){CLOSE}\s*(?P<agent>[^\n]+?) \| (?P<step>\d{{1,6}})\s*", re.DOTALL
)


class Answer(msgspec.Struct, frozen=True):
    """What a tracer says of one run."""

    agent: str
    """Id of the agent, from the roster."""
    step: int
    """Index of the step."""
    why: str
    """The reasoning, without its tags."""


def parse(text: str, trace: Trace) -> Answer:
    """The answer in a text; raises `ValueError` that says what is wrong with it.

    >>> from tracekit.testing.traces import make_trace
    >>> run = make_trace("t", [("Ada", "one"), ("Ben", "two")])
    >>> parse("<think>Ben is wrong.</think>\\nBen | 1", run)
    Answer(agent='Ben', step=1, why='Ben is wrong.')
    >>> parse("<think>Ben is wrong.</think>\\nBen | 2", run)
    Traceback (most recent call last):
    ValueError: step 2 is not in the run
    """
    found = _FORM.fullmatch(text)
    if found is None or OPEN in found["why"]:
        raise ValueError(f"not of the form {OPEN}…{CLOSE}, then agent | step")
    step = int(found["step"])
    if step >= len(trace.steps):
        raise ValueError(f"step {step} is not in the run")
    try:
        agent = Shown(trace).agent(found["agent"])
    except ValueError:
        raise ValueError("the agent is not in the roster") from None
    return Answer(agent, step, found["why"].strip())


def write(agent: str, step: int, why: str) -> str:
    """The text that `parse` reads back, for training.

    >>> write("Ben", 1, "Ben is wrong.")
    '<think>\\nBen is wrong.\\n</think>\\nBen | 1'
    """
    return f"{OPEN}\n{escaped(why)}\n{CLOSE}\n{escaped(agent)} | {step}"


def choices(trace: Trace) -> Iterator[str]:
    """Every last line that an answer may have: each agent of the roster with each step."""
    for agent in trace.agents:
        for step in trace.steps:
            yield f"{escaped(agent.id)} | {step.index}"
