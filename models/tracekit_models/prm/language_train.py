"""Training value models on language models, with `transformers.Trainer`, and scoring with them."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from tracekit.folds import question_key
from tracekit.prm.targets import Target, of_outcomes
from tracekit.trace import Trace
from tracekit_models.prm.language import MessageValues, model_of
from tracekit_models.prm.language_settings import Backbone
from tracekit_models.prm.losses import Loss
from tracekit_models.prm.train import Together
from tracekit_models.prm.windows import Reader, Window

TOGETHER = 32
"""Messages that an encoder reads at once when a run is scored."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a fit depends on besides backbone, data and seed; MASPRM's where it says."""

    loss: Loss = Loss()
    epochs: float = 3
    rate: float = 1e-4
    decay: float = 0.0
    batch: int = 4
    """Windows, or runs, in a batch."""
    gather: int = 4
    """Batches whose gradients are added up."""
    warmup: float = 0.05
    """Share of the steps."""


class Item(NamedTuple):
    """A window, or a run message by message, with its targets."""

    window: Window | tuple[tuple[int, ...], ...]
    target: tuple[float, ...]
    weight: tuple[float, ...]
    problem: int


def train(
    body: Any,
    tokenizer: Any,
    traces: Iterable[Trace],
    *,
    targets: Iterable[Target] | None = None,
    backbone: Backbone | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: str | None = None,
) -> nn.Module:
    """A value model on a backbone (`AutoModel`), fitted on outcomes or on targets of prefixes.

    The backbone is changed in place. On one CPU the same arguments give the same weights.
    """
    chosen, how = backbone or Backbone(), recipe or Recipe()
    set_seed(seed)
    runs = list(traces)
    reader = Reader(tokenizer, chosen.length, chosen.longest)
    found = items(runs, of_outcomes(runs) if targets is None else targets, reader, chosen)
    model = model_of(body, chosen, how.loss)
    with tempfile.TemporaryDirectory() as scratch:
        kind = Paired if how.loss.name == "pairwise" else Trainer
        trainer = kind(
            model=model,
            args=_arguments(how, seed, scratch, cpu=device == "cpu"),
            train_dataset=found,
            data_collator=collator(tokenizer, chosen),
        )
        trainer.remove_callback(PrinterCallback)  # stdout is for data
        gc.freeze()  # the trainer collects garbage, which takes longer than a small fit
        try:
            trainer.train()
        finally:
            gc.unfreeze()
    return model.eval()


class Paired(Trainer):
    """A `Trainer` whose batches hold runs of one task together, so that pairs can be compared."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Together:
        found: Any = self.train_dataset if train_dataset is None else train_dataset
        return Together([item.problem for item in found], self.args.seed)


def items(
    runs: Sequence[Trace], targets: Iterable[Target], reader: Reader, backbone: Backbone
) -> list[Item]:
    """What is trained on: windows, or whole runs; prefixes without a target have weight 0."""
    known: dict[str, dict[int, Target]] = {}
    for target in targets:
        known.setdefault(target.trace, {})[target.step + 1] = target
    numbers: dict[str, int] = {}
    found = []
    for run in runs:
        own = known.get(run.id, {})
        total = sum(target.weight for target in own.values())
        if not total:
            continue
        value = [own[n].value if n in own else 0.0 for n in range(len(run.steps) + 1)]
        weight = [own[n].weight / total if n in own else 0.0 for n in range(len(run.steps) + 1)]
        problem = numbers.setdefault(question_key(run), len(numbers))
        for part in _parts(run, reader, backbone):
            first = part.first if isinstance(part, Window) else 0
            rows = slice(first, first + len(part.ends if isinstance(part, Window) else part))
            found.append(Item(part, tuple(value[rows]), tuple(weight[rows]), problem))
    return found


def score(model: nn.Module, tokenizer: Any, trace: Trace, backbone: Backbone) -> np.ndarray:
    """Log-odds of success before the first step and after each, (n_steps + 1,)."""
    reader = Reader(tokenizer, backbone.length, backbone.longest)
    with torch.inference_mode():
        if isinstance(model, MessageValues):
            found = _by_message(model, reader, trace)
        else:
            found = torch.cat([_window(model, each) for each in reader.windows(trace)])
    return found.float().cpu().numpy().astype(np.float64)


def _window(model: nn.Module, window: Window) -> Tensor:
    ids, ends = (
        torch.tensor([part], device=next(model.parameters()).device)
        for part in (window.ids, window.ends)
    )
    found: Tensor = model(ids, torch.ones_like(ids), ends)["logits"][0]
    return found


def _by_message(model: MessageValues, reader: Reader, trace: Trace) -> Tensor:
    """The encoder reads some messages at a time, however many there are."""
    texts = [reader.task(trace), *(reader.message(step) for step in trace.steps)]
    where = next(model.parameters()).device
    means = [
        model.means(
            _padded(texts[at : at + TOGETHER], 0).to(where),
            _padded([(1,) * len(ids) for ids in texts[at : at + TOGETHER]], 0).to(where),
        )
        for at in range(0, len(texts), TOGETHER)
    ]
    found: Tensor = model.values(torch.cat(means)[None])["logits"][0]
    return found


def collator(tokenizer: Any, backbone: Backbone) -> Any:
    """Puts items together as the arguments of the model's `forward`."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    def known(found: Sequence[Item]) -> dict[str, Tensor]:
        return {
            "targets": _padded([item.target for item in found], 0.0),
            "weights": _padded([item.weight for item in found], 0.0),
            "problem": torch.tensor([item.problem for item in found]),
        }

    def windows(found: Sequence[Item]) -> dict[str, Tensor]:
        parts = [item.window for item in found if isinstance(item.window, Window)]
        ids = [part.ids for part in parts]
        return {
            "input_ids": _padded(ids, pad),
            "attention_mask": _padded([(1,) * len(each) for each in ids], 0),
            "ends": _padded([part.ends for part in parts], 0),
            **known(found),
        }

    def messages(found: Sequence[Item]) -> dict[str, Tensor]:
        parts = [item.window for item in found if not isinstance(item.window, Window)]
        rows = [(n, k, ids) for n, part in enumerate(parts) for k, ids in enumerate(part)]
        return {
            "input_ids": _padded([ids for _, _, ids in rows], pad),
            "attention_mask": _padded([(1,) * len(ids) for _, _, ids in rows], 0),
            "run": torch.tensor([n for n, _, _ in rows]),
            "place": torch.tensor([k for _, k, _ in rows]),
            **known(found),
        }

    return windows if backbone.reads == "run" else messages


def _parts(
    run: Trace, reader: Reader, backbone: Backbone
) -> list[Window | tuple[tuple[int, ...], ...]]:
    if backbone.reads == "run":
        return list(reader.windows(run))
    return [(reader.task(run), *(reader.message(step) for step in run.steps))]


def _padded(rows: Sequence[Sequence[Any]], fill: float) -> Tensor:
    parts = [torch.tensor(row) for row in rows]
    return nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=fill)


def _arguments(recipe: Recipe, seed: int, folder: str, *, cpu: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.gather,
        learning_rate=recipe.rate,
        weight_decay=recipe.decay,
        warmup_steps=recipe.warmup,
        lr_scheduler_type="cosine",
        bf16=not cpu and torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
