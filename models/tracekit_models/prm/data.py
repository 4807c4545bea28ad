"""Runs as examples for the compact value network, and batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tracekit.folds import fingerprint, question_key
from tracekit.prm.model import rows_of
from tracekit.prm.targets import Target, of_outcomes, system_of
from tracekit.trace import Trace


class Example(NamedTuple):
    """One run with what its prefixes are worth; row 0 stands before the first step."""

    rows: np.ndarray
    """As `tracekit.prm.model.rows_of` makes them, not scaled, (n_steps + 1, columns)."""
    target: np.ndarray
    """Values of the prefixes, 0 to 1, (n_steps + 1,)."""
    weight: np.ndarray
    """How much each counts; their sum is that of the run, and 0 where nothing is known."""
    problem: str
    system: str
    print: str
    """Fingerprint of the run."""


def examples(traces: Iterable[Trace], targets: Iterable[Target] | None = None) -> list[Example]:
    """Runs with targets, by default those of their outcomes; runs without any are left out.

    A run counts as one, however long it is: the weights of its prefixes add up to 1.
    """
    runs = list(traces)
    given: dict[str, list[Target]] = {}
    for target in of_outcomes(runs) if targets is None else targets:
        given.setdefault(target.trace, []).append(target)
    return [_example(run, given[run.id]) for run in runs if run.steps and given.get(run.id)]


def _example(trace: Trace, targets: Sequence[Target]) -> Example:
    size = len(trace.steps) + 1
    total, weight = np.zeros(size), np.zeros(size)
    for target in targets:
        if target.step + 1 < size:
            total[target.step + 1] += target.weight * target.value
            weight[target.step + 1] += target.weight
    known = weight > 0
    value = np.divide(total, weight, out=np.zeros(size), where=known)
    return Example(
        rows=rows_of(trace),
        target=value,
        weight=weight / max(float(weight.sum()), 1e-12),
        problem=targets[0].problem or question_key(trace),
        system=targets[0].system or system_of(trace),
        print=fingerprint(trace),
    )


class Scale(NamedTuple):
    """What is subtracted from each column and what counts as one unit of it."""

    mean: np.ndarray
    scale: np.ndarray


def scale_of(found: Sequence[Example], floor: float = 0.1) -> Scale:
    """Mean and deviation of every column over all steps; deviations are never below `floor`."""
    rows = np.concatenate([one.rows for one in found])
    return Scale(rows.mean(axis=0), np.maximum(rows.std(axis=0), floor))


class Scaled(NamedTuple):
    """An example as the network is told of it."""

    x: Tensor
    target: Tensor
    weight: Tensor
    problem: int


def collate(found: Sequence[Scaled]) -> dict[str, Tensor]:
    """Runs side by side, padded at the end; arguments of `ValueNetwork.forward`."""

    def padded(parts: list[Tensor]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)

    return {
        "x": padded([one.x for one in found]),
        "targets": padded([one.target for one in found]),
        "weights": padded([one.weight for one in found]),
        "problem": torch.tensor([one.problem for one in found]),
    }


def state_of(network: torch.nn.Module) -> Mapping[str, np.ndarray]:
    """The weights of a torch network by name."""
    found: dict[str, Any] = network.state_dict()
    return {name: value.detach().cpu().numpy() for name, value in found.items()}
