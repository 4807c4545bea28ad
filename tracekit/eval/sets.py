"""Figures over everything that verdicts accuse: agents, modes, pairs and places as sets.

They stand beside the scores of the first answer where runs have several labels, or modes. A method
that never names a mode has no figure for modes, which is not the same as 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from tracekit.eval.set_scores import (
    Figure,
    ModeRow,
    Sets,
    accuracy,
    macro_f1,
    mean_kappa,
    micro_f1,
    mode_row,
    pooled,
    table,
    weighted_f1,
)
from tracekit.metrics import Blame, Case
from tracekit.stats import Estimate, bootstrap

TITLES = {
    "agent_micro": "agent \N{MICRO SIGN}F1 %",
    "agent_macro": "agent MF1 %",
    "mode_micro": "mode \N{MICRO SIGN}F1 %",
    "mode_macro": "mode MF1 %",
    "mode_weighted": "mode weighted F1 %",
    "mode_accuracy": "mode accuracy %",
    "mode_kappa": "mode kappa",
    "pair_micro": "pair \N{MICRO SIGN}F1 %",
    "pair_macro": "pair MF1 %",
    "spot_recall": "place + mode recall %",
    "spot_precision": "place + mode precision %",
}
"""Column heads by metric, in order."""

_F1: dict[str, dict[str, Figure]] = {
    "agents": {"agent_micro": micro_f1, "agent_macro": macro_f1},
    "modes": {"mode_micro": micro_f1, "mode_macro": macro_f1, "mode_weighted": weighted_f1},
    "pairs": {"pair_micro": micro_f1, "pair_macro": macro_f1},
}


def figures(cases: Sequence[Case], modes: Sequence[str]) -> dict[str, Estimate]:
    """Every figure that the labels and the method allow, with intervals over groups.

    `modes` is the vocabulary of the benchmark, empty when it has none.
    """
    found: dict[str, Estimate] = {}
    groups = [case.group for case in cases]
    says = any(case.said.modes for case in cases)
    several = any(len(case.gold.agents) > 1 for case in cases)
    for field, wanted in (("agents", several), ("modes", says), ("pairs", True)):
        sets = _sets(cases, field)
        if wanted and any(gold for gold, _ in sets) and any(said for _, said in sets):
            counts = table(sets)
            for name, figure in _F1[field].items():
                found[name] = pooled(counts, groups, figure)
    if says and modes:
        counts = table(_sets(cases, "modes"), modes)
        found["mode_accuracy"] = pooled(counts, groups, accuracy)
        found["mode_kappa"] = pooled(counts, groups, mean_kappa)
    if any(case.said.spots for case in cases) and any(case.gold.spots for case in cases):
        found |= _spots(cases)
    return {name: found[name] for name in TITLES if name in found}


def mode_rows(cases: Sequence[Case], modes: Sequence[str]) -> Iterable[ModeRow]:
    """Each mode that is labelled or said, for each method that names modes at all."""
    for method in dict.fromkeys(case.method for case in cases):
        own = [case for case in cases if case.method == method]
        if any(case.said.modes for case in own):
            sets, seeds = _sets(own, "modes"), len({case.seed for case in own})
            for mode in modes:
                if any(mode in gold or mode in said for gold, said in sets):
                    yield mode_row(method, mode, sets, seeds)


def _sets(cases: Sequence[Case], field: str) -> Sets:
    return [(_set(case.gold, field), _set(case.said, field)) for case in cases]


def _set(blame: Blame, field: str) -> frozenset[Hashable]:
    return frozenset(getattr(blame, field))


def _spots(cases: Sequence[Case]) -> dict[str, Estimate]:
    """Recall and precision of (step, mode), means over the runs that have such labels."""
    able = [case for case in cases if case.gold.spots]
    groups = [case.group for case in able]
    hits = [len(set(case.gold.spots) & set(case.said.spots)) for case in able]
    recall = [hit / len(case.gold.spots) for hit, case in zip(hits, able, strict=True)]
    precision = [hit / max(1, len(c.said.spots)) for hit, c in zip(hits, able, strict=True)]
    return {
        "spot_recall": bootstrap(recall, groups),
        "spot_precision": bootstrap(precision, groups),
    }
