"""Fitting the compact process reward model on `transformers.Trainer`.

`fit` is what `tracekit train prm` calls: runs with known outcomes, or targets from continuations or
search; no step needs a label. The same runs, recipe and seed give the same weights on one machine.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from tracekit.encoder.encoder import Encoder
from tracekit.errors import UsageError
from tracekit.folds import dealt
from tracekit.prm import drift
from tracekit.prm.model import COLUMNS, FARTHEST, Curve, Model, Prm, Settings, member_of
from tracekit.prm.network import Shape, Weights, advance, start
from tracekit.prm.targets import Target
from tracekit.trace import Trace
from tracekit_models.prm.calibration import Stages, calibrate, held
from tracekit_models.prm.data import Example, Scale, Scaled, collate, examples, scale_of, state_of
from tracekit_models.prm.linear import fit_linear
from tracekit_models.prm.losses import Loss
from tracekit_models.prm.network import ValueNetwork

FEWEST = 20
"""Runs below which nothing is fitted; there must be some of either end."""

Progress = Callable[[str], None]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a fit depends on besides data and seed."""

    loss: Loss = Loss()
    ridge: float = 100.0
    """Penalty of the linear term, which is fitted first and then kept; 0 = learned with the rest."""
    width: int = 32
    layers: int = 1
    heads: int = 4
    voices: int = 4
    """Heads of the value, mixed by what the acting agent is doing; 1 = one for all."""
    window: int = 256
    dropout: float = 0.2
    epochs: int = 3
    rate: float = 2e-3
    decay: float = 0.1
    runs: int = 64
    """Runs in a batch."""
    bag: int = 3
    """Networks whose logits are averaged."""
    folds: int = 5
    """Inner folds, by problem, that the calibration is fitted on; 0 = not calibrated."""


