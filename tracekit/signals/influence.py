"""What a step adds that later steps build on: new words, echoes, and sources of the answer."""

from __future__ import annotations

import re

import numpy as np

from tracekit.signals.provenance import answer_words, final_step
from tracekit.signals.reading import Reading, later
from tracekit.signals.text import ends, share, words
from tracekit.trace import Trace

_KEY = re.compile(r"\b(?:[A-Z][\w'-]{2,}|\d[\d.,]*\d|\d)")
LOOK_AHEAD = 200
"""Later steps searched for an echo: it keeps long runs linear."""


def influence(trace: Trace, reading: Reading) -> dict[str, np.ndarray]:
    """Columns about the flow of words through the run, each (n_steps,)."""
    said = [words(ends(step.content)) for step in trace.steps]
    new = _new(trace, said)
    keys = [_keys(ends(step.content)) for step in trace.steps]
    return {
        **_echoes(reading, said, new),
        **_answers(trace, reading, said, keys),
        **_numbers(trace, keys),
    }


def _new(trace: Trace, said: list[frozenset[str]]) -> list[frozenset[str]]:
    """For each step the words that neither the question nor an earlier step has."""
    known = set(words(trace.task.question))
    found = []
    for spoken in said:
        found.append(frozenset(spoken - known))
        known |= spoken
    return found


def _echoes(
    reading: Reading, said: list[frozenset[str]], new: list[frozenset[str]]
) -> dict[str, np.ndarray]:
    """Novelty of each step, and how much of it later steps and later agents take up."""
    n = reading.n
    novelty = np.array([share(s, f) for s, f in zip(said, new, strict=True)])
    echo, followers, rest = np.zeros(n), np.zeros(n), np.zeros(n)
    last = {word: i for i, spoken in enumerate(said) for word in spoken}
    for i, fresh in enumerate(new[:-1]):
        if not fresh:
            continue
        taken = [share(fresh, later_said) for later_said in said[i + 1 : i + 1 + LOOK_AHEAD]]
        echo[i] = max(taken)
        followers[i] = np.log1p(sum(t > 0.1 for t in taken))
        rest[i] = sum(last[word] > i for word in fresh) / len(fresh)
    output = later(novelty * reading.executor)
    return {
        "novelty": novelty,
        "new_words": np.log1p([len(fresh) for fresh in new]),
        "echo": echo,
        "followers": followers,
        "taken_up": rest,
        "output_novelty": output,
    }


def _answers(
    trace: Trace, reading: Reading, said: list[frozenset[str]], keys: list[frozenset[str]]
) -> dict[str, np.ndarray]:
    """Which step first says, holds, or obtains what the final answer repeats."""
    n, final = reading.n, final_step(trace)
    wanted = answer_words(trace)
    closing = _keys(trace.outcome.answer or "") or (
        keys[final] if final is not None else frozenset()
    )
    closing -= _keys(trace.task.question)
    holds = np.array([share(wanted, spoken) for spoken in said])
    holds_key = np.array([share(closing, key) for key in keys])
    introduces_key = _firsts(keys, closing)
    executed = reading.introduces * reading.executor
    return {
        "introduces": reading.introduces * reading.acts,
        "obtains": reading.action * later(executed),
        "introduces_key": introduces_key * reading.acts,
        "obtains_key": reading.action * later(introduces_key * reading.executor),
        "top_introducer": _is_top(reading.introduces * reading.acts),
        "top_key_introducer": _is_top(introduces_key * reading.acts),
        "holds": holds * (np.arange(n) != final),
        "holds_key": holds_key * (np.arange(n) != final),
        "known_before": np.concatenate([[0.0], np.maximum.accumulate(holds)[:-1]]),
        "is_final": np.arange(n) == (-1 if final is None else final),
        "before_final": reading.acts & (np.arange(n) < (0 if final is None else final)),
    }


def _numbers(trace: Trace, keys: list[frozenset[str]]) -> dict[str, np.ndarray]:
    """Numbers and names out of nowhere: neither in the question nor in any earlier step."""
    known, found = set(_keys(trace.task.question)), []
    for key in keys:
        found.append(len(key - known))
        known |= key
    return {"new_keys": np.log1p(found)}


def _keys(text: str) -> frozenset[str]:
    """Numbers and capitalised words: what answers are made of."""
    return frozenset(_KEY.findall(text))


def _firsts(keys: list[frozenset[str]], wanted: frozenset[str]) -> np.ndarray:
    missing, found = set(wanted), np.zeros(len(keys))
    for i, key in enumerate(keys):
        found[i] = len(missing & key) / max(1, len(wanted))
        missing -= key
    return found


def _is_top(values: np.ndarray) -> np.ndarray:
    top = np.zeros(len(values), dtype=bool)
    if len(values) and values.max() > 0:
        top[int(values.argmax())] = True
    return top
