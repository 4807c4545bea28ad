"""Losses of value models: squared or Huber against atanh targets, cross-entropy, and by pairs.

The value of a prefix is v = tanh(z), -1 to 1, as in MASPRM (arXiv 2510.24803); a probability of
success is p = (1 + v) / 2, so that its log-odds are 2 z. Models give log-odds, `logits`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

Name = Literal["huber", "mse", "bce", "pairwise"]

EDGE = 0.95
"""Values are cut off there before atanh, which is infinite at 1."""
BEND = 0.1
"""Where the Huber loss turns from square to straight."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What is minimised."""

    name: Name = "bce"
    """`huber` and `mse` compare z with atanh(v); `bce` is the likelihood of p; `pairwise` wants of
    two runs of one task the better one higher, at equal shares of the way, beside half of `bce`."""
    outcome_only: bool = False
    """Look at the last step of a run alone: an outcome reward model."""


def loss_of(
    loss: Loss, logits: Tensor, targets: Tensor, weights: Tensor, problem: Tensor | None
) -> Tensor:
    """The loss of a padded batch; see `ValueNetwork.forward` for shapes. Targets are 0 to 1."""
    if loss.outcome_only:
        weights = _last_only(weights)
    each = _each(loss.name, logits, targets)
    total = (each * weights).sum() / weights.sum().clamp(min=1e-9)
    if loss.name == "pairwise" and problem is not None:
        return 0.5 * total + _pairs(logits, targets, weights, problem)
    return total


def _each(name: Name, logits: Tensor, targets: Tensor) -> Tensor:
    if name in ("bce", "pairwise"):
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wanted = torch.atanh((2 * targets - 1).clamp(-EDGE, EDGE))
    if name == "mse":
        return functional.mse_loss(logits / 2, wanted, reduction="none")
    return functional.smooth_l1_loss(logits / 2, wanted, reduction="none", beta=BEND)


def _last_only(weights: Tensor) -> Tensor:
    place = torch.arange(weights.shape[1], device=weights.device)
    last = torch.where(weights > 0, place, -1).max(dim=1).values
    return weights * (place == last[:, None])


def _pairs(logits: Tensor, targets: Tensor, weights: Tensor, problem: Tensor) -> Tensor:
    """How badly better runs of a task stand below worse ones (Bradley and Terry), in nats a pair."""
    length = (weights > 0).sum(1).clamp(min=1)
    share = torch.tensor([0.25, 0.5, 0.75, 1.0], device=logits.device)
    known = (weights > 0).cumsum(1)
    at = (share[None, :] * length[:, None]).ceil().long()
    place = (known[:, None, :] < at[:, :, None]).sum(2).clamp(max=logits.shape[1] - 1)
    z, y = logits.gather(1, place), targets.gather(1, place)
    gap = y[:, None, :] - y[None, :, :]
    better = (problem[:, None] == problem[None, :])[:, :, None] & (gap > 0.5)
    each = functional.softplus(-(z[:, None, :] - z[None, :, :])) * better
    found: Tensor = each.sum() / better.sum().clamp(min=1)
    return found
