"""A clip range that shrinks as training goes on (AgenTracer, arXiv 2509.03312, section 3.4)."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer


def clip_range(step: int, steps: int, start: float, floor: float) -> float:
    """max(floor, 1 - step / steps) times the range at the start.

    >>> [round(clip_range(step, 100, 0.2, 0.2), 3) for step in (0, 50, 80, 90, 100)]
    [0.2, 0.1, 0.04, 0.04, 0.04]
    """
    return start * max(floor, 1 - step / steps)


class ShrinkingClip(TrainerCallback):
    """Sets the clip range before every step; give it the trainer once that is made."""

    def __init__(self, start: float, floor: float) -> None:
        self.start = start
        self.floor = floor
        self.trainer: GRPOTrainer | None = None

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """The range of the step that begins."""
        assert self.trainer is not None
        now = clip_range(state.global_step, state.max_steps, self.start, self.floor)
        self.trainer.epsilon_low = self.trainer.epsilon_high = now
