"""No step is taken by a gradient that is not a number: one such step would spoil every weight."""

from __future__ import annotations

import sys
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tracekit.errors import TracekitError

MOST = 8
"""Steps left out one after another before training is given up."""


class Diverged(TracekitError):
    """Training came to gradients that are not numbers, step after step."""


class Finite(TrainerCallback):
    """Leaves out steps whose gradient is not finite, and notes them in the curves as `skipped`.

    Raises `Diverged` after `MOST` of them in a row: the weights are lost, those of the last
    checkpoint are not.
    """

    def __init__(self) -> None:
        self._row = 0

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Drop the gradient where it is not finite; the optimiser then leaves the weights alone."""
        model: torch.nn.Module = given["model"]
        known = [weight for weight in model.parameters() if weight.grad is not None]
        if not known or torch.stack([_finite(weight) for weight in known]).all():
            self._row = 0
            return
        for weight in known:
            weight.grad = None
        self._row += 1
        step = state.global_step + 1
        state.log_history.append({"step": step, "skipped": 1.0})
        sys.stderr.write(f"step {step}: the gradient is not finite, so it is not taken\n")
        if self._row == MOST:
            raise Diverged(
                f"the gradient was not finite in {MOST} steps up to step {step}: go on from the last "
                "checkpoint with a lower rate"
            )


def _finite(weight: torch.nn.Parameter) -> torch.Tensor:
    assert weight.grad is not None
    return weight.grad.isfinite().all()
