"""Steps whose gradient is not a number are left out, said, and not left out for ever."""

import pytest

pytest.importorskip("transformers")

import torch
from transformers import Trainer, TrainingArguments

from tracekit_models.tracer.finite import MOST, Diverged, Finite


class Sum(torch.nn.Module):
    """A weight times what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x, labels=None):
        return {"loss": (self.weight * x).sum()}


def trained(values, folder):
    """The model, and the trainer's notes, after one step for each value."""
    model = Sum()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder), max_steps=len(values), per_device_train_batch_size=1,
            learning_rate=0.1, lr_scheduler_type="constant", use_cpu=True, report_to=[],
            train_sampling_strategy="sequential",
        ),
        train_dataset=[{"x": torch.tensor([value, 1.0]), "labels": 0} for value in values],
        callbacks=[Finite()],
    )  # fmt: skip
    trainer.train()
    return model, trainer.state.log_history


def test_a_step_that_is_not_a_number_is_left_out_and_noted(tmp_path, capsys):
    clean, _ = trained([1.0, 2.0], tmp_path / "clean")
    found, notes = trained([1.0, float("nan"), float("inf"), 2.0], tmp_path / "found")
    assert [note["step"] for note in notes if "skipped" in note] == [2, 3]
    assert found.weight.isfinite().all()
    assert torch.allclose(found.weight, clean.weight)
    assert "step 2: the gradient is not finite" in capsys.readouterr().err


def test_training_is_given_up_after_some_in_a_row(tmp_path):
    nan = float("nan")
    trained([nan] * (MOST - 1) + [1.0] + [nan], tmp_path / "now and then")
    with pytest.raises(Diverged, match="lower rate"):
        trained([nan] * MOST, tmp_path / "always")
