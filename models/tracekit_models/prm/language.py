"""Value models on a language model of the transformers library, as a whole or with LoRA.

`CausalValues` reads the run as one text with any causal LM and takes the value at the separator
after every message: one forward pass, every prefix. `MessageValues` reads every message by itself
with any encoder, and a small causal transformer (`ValueNetwork`) goes over the messages. Neither
can look ahead: the one by its mask, the other because messages are encoded apart.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from tracekit.prm.network import Shape
from tracekit_models.prm.language_settings import Backbone
from tracekit_models.prm.losses import Loss, loss_of
from tracekit_models.prm.network import ValueNetwork


class CausalValues(nn.Module):
    """A causal LM with a value at every separator."""

    def __init__(self, body: nn.Module, hidden: int, loss: Loss | None = None) -> None:
        super().__init__()
        self.body = body
        self.value = nn.Linear(hidden, 1)
        self.loss = loss or Loss()
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        ends: Tensor,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
        problem: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Logits after every message, (windows, messages), and the loss where there are targets.

        `ends` are the places of the separators, 0 where a window has no more messages.
        """
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        rows = torch.arange(len(ends), device=ends.device)[:, None]
        logits = self.value(states[rows, ends].float()).squeeze(2)
        if targets is None or weights is None:
            return {"logits": logits}
        return {"loss": loss_of(self.loss, logits, targets, weights, problem), "logits": logits}


class MessageValues(nn.Module):
    """An encoder over each message, and a causal network over the messages."""

    def __init__(self, body: nn.Module, hidden: int, loss: Loss | None = None) -> None:
        super().__init__()
        self.body = body
        self.values = ValueNetwork(Shape(features=hidden, width=64, layers=2), loss)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        run: Tensor,
        place: Tensor,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
        problem: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Logits after every message, (runs, messages), and the loss where there are targets.

        A row of `input_ids` is a message, the `place`-th of the `run`-th run.
        """
        means = self.means(input_ids, attention_mask)
        x = means.new_zeros((int(run.max()) + 1, int(place.max()) + 1, means.shape[1]))
        x[run, place] = means
        found: dict[str, Tensor] = self.values(x, targets, weights, problem)
        return found

    def means(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The mean state of each message, (messages, hidden)."""
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        found: Tensor = ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).float()
        return found


def model_of(body: Any, backbone: Backbone, loss: Loss | None = None) -> nn.Module:
    """The value model of a backbone of the transformers library, adapters put in if wanted."""
    hidden = int(body.config.hidden_size)
    if backbone.lora is not None:
        from peft import LoraConfig, get_peft_model

        lora = backbone.lora
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules="all-linear",
        )
        with warnings.catch_warnings():  # of what the two libraries say to each other
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            body = get_peft_model(body, config)
    kind = CausalValues if backbone.reads == "run" else MessageValues
    return kind(body, hidden, loss)


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that training changes, by name: what has to be kept beside the backbone."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}
