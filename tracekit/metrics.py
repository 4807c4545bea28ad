"""Strict scoring of a verdict against a label: integers as integers, names as names.

Every case counts in every denominator: a verdict that is missing, abstains or does not name a
step is wrong and is counted apart. A label without a step or agent cannot be met either, so
that methods always share one denominator.
"""

from __future__ import annotations

import math

import msgspec

from tracekit.attribution import Attribution
from tracekit.names import folded, same
from tracekit.trace import Definition, Label, Trace


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How right one verdict is: 0 or 1 (`mrr`: 0 to 1), or an expected value in between.

    `None` stands where the scorer, the method or the label has no such value.
    """

    step: float = 0.0
    """The first suspect's step is the label's step."""
    agent: float = 0.0
    """The first suspect's agent is the label's agent, by `tracekit.names.same`."""
    joint: float = 0.0
    """Both."""
    near: float | None = None
    """The first suspect's step is at most 1 away."""
    top3: float | None = None
    """The label's step is among the first 3 distinct steps suspected."""
    top5: float | None = None
    """The same among the first 5."""
    mrr: float | None = None
    """1 / rank of the label's step among the distinct steps suspected, 0 when it is not there."""
    in_set: float | None = None
    """The label's step is in the suspect set; None = the method states none."""
    set_size: float | None = None
    """Distinct steps in the suspect set."""
    log_loss: float | None = None
    """Minus the natural logarithm of the probability given to the label's step, in nats."""


WRONG = Scores(near=0.0, top3=0.0, top5=0.0, mrr=0.0)
"""What a case without an answer is worth."""


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One method on one trace: what it said, what the label says, what that is worth."""

    method: str
    """Name of the method."""
    trace_id: str
    """Id of the trace."""
    subset: str = ""
    """Part of the benchmark; empty when it has none."""
    group: str = ""
    """Hash of the question: cases of one group are not independent."""
    seed: int = 0
    """Seed of the folds and of the method's random choices."""
    fold: int | None = None
    """Fold that was left out when the method was fitted; None = it was not fitted here."""
    steps: int
    """Length of the trace."""
    gold_agent: str | None
    """The label's agent; None = not said."""
    gold_step: int | None
    """The label's step, 0-based; None = not said."""
    agent: str | None = None
    """Agent of the first suspect; None = there is no answer."""
    step: int | None = None
    """Step of the first suspect, 0-based; None = there is no answer."""
    scores: Scores = WRONG
    """What the answer is worth."""
    abstained: str | None = None
    """Why the method gave no answer; None = it gave one, or failed."""
    failed: str | None = None
    """What went wrong when the method was run on this trace; None = nothing."""


def gold(trace: Trace, definition: Definition) -> Label | None:
    """The first label of that definition, None when the trace has none."""
    return next((label for label in trace.labels if label.definition == definition), None)


def score(attribution: Attribution, label: Label, steps: int) -> Scores:
    """Every strict metric of one verdict; `steps` is the length of the trace.

    >>> from tracekit.attribution import Method, Suspect
    >>> suspects = (Suspect("Web Surfer", 3, 0.5), Suspect("Coder", 1, 0.25))
    >>> said = Attribution(trace_id="t", method=Method("m"), suspects=suspects)
    >>> right = score(said, Label("decisive", agent="coder", step=1), steps=4)
    >>> right.step, right.agent, right.near, right.top3, right.mrr, round(right.log_loss, 3)
    (0.0, 0.0, 0.0, 1.0, 0.5, 1.386)
    """
    if attribution.abstained is not None:
        attribution = msgspec.structs.replace(attribution, suspects=(), suspect_set=None)
    top, ranked = attribution.top, ranking(attribution)
    inside = attribution.suspect_set
    agent = top is not None and label.agent is not None and _same(top.agent, label.agent)
    step = top is not None and top.step == label.step
    rank = ranked.index(label.step) + 1 if label.step in ranked else math.inf
    return Scores(
        step=float(step),
        agent=float(agent),
        joint=float(step and agent),
        near=float(top is not None and label.step is not None and abs(top.step - label.step) <= 1),
        top3=float(rank <= 3),
        top5=float(rank <= 5),
        mrr=1 / rank,
        in_set=None if inside is None else float(label.step in inside.steps),
        set_size=None if inside is None else float(len(set(inside.steps))),
        log_loss=log_loss(attribution, label, steps),
    )


def ranking(attribution: Attribution) -> list[int]:
    """The distinct steps suspected, most suspect first."""
    return list(dict.fromkeys(suspect.step for suspect in attribution.suspects))


def log_loss(attribution: Attribution, label: Label, steps: int) -> float | None:
    """Minus log of the probability of the label's step, in nats; None when it has none.

    What the suspects leave of 1 is spread evenly over the steps they do not name, so an
    abstention costs log(steps). A probability of 0 counts as 1e-15, which keeps means finite.

    >>> from tracekit.attribution import Method
    >>> silent = Attribution(trace_id="t", method=Method("m"), abstained="why not")
    >>> round(log_loss(silent, Label("decisive", step=2), steps=4), 3)  # log 4
    1.386
    """
    if label.step is None or steps == 0:
        return None
    said: dict[int, float] = {}
    for suspect in attribution.suspects:
        said[suspect.step] = said.get(suspect.step, 0.0) + suspect.probability
    if label.step in said:
        probability = said[label.step]
    else:
        probability = (1 - math.fsum(said.values())) / max(1, steps - len(said))
    return -math.log(min(1.0, max(probability, 1e-15)))


def chance(trace: Trace, label: Label) -> Scores:
    """Expected scores of a guess that ranks the steps uniformly at random, exactly.

    With T steps: step 1/T, top-k min(k, T)/T, MRR the mean of 1/rank, agent the share of steps
    that the blamed agent took.

    >>> from tracekit.trace import Agent, Source, Step
    >>> steps = tuple(Step(index=i, agent=a) for i, a in enumerate("aabb"))
    >>> guess = chance(Trace(id="t", source=Source("x"), steps=steps), Label("decisive", "a", 1))
    >>> guess.step, guess.agent, guess.joint, guess.near, round(guess.mrr, 4)
    (0.25, 0.5, 0.25, 0.75, 0.5208)
    """
    count = len(trace.steps)
    if count == 0:
        return WRONG
    here = [step.index for step in trace.steps if step.index == label.step]
    blamed = [
        s.index for s in trace.steps if label.agent is not None and _same(s.agent, label.agent)
    ]
    near = [s for s in trace.steps if label.step is not None and abs(s.index - label.step) <= 1]
    found = len(here)  # 1, or 0 when the label has no step in this trace
    return Scores(
        step=found / count,
        agent=len(blamed) / count,
        joint=len(set(here) & set(blamed)) / count,
        near=len(near) / count,
        top3=found * min(3, count) / count,
        top5=found * min(5, count) / count,
        mrr=found * math.fsum(1 / rank for rank in range(1, count + 1)) / count,
        log_loss=math.log(count) if found else None,
    )


def _same(first: str, second: str) -> bool:
    return same(first, second) and folded(first) != ""
