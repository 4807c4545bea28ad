"""No step is taken by a gradient that is not a number: one such step would spoil every weight."""

from __future__ import annotations

import sys
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tracekit.errors import TracekitError

MOST = 8
"""Steps left out one after another before training is given up."""


class Diverged(TracekitError):
    """Training came to gradients that are not numbers, step after step."""


class Finite(TrainerCallback):
    """Leaves out steps whose gradient is not finite, and notes them in the curves as `skipped`.

    All processes leave out the same steps. Raises `Diverged` after `MOST` of them in a row. Where
    gradients are not kept with their weights (DeepSpeed) nothing is seen, and nothing left out.
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
        if _finite(model):
            self._row = 0
            return
        for weight in model.parameters():
            weight.grad = None
        self._row += 1
        step = state.global_step + 1
        state.log_history.append({"step": step, "skipped": 1.0})
        sys.stderr.write(f"step {step}: the gradient is not finite, so it is not taken\n")
        if self._row == MOST:
            raise Diverged(
                f"the gradient was not finite in {MOST} steps up to step {step}: remove "
                f"{args.output_dir} and start this stage anew with a lower rate"
            )


def _finite(model: torch.nn.Module) -> bool:
    """Whether all gradients are, those that other processes hold included."""
    weights = list(model.parameters())
    found = [w.grad.isfinite().all() for w in weights if w.grad is not None]
    fine = torch.stack(found).all() if found else torch.tensor(True, device=weights[0].device)
    if dist.is_available() and dist.is_initialized():
        flag = fine.int()
        dist.all_reduce(flag, dist.ReduceOp.MIN)
        fine = flag
    return bool(fine)
