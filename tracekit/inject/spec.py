"""What a data set of failures is made of: one value, from which every byte follows."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from tracekit.errors import UsageError
from tracekit.inject.modes import MODES, PAIRS
from tracekit.inject.types import Strategy
from tracekit.replay.sandbox.families.table import FAMILIES, family
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES, topology
from tracekit.trace import Task
from tracekit.version import __version__

Split = Literal["train", "validation", "test"]

SHARD = 250
"""Failures in a shard of a large set."""
DEAR = {"programs": 0.05}
"""Families whose runs take long, and the share of a set that they get beside others."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to build. Raises `UsageError` when that is impossible."""

    n: int = 1000
    """Failures wanted, each with a verified decisive step."""
    families: tuple[str, ...] = tuple(FAMILIES)
    """Families of sandbox tasks; unused with a system of one's own."""
    topologies: tuple[str, ...] = tuple(TOPOLOGIES)
    """Topologies of sandbox teams; unused with a system of one's own."""
    modes: tuple[str, ...] = tuple(MODES)
    """Failure modes to inject."""
    strategies: tuple[Strategy, ...] = ()
    """Strategies to inject them by; empty = all that bring a mode about."""
    manipulator: str = "sandbox"
    """Name of what writes the faulty content."""
    endpoint: str = ""
    """Address of the server that manipulator `llm` asks, e.g. `http://localhost:8000/v1`."""
    model: str = ""
    """Name of the model there."""
    key_env: str = ""
    """Environment variable that holds its key; empty = it wants none."""
    system: str | None = None
    """`module:factory` of a system of one's own; None = the sandbox."""
    tasks: tuple[Task, ...] = ()
    """What a system of one's own is asked; unused in the sandbox."""
    recordings: tuple[str, ...] = ()
    """Fingerprints of recorded successes to change offline, in order; none = runs are made."""
    seed: int = 0
    """Seed of everything drawn."""
    per_run: int = 4
    """Injections tried in each clean run that succeeds."""
    hard: float = 0.5
    """Hard negatives kept, per failure at most."""
    natural: bool = False
    """Whether runs that fail by themselves are labelled and kept too; they do not count in `n`."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.per_run < 1 or self.hard < 0:
            raise UsageError("a set needs at least one failure, and one injection in a run")
        for name in self.families:
            family(name)
        for name in self.topologies:
            topology(name)
        if not self.faults:
            known = ", ".join(sorted({strategy for _, strategy in PAIRS}))
            raise UsageError(f"no mode asked for can be brought about so; strategies: {known}")
        if self.system is not None and not self.tasks:
            raise UsageError("a system of one's own needs tasks")
        if (self.manipulator == "llm") != bool(self.endpoint and self.model):
            raise UsageError("manipulator 'llm', and no other, needs an endpoint and a model")
        if self.recordings and self.system is not None:
            raise UsageError("recordings are changed offline, without a system")
        if self.system is None and not (self.families and self.topologies):
            raise UsageError("name at least one family and one topology")

    @property
    def faults(self) -> list[tuple[str, Strategy]]:
        """(mode, strategy) to inject; raises `UsageError` for a mode that nobody knows."""
        unknown = sorted(set(self.modes) - set(MODES))
        if unknown:
            raise UsageError(f"no mode {unknown[0]!r}; known: {', '.join(MODES)}")
        return [
            (mode, strategy)
            for mode, strategy in PAIRS
            if mode in self.modes and strategy in (self.strategies or (strategy,))
        ]

    @property
    def shards(self) -> int:
        """Number of files: more than one even for small sets, so that processes can share them."""
        wanted = max(-(-self.n // SHARD), min(10, -(-self.n // 25)))
        given = len(self.recordings) or len(self.tasks)
        return min(wanted, given) if given else wanted

    def quota(self, shard: int) -> int:
        """Failures of one shard."""
        return self.n // self.shards + (shard < self.n % self.shards)

    def split(self, shard: int) -> Split:
        """Part of the set that a shard is: of ten or more, the last tenth is for testing.

        Shards share no task, so neither do the parts.
        """
        tenth = self.shards // 10
        if shard >= self.shards - tenth:
            return "test"
        return "validation" if shard >= self.shards - 2 * tenth else "train"

    def file(self, shard: int) -> str:
        """Name of a shard's file below `data/`."""
        return f"{self.split(shard)}-{shard:05d}-of-{self.shards:05d}.parquet"

    @property
    def digest(self) -> str:
        """Hash of the specification and of tracekit's version, 64 hex digits."""
        return hashlib.sha256(msgspec.json.encode([__version__, self])).hexdigest()
