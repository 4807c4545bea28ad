"""Which agents failed and how, learned by contrast between a run and its clean twin.

The disentangled contrastive learner of AEGIS (arXiv 2509.14295, section 3.4 and 5): the turns of an
agent are a bag of which only the label of the whole is known (multiple-instance learning).
Attention picks the K turns that speak loudest; prototypes of the modes start from their
descriptions; agent, mode and pair are scored apart and kept consistent, since a pair cannot be more
likely than its agent or its mode. Hard negatives are the same agent's turns in the clean twin.
Agents have no prototypes, because their names mean nothing in another system.
Where the paper gives no constant, the choice stands in `Recipe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn import functional

from tracekit.analyzers.compact.modes import EVIDENCE


class Bag(NamedTuple):
    """The turns of one agent in one run."""

    turns: np.ndarray
    """Features and embedding of each, float (turns, inputs)."""
    modes: np.ndarray
    """Modes that the agent shows, 0 or 1, float (modes,); all 0 for an agent without fault."""
    twin: int | None = None
    """Position of the same agent's bag in the clean run, None when there is none."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a fit depends on besides data and seed."""

    width: int = 64
    epochs: int = 10
    rate: float = 2e-3
    """Highest learning rate; it falls to 0 along a cosine."""
    decay: float = 0.01
    drop: float = 0.1
    """Share of the inputs that is dropped in training."""
    bags: int = 128
    """Bags in a batch, twins of the faulty ones not counted."""
    contrast: float = 0.1
    """Weight of the contrastive loss."""
    hierarchy: float = 0.5
    """Weight of the consistency of pair with agent and mode."""
    temperature: float = 0.1
    """Of cosines in the contrastive loss."""


class Verdicts(NamedTuple):
    """Scores of B bags."""

    agent: Tensor
    """Logit that the agent failed, (B,)."""
    mode: Tensor
    """Logits of the modes, (B, modes)."""
    pair: Tensor
    """Logits of agent and mode together, (B, modes)."""
    evidence: Tensor
    """What the evidence looks like, unit length, (B, width)."""


class Contrastive(nn.Module, PyTorchModelHubMixin):
    """Bags of turns to verdicts on agent, mode, and both; goes to the Hub and back by itself."""

    def __init__(
        self, inputs: int, text: int, modes: int = 14, width: int = 64, drop: float = 0.0
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width)
        )
        self.drop = nn.Dropout(drop)
        self.look = nn.Linear(width, 1)
        self.describe = nn.Linear(text, width, bias=False)
        self.prototypes = nn.Parameter(torch.randn(modes, width) / width**0.5)
        self.agent = nn.Linear(width, 1)
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.shift = nn.Parameter(torch.full((modes,), -4.0))
        self.gate = nn.Linear(2, 1)
        with torch.no_grad():
            self.gate.weight.copy_(torch.tensor([[0.5, 1.0]]))
            self.gate.bias.zero_()

    def begin(self, descriptions: Tensor) -> None:
        """Start the prototypes from embeddings of the modes' descriptions, (modes, text)."""
        with torch.no_grad():
            self.prototypes.copy_(functional.normalize(self.describe(descriptions), dim=1))

    def forward(self, turns: Tensor, bag: Tensor, bags: int) -> Verdicts:
        """Verdicts on bags; `turns` (N, inputs), `bag` (N,) says whose turn each is."""
        z = self.enter(self.drop(turns))
        chosen = _loudest(self.look(z).squeeze(1), bag, bags)
        pooled = torch.zeros(bags, z.shape[1]).to(z).index_add(0, bag, z * chosen[:, None])
        evidence = functional.normalize(pooled, dim=1)
        near = evidence @ functional.normalize(self.prototypes, dim=1).T
        agent, mode = self.agent(pooled).squeeze(1), self.scale * near + self.shift
        both = torch.stack([agent[:, None].expand_as(mode), mode], dim=2)
        return Verdicts(agent, mode, self.gate(both).squeeze(2), evidence)