def fit(
    traces: Iterable[Trace],
    *,
    targets: Iterable[Target] | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Prm:
    """A model fitted on runs with known outcomes, or on targets of their prefixes.

    Raises `UsageError` for fewer than twenty runs, and where all of them ended alike.
    """
    return Prm(fit_model(examples(traces, targets), recipe or Recipe(), seed, progress))


def fit_model(
    found: Sequence[Example], recipe: Recipe, seed: int = 0, progress: Progress | None = None
) -> Model:
    """The same from examples."""
    check_enough(found)
    tell = progress or (lambda _: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the sums of several threads are not the same twice
    try:
        curves = _calibrated(found, recipe, seed, tell)
        scale = scale_of(found)
        members = []
        for n in range(recipe.bag):
            tell(f"network {n + 1} of {recipe.bag}")
            members.append(fit_network(found, scale, recipe, seed + n))
    finally:
        torch.set_num_threads(threads)
    detector = drift.fit([scaled_rows(one, scale) for one in found], [one.system for one in found])
    settings = Settings(
        shape=shape_of(recipe),
        columns=COLUMNS,
        encoder=Encoder.load().id,
        systems=detector.systems,
        slope=round(curves.all.slope, 6),
        shift=round(curves.all.shift, 6),
        final=None if curves.final is None else Curve(*(round(c, 6) for c in curves.final)),
        outcome_only=recipe.loss.outcome_only,
        seed=seed,
        traces=tuple(sorted({one.print for one in found})),
    )
    return Model(settings, *scale, tuple(members), detector)


def check_enough(found: Sequence[Example]) -> None:
    """Raises `UsageError` for fewer than twenty runs, and where all of them ended alike."""
    ends = {bool(one.target[one.weight > 0][-1] > 0.5) for one in found}
    if len(found) < FEWEST or len(ends) < 2:
        raise UsageError(
            f"prm: {len(found)} runs with a known outcome, {len(ends)} kinds of outcome: at least "
            f"{FEWEST} runs are needed, with successes and failures among them"
        )


def shape_of(recipe: Recipe) -> Shape:
    """Sizes of the networks of a recipe."""
    same = {
        name: getattr(recipe, name) for name in ("width", "layers", "heads", "voices", "window")
    }
    return Shape(features=len(COLUMNS), dropout=recipe.dropout, **same)


def fit_network(found: Sequence[Example], scale: Scale, recipe: Recipe, seed: int) -> Weights:
    """One network on all examples."""
    torch.manual_seed(seed)
    network = ValueNetwork(shape_of(recipe), recipe.loss)
    if recipe.ridge:
        _begin_linear(network, found, scale, recipe)
    if not recipe.epochs:
        return member_of(state_of(network.eval()))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = ByProblem(
            model=network,
            args=_arguments(recipe, seed, scratch),
            train_dataset=Runs(found, scale),
            data_collator=collate,
        )
        trainer.remove_callback(PrinterCallback)  # stdout is for data
        gc.freeze()  # the trainer collects garbage, which takes longer than a small fit
        try:
            trainer.train()
        finally:
            gc.unfreeze()
    return member_of(state_of(network.eval()))


def _begin_linear(
    network: ValueNetwork, found: Sequence[Example], scale: Scale, recipe: Recipe
) -> None:
    """Put the linear term in its place; what the rest says begins at nothing."""
    weights = [one.weight for one in found]
    if recipe.loss.outcome_only:
        weights = [np.where(np.arange(len(w)) == np.flatnonzero(w)[-1], w, 0.0) for w in weights]
    rows = [scaled_rows(one, scale) for one in found]
    linear = fit_linear(rows, [one.target for one in found], weights, recipe.ridge)
    network.skip.weight.requires_grad_(False).copy_(_tensor(linear.weight)[None])
    network.skip.bias.requires_grad_(False).fill_(linear.bias)
    torch.nn.init.zeros_(network.value.weight)


def logits_of(member: Weights, shape: Shape, one: Example, scale: Scale) -> np.ndarray:
    """What one network says of a run, (n_steps + 1,)."""
    return advance(member, shape, start(shape), scaled_rows(one, scale))[0]


def scaled_rows(one: Example, scale: Scale) -> np.ndarray:
    """The rows as the networks want them."""
    return np.asarray(np.clip((one.rows - scale.mean) / scale.scale, -FARTHEST, FARTHEST))


class Runs(Dataset[Scaled]):
    """Scaled examples; `problems` numbers the task of each."""

    def __init__(self, found: Sequence[Example], scale: Scale) -> None:
        numbers: dict[str, int] = {}
        self.problems = [numbers.setdefault(one.problem, len(numbers)) for one in found]
        self._found = [
            Scaled(
                _tensor(scaled_rows(one, scale)),
                _tensor(one.target),
                _tensor(one.weight),
                number,
            )
            for one, number in zip(found, self.problems, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: int) -> Scaled:
        return self._found[index]


class ByProblem(Trainer):
    """A `Trainer` whose batches hold runs of one task together, so that pairs can be compared."""

    def _get_train_sampler(self, train_dataset: Dataset[Scaled] | None = None) -> Sampler[int]:
        runs = self.train_dataset if train_dataset is None else train_dataset
        assert isinstance(runs, Runs)
        return Together(runs.problems, self.args.seed)


class Together(Sampler[int]):
    """Tasks in random order, runs of a task in random order in groups of eight."""

    GROUP = 8

    def __init__(self, problems: Sequence[int], seed: int) -> None:
        self._problems = problems
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self):  # type: ignore[no-untyped-def]
        own: dict[int, list[int]] = {}
        for n in self._rng.permutation(len(self._problems)).tolist():
            own.setdefault(self._problems[n], []).append(n)
        groups = [
            rows[at : at + self.GROUP]
            for rows in own.values()
            for at in range(0, len(rows), self.GROUP)
        ]
        for g in self._rng.permutation(len(groups)).tolist():
            yield from groups[g]


def _calibrated(found: Sequence[Example], recipe: Recipe, seed: int, tell: Progress) -> Stages:
    """The curves from inner folds by problem; neutral where there are too few problems."""
    problems = [one.problem for one in found]
    if not recipe.folds or len(set(problems)) < 2 * recipe.folds:
        return Stages()
    fold = dealt(problems, recipe.folds, seed)
    shape, logits = shape_of(recipe), [np.zeros(0)] * len(found)
    for k in range(recipe.folds):
        tell(f"calibration, fold {k + 1} of {recipe.folds}")
        rest = [found[n] for n in np.flatnonzero(fold != k).tolist()]
        scale = scale_of(rest)
        member = fit_network(rest, scale, recipe, seed)
        for n in np.flatnonzero(fold == k).tolist():
            logits[n] = logits_of(member, shape, found[n], scale)
    return calibrate(held(found, logits))


def _arguments(recipe: Recipe, seed: int, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.runs,
        learning_rate=recipe.rate,
        weight_decay=recipe.decay,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        max_grad_norm=1.0,
        seed=seed,
        data_seed=seed,
        use_cpu=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)
