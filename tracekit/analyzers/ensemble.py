"""`ensemble`: several methods pooled, each as far as it proved right on runs it had not seen.

Members are asked about a run and their probabilities pooled (`stacking`), for steps and for agents
apart. The weights are fitted on held-out folds: a member with weights of its own is fitted without
the runs that it is then asked about. A verdict says who contributed what, and what would have been
said without each.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.compact.features import kept
from tracekit.analyzers.compact.sets import above, members, threshold
from tracekit.analyzers.compact.weights import levelled, ranking, system_of
from tracekit.analyzers.linear_fit import question
from tracekit.analyzers.run import abstain
from tracekit.analyzers.stacking import Opinions, equal, opinions, pooled, stacked
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method, SuspectSet
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import fingerprint, grouped_folds
from tracekit.protocols import Analyzer, Fitted, Storable
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

VERSION = "1"
WEIGHTS = "ensemble.json"
MEMBERS = ("compact", "linear", "first-error", "influence")
"""Methods that are pooled unless others are named: such as need one log and nothing else."""
ALONE = frozenset({"trace"})
"""What members may need."""
FOLDS = 5
"""Held-out folds of the fit, grouped by question."""
FEWEST = 10
"""Labelled runs below which nothing is fitted."""
COVERAGE = 0.9
EXPLAINED = 5
"""Suspects that get evidence, from the top."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much each member counts, as it lies on disk."""

    members: tuple[str, ...]
    """Names of the methods."""
    steps: tuple[float, ...]
    """Weight of each in the pool over steps, 0 or more."""
    agents: tuple[float, ...]
    """The same over agents."""
    limit: float | None = None
    """Conformal limit of the sets of steps (`compact.sets`); None = no set is given."""
    systems: tuple[str, ...] = ()
    """Kinds of systems that it was fitted on."""
    seed: int = 0
    """Seed of the folds and of the members' fits."""
    traces: tuple[str, ...] = ()
    """Fingerprints of the runs that it was fitted on, sorted; empty = equal weights, not fitted."""

    @property
    def id(self) -> str:
        """Short hash of the weights, 12 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]


class Asked(NamedTuple):
    """What the members say of one run."""

    verdicts: list[Attribution]
    """One of each member, abstentions included."""
    rows: list[int]
    """Steps that can be blamed."""
    roster: list[str]
    """Agents that these are of."""
    steps: Opinions
    agents: Opinions


class Ensemble:
    """Several methods pooled by weights fitted on held-out runs; says who contributed what.

    What ships is not fitted: equal weights of compact, linear, first-error and influence.
    `tracekit train ensemble` fits members and weights on your own labels.
    """

    name: ClassVar[str] = "ensemble"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True
    version: ClassVar[str] = VERSION

    def __init__(
        self,
        weights: Weights | None = None,
        fitted: Sequence[Analyzer] = (),
        names: Sequence[str] = MEMBERS,
    ) -> None:
        even = tuple(equal(len(names)).tolist())
        self.weights = weights or Weights(members=tuple(names), steps=even, agents=even)
        self._fitted = {analyzer.name: analyzer for analyzer in fitted}

    @cached_property
    def members(self) -> list[Analyzer]:
        """The methods, as they were fitted or else as they ship."""
        return [
            self._fitted.get(name) or registry.get("analyzers", name)
            for name in self.weights.members
        ]

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """All steps ranked; first the best step of the likeliest agent, as in `compact`."""
        settings(context, self.name)
        weights = self.weights
        method = Method(name=self.name, version=VERSION, model=weights.id)
        if not trace.steps:
            return abstain(trace, method, "the trace has no steps")
        told = asked(trace, self.members, context)
        if all(said.abstained is not None for said in told.verdicts):
            return abstain(trace, method, "none of its members says anything")
        owners = [step.agent for step in trace.steps]
        chances, agents = _pool(told, weights, len(owners))
        order = ranking(chances, owners, agents)
        evidence = {i: _evidence(told, weights, i) for i in order[:EXPLAINED] if chances[i] > 0}
        found = verdict(trace, method, levelled(chances, order), order=order, evidence=evidence)
        known = system_of(trace) in weights.systems
        return msgspec.structs.replace(
            found,
            agents=agents,
            suspect_set=_set(chances, order, weights) if known else None,
            warnings=tuple(_warnings(weights, trace)),
            extra={"members": _contributions(told, weights, owners, order[0])},
        )

    def seen(self) -> frozenset[str]:
        """Fingerprints of the runs that weights or members were fitted on."""
        theirs = [m.seen() for m in self.members if isinstance(m, Fitted)]
        return frozenset(self.weights.traces).union(*theirs)

    def fit(self, traces: Iterable[Trace], context: Context) -> Ensemble:
        """Members and weights fitted on labelled runs, the weights on held-out folds of them.

        Raises `UsageError` when fewer than ten runs have a labelled step that can be blamed, and
        what the members raise.
        """
        usable = [trace for trace in traces if _right(trace) is not None]
        if len(usable) < FEWEST:
            raise UsageError(
                f"ensemble: {len(usable)} traces have a labelled step that can be blamed, "
                f"{FEWEST} needed"
            )
        with kept():
            found, folds = _held_out(self.members, usable, context)
            fitted = [m.fit(usable, context) for m in self.members if isinstance(m, Fitted)]
        weights = msgspec.structs.replace(
            self.weights,
            steps=_rounded(stacked([told.steps for told in found])),
            agents=_rounded(stacked([told.agents for told in found])),
            limit=_limit(found, folds),
            systems=tuple(sorted({system_of(trace) for trace in usable})),
            seed=context.seed,
            traces=tuple(sorted(fingerprint(trace) for trace in usable)),
        )
        return Ensemble(weights, fitted)

    def save(self, folder: Path) -> None:
        """The weights as `ensemble.json`, the files of fitted members after their names."""
        (folder / WEIGHTS).write_bytes(
            msgspec.json.format(msgspec.json.encode(self.weights), indent=1) + b"\n"
        )
        for name, member in self._fitted.items():
            assert isinstance(member, Storable)
            with TemporaryDirectory(prefix="tracekit-") as own:
                member.save(Path(own))
                for path in sorted(Path(own).iterdir()):
                    shutil.copyfile(path, folder / f"{name}.{path.name}")

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """With the weights of a folder; raises `ValueError` for such as make no sense."""
        weights = msgspec.json.decode((folder / WEIGHTS).read_bytes(), type=Weights)
        _check(weights)
        found = []
        for name in weights.members:
            theirs = sorted(folder.glob(f"{name}.*"))
            if theirs:
                found.append(_loaded(name, theirs))
            elif weights.traces and isinstance(registry.get("analyzers", name), Fitted):
                raise ValueError(f"the fitted weights of {name} are missing")
        return cls(weights, found)


def asked(trace: Trace, members: Sequence[Analyzer], context: Context) -> Asked:
    """What the members say of a run, without their settings, as opinions over steps and agents."""
    plain = msgspec.structs.replace(context, settings={})
    verdicts = [member.attribute(trace, plain) for member in members]
    rows = list(candidates(trace))
    roster = list(dict.fromkeys(trace.steps[i].agent for i in rows))
    by_step = [{s.step: s.probability for s in said.suspects} for said in verdicts]
    steps = [np.array([found.get(i, 0.0) for i in rows]) for found in by_step]
    agents = [np.array([said.agents.get(agent, 0.0) for agent in roster]) for said in verdicts]
    right = _right(trace)
    place = -1 if right is None else rows.index(right)
    owner = -1 if right is None else roster.index(trace.steps[right].agent)
    return Asked(verdicts, rows, roster, opinions(steps, place), opinions(agents, owner))


def _right(trace: Trace) -> int | None:
    """The earliest labelled step that can be blamed."""
    rows = set(candidates(trace)) if trace.steps else set()
    return min((label.step for label in trace.labels if label.step in rows), default=None)


def _held_out(
    members: Sequence[Analyzer], traces: Sequence[Trace], context: Context
) -> tuple[list[Asked], np.ndarray]:
    """What members say of each run that were fitted without its fold; and the folds."""
    groups = len({question(trace) for trace in traces})
    folds = grouped_folds(traces, question, max(2, min(FOLDS, groups)), context.seed)
    found: dict[int, Asked] = {}
    for fold in sorted(set(folds.tolist())):
        train = [trace for trace, f in zip(traces, folds, strict=True) if f != fold]
        fitted = [_drafted(member, train, context) for member in members]
        for k in np.flatnonzero(folds == fold).tolist():
            found[k] = asked(traces[k], fitted, context)
    return [found[k] for k in range(len(traces))], folds


def _drafted(member: Analyzer, train: Sequence[Trace], context: Context) -> Analyzer:
    """The member without the runs that it will be asked about."""
    if not isinstance(member, Fitted):
        return member
    draft = getattr(member, "draft", member.fit)
    made: Analyzer = draft(train, context)
    return made


def _limit(found: Sequence[Asked], folds: np.ndarray) -> float:
    """Conformal limit of sets, the weights themselves fitted without the fold."""
    scores = []
    for fold in sorted(set(folds.tolist())):
        here = [told.steps for told, f in zip(found, folds, strict=True) if f == fold]
        others = [told.steps for told, f in zip(found, folds, strict=True) if f != fold]
        weights = stacked(others or here)
        scores += [above(pooled(told, weights), told.right) for told in here]
    return round(threshold(scores, COVERAGE), 6)


def _pool(told: Asked, weights: Weights, n: int) -> tuple[np.ndarray, dict[str, float]]:
    """Probabilities of all steps, and of the agents, most likely first."""
    chances = np.zeros(n)
    chances[told.rows] = pooled(told.steps, np.array(weights.steps))
    shares = pooled(told.agents, np.array(weights.agents)).round(12)
    ranked = sorted(zip(told.roster, shares.tolist(), strict=True), key=lambda item: -item[1])
    total = sum(share for _, share in ranked)
    return chances, {agent: round(share / total, 12) for agent, share in ranked}


def _set(chances: np.ndarray, order: Sequence[int], weights: Weights) -> SuspectSet | None:
    if weights.limit is None:
        return None
    inside = set(members(chances, weights.limit))
    return SuspectSet(tuple(i for i in order if i in inside), COVERAGE)


def _evidence(told: Asked, weights: Weights, step: int) -> tuple[Evidence, ...]:
    """What each member adds to the log-odds of a step, most first."""
    place = told.rows.index(step)
    added = told.steps.logs[place] * np.array(weights.steps)
    found = []
    for k in np.argsort(-added, kind="stable").tolist():
        said, name = told.verdicts[k], weights.members[k]
        if said.abstained is None and added[k] > 0:
            chance = next((s.probability for s in said.suspects if s.step == step), 0.0)
            found.append(
                Evidence(step=step, weight=float(added[k]), shows=f"{name} gives it {chance:.0%}")
            )
    return tuple(found)


def _contributions(
    told: Asked, weights: Weights, owners: Sequence[str], top: int
) -> list[dict[str, Any]]:
    """Of each member: its weights, whom it names, and what would be said without it."""
    found = []
    for k, (name, said) in enumerate(zip(weights.members, told.verdicts, strict=True)):
        left = _without(weights, k)
        chances, agents = _pool(told, left, len(owners))
        best = ranking(chances, list(owners), agents)[0]
        found.append(
            {
                "method": name,
                "weight": weights.steps[k],
                "weight_agents": weights.agents[k],
                "step": said.top.step if said.top else None,
                "abstained": said.abstained,
                "without": {
                    "step": best,
                    "agent": owners[best],
                    "chance": round(float(chances[top]), 6),
                },
            }
        )
    return found


def _without(weights: Weights, k: int) -> Weights:
    steps, agents = list(weights.steps), list(weights.agents)
    steps[k] = agents[k] = 0.0
    return msgspec.structs.replace(weights, steps=tuple(steps), agents=tuple(agents))


def _warnings(weights: Weights, trace: Trace) -> Iterable[str]:
    if not weights.traces:
        yield (
            "the ensemble is not fitted: its members count alike, and its probabilities are not "
            "calibrated; `tracekit train ensemble` fits it on labelled runs"
        )
    elif system_of(trace) not in weights.systems:
        yield (
            f"no labelled run of {system_of(trace)} was at hand in training: probabilities are "
            "less sure than they look, and there is no set of suspects"
        )


def _loaded(name: str, files: Sequence[Path]) -> Analyzer:
    """A member from its files, which bear its name in front."""
    shipped = registry.get("analyzers", name)
    if not isinstance(shipped, Storable):
        raise ValueError(f"{name} is a method without weights")
    with TemporaryDirectory(prefix="tracekit-") as own:
        for path in files:
            shutil.copyfile(path, Path(own) / path.name.removeprefix(f"{name}."))
        loaded: Analyzer = type(shipped).load(Path(own))
    return loaded


def _check(weights: Weights) -> None:
    for column in (weights.steps, weights.agents):
        if len(column) != len(weights.members) or not np.isfinite(column).all():
            raise ValueError("not one finite weight for every member; train it anew")
        if min(column, default=-1.0) < 0:
            raise ValueError("a weight is negative, or there is none; train it anew")
    if len(set(weights.members)) != len(weights.members) or Ensemble.name in weights.members:
        raise ValueError("a member is named twice, or is an ensemble; train it anew")
    known = registry.plugins("analyzers")
    for name in weights.members:
        if name not in known or registry.get("analyzers", name).needs != ALONE:
            raise ValueError(f"{name[:40]!r} is no method that needs one log alone")


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six decimals: the same file from every build of numpy."""
    return tuple(values.round(6).tolist())
