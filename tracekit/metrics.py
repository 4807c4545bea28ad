"""Strict scoring of a verdict against labels: integers as integers, names as names.

Every case counts in every denominator: a verdict that is missing, abstains or does not name a
step is wrong and is counted apart. A label without a step or agent cannot be met either, so
that methods always share one denominator. Where a run has several labels (every error span, every
faulty agent), a verdict is right when it names any of them; how many of them it finds, and how
much else it accuses, is recall and precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from tracekit.attribution import Attribution, Cost
from tracekit.names import folded, same
from tracekit.trace import Definition, Label, Trace


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How right one verdict is: 0 or 1 (`mrr`: 0 to 1), or an expected value in between.

    `None` stands where the scorer, the method or the label has no such value.
    """

    step: float | None = 0.0
    """The first suspect's step is the label's step; None = the benchmark labels no steps."""
    agent: float | None = 0.0
    """The first suspect's agent is the label's agent, by `tracekit.names.same`; None = the
    benchmark labels no agents."""
    joint: float | None = 0.0
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
    brier: float | None = None
    """Squared distance of the probabilities of all steps from the truth, 0 to 2; None = there is
    not one labelled step but none or several."""
    recall: float | None = None
    """Share of the labelled steps that are accused (`accused`)."""
    precision: float | None = None
    """Share of the accused steps that are labelled; 0 when none is accused."""


WRONG = Scores(near=0.0, top3=0.0, top5=0.0, mrr=0.0, recall=0.0, precision=0.0)
"""What a case without an answer is worth."""


class Blame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a run's labels, or a verdict, accuse. Sorted, without repeats."""

    steps: tuple[int, ...] = ()
    """Indices of steps."""
    agents: tuple[str, ...] = ()
    """Names of agents, folded as `tracekit.names.folded` does."""
    modes: tuple[str, ...] = ()
    """Failure modes of the run as a whole, in the vocabulary of the benchmark."""
    pairs: tuple[tuple[str, str], ...] = ()
    """(agent, mode)."""
    spots: tuple[tuple[int, str], ...] = ()
    """(step, mode)."""


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
    probability: float | None = None
    """Probability of the first suspect's step; None = there is no answer."""
    gold: Blame = Blame()
    """All that the labels blame."""
    said: Blame = Blame()
    """All that the verdict accuses."""
    scores: Scores = WRONG
    """What the answer is worth."""
    also: dict[str, float] = {}
    """Scores of the benchmark's own (`tracekit.eval.extra.Extra`)."""
    abstained: str | None = None
    """Why the method gave no answer; None = it gave one, or failed."""
    failed: str | None = None
    """What went wrong when the method was run on this trace; None = nothing."""
    cost: Cost = Cost()
    """What the verdict cost in calls of a model; its time is left out."""


def gold(trace: Trace, definition: Definition) -> Label | None:
    """The first label of that definition, None when the trace has none."""
    return next((label for label in trace.labels if label.definition == definition), None)


