"""One shard of a data set: clean runs, faults in them, labels, rows. Depends on nothing outside."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from tracekit import registry
from tracekit.errors import ContractError, InjectionError, TracekitError
from tracekit.inject.labels import Labelled, injected_labels, label
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.llm import Llm
from tracekit.inject.offline import inject_offline
from tracekit.inject.rows import Where, row
from tracekit.inject.spec import DEAR, Spec
from tracekit.inject.types import Fault, Injected, Strategy
from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint
from tracekit.llm.retry import silence
from tracekit.protocols import Manipulator, Replayable
from tracekit.replay.sandbox.state import task_id, task_of
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.systems import load_system
from tracekit.trace import Trace

SKILLS = (0.82, 0.88, 0.94)
"""How seldom agents of the sandbox err by themselves; natural mistakes stay among the others."""
DIFFICULTIES = (1, 2, 3)
EVERY = 0.1
"""Share of faults that strike all later calls of the agent."""
TWO = 0.05
"""Share of injections with two faults."""
PATIENCE = 80
"""Clean runs per failure wanted after which a shard ends with what it has."""

T = TypeVar("T", bound=Hashable)


class Shard(msgspec.Struct):
    """What came of one shard."""

    rows: list[dict[str, Any]] = []
    """In the order in which they were made."""
    counts: dict[str, int] = {}
    """How often what happened; keys such as `failed/FM-1.1/tool-fault`."""


class Deal(Generic[T]):
    """Deals out things so that what is made of each keeps to its weight.

    A failed try counts a little, so that what never succeeds is not tried forever.
    """

    TRY = 0.15

    def __init__(self, weights: dict[T, float], rng: random.Random) -> None:
        self._weights = weights
        self._filled = {thing: rng.random() for thing in weights}

    def order(self) -> list[T]:
        """What is furthest behind first."""
        return sorted(self._weights, key=lambda x: self._filled[x] / self._weights[x])

    def take(self, thing: T, *, made: bool) -> None:
        """Count a try, and whether something was made."""
        self._filled[thing] += 1.0 if made else self.TRY


def make(spec: Spec, number: int, recordings: Sequence[Trace] = ()) -> Shard:
    """The rows of one shard: the same for the same specification and number, in any process.

    `recordings` are those of the shard, where runs are not made but changed offline.
    """
    try:
        with _manipulator(spec) as manipulator:
            maker = _Maker(spec, number, manipulator)
            return maker.offline(recordings) if spec.recordings else maker.make()
    except (TracekitError, OSError, MemoryError):
        raise
    except Exception as error:
        if spec.system is None:
            raise
        raise ContractError(
            f"system {spec.system!r} broke: {type(error).__name__}: {str(error)[:200]}; "
            "tracekit.testing.check_replayable says which promise it does not keep"
        ) from error


@contextmanager
def _manipulator(spec: Spec) -> Iterator[Manipulator]:
    """What writes the faults; a model is asked at the address that the specification names."""
    if not spec.endpoint:
        yield registry.get("manipulators", spec.manipulator)
        return
    silence()
    with Client(Endpoint(url=spec.endpoint, key_env=spec.key_env)) as client:
        yield Llm(client, spec.model)


class _Maker:
    def __init__(self, spec: Spec, number: int, manipulator: Manipulator) -> None:
        self.spec, self.number, self.manipulator = spec, number, manipulator
        self.rng = random.Random(f"{spec.seed}/{number}/shard")  # noqa: S311 - no secret
        self.kinds = Counter(mode for mode, _ in spec.faults)
        self.faults = Deal({pair: 1 / self.kinds[pair[0]] for pair in spec.faults}, self.rng)
        self.pairs = Deal(_weights(spec), self.rng)
        self.counts: Counter[str] = Counter()
        self.shard = Shard(rows=[])
        self.twins: set[str] = set()

    def make(self) -> Shard:
        quota = self.spec.quota(self.number)
        for system, clean, where in self._clean_runs():
            self.counts["clean runs"] += 1
            before = self.counts["verified"]
            if clean.outcome.status == "success":
                self.counts["clean successes"] += 1
                self._strike(system, clean, where, quota)
            elif self.spec.natural and clean.outcome.status == "failure":
                self._natural(system, clean, where)
            made = self.counts["verified"] - before
            pair = (where.family, where.topology)
            for _ in range(max(1, made)):
                self.pairs.take(pair, made=made > 0)
            if self.counts["verified"] >= quota:
                break
            if self.counts["clean runs"] >= PATIENCE * quota:
                break
        self.shard.counts = dict(sorted(self.counts.items()))
        return self.shard

    def offline(self, recordings: Sequence[Trace]) -> Shard:
        """Faults in recordings; nothing is replayed, so labels are those of construction alone."""
        quota = self.spec.quota(self.number)
        for seed in range(self.spec.per_run):
            for clean in recordings:
                if self.counts["kept/offline"] >= quota:
                    break
                for pair in self.faults.order():
                    if self._offline(clean, pair, seed):
                        break
        self.shard.counts = dict(sorted(self.counts.items()))
        return self.shard

    def _offline(self, clean: Trace, pair: tuple[str, Strategy], seed: int) -> bool:
        mode, strategy = pair
        self.counts[f"tried/{mode}/{strategy}"] += 1
        fault = Fault(mode=mode, strategy=strategy)
        try:
            injected = inject_offline(clean, [fault], self.manipulator, self.spec.seed + seed)
        except InjectionError:
            self.counts[f"no occasion/{mode}/{strategy}"] += 1
            self.faults.take(pair, made=False)
            return False
        self.faults.take(pair, made=True)
        self.counts[f"injected/{mode}/{strategy}"] += 1
        self.counts["injected"] += 1
        system = clean.source.framework or clean.source.format
        where = Where(split=self.spec.split(self.number), system=system, run_seed=0)
        labels = tuple(injected_labels(injected))
        trace = msgspec.structs.replace(injected.trace, labels=labels)
        if clean.id not in self.twins:
            self.twins.add(clean.id)
            self._add(where, "clean", _untouched(clean), _unlabelled(clean))
        self._add(where, "offline", injected, _unlabelled(trace))
        return True

    def _clean_runs(self) -> Iterator[tuple[Replayable, Trace, Where]]:
        """Runs without faults, on tasks that no other shard has."""
        split = self.spec.split(self.number)
        if self.spec.system is not None:
            system = load_system(self.spec.system)
            mine = self.spec.tasks[self.number :: self.spec.shards]
            while True:
                for task in mine:
                    seed = self.rng.randrange(2**31)
                    where = Where(split=split, system=self.spec.system, run_seed=seed)
                    yield system, system.run(task, seed), where
        number = self.spec.seed * 10**9 + self.number * 10**5
        while True:
            family, topology = self.pairs.order()[0]
            sandbox = Sandbox(family, topology, skill=self.rng.choice(SKILLS))
            difficulty = self.rng.choice(DIFFICULTIES)
            seed = self.rng.randrange(2**31)
            where = Where(
                split=split, system="sandbox", family=family, topology=topology, run_seed=seed
            )
            task = task_of(task_id(family, difficulty, number))
            yield sandbox, sandbox.run(task, seed), where
            number += 1

    def _strike(self, system: Replayable, clean: Trace, where: Where, quota: int) -> None:
        """Several injections into one clean run, and the run itself as their twin."""
        kept, seen = 0, set[str]()
        for pair in self.faults.order()[: self.spec.per_run]:
            if self.counts["verified"] >= quota:
                break
            injected = self._injected(system, clean, pair, where.run_seed)
            if injected is None or injected.trace.id in seen:  # two faults may come to the same run
                self.faults.take(pair, made=False)
                continue
            seen.add(injected.trace.id)
            labelled = label(system, injected, self.spec.seed)
            kept += self._keep(where, injected, labelled)
            self._count(pair, injected, labelled)
        if kept:
            self._add(where, "clean", _untouched(clean), _unlabelled(clean))

    def _injected(
        self, system: Replayable, clean: Trace, pair: tuple[str, Strategy], seed: int
    ) -> Injected | None:
        """The run with one fault, or now and then two; None where there is no occasion."""
        mode, strategy = pair
        self.counts[f"tried/{mode}/{strategy}"] += 1
        every = self.rng.random() < EVERY and strategy in ("response-corruption", "tool-fault")
        faults = [Fault(mode=mode, strategy=strategy, every=every)]
        if self.rng.random() < TWO and not every:
            second = self.rng.choice(self.spec.faults)
            faults.append(Fault(mode=second[0], strategy=second[1]))
        try:
            return inject_live(system, clean, faults, self.manipulator, seed)
        except InjectionError:
            self.counts[f"no occasion/{mode}/{strategy}"] += 1
            return None

    def _keep(self, where: Where, injected: Injected, labelled: Labelled) -> bool:
        """Add the row; of hard negatives only so many, for there are more than anybody needs."""
        failed = labelled.trace.outcome.status == "failure"
        if not failed:
            many = self.counts["kept/hard-negative"] >= self.spec.hard * self.counts["failures"] + 1
            if many or labelled.trace.outcome.status != "success":
                return False
        self._add(where, "failure" if failed else "hard-negative", injected, labelled)
        return True

    def _count(self, pair: tuple[str, Strategy], injected: Injected, labelled: Labelled) -> None:
        mode, strategy = pair
        failed = labelled.trace.outcome.status == "failure"
        verified = labelled.decisive is not None
        self.faults.take(pair, made=verified)
        self.counts[f"injected/{mode}/{strategy}"] += 1
        self.counts[f"failed/{mode}/{strategy}"] += failed
        self.counts[f"verified/{mode}/{strategy}"] += verified
        self.counts["injected"] += 1
        self.counts["failures"] += failed
        self.counts["verified"] += verified
        if labelled.decisive is not None:
            struck = {fault.step for fault in injected.faults}
            self.counts["decisive is injected"] += labelled.decisive.step in struck

    def _natural(self, system: Replayable, clean: Trace, where: Where) -> None:
        injected = _untouched(clean)
        labelled = label(system, injected, self.spec.seed)
        self.counts["natural"] += 1
        self.counts["natural verified"] += labelled.decisive is not None
        self._add(where, "natural", injected, labelled)

    def _add(self, where: Where, kind: str, injected: Injected, labelled: Labelled) -> None:
        self.counts[f"kept/{kind}"] += 1
        self.counts["replays"] += labelled.replays
        self.shard.rows.append(row(where, kind, injected, labelled))


def _weights(spec: Spec) -> dict[tuple[str, str], float]:
    """Share of each family and topology; families that take long get little beside others."""
    if spec.system is not None:
        return {("", ""): 1.0}
    dear = {name: DEAR[name] for name in spec.families if name in DEAR}
    cheap = [name for name in spec.families if name not in dear]
    left = (1 - sum(dear.values())) / len(cheap) if cheap else 0.0
    return {
        (name, topology): dear.get(name, left) if cheap else 1.0
        for name in spec.families
        for topology in spec.topologies
    }


def _untouched(clean: Trace) -> Injected:
    return Injected(clean=clean, trace=clean, faults=(), interventions=(), manipulator="", seed=0)


def _unlabelled(trace: Trace) -> Labelled:
    return Labelled(
        trace=trace, decisive=None, tested=(), unrecoverable=None, undone=None, replays=0
    )
