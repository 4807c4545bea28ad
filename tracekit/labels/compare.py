"""Several annotators on the same runs: how far they agree, where they do not, and their majority."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import msgspec

from tracekit.agreement import cohen_kappa, fleiss_kappa
from tracekit.stats import Estimate, wilson
from tracekit.trace import Definition, Label, Trace


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far annotators agree on runs that at least two of them labelled by one definition."""

    definition: Definition
    """What the labels mean."""
    annotators: tuple[str, ...]
    """Who labelled, sorted."""
    traces: int
    """Runs that at least two of them labelled."""
    statistic: str
    """`cohen` for two annotators, `fleiss` for more."""
    agent: Estimate | None
    """Kappa of the agent blamed; None where chance alone explains the agreement."""
    step: Estimate | None
    """Share of pairs of annotators who name the same step, where both name one."""
    near: Estimate | None
    """The same with steps at most 1 apart."""
    modes: dict[str, Estimate]
    """Kappa of each mode that somebody named, where it is defined, by code."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A run on which annotators differ."""

    trace: str
    """Id of the trace."""
    definition: Definition
    """What the labels mean."""
    differ: tuple[str, ...]
    """In what: `agent`, `step`, `modes`."""
    said: dict[str, dict[str, Any]]
    """Agent, step and modes by annotator."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that several annotators have in common, and what not."""

    agreement: tuple[Agreement, ...]
    """One for each definition that at least two annotators used on one run."""
    disagreements: tuple[Disagreement, ...]
    """Runs on which they differ, in the order of the runs."""


Said = dict[str, Label]
"""Labels of one run by annotator."""


def compare(labels: Mapping[str, Sequence[Label]]) -> Report:
    """Agreement and disagreements from the labels of each run, by trace id.

    Span errors are left out: an annotator may name many, and there is no pairing of them.
    """
    shared: dict[Definition, dict[str, Said]] = defaultdict(dict)
    for trace, said in labels.items():
        for definition in dict.fromkeys(label.definition for label in said):
            by = {label.annotator or "": label for label in said if label.definition == definition}
            if len(by) > 1 and definition != "span-error":
                shared[definition][trace] = by
    found = [_agreement(definition, runs) for definition, runs in shared.items()]
    differ = [
        _disagreement(trace, definition, said)
        for definition, runs in shared.items()
        for trace, said in runs.items()
        if _differ(said)
    ]
    return Report(agreement=tuple(found), disagreements=tuple(differ))


def majority(votes: Sequence[Label], trace: Trace) -> Label | None:
    """One label for many: the step named most often and its agent; None when there is a tie.

    Without a step that wins, the agent named most often stands alone. Modes are those that more
    than half of the annotators name; the reason is the first one given by the winning side.
    """
    step = _winner([vote.step for vote in votes if vote.step is not None])
    agent = (
        trace.steps[step].agent
        if step is not None
        else _winner([vote.agent for vote in votes if vote.agent is not None])
    )
    if agent is None and any(vote.agent is not None for vote in votes):
        return None
    named = Counter(mode for vote in votes for mode in vote.modes)
    side = [v for v in votes if (v.step == step if step is not None else v.agent == agent)]
    return Label(
        definition=votes[0].definition,
        agent=agent,
        step=step,
        modes=tuple(sorted(mode for mode, count in named.items() if 2 * count > len(votes))),
        reason=next((vote.reason for vote in side if vote.reason), None),
        base=votes[0].base,
        annotator="majority of " + ", ".join(vote.annotator or "unnamed" for vote in votes),
        extra={"votes": len(side), "of": len(votes)},
    )


def _winner(votes: Sequence[Any]) -> Any:
    """What is named more often than anything else, None when nothing is."""
    ranked = Counter(votes).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _agreement(definition: Definition, runs: Mapping[str, Said]) -> Agreement:
    annotators = sorted({name for said in runs.values() for name in said})
    blamed = [{name: label.agent for name, label in said.items()} for said in runs.values()]
    modes = sorted({m for said in runs.values() for label in said.values() for m in label.modes})
    by_mode = {
        mode: _kappa(
            annotators,
            [{name: mode in label.modes for name, label in said.items()} for said in runs.values()],
        )
        for mode in modes
    }
    return Agreement(
        definition=definition,
        annotators=tuple(annotators),
        traces=len(runs),
        statistic="cohen" if len(annotators) == 2 else "fleiss",
        agent=_kappa(annotators, blamed),
        step=_steps(runs, 0),
        near=_steps(runs, 1),
        modes={mode: kappa for mode, kappa in by_mode.items() if kappa is not None},
    )


def _kappa(annotators: Sequence[str], items: Sequence[Mapping[str, Hashable]]) -> Estimate | None:
    if len(annotators) == 2:
        first, second = annotators
        return cohen_kappa([(item[first], item[second]) for item in items])
    return fleiss_kappa([list(item.values()) for item in items])


def _steps(runs: Mapping[str, Said], within: int) -> Estimate | None:
    """Mean over runs of the share of pairs whose steps are at most `within` apart."""
    shares = []
    for said in runs.values():
        steps = [label.step for label in said.values() if label.step is not None]
        pairs = list(combinations(steps, 2))
        if pairs:
            shares.append(sum(abs(a - b) <= within for a, b in pairs) / len(pairs))
    return wilson(sum(shares), len(shares)) if shares else None


def _differ(said: Said) -> tuple[str, ...]:
    views: dict[str, set[Any]] = {
        "agent": {label.agent for label in said.values()},
        "step": {label.step for label in said.values()},
        "modes": {frozenset(label.modes) for label in said.values()},
    }
    return tuple(name for name, values in views.items() if len(values) > 1)


def _disagreement(trace: str, definition: Definition, said: Said) -> Disagreement:
    return Disagreement(
        trace=trace,
        definition=definition,
        differ=_differ(said),
        said={
            name: {"agent": label.agent, "step": label.step, "modes": list(label.modes)}
            for name, label in said.items()
        },
    )