def score(attribution: Attribution, label: Label | Sequence[Label], steps: int) -> Scores:
    """Every strict metric of one verdict; `steps` is the length of the trace.

    >>> from tracekit.attribution import Method, Suspect
    >>> suspects = (Suspect("Web Surfer", 3, 0.5), Suspect("Coder", 1, 0.25))
    >>> said = Attribution(trace_id="t", method=Method("m"), suspects=suspects)
    >>> right = score(said, Label("decisive", agent="coder", step=1), steps=4)
    >>> right.step, right.agent, right.near, right.top3, right.mrr, round(right.log_loss, 3)
    (0.0, 0.0, 0.0, 1.0, 0.5, 1.386)
    >>> many = [Label("span-error", "coder", 1), Label("span-error", "coder", 2)]
    >>> found = score(said, many, steps=5)  # accused are steps 3 and 1
    >>> found.recall, found.precision
    (0.5, 0.5)
    """
    labels = [label] if isinstance(label, Label) else list(label)
    if attribution.abstained is not None:
        attribution = msgspec.structs.replace(attribution, suspects=(), suspect_set=None)
    top, ranked = attribution.top, ranking(attribution)
    inside, wanted = attribution.suspect_set, blamed(labels)
    rank = min((n for n, step in enumerate(ranked, 1) if step in wanted), default=math.inf)
    named = accused(attribution, steps)
    hits = len(wanted & set(named))
    return Scores(
        step=float(top is not None and top.step in wanted),
        agent=float(top is not None and _blames(labels, top.agent)),
        joint=float(
            top is not None and _blames([one for one in labels if one.step == top.step], top.agent)
        ),
        near=float(top is not None and any(abs(top.step - step) <= 1 for step in wanted)),
        top3=float(rank <= 3),
        top5=float(rank <= 5),
        mrr=1 / rank,
        in_set=None if inside is None else float(not wanted.isdisjoint(inside.steps)),
        set_size=None if inside is None else float(len(set(inside.steps))),
        log_loss=log_loss(attribution, labels, steps),
        brier=brier(attribution, labels, steps),
        recall=hits / len(wanted) if wanted else None,
        precision=(hits / len(named) if named else 0.0) if wanted else None,
    )


def blamed(labels: Sequence[Label]) -> frozenset[int]:
    """The steps that labels name."""
    return frozenset(label.step for label in labels if label.step is not None)


def ranking(attribution: Attribution) -> list[int]:
    """The distinct steps suspected, most suspect first."""
    return list(dict.fromkeys(suspect.step for suspect in attribution.suspects))


def accused(attribution: Attribution, steps: int) -> list[int]:
    """The steps that a verdict calls faulty: the first suspect's, and all likelier than chance.

    A method may rank every step of a run; only a probability above 1 / `steps`, which a blind
    guess would give each, is an accusation.

    >>> from tracekit.attribution import Method, Suspect
    >>> suspects = (Suspect("A", 2, 0.5), Suspect("A", 0, 0.3), Suspect("A", 1, 0.2))
    >>> accused(Attribution(trace_id="t", method=Method("m"), suspects=suspects), steps=4)
    [2, 0]
    """
    said = _said(attribution)
    ranked = ranking(attribution)
    return [step for step in ranked if step == ranked[0] or said[step] * steps > 1 + 1e-9]


def blame_of(attribution: Attribution, steps: int) -> Blame:
    """All that a verdict accuses: steps by `accused`, their agents, modes and pairs."""
    named = set(accused(attribution, steps))
    suspects = [suspect for suspect in attribution.suspects if suspect.step in named]
    return _blame([(s.step, s.agent, s.modes) for s in suspects])


def blame_in(labels: Sequence[Label]) -> Blame:
    """All that the labels of a run blame."""
    return _blame([(label.step, label.agent, label.modes) for label in labels])


def _blame(found: Sequence[tuple[int | None, str | None, tuple[str, ...]]]) -> Blame:
    return Blame(
        steps=tuple(sorted({step for step, _, _ in found if step is not None})),
        agents=tuple(sorted({folded(agent) for _, agent, _ in found if agent})),
        modes=tuple(sorted({mode for _, _, modes in found for mode in modes})),
        pairs=tuple(sorted({(folded(a), mode) for _, a, modes in found if a for mode in modes})),
        spots=tuple(
            sorted({(s, mode) for s, _, modes in found if s is not None for mode in modes})
        ),
    )


def distribution(attribution: Attribution, steps: int) -> list[float]:
    """A probability for each step; what the suspects leave of 1 is spread over the others.

    >>> from tracekit.attribution import Method, Suspect
    >>> said = Attribution(trace_id="t", method=Method("m"), suspects=(Suspect("A", 1, 0.5),))
    >>> distribution(said, steps=3)
    [0.25, 0.5, 0.25]
    """
    said = _said(attribution)
    left = (1 - math.fsum(said.values())) / max(1, steps - len(said))
    return [said.get(step, max(0.0, left)) for step in range(steps)]


def _said(attribution: Attribution) -> dict[int, float]:
    said: dict[int, float] = {}
    for suspect in attribution.suspects:
        said[suspect.step] = said.get(suspect.step, 0.0) + suspect.probability
    return said


