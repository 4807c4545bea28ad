"""The third member of `compact`: a few networks alike but for their seeds, averaged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.features import TEXT, WIDE
from tracekit.analyzers.compact.graph import Graph
from tracekit.analyzers.compact.network import scores
from tracekit.encoder.tensors import Tensors, read, write

FARTHEST = 6.0
"""Scaled features are cut off there: a run unlike all others must not shout the others down."""


class Networks(NamedTuple):
    """Weights of the networks, and how their features are scaled."""

    mean: np.ndarray
    """Of each wide column, (n_features,)."""
    scale: np.ndarray
    """What counts as one unit of it."""
    members: tuple[Mapping[str, np.ndarray], ...]
    """Weights of each network by name (`tracekit.analyzers.compact.network`)."""

    def scaled(self, run: Graph) -> Graph:
        """The run with its features as the networks want them."""
        x = np.clip((run.x - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return run._replace(x=x)

    def log_chances(self, run: Graph) -> np.ndarray:
        """Log of the mean probability of each step, float64 (n_steps,); -inf where it is 0."""
        seen = self.scaled(run)
        found = np.mean([np.exp(scores(member, seen).step) for member in self.members], axis=0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.where(run.blamable, found, 0.0)))

    @property
    def id(self) -> str:
        """Short hash of the numbers, 12 hex digits."""
        digest = hashlib.sha256()
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode() + b"\0" + array.tobytes())
        return digest.hexdigest()[:12]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, float32, as it lies on disk."""
        found = {"mean": self.mean, "scale": self.scale}
        for number, member in enumerate(self.members):
            found |= {f"{number}.{name}": array for name, array in member.items()}
        return {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in found.items()}

    def save(self, path: Path) -> None:
        """As a safetensors file; equal weights give equal bytes."""
        write(path, self.arrays(), {"kind": "compact-networks", "features": str(len(WIDE))})

    @classmethod
    def load(cls, path: Path) -> Networks:
        """From a file; raises `InputError` for a broken one and `ValueError` for another model's."""
        return cls.of(read(path))

    @classmethod
    def of(cls, tensors: Tensors) -> Networks:
        """From arrays; raises `ValueError` when they are no networks for these features."""
        arrays = {name: np.asarray(a, dtype=np.float64) for name, a in tensors.arrays.items()}
        members: dict[str, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            number, dot, rest = name.partition(".")
            if dot:
                members.setdefault(number, {})[rest] = array
        try:
            found = cls(arrays["mean"], arrays["scale"], tuple(members[k] for k in sorted(members)))
            fits = all(_fits(member) for member in found.members)
        except KeyError as error:
            raise ValueError(f"networks without {error}; train them anew") from None
        except TypeError:  # a number where a table is wanted
            raise ValueError("networks of odd shapes; train them anew") from None
        wide = found.mean.shape == found.scale.shape == (len(WIDE),)
        if not (found.members and wide and fits and (found.scale > 0).all()):
            raise ValueError("networks for other features than this tracekit has; train them anew")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("networks with a number that is not finite; train them anew")
        return found


def _fits(member: Mapping[str, np.ndarray]) -> bool:
    """Whether the shapes go together; raises `KeyError` for a part that is missing."""
    width = len(member["enter.weight"])
    layers = {name.split(".")[1] for name in member if name.startswith("layers.")}
    if not width or layers != {str(number) for number in range(len(layers))}:
        return False
    wanted = {
        "enter.weight": (width, len(WIDE)),
        "enter.bias": (width,),
        "read.weight": (width, TEXT),
        "leave.weight": (width,),
        "leave.bias": (width,),
        "step.weight": (1, width),
        "skip.weight": (1, len(WIDE)),
        "agent.weight": (1, 2 * width),
    }
    for layer in layers:
        wanted[f"layers.{layer}.mix.weight"] = (width, 6 * width)
        for part in ("mix.bias", "norm.weight", "norm.bias"):
            wanted[f"layers.{layer}.{part}"] = (width,)
    modes = len(member["mode.bias"])
    wanted["mode.weight"] = (modes, 2 * width)
    return all(member[name].shape == shape for name, shape in wanted.items())
