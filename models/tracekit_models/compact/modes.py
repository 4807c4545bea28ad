"""Fits the mode model that ships with `compact`, and sets its thresholds on held-out data.

    python -m tracekit_models.compact.modes --injected DIR --data $TRACEKIT_DATA --out FILE

Fitted on injected failures and their clean twins. A mode is stated from the probability at which it
was right in `PRECISION` of the cases among injected failures of topologies that were not fitted on,
and of runs as close to the known ones as most held-out tasks are. The MAST development half (real runs,
--data) is only looked at: what the model would state there is printed beside what people saw.
docs/experiments/modes.md has all measurements. With failures injected into one's own system
(`tracekit inject`) the same command makes a model of that system.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import torch

from tracekit.analyzers.compact.modes import FARTHEST, FORMAT, ModeModel, Settings, shipped
from tracekit.encoder.encoder import Encoder
from tracekit.encoder.tensors import write
from tracekit.inject.modes import MODES as TABLE
from tracekit.signals import columns
from tracekit_models.compact.contrastive import Bag, Contrastive, Recipe, fit, verdicts
from tracekit_models.compact.mode_data import MODES, Annotated, Seen, injected, mast

NEVER = 2.0
"""A threshold that no probability reaches."""
PRECISION = 0.6
"""Share of right ones among the modes that are stated, on injected failures of unseen topologies."""
STATED = 10
"""Held-out statements that a threshold must rest on."""
UNLIKE = 0.05
"""Share of the held-out runs that may count as unfamiliar."""
FLOOR = 0.15
"""Least spread of a feature, so that a rare one cannot weigh much."""

View = Literal["all", "features", "text", "position", "agent", "style"]
_AGENT = frozenset({"executor", "hub", "worker", "own_share", "own_before", "own_after"})
_STYLE = frozenset({"position.length", "position.little", "deviation.others", "deviation.log"})


class Scale(NamedTuple):
    """How turns become inputs."""

    kept: np.ndarray
    """Columns that are read, int."""
    mean: np.ndarray
    spread: np.ndarray
    text: bool
    """Whether embeddings are read, too."""


class Fitted(NamedTuple):
    """A model with its inputs."""

    model: Contrastive
    scale: Scale


class Chances(NamedTuple):
    """What is said of the agents of one run, probabilities."""

    failed: np.ndarray
    """(agents,)."""
    mode: np.ndarray
    """(agents, modes)."""
    pair: np.ndarray
    """(agents, modes)."""


def scale(runs: Sequence[Seen], view: View = "all") -> Scale:
    """Mean and spread of the columns of a view that vary at all over the turns of the runs."""
    x = np.concatenate([run.x for run in runs]).astype(np.float64)
    spread = x.std(axis=0)
    kept = np.array([n for n in _columns(view) if spread[n] > 1e-3], dtype=int)
    text = view in ("all", "text")
    return Scale(kept, x.mean(axis=0)[kept], np.maximum(spread[kept], FLOOR), text)


def inputs(run: Seen, how: Scale) -> np.ndarray:
    """One row per turn, float64 (n, inputs)."""
    x = ((run.x[:, how.kept] - how.mean) / how.spread).clip(-FARTHEST, FARTHEST)
    return np.concatenate([x, run.e * run.e.shape[1] ** 0.5], axis=1) if how.text else x


def bags(runs: Sequence[Seen], how: Scale) -> list[Bag]:
    """The agents of all runs, in order; those of failures know their twin if it is among them."""
    places: dict[tuple[str, str], int] = {}
    for run in runs:
        for agent in run.agents:
            places[run.trace, agent] = len(places)
    found = []
    for run in runs:
        rows = inputs(run, how)
        for number, agent in enumerate(run.agents):
            twin = None if run.clean == run.trace else places.get((run.clean, agent))
            found.append(Bag(rows[run.turns[number]], run.modes[number], twin))
    return found


def train(runs: Sequence[Seen], recipe: Recipe, seed: int = 0, view: View = "all") -> Fitted:
    """A model of failures and clean runs."""
    how = scale(runs, view)
    return Fitted(fit(bags(runs, how), descriptions(), recipe, seed), how)


def descriptions() -> np.ndarray:
    """What each mode looks like, embedded and scaled as turns are: float32 (modes, text)."""
    found = Encoder.load().encode([f"{TABLE[mode].name}. {TABLE[mode].looks}" for mode in MODES])
    return np.asarray(found * found.shape[1] ** 0.5)


def chances(fitted: Fitted, runs: Sequence[Seen]) -> list[Chances]:
    """What the model says of each run."""
    with torch.no_grad():
        said = verdicts(fitted.model, bags(runs, fitted.scale))
    rows = [part.sigmoid().numpy() for part in (said.agent, said.mode, said.pair)]
    ends = np.cumsum([len(run.agents) for run in runs])[:-1]
    return [Chances(*parts) for parts in zip(*(np.split(row, ends) for row in rows), strict=True)]


def thresholds(said: Sequence[Chances], runs: Sequence[Seen]) -> np.ndarray:
    """The least probability from which each mode is right in `PRECISION` of the cases, (modes,)."""
    p = np.concatenate([each.pair for each in said])
    right = np.concatenate([run.modes for run in runs])
    return np.array([_threshold(p[:, m], right[:, m]) for m in range(p.shape[1])])


def _threshold(p: np.ndarray, right: np.ndarray) -> float:
    order = np.argsort(-p, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(p) + 1)
    good = np.flatnonzero(share >= PRECISION)
    good = good[good >= STATED - 1]
    return float(p[order[good[-1]]]) if len(good) else NEVER


def split(runs: Sequence[Seen], shares: Sequence[float], seed: int = 0) -> list[list[Seen]]:
    """Parts of the runs, no task in two of them; `shares` sum to 1."""
    tasks = sorted({run.group for run in runs})
    drawn = np.random.default_rng(seed).permutation(len(tasks))
    ends = np.cumsum(shares) * len(tasks)
    part = {tasks[k]: int(np.searchsorted(ends, at + 0.5)) for at, k in enumerate(drawn)}
    return [[run for run in runs if part[run.group] == k] for k in range(len(shares))]


def failures(runs: Sequence[Seen]) -> list[Seen]:
    """Those that are no clean twins."""
    return [run for run in runs if run.trace != run.clean]


def kinds(runs: Sequence[Seen]) -> np.ndarray:
    """Mean embedding of each kind of run, by family and topology, of length 1, (kinds, text)."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for run in runs:
        found.setdefault((run.family, run.topology), []).append(_unit(run.e.mean(axis=0)))
    return np.stack([_unit(np.mean(found[kind], axis=0)) for kind in sorted(found)])


