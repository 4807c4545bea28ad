"""How much of each message rests on each earlier one, by three measures of different cost.

`model` asks a language model how much likelier a message is with an earlier one than without it
(Dr. MAMR, arXiv 2511.02303: `log p(next | history) - log p(next | history without the message)`).
`overlap` and `embedding` need no model: the one follows words that were first said in a message,
the other asks how much worse a message's vector can be composed without it. All three measure
influence. None of them says whether the influence was good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tracekit.encoder.encoder import Encoder
from tracekit.errors import UsageError
from tracekit.signals.text import window, words
from tracekit.trace import Step, Trace

Measure = Literal["overlap", "embedding", "model"]
RIDGE = 0.1
"""Penalty of the composition of vectors of unit length."""
NUMBER = 3.0
"""What a number counts, against a word: it is seldom said twice by chance."""


@runtime_checkable
class Scorer(Protocol):
    """A language model that says how likely a message is (`tracekit_models.influence.scorer`)."""

    name: str
    """What it is: a folder or a Hub name."""

    def score(self, history: Sequence[str], target: str, without: Sequence[int]) -> Sequence[float]:
        """Log-probability of the target in nats: after the history, then without each of the items.

        NaN for an item that lies outside the model's window.
        """
        ...


class Influence(NamedTuple):
    """Who rests on whom in one run: arrays (n_steps, n_steps), row = later step, column = earlier."""

    measure: Measure
    given: tuple[tuple[int, ...], ...]
    """For each step the earlier steps that its agent had before it: as logged, else all of them;
    none for a step that was not asked about."""
    share: np.ndarray
    """Share of the later message that rests on the earlier one, 0 to 1; rows sum to at most 1."""
    raw: np.ndarray
    """The same in units of the measure: weighted words, share of a squared length, or nats."""
    known: np.ndarray
    """Bool: False where the measure could not look that far back."""

    @property
    def own(self) -> np.ndarray:
        """Share of each message that rests on no earlier one, (n_steps,)."""
        return np.asarray(np.clip(1.0 - self.share.sum(axis=1), 0.0, 1.0))


def influence_of(
    trace: Trace,
    measure: Measure = "overlap",
    scorer: Scorer | None = None,
    readers: Collection[int] | None = None,
) -> Influence:
    """Influence of every step on every later one, or on `readers` alone, which costs less.

    `model` needs a scorer, the others take none; raises `UsageError` when that is not so.

    >>> from tracekit.trace import Source
    >>> said = ["the kiln holds 12 vases", "so 12 vases fit", "lunch at noon"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> found = influence_of(Trace(id="t", source=Source(format="x"), steps=steps))
    >>> found.share.round(2).tolist()[1], float(found.share[2].sum())
    ([0.73, 0.0, 0.0], 0.0)
    """
    if measure not in MEASURES:
        raise UsageError(f"influence has no measure {measure!r}; there are {', '.join(MEASURES)}")
    if (measure == "model") != (scorer is not None):
        raise UsageError("the measure `model` and a scoring model go together: give both or none")
    given = tuple(
        before(step) if readers is None or step.index in readers else () for step in trace.steps
    )
    return MEASURES[measure](trace, given, scorer)


def before(step: Step) -> tuple[int, ...]:
    """Earlier steps that an agent had before it; all of them where the log does not say."""
    if step.inputs is None:
        return tuple(range(step.index))
    return tuple(i for i in step.inputs.steps if 0 <= i < step.index)


def said(step: Step) -> str:
    """Everything a step says, the arguments and results of its calls included."""
    parts = [step.content]
    for call in step.tools:
        parts += [] if call.arguments is None else [str(call.arguments)]
        parts += [call.result] if call.result is not None and call.result != step.content else []
    return "\n".join(part for part in parts if part)


def _overlap(trace: Trace, given: tuple[tuple[int, ...], ...], _: Scorer | None) -> Influence:
    """Each word of a message belongs to whoever of those before it said it first.

    What the agent was told besides, the task above all, belongs to nobody. Rare words and numbers
    weigh more.
    """
    spoken = [words(window(said(step))) for step in trace.steps]
    holders: dict[str, list[int]] = {}
    for i, found in enumerate(spoken):
        for word in sorted(found):
            holders.setdefault(word, []).append(i)
    weight = {w: _worth(w) * math.log1p(len(spoken) / len(by)) for w, by in holders.items()}
    raw, share = np.zeros((len(spoken),) * 2), np.zeros((len(spoken),) * 2)
    for step, found in zip(trace.steps, spoken, strict=True):
        j, items = step.index, frozenset(given[step.index])
        told = [words(window(text)) for text in told_besides(trace, step)]
        left = sorted(found.difference(*told)) if items else []
        total = math.fsum(weight[word] for word in left)
        for word in left:
            first = next((i for i in holders[word] if i >= j or i in items), j)
            if first < j:
                raw[j, first] += weight[word]
        share[j] = raw[j] / total if total else 0.0
    return Influence("overlap", given, share, raw, np.ones_like(raw, dtype=bool))


def _worth(word: str) -> float:
    return NUMBER if word[0].isdigit() else 1.0


def told_besides(trace: Trace, step: Step) -> tuple[str, ...]:
    """What an agent was given that no step of the log says: the task where nothing is logged."""
    if step.inputs is None:
        return (trace.task.question,)
    return tuple(message.content for message in step.inputs.messages)


def _embedding(trace: Trace, given: tuple[tuple[int, ...], ...], _: Scorer | None) -> Influence:
    """What the least-squares composition of a message's vector loses without an earlier one."""
    texts = [said(step) for step in trace.steps]
    besides = ["\n".join(told_besides(trace, step)) for step in trace.steps]
    vectors = Encoder.load().encode([*texts, *besides]).astype(np.float64)
    raw = np.zeros((len(texts),) * 2)
    for j, items in enumerate(given):
        rows = np.array([*items, len(texts) + j])
        whole = _left(vectors[rows], vectors[j])
        for place, i in enumerate(items):
            raw[j, i] = max(0.0, _left(np.delete(vectors[rows], place, axis=0), vectors[j]) - whole)
    share = raw / np.maximum(1.0, raw.sum(axis=1, keepdims=True))
    return Influence("embedding", given, share, raw, np.ones_like(raw, dtype=bool))


def _left(rows: np.ndarray, target: np.ndarray) -> float:
    """Squared length of what the rows cannot compose of a target, by ridge regression."""
    gram = rows @ rows.T + RIDGE * np.eye(len(rows))
    weights = np.linalg.solve(gram, rows @ target)
    return float(np.square(target - weights @ rows).sum())


def _model(trace: Trace, given: tuple[tuple[int, ...], ...], scorer: Scorer | None) -> Influence:
    """Nats by which a message is likelier for an earlier one, beside what is left unexplained."""
    assert scorer is not None
    n = len(trace.steps)
    raw, share, known = np.zeros((n, n)), np.zeros((n, n)), np.ones((n, n), dtype=bool)
    for step, items in zip(trace.steps, given, strict=True):
        told, target = heard(trace, step)
        if not items or not target:
            continue
        start = len(told) - len(items)
        found = np.array(scorer.score(told, target, range(start, len(told))))
        gains = found[0] - found[1:]
        known[step.index, list(items)] = ~np.isnan(gains)
        raw[step.index, list(items)] = np.nan_to_num(gains)
        helped = np.maximum(raw[step.index], 0.0)
        share[step.index] = helped / max(1e-9, helped.sum() - found[0])
    return Influence("model", given, share, raw, known)


def heard(trace: Trace, step: Step) -> tuple[list[str], str]:
    """What an agent was told, item by item, and what it then said, as a scorer reads them.

    Messages that are no steps come first, then the steps of `before`. The task stands in front
    where the log does not say what the agent was given.
    """
    told = [line("task", trace.task.question)]
    if step.inputs is not None:
        told = [line(each.name or each.role, each.content) for each in step.inputs.messages]
    told += [line(trace.steps[i].agent, said(trace.steps[i])) for i in before(step)]
    return told, line(step.agent, said(step))


def line(who: str, text: str) -> str:
    """One message as a scorer reads it."""
    return f"{who}: {window(text)}\n"


MEASURES: dict[str, Callable[[Trace, Any, Scorer | None], Influence]] = {
    "overlap": _overlap,
    "embedding": _embedding,
    "model": _model,
}
"""By name."""