def log_loss(attribution: Attribution, label: Label | Sequence[Label], steps: int) -> float | None:
    """Minus log of the probability of the label's step, in nats; None when it has none.

    What the suspects leave of 1 is spread evenly over the steps they do not name, so an
    abstention costs log(steps). A probability of 0 counts as 1e-15, which keeps means finite. Of
    several labelled steps the sum of the probabilities counts.

    >>> from tracekit.attribution import Method
    >>> silent = Attribution(trace_id="t", method=Method("m"), abstained="why not")
    >>> round(log_loss(silent, Label("decisive", step=2), steps=4), 3)  # log 4
    1.386
    """
    wanted = blamed([label] if isinstance(label, Label) else label)
    if not wanted or steps == 0:
        return None
    chances = distribution(attribution, steps)
    probability = math.fsum(chances[step] for step in wanted if step < steps)
    return -math.log(min(1.0, max(probability, 1e-15)))


def brier(attribution: Attribution, label: Label | Sequence[Label], steps: int) -> float | None:
    """Sum over the steps of (probability - truth) squared; None unless one step is labelled.

    Source: Brier, Monthly Weather Review 78 (1950) 1, over all classes: 0 is best, 2 is worst.

    >>> from tracekit.attribution import Method
    >>> silent = Attribution(trace_id="t", method=Method("m"), abstained="why not")
    >>> brier(silent, Label("decisive", step=2), steps=4)  # 3/16 + 9/16
    0.75
    """
    wanted = blamed([label] if isinstance(label, Label) else label)
    if len(wanted) != 1 or steps == 0:
        return None
    chances = distribution(attribution, steps)
    return math.fsum((p - (step in wanted)) ** 2 for step, p in enumerate(chances))


def chance(trace: Trace, label: Label | Sequence[Label]) -> Scores:
    """Expected scores of a guess that ranks the steps uniformly at random, exactly.

    With T steps of which k are labelled: step k/T, top-n and MRR over the rank of the first of
    them, agent the share of steps that blamed agents took. The guess accuses one step.

    >>> from tracekit.trace import Agent, Source, Step
    >>> steps = tuple(Step(index=i, agent=a) for i, a in enumerate("aabb"))
    >>> guess = chance(Trace(id="t", source=Source("x"), steps=steps), Label("decisive", "a", 1))
    >>> guess.step, guess.agent, guess.joint, guess.near, round(guess.mrr, 4)
    (0.25, 0.5, 0.25, 0.75, 0.5208)
    """
    labels = [label] if isinstance(label, Label) else list(label)
    count = len(trace.steps)
    if count == 0:
        return WRONG
    here = blamed(labels) & {step.index for step in trace.steps}
    k = len(here)
    agents = [step for step in trace.steps if _blames(labels, step.agent)]
    joint = [s for s in agents if _blames([x for x in labels if x.step == s.index], s.agent)]
    near = [s for s in trace.steps if any(abs(s.index - step) <= 1 for step in blamed(labels))]
    first = [_first_at(rank, k, count) for rank in range(1, count + 1)]
    return Scores(
        step=k / count,
        agent=len(agents) / count,
        joint=len(joint) / count,
        near=len(near) / count,
        top3=math.fsum(first[:3]),
        top5=math.fsum(first[:5]),
        mrr=math.fsum(p / rank for rank, p in enumerate(first, 1)),
        log_loss=math.log(count / k) if k else None,
        brier=1 - 1 / count if k == 1 else None,
        recall=1 / count if k else None,
        precision=k / count if k else None,
    )


def _first_at(rank: int, k: int, count: int) -> float:
    """Chance that the first of k steps stands at that rank among all, shuffled."""
    return math.comb(count - rank, k - 1) / math.comb(count, k) if k else 0.0


def _blames(labels: Sequence[Label], agent: str) -> bool:
    return any(label.agent is not None and _same(agent, label.agent) for label in labels)


def _same(first: str, second: str) -> bool:
    return same(first, second) and folded(first) != ""