def fit(bags: Sequence[Bag], descriptions: np.ndarray, recipe: Recipe, seed: int) -> Contrastive:
    """A model fitted on bags; the same arguments give the same weights on one machine.

    `descriptions` holds an embedding of what each mode looks like, float (modes, text).
    """
    torch.manual_seed(seed)
    inputs, (modes, text) = bags[0].turns.shape[1], descriptions.shape
    model = Contrastive(inputs, text, modes, recipe.width, recipe.drop)
    model.begin(torch.as_tensor(descriptions, dtype=torch.float32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    batches = recipe.epochs * -(-len(bags) // recipe.bags)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, batches))
    order = torch.Generator().manual_seed(seed)
    for _ in range(recipe.epochs):
        shuffled = torch.randperm(len(bags), generator=order).tolist()
        for at in range(0, len(shuffled), recipe.bags):
            chosen = _with_twins(bags, shuffled[at : at + recipe.bags])
            optimizer.zero_grad()
            off = loss(model, [bags[k] for k in chosen], recipe)
            off.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def loss(model: Contrastive, bags: Sequence[Bag], recipe: Recipe) -> Tensor:
    """Classification, contrast and consistency of a batch, nats."""
    said = verdicts(model, bags)
    modes = torch.as_tensor(np.stack([each.modes for each in bags]), dtype=torch.float32)
    faulty = modes.amax(dim=1)
    told = functional.binary_cross_entropy_with_logits
    per_bag = modes.shape[1]  # a mean over bags and modes would drown the modes
    right = told(said.agent, faulty) + per_bag * (told(said.mode, modes) + told(said.pair, modes))
    bound = torch.minimum(said.agent.sigmoid()[:, None], said.mode.sigmoid())
    excess = (said.pair.sigmoid() - bound).clamp(min=0).square().mean()
    total = right + recipe.hierarchy * per_bag * excess
    if recipe.contrast:
        total = total + recipe.contrast * _contrast(model, said.evidence, modes, recipe.temperature)
    return total


def verdicts(model: Contrastive, bags: Sequence[Bag]) -> Verdicts:
    """The model's verdicts on bags."""
    sizes = np.array([len(each.turns) for each in bags])
    turns = torch.as_tensor(np.concatenate([each.turns for each in bags]), dtype=torch.float32)
    owner = torch.as_tensor(np.repeat(np.arange(len(bags)), sizes))
    said: Verdicts = model(turns, owner, len(bags))
    return said


def _contrast(model: Contrastive, evidence: Tensor, modes: Tensor, temperature: float) -> Tensor:
    """Supervised contrast: faulty evidence near its prototypes, far from all else in the batch.

    All else holds the other prototypes and the evidence of agents without fault, of which the
    twins of the faulty ones are the hard negatives.
    """
    faulty = modes.amax(dim=1) > 0
    if not bool(faulty.any()):
        return evidence.sum() * 0.0
    prototypes = functional.normalize(model.prototypes, dim=1)
    anchors, wanted = evidence[faulty], modes[faulty]
    towards = anchors @ prototypes.T / temperature
    clean = anchors @ evidence[~faulty].T / temperature
    everything = torch.logsumexp(torch.cat([towards, clean], dim=1), dim=1, keepdim=True)
    return -((towards - everything) * wanted).sum() / wanted.sum()


def _loudest(scores: Tensor, bag: Tensor, bags: int) -> Tensor:
    """Attention of each turn within its bag, 0 for all but the K loudest; sums to 1 per bag."""
    order = torch.argsort(scores.detach(), descending=True, stable=True)
    order = order[torch.argsort(bag[order], stable=True)]
    counts = torch.bincount(bag, minlength=bags)
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - starts[bag[order]]
    kept = torch.where(rank < EVIDENCE, scores, torch.full_like(scores, -1e9))
    top = torch.full((bags,), -1e9).to(scores).scatter_reduce(0, bag, kept.detach(), "amax")
    weight = (kept - top[bag]).exp()
    total = torch.zeros(bags).to(scores).index_add(0, bag, weight)
    return weight / total[bag]


def _with_twins(bags: Sequence[Bag], chosen: Sequence[int]) -> list[int]:
    """The chosen ones and the twins of the faulty among them, each once."""
    found = dict.fromkeys(chosen)
    for number in chosen:
        twin = bags[number].twin
        if twin is not None and bags[number].modes.any():
            found[twin] = None
    return list(found)