def familiar(known: np.ndarray, held: Sequence[Seen]) -> float:
    """The cosine to the nearest kind that all but `UNLIKE` of the held-out runs reach."""
    near = [float((known @ _unit(run.e.mean(axis=0))).max()) for run in held]
    return float(np.quantile(near, UNLIKE))


def held_out(
    runs: Sequence[Seen], recipe: Recipe, seed: int = 0
) -> tuple[list[Chances], list[Seen]]:
    """Failures, and what a model says of them that has seen no run of their kind.

    That is their topology, or a fifth of the tasks if the data set has one topology only: a new
    system differs from the known ones at least as much.
    """
    names = sorted({run.topology for run in runs})
    parts = [[run for run in runs if run.topology == name] for name in names]
    if len(parts) < 2:
        parts = split(runs, (0.2,) * 5)
    said: list[Chances] = []
    told: list[Seen] = []
    for part in parts:
        inside = {id(run) for run in part}
        fitted = train([run for run in runs if id(run) not in inside], recipe, seed)
        told += failures(part)
        said += chances(fitted, failures(part))
    return said, told


def ship(runs: Sequence[Seen], out: Path, recipe: Recipe, seed: int = 0) -> None:
    """Fit on all runs, set the thresholds out of kind, write the file."""
    known, held = split(runs, (0.8, 0.2))
    limits = thresholds(*held_out(runs, recipe, seed))
    near = familiar(kinds(known), failures(held))
    export(train(runs, recipe, seed), limits, kinds(runs), near, out)


def export(fitted: Fitted, limits: np.ndarray, known: np.ndarray, near: float, out: Path) -> None:
    """Write what `ModeModel` reads: float32 arrays, and `Settings` beside them."""
    state = {name: array.numpy() for name, array in fitted.model.state_dict().items()}
    state.pop("describe.weight")
    prototypes, how = state["prototypes"], fitted.scale
    state["prototypes"] = prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    for name, array in (("mean", how.mean), ("spread", how.spread), ("known", known)):
        state[name] = array.astype(np.float32)
    names = columns.names()
    settings = Settings(
        modes=MODES,
        columns=tuple(names[n] for n in how.kept),
        text=known.shape[1],
        thresholds=tuple(round(limit, 4) for limit in limits.tolist()),
        familiar=round(near, 4),
    )
    write(out, state, {"format": FORMAT, "settings": msgspec.json.encode(settings).decode()})


def stated_on(model: ModeModel, real: Annotated) -> str:
    """One line: of real runs how many are familiar, and how many modes stated of them are right."""
    said = right = known = 0
    for trace, run, told in zip(real.traces, real.runs, real.modes, strict=True):
        known += model.familiarity(run.e) >= model.settings.familiar
        found = {code for codes in model.stated(trace, run.x, run.e).values() for code in codes}
        said += len(found)
        right += sum(bool(told[MODES.index(code)]) for code in found)
    return f"{known} of {len(real.runs)} runs are familiar; {said} modes stated, {right} right"


def _columns(view: View) -> list[int]:
    named = [(n, *name.partition(".")[::2]) for n, name in enumerate(columns.names())]
    match view:
        case "text":
            return []
        case "position":
            return [n for n, family, name in named if family == "position" and name not in _AGENT]
        case "agent":
            return [n for n, family, name in named if family == "position" and name in _AGENT]
        case "style":
            return [n for n, a, b in named if a in ("phrase", "cue") or f"{a}.{b}" in _STYLE]
    return [n for n, _, _ in named]


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what ships; about five minutes on one core."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--injected", type=Path, required=True, help="a data set of `inject`")
    parser.add_argument("--data", type=Path, help="the folder $TRACEKIT_DATA, to look at MAST")
    parser.add_argument("--out", type=Path, default=shipped(), help="where the weights go")
    given = parser.parse_args(arguments)
    ship(injected(given.injected), given.out, Recipe())
    model = ModeModel.load(given.out)
    limits = zip(model.settings.modes, model.settings.thresholds, strict=True)
    never = [mode for mode, limit in limits if limit >= NEVER]
    sys.stderr.write(f"{given.out}: never stated: {', '.join(never) or 'none'}\n")
    if given.data:
        real = mast(given.data)
        sys.stderr.write(f"MAST: {stated_on(model, real)}\n")


if __name__ == "__main__":
    main()
