"""Why `compact` blames a step: what each feature and the networks add to its odds, with quotes.

Members are averaged in log-odds, so their parts add up: the parts of two steps differ by the
logarithm of the ratio of their chances. Parts of one meaning (`wording`) become one piece of
evidence. What the networks add has no parts that a person could read; it is stated as a whole,
with its share, where it outweighs everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.features import NAMES, Tables
from tracekit.analyzers.compact.weights import Model
from tracekit.analyzers.compact.wording import LOW, STATEMENTS, Statement
from tracekit.analyzers.verdict import Evidences
from tracekit.attribution import Evidence
from tracekit.signals.cues import ERRORS
from tracekit.signals.dataflow import facts
from tracekit.signals.phrases import PHRASES
from tracekit.signals.text import Span, around, lowered, window
from tracekit.trace import Trace

LEAST = 0.05
"""Log-odds below which something is no reason."""
REASONS = 4
"""Pieces of evidence for one suspect."""
LONGEST = 160
"""Characters of a quote."""
REACH = 40
"""Characters quoted on either side of a phrase."""
LOWEST = -700.0
"""Log-probability of a step that the networks rule out."""
NOTHING = "nothing speaks for it more than for the average step of the run"
ALONE = "the only step that can be blamed"


class Parts(NamedTuple):
    """What moves the odds of each step against the run's average step, log-odds."""

    members: dict[str, np.ndarray]
    """By linear member, (n_steps, n_features)."""
    networks: np.ndarray
    """All networks together, (n_steps,); 0 where a step cannot be blamed."""

    def total(self) -> np.ndarray:
        """Sum of everything, (n_steps,)."""
        return np.asarray(self.networks + sum(part.sum(axis=1) for part in self.members.values()))


class View(NamedTuple):
    """A trace as its verdict is explained."""

    trace: Trace
    seen: Tables
    parts: Parts
    above: dict[str, np.ndarray]
    """By member, bool: more than the trace's average step has."""


def parts(model: Model, seen: Tables) -> Parts:
    """What each feature and the networks add, calibrated as the probabilities are."""
    weights, kept = model.weights, seen.blamable
    share = 1.0 / (len(weights.members) + 1) / weights.calibration.temperature
    heard = np.maximum(model.networks.log_chances(seen.graph), LOWEST)
    return Parts(
        {m.name: share * m.parts(seen.by_member[m.name], kept) for m in weights.members},
        np.where(kept, share * (heard - heard[kept].mean()), 0.0),
    )


def evidence(trace: Trace, model: Model, seen: Tables, steps: Iterable[int]) -> Evidences:
    """What speaks for each of some steps, strongest first; never nothing."""
    means = {name: x[seen.blamable].mean(axis=0) for name, x in seen.by_member.items()}
    above = {name: x > means[name] for name, x in seen.by_member.items()}
    view = View(trace, seen, parts(model, seen), above)
    return {step: _reasons(view, step) for step in steps if seen.blamable[step]}


def _reasons(view: View, step: int) -> tuple[Evidence, ...]:
    weighed = {said: w for said, w in _statements(view, step).items() if w > LEAST}
    ranked = sorted(weighed.items(), key=lambda item: (-item[1], item[0].shows))
    found = [_quoted(view, step, said, weight) for said, weight in ranked[:REASONS]]
    networks = float(view.parts.networks[step])
    if networks > max(LEAST, sum(weighed.values())):
        found = [_of_networks(view, step, networks), *found[: REASONS - 1]]
    if found:
        return tuple(found)
    span = Span(0, min(len(view.trace.steps[step].content), LONGEST))
    alone = int(view.seen.blamable.sum()) == 1
    return (_evidence(view, step, span, 0.0, ALONE if alone else NOTHING),)


def _statements(view: View, step: int) -> dict[Statement, float]:
    """Everything that can be said of a step, with its log-odds."""
    found: dict[Statement, float] = {}
    for said, weight in _columns(view, step):
        found[said] = found.get(said, 0.0) + weight
    return found


def _columns(view: View, step: int) -> Iterator[tuple[Statement, float]]:
    for name, table in view.parts.members.items():
        for column, weight, above in zip(
            NAMES[name], table[step].tolist(), view.above[name][step].tolist(), strict=True
        ):
            said = (STATEMENTS if above else LOW)[name].get(column)
            if said is not None and said.shows:
                yield said, weight


def _of_networks(view: View, step: int, weight: float) -> Evidence:
    """The networks' part as a whole: nothing in particular is quoted for it."""
    others = (part[step] for part in view.parts.members.values())
    for_it = weight + sum(float(part[part > 0].sum()) for part in others)
    shows = (
        "the networks, which see the words and who used what, "
        f"are {weight / for_it:.0%} of what speaks for it"
    )
    return Evidence(step=step, weight=weight, shows=shows)


def _quoted(view: View, step: int, said: Statement, weight: float) -> Evidence:
    where = step if said.where == "here" else _later(view, step, said.where == "reaction")
    return _evidence(view, where, _place(view, where, said.look), weight, said.shows)


def _evidence(view: View, step: int, span: Span, weight: float, shows: str) -> Evidence:
    quote = view.trace.steps[step].content[span.start : span.end]
    return Evidence(step, quote, span.start, span.end, weight, shows)


def _later(view: View, step: int, acting: bool) -> int:
    """The step after, or the next that is no mere output; the last one at the end."""
    last = view.seen.reading.n - 1
    if not acting:
        return min(step + 1, last)
    ahead = np.flatnonzero(view.seen.reading.acts[step + 1 :])
    return step + 1 + int(ahead[0]) if len(ahead) else last


def _place(view: View, step: int, look: str) -> Span:
    """Where the words stand in a step's content; its beginning when they are not there."""
    content = view.trace.steps[step].content
    begins = Span(0, min(len(content), LONGEST))
    if look == "answer":
        return around(content, view.seen.reading.fresh[step])
    if look == "fact":
        return _fact(view.trace, step) or begins
    if look.startswith("phrase."):
        match = PHRASES[look.removeprefix("phrase.")].search(lowered(window(content)))
        return begins if match is None else _wider(content, *match.span())
    spans = view.seen.reading.spans[step]
    span = next(
        (spans[cue] for cue in (ERRORS if look == "error" else (look,)) if cue in spans), None
    )
    return begins if span is None else Span(span.start, min(span.end, span.start + LONGEST))


def _fact(trace: Trace, step: int) -> Span | None:
    """The first fact of a step that neither the question nor an earlier step holds."""
    content = trace.steps[step].content
    known = [trace.task.question, *(earlier.content for earlier in trace.steps[:step])]
    for fact in facts(content):
        at = content.find(fact)
        if at >= 0 and not any(fact in text for text in known):
            return _wider(content, at, at + len(fact))
    return None


def _wider(content: str, start: int, end: int) -> Span:
    end = min(end, start + LONGEST)
    return Span(max(0, start - REACH), min(len(content), end + REACH))
