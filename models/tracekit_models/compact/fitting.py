"""How the network is fitted: likelihood of step, agent and modes; then expected reward.

The reward of a verdict is that of AgenTracer (arXiv 2509.03312, section 4): half for the agent,
half for the step by a Gaussian kernel of sigma 1. The verdict is drawn from the network's own
distribution over steps, which is small enough to take the expectation exactly; no sampling, no
variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from tracekit.analyzers.compact.graph import Graph
from tracekit_models.compact.network import Batch, Network, Scores, Shape, batch

Objective = Callable[[Scores, Sequence[Graph], Batch, "Recipe"], Tensor]

SIGMA = 1.0
"""Width of the step reward, in steps."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a fit depends on besides shape, data and seed."""

    epochs: int = 60
    """Passes of likelihood."""
    reward_epochs: int = 0
    """Passes of expected reward after them."""
    rate: float = 3e-3
    """Highest learning rate, reached after a tenth of the way; cosine from there."""
    decay: float = 0.05
    """Weight decay."""
    runs: int = 32
    """Runs in a batch."""
    agents: float = 0.5
    """Weight of the agents' likelihood beside the steps'."""
    modes: float = 0.2
    """Weight of the modes' likelihood."""
    smoothing: float = 0.0
    """Share of the target spread over neighbours by the kernel of the reward."""


def fit(
    examples: Sequence[Graph],
    shape: Shape,
    recipe: Recipe,
    seed: int,
    start: Network | None = None,
) -> Network:
    """A network fitted on labelled runs, from scratch or from another one's weights.

    The same arguments give the same weights on one machine.
    """
    torch.manual_seed(seed)
    sizes = {name: getattr(shape, name) for name in shape.__struct_fields__}
    network = Network(**sizes)
    if start is not None:
        network.load_state_dict(start.state_dict())
    for epochs, objective in ((recipe.epochs, likelihood), (recipe.reward_epochs, reward)):
        if epochs:
            _descend(network, examples, recipe, epochs, objective, seed)
    return network.eval()


def likelihood(scores: Scores, examples: Sequence[Graph], graph: Batch, recipe: Recipe) -> Tensor:
    """Negative log-likelihood of what is known, nats per run."""
    total = torch.zeros(())
    starts = _starts(graph.run, graph.runs)
    firsts = _starts(graph.run_of_agent, graph.runs)
    for number, each in enumerate(examples):
        if each.step is not None:
            total = total - each.weight * _towards(
                scores.step, starts[number], each, recipe.smoothing
            )
        if each.who is not None:
            total = total - each.weight * recipe.agents * scores.agent[firsts[number] + each.who]
        if each.modes is not None:
            wanted = torch.as_tensor(each.modes, dtype=torch.float32)
            loss = functional.binary_cross_entropy_with_logits(scores.mode[number], wanted)
            total = total + each.weight * recipe.modes * len(wanted) * loss
    return total / len(examples)


def reward(scores: Scores, examples: Sequence[Graph], graph: Batch, _: Recipe) -> Tensor:
    """Minus the expected reward of a verdict drawn from the steps' distribution, -1 to 0."""
    total, known = torch.zeros(()), 0
    starts = _starts(graph.run, graph.runs)
    for number, each in enumerate(examples):
        if each.step is None:
            continue
        known += 1
        chances = scores.step[starts[number] : starts[number] + len(each.x)].exp()
        far = torch.arange(len(each.x)) - each.step
        near = torch.exp(-(far**2) / (2 * SIGMA**2))
        same = torch.as_tensor(each.agent == each.agent[each.step], dtype=torch.float32)
        total = total - each.weight * (chances * (near + same) / 2).sum()
    return total / max(1, known)


def _towards(logs: Tensor, start: int, each: Graph, smoothing: float) -> Tensor:
    """Log-likelihood of the labelled step, or of the smoothed label."""
    assert each.step is not None
    exact = logs[start + each.step]
    if not smoothing:
        return exact
    far = torch.arange(len(each.x)) - each.step
    near = torch.exp(-(far**2) / (2 * SIGMA**2)) * torch.as_tensor(each.blamable)
    spread = (
        near / near.sum().clamp(min=1e-9) * logs[start : start + len(each.x)].clamp(min=-50)
    ).sum()
    return (1 - smoothing) * exact + smoothing * spread


def _starts(group: Tensor, count: int) -> list[int]:
    sizes = torch.bincount(group, minlength=count)
    starts: list[int] = (sizes.cumsum(0) - sizes).tolist()
    return starts


def _descend(
    network: Network,
    examples: Sequence[Graph],
    recipe: Recipe,
    epochs: int,
    objective: Objective,
    seed: int,
) -> None:
    order = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(examples) // recipe.runs)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=max(2, steps), pct_start=0.1, cycle_momentum=False
    )
    network.train()
    for _ in range(epochs):
        shuffled = torch.randperm(len(examples), generator=order).tolist()
        for at in range(0, len(shuffled), recipe.runs):
            chosen = [examples[k] for k in shuffled[at : at + recipe.runs]]
            graph = batch(chosen)
            optimizer.zero_grad()
            loss = objective(network(graph), chosen, graph, recipe)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
