"""The network of the compact tracer: messages between the steps of a run, three heads, one blame.

A step is its features and the embedding of its text. Residual layers pass messages along the
sequence, between the steps of one agent, and along the influence graph (who used what). From the
last layer come a score per step (softmax over the steps that can be blamed), a score per agent
(log-sum-exp of its steps and what they look like together) and the failure modes (attention over
steps by their blame). Runs are trained on as one flat graph, so that a batch is a handful of
matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from tracekit.analyzers.compact.graph import Graph

BARRED = -1e9
"""Score of a step or agent that cannot be blamed."""


class Shape(msgspec.Struct, frozen=True):
    """Sizes of a network."""

    features: int
    """Columns of the feature matrix."""
    text: int
    """Length of an embedding; 0 = without text."""
    width: int = 32
    """Length of a step's state."""
    layers: int = 2
    modes: int = 14
    dropout: float = 0.2


class Batch(NamedTuple):
    """Several runs as one graph; N steps, A agents, T runs in all."""

    x: Tensor
    """Features, (N, features)."""
    e: Tensor
    """Embeddings, (N, text)."""
    run: Tensor
    """Run of each step, (N,)."""
    agent: Tensor
    """Agent of each step, numbered through all runs, (N,)."""
    run_of_agent: Tensor
    """Run of each agent, (A,)."""
    barred: Tensor
    """Whether a step cannot be blamed, bool (N,)."""
    source: Tensor
    """Steps used, (E,)."""
    target: Tensor
    """Steps that used them, (E,)."""
    weight: Tensor
    """How much, (E,)."""
    runs: int
    agents: int


class Scores(NamedTuple):
    """What the network says of a batch."""

    step: Tensor
    """Log-probability of each step within its run, (N,)."""
    agent: Tensor
    """Log-probability of each agent within its run, (A,)."""
    mode: Tensor
    """Logit of each failure mode, (T, modes)."""


def batch(examples: Sequence[Graph]) -> Batch:
    """Put runs together."""
    sizes = np.array([len(each.x) for each in examples])
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    teams = np.array([each.agent.max() + 1 for each in examples])
    firsts = np.concatenate([[0], np.cumsum(teams)])[:-1]
    edges = [np.nonzero(each.uses) for each in examples]  # (users, used)

    def joined(parts: list[np.ndarray], dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(np.concatenate(parts), dtype=dtype)

    pairs = list(zip(examples, edges, strict=True))
    return Batch(
        x=joined([each.x for each in examples], torch.float32),
        e=joined([each.e for each in examples], torch.float32),
        run=torch.as_tensor(np.repeat(np.arange(len(examples)), sizes)),
        agent=joined([e.agent + k for e, k in zip(examples, firsts, strict=True)], torch.long),
        run_of_agent=torch.as_tensor(np.repeat(np.arange(len(examples)), teams)),
        barred=joined([~each.blamable for each in examples], torch.bool),
        source=joined([s + k for (_, s), k in zip(edges, starts, strict=True)], torch.long),
        target=joined([t + k for (t, _), k in zip(edges, starts, strict=True)], torch.long),
        weight=joined([each.uses[found] for each, found in pairs], torch.float32),
        runs=len(examples),
        agents=int(teams.sum()),
    )


class Layer(nn.Module):
    """One round of messages."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(6 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, h: Tensor, graph: Batch) -> Tensor:
        """States of the steps after this round, (N, width)."""
        z = self.norm(h)
        team = _mean(z, graph.agent, graph.agents)[graph.agent]
        used = torch.zeros_like(z).index_add(
            0, graph.target, z[graph.source] * graph.weight[:, None]
        )
        users = torch.zeros_like(z).index_add(
            0, graph.source, z[graph.target] * graph.weight[:, None]
        )
        around = (_shifted(z, graph.run, 1), _shifted(z, graph.run, -1))
        mixed: Tensor = self.mix(torch.cat([z, *around, team, used, users], dim=1))
        found: Tensor = h + self.drop(torch.relu(mixed))
        return found


class Network(nn.Module, PyTorchModelHubMixin):
    """See the module. Loads and saves itself in the Hub's own format (safetensors)."""

    def __init__(
        self, features: int, text: int, width: int = 32, layers: int = 2, modes: int = 14,
        dropout: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shape = Shape(features, text, width, layers, modes, dropout)
        self.enter = nn.Linear(features, width)
        self.read = nn.Linear(text, width, bias=False) if text else None
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, dropout) for _ in range(layers))
        self.leave = nn.LayerNorm(width)
        self.step = nn.Linear(width, 1, bias=False)
        self.skip = nn.Linear(features, 1, bias=False)
        self.agent = nn.Linear(2 * width, 1, bias=False)
        self.mode = nn.Linear(2 * width, modes)

    def forward(self, graph: Batch) -> Scores:
        """Scores of every step, agent and mode of the batch."""
        h = self.enter(graph.x)
        if self.read is not None:
            h = h + self.read(graph.e)
        h = self.drop(h)
        for layer in self.layers:
            h = layer(h, graph)
        h = self.leave(h)
        raw = (self.step(h) + self.skip(graph.x)).squeeze(1).masked_fill(graph.barred, BARRED)
        step = raw - _logsumexp(raw, graph.run, graph.runs)[graph.run]
        pooled = torch.cat(
            [_mean(h, graph.agent, graph.agents), _max(h, graph.agent, graph.agents)], 1
        )
        whole = _logsumexp(step, graph.agent, graph.agents)
        said = whole + torch.where(whole > BARRED / 2, self.agent(pooled).squeeze(1), 0.0)
        agent = said - _logsumexp(said, graph.run_of_agent, graph.runs)[graph.run_of_agent]
        blamed = (
            torch.zeros(graph.runs, h.shape[1])
            .to(h)
            .index_add(0, graph.run, h * step.exp()[:, None])
        )
        mode = self.mode(torch.cat([blamed, _mean(h, graph.run, graph.runs)], dim=1))
        return Scores(step, agent, mode)


def _mean(values: Tensor, group: Tensor, count: int) -> Tensor:
    total = torch.zeros(count, values.shape[1]).to(values).index_add(0, group, values)
    size = torch.bincount(group, minlength=count).clamp(min=1).to(values)
    return total / size[:, None]


def _max(values: Tensor, group: Tensor, count: int) -> Tensor:
    start = torch.full((count, values.shape[1]), -torch.inf).to(values)
    found = start.scatter_reduce(0, group[:, None].expand_as(values), values, "amax")
    return torch.where(found.isinf(), torch.zeros_like(found), found)


def _logsumexp(values: Tensor, group: Tensor, count: int) -> Tensor:
    top = torch.full((count,), BARRED).to(values).scatter_reduce(0, group, values.detach(), "amax")
    total = torch.zeros(count).to(values).index_add(0, group, (values - top[group]).exp())
    return top + total.clamp(min=1e-30).log()


def _shifted(values: Tensor, run: Tensor, by: int) -> Tensor:
    """The state of the step before (1) or after (-1) in the same run; 0 where there is none."""
    moved, whose = values.roll(by, 0), run.roll(by, 0)
    same = whose == run
    same[0 if by > 0 else -1] = False
    return moved * same[:, None]
