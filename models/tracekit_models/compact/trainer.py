"""Fits all of `compact`: linear members, networks, and how sure they are together.

The networks start from weights that were pre-trained on injected failures (`pretrain`), and are
tuned on the labelled runs. Temperature and conformal limits come from predictions of inner folds,
grouped by question, so that a caller who holds runs out calibrates nothing on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import torch

from tracekit.analyzers.compact.features import TEXT, WIDE
from tracekit.analyzers.compact.fit import Example, fit_weights
from tracekit.analyzers.compact.graph import Graph as Run
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.sets import above, best_temperature, tempered, threshold
from tracekit.analyzers.compact.weights import Calibration, Model
from tracekit.folds import dealt
from tracekit_models.compact.fitting import Recipe, fit
from tracekit_models.compact.network import Network, Shape

BAG, INNER_BAG = 5, 2
"""Networks that are averaged: in the model, and in each of the inner fits."""
INNER = 5
"""Inner folds."""
FEWEST = 5
"""Runs of a system below which it is not left out by itself."""
RECIPE = Recipe(epochs=25, rate=1e-3, decay=0.3, agents=0.5, modes=0.0)
COVERAGE = 0.9

Predictions = dict[int, tuple[np.ndarray, dict[str, float]]]
"""By position of the run: its raw step probabilities, and those of its agents."""


@cache
def pretrained() -> Networks:
    """The weights that tuning starts from."""
    path = files("tracekit_models.compact").joinpath("pretrained.safetensors")
    return Networks.load(Path(str(path)))


def fit_model(found: Sequence[Example], seed: int = 0, start: Networks | None = None) -> Model:
    """Everything fitted on labelled runs; raises `UsageError` when fewer than ten are usable.

    Tuning begins at `start`; None = at the weights that come with the package.
    """
    weights = fit_weights(found, seed)
    networks = fit_networks(found, seed, BAG, start=start)
    calibration = calibrate(found, seed, start)
    return Model(
        msgspec.structs.replace(weights, networks=networks.id, calibration=calibration), networks
    )


def fit_draft(found: Sequence[Example], seed: int = 0) -> Model:
    """The same with fewer networks and without calibration, in a fifth of the time: for stacking."""
    weights, networks = fit_weights(found, seed), fit_networks(found, seed, INNER_BAG)
    return Model(msgspec.structs.replace(weights, networks=networks.id), networks)


def fit_networks(
    found: Sequence[Example],
    seed: int,
    bag: int,
    *,
    start: Networks | None = None,
    scratch: bool = False,
) -> Networks:
    """A bag of networks tuned on labelled runs, each from its own pre-trained start or from none."""
    begin = start or pretrained()
    runs = [part for one in found for part in _parts(one, begin)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices: more threads only wait for each other
    try:
        members = [
            fit(
                runs,
                shape(),
                RECIPE,
                100 * seed + n,
                None if scratch else network_of(begin.members[n % len(begin.members)]),
            )
            for n in range(bag)
        ]
    finally:
        torch.set_num_threads(threads)
    return Networks(begin.mean, begin.scale, tuple(map(arrays_of, members)))


def calibrate(found: Sequence[Example], seed: int, start: Networks | None = None) -> Calibration:
    """Temperature and limits from inner folds, and limits for unseen systems from leaving each out."""
    if len({one.group for one in found}) < INNER:
        return Calibration(systems=tuple(sorted({one.system for one in found})))
    fold = dealt([one.group for one in found], INNER, seed)
    predicted = partial(_predicted, found, seed, start)
    seen = predicted(lambda n: int(fold[n]))
    pairs = [(chances, found[n].step) for n, (chances, _) in seen.items()]
    temperature = best_temperature(pairs, [found[n].weight for n in seen])
    counts: dict[str, int] = {}
    for one in found:
        counts[one.system] = counts.get(one.system, 0) + 1
    systems = sorted(name for name, count in counts.items() if count >= FEWEST)
    unseen = predicted(lambda n: found[n].system, systems) if len(systems) > 2 else {}
    limits = _limits(found, seen, temperature), _limits(found, unseen, temperature)
    return Calibration(
        temperature=round(temperature, 6),
        coverage=COVERAGE,
        steps=limits[0][0],
        agents=limits[0][1],
        unseen_steps=max(limits[0][0], limits[1][0]),
        unseen_agents=max(limits[0][1], limits[1][1]),
        systems=tuple(sorted(counts)),
        runs=len(seen),
    )


def _predicted(
    found: Sequence[Example],
    seed: int,
    start: Networks | None,
    part: Callable[[int], object],
    parts: Sequence[object] | None = None,
) -> Predictions:
    """What a model fitted on the other parts says of each run, by position."""
    found_in: Predictions = {}
    for each in (
        parts if parts is not None else sorted({part(n) for n in range(len(found))}, key=str)
    ):
        held = [n for n in range(len(found)) if part(n) == each]
        asked = {found[n].group for n in held}
        rest = [one for n, one in enumerate(found) if n not in held and one.group not in asked]
        if len(rest) < 2 * FEWEST:
            continue
        model = Model(fit_weights(rest, seed), fit_networks(rest, seed, INNER_BAG, start=start))
        for n in held:
            seen = found[n].tables
            owners = [str(number) for number in seen.graph.agent]
            found_in[n] = (model.raw(seen), model.agents(seen, owners))
    return found_in


def _limits(
    found: Sequence[Example], predictions: Predictions, temperature: float
) -> tuple[float, float]:
    """Conformal limits of steps and of agents; 1 where too few runs tell."""
    steps, agents = [], []
    for n, (raw, shares) in predictions.items():
        one = found[n]
        steps.append(above(tempered(raw, temperature), one.step))
        right = list(shares).index(str(one.tables.graph.agent[one.step]))
        agents.append(above(np.array(list(shares.values())), right))
    return round(threshold(steps, COVERAGE), 6), round(threshold(agents, COVERAGE), 6)


def _parts(one: Example, begin: Networks) -> list[Run]:
    """A run as the network is told of it: once for every step that has a share of the label."""
    graph = begin.scaled(one.tables.graph)
    rows = np.flatnonzero(one.tables.blamable)
    return [
        graph._replace(step=int(row), who=int(graph.agent[row]), weight=one.weight * float(share))
        for row, share in zip(rows, one.target, strict=True)
        if share > 0
    ]


def shape() -> Shape:
    """Sizes of the shipped networks."""
    return Shape(features=len(WIDE), text=TEXT, width=64, layers=2, dropout=0.3)


def network_of(arrays: object) -> Network:
    """A torch network with these weights."""
    network = Network(**{name: getattr(shape(), name) for name in Shape.__struct_fields__})
    state = {k: torch.as_tensor(np.array(v), dtype=torch.float32) for k, v in arrays.items()}  # type: ignore[attr-defined]
    network.load_state_dict(state)
    return network


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """The weights of a torch network, float64, exactly as float32 holds them."""
    return {k: v.detach().numpy().astype(np.float64) for k, v in network.state_dict().items()}
