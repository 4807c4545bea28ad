"""The compact value network: a causal transformer over messages, with a value after each.

A message is its row (features and the vector of its text) and the mean of all rows so far. Attention
looks back only, and the nearer the better (ALiBi), so that one pass gives the value of every
prefix. The value is a mixture of several heads, weighted by what the acting agent is doing, and a
linear term. `tracekit.prm.network` is the same in numpy.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracekit.prm.network import BARRED, Shape, slopes
from tracekit_models.prm.losses import Loss, loss_of


class Layer(nn.Module):
    """Attention to what came before, then each step by itself."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, h: Tensor, bias: Tensor) -> Tensor:
        """States after this layer, (runs, steps, width); `bias` is added to scores, (heads, steps, steps)."""
        runs, steps, width = h.shape
        q, k, v = (
            part.view(runs, steps, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.before(h)).chunk(3, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        h = h + self.drop(self.mix(mixed.transpose(1, 2).reshape(runs, steps, width)))
        found: Tensor = h + self.drop(self.narrow(torch.relu(self.wide(self.after(h)))))
        return found


class ValueNetwork(nn.Module):
    """See the module. `forward` takes what `collate` makes of examples."""

    def __init__(self, shape: Shape, loss: Loss | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.loss = loss or Loss()
        self.enter = nn.Linear(2 * shape.features, shape.width)
        self.drop = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.leave = nn.LayerNorm(shape.width)
        self.value = nn.Linear(shape.width, shape.voices, bias=False)
        self.gate = nn.Linear(shape.features, shape.voices)
        self.skip = nn.Linear(2 * shape.features, 1)
        nn.init.zeros_(self.skip.weight)
        nn.init.zeros_(self.skip.bias)

    def forward(
        self,
        x: Tensor,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
        problem: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Logits after every step, (runs, steps); with targets also the loss.

        `x` (runs, steps, features) is padded at the end; `targets` and
        `weights` are (runs, steps), the weight 0 where nothing is known; `problem` numbers the task
        of each run, (runs,).
        """
        logits = self.logits(x)
        if targets is None or weights is None:
            return {"logits": logits}
        return {"loss": loss_of(self.loss, logits, targets, weights, problem), "logits": logits}

    def logits(self, x: Tensor) -> Tensor:
        """Log-odds of success after every step, (runs, steps)."""
        steps = x.shape[1]
        mean = x.cumsum(1) / torch.arange(1, steps + 1, device=x.device)[None, :, None]
        seen = self.drop(torch.cat([x, mean], dim=2))
        h = self.drop(self.enter(seen))
        bias = self._bias(steps)
        for layer in self.layers:
            h = layer(h, bias)
        gate = self.gate(x).softmax(dim=2)
        found: Tensor = (gate * self.value(self.leave(h))).sum(2) + self.skip(seen).squeeze(2)
        return found

    def _bias(self, steps: int) -> Tensor:
        device = self.skip.weight.device
        place = torch.arange(steps, device=device)
        slope = torch.as_tensor(slopes(self.shape.heads), device=device, dtype=torch.float32)
        far = place[:, None] - place[None, :]
        barred = (far < 0) | (far >= self.shape.window)
        found: Tensor = (-slope[:, None, None] * far).masked_fill(barred, BARRED)
        return found
