"""The protocols a plug-in can implement. Each is small: one file and one entry point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import msgspec

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.trace import Definition, Outcome, Step, Task, Trace

if TYPE_CHECKING:  # a reader is handed an open source; the type lives a layer above
    from pathlib import Path
    from random import Random

    from tracekit.context import Context
    from tracekit.ingest.sources import OpenSource
    from tracekit.inject.types import Scene
    from tracekit.replay.types import Action, Attempt, Checkpoint, Intervention, Repair


@runtime_checkable
class Reader(Protocol):
    """Reads one log format. Entry-point group `tracekit.readers`."""

    name: ClassVar[str]
    """The name in `tracekit formats` and in `Trace.source.format`."""

    def sniff(self, head: bytes, name: str) -> float:
        """How surely the file is of this format, 0 to 1, from its first 64 KiB.

        Judge by content; `name` may only raise or lower a doubt. The highest answer wins; below
        0.1 nobody takes the file. Must not raise.
        """
        ...

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """Yield traces and problems and nothing else; never raise for bad data.

        Every record taken through `source` must end up in the `raw` of a step, or in a `Problem`
        that carries its key: what is missing is reported to the user as lost.
        """
        ...


@runtime_checkable
class Analyzer(Protocol):
    """Says which agent and step broke a run. Entry-point group `tracekit.analyzers`."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    """What it needs beyond one trace: of `trace`, `corpus`, `replay`, `llm`, `model`. One that
    needs `llm` is asked about several traces at once, from several threads."""

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict on `trace`, assuming that it failed; abstains rather than guesses."""
        ...


@runtime_checkable
class Batched(Protocol):
    """What an `Analyzer` may have besides: several runs are cheaper together than one by one."""

    def attribute_many(self, traces: Sequence[Trace], context: Context) -> list[Attribution]:
        """`attribute` of each, in order."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """An analyzer with weights: it can be refitted, and says which traces it has seen."""

    def seen(self) -> frozenset[str]:
        """Content hashes (`tracekit.folds.fingerprint`) of the traces the weights were fitted on."""
        ...

    def fit(self, traces: Iterable[Trace], context: Context) -> Analyzer:
        """A new analyzer fitted on labelled traces alone; this one is unchanged."""
        ...


@runtime_checkable
class Storable(Protocol):
    """A fitted analyzer whose weights lie in a folder (`tracekit.analyzers.models`)."""

    version: ClassVar[str]
    """Version of the weights; another one is not read."""

    def save(self, folder: Path) -> None:
        """Write the weights as JSON or safetensors into an empty folder, and nothing else there.

        `config.json`, `README.md` and `fingerprints.txt` are not its own: the caller writes them.
        """
        ...

    @classmethod
    def load(cls, folder: Path) -> Analyzer:
        """The analyzer with the weights of a folder, which come from a stranger.

        Raises `InputError` or `ValueError` for weights that are damaged or make no sense.
        """
        ...


@runtime_checkable
class ValueFunction(Protocol):
    """How likely an unfinished run is to end well. Entry-point group `tracekit.values`."""

    name: ClassVar[str]

    def values(self, trace: Trace) -> Sequence[float]:
        """Probability of success after each step, 0 to 1: one number a step.

        The number of a step depends on the task, the roster and the steps up to it alone.
        """
        ...

    def begin(self, trace: Trace) -> RunningValue:
        """The value of a run that is still going on: its task and roster, its steps left out."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """What a value function may have besides: it knows for which runs it means little."""

    def doubts(self, trace: Trace) -> tuple[str, ...]:
        """Why the values of this run may be wrong, in sentences; empty = nothing speaks for it.

        Values hold for the systems that they were learned from; a run unlike theirs is in doubt.
        """
        ...


class RunningValue(Protocol):
    """The state of a value function within one run; a new step costs only itself."""

    value: float
    """Probability of success now, 0 to 1; before the first step, that of the task."""

    def push(self, step: Step) -> float:
        """The value after one more step."""
        ...

    def fork(self) -> RunningValue:
        """An independent copy, for a search that goes on from here in several ways."""
        ...


@runtime_checkable
class Replayable(Protocol):
    """A multi-agent system that can be run again from any step. Named as `module:factory`."""

    def run(self, task: Task, seed: int) -> Trace:
        """Run the team on a task; a seeded system gives the same trace for the same seed."""
        ...

    def checkpoints(self, trace: Trace) -> list[Checkpoint]:
        """The state before every step that can be resumed from, in order of the steps."""
        ...

    def resume(self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int) -> Trace:
        """Go on from a checkpoint, with a change at its step or with none.

        The trace is whole: the steps before the checkpoint as recorded, then what happens now.
        Without a change and with the seed of the run it is the trace of the run.
        """
        ...

    def check(self, trace: Trace) -> Outcome:
        """Whether the run did what it was asked to; `Outcome.by` names the check."""
        ...


@runtime_checkable
class Rerun(Protocol):
    """What a `Replayable` may have besides: replays of which only the end is told.

    Labels by replay need tens of them for one failure, and nobody reads their traces.
    """

    def outcome(
        self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int
    ) -> Outcome:
        """The same as `check(resume(checkpoint, intervention, seed))`, at less cost."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """What a `Replayable` may have besides: it can be run one action at a time.

    A search that tries several actions at a step then pays for them alone, and not each time for
    the rest of the run.
    """

    def begin(self, task: Task, seed: int) -> tuple[Trace, Checkpoint]:
        """The run of that seed before its first step, and the state there."""
        ...

    def advance(
        self, checkpoint: Checkpoint, seed: int
    ) -> tuple[tuple[Step, ...], Checkpoint | None]:
        """The next action, with what tools answer to it at once, and the state after it.

        The action is the one of `resume(checkpoint, None, seed)`. The state is None when the run
        is over.
        """
        ...


@runtime_checkable
class Corrector(Protocol):
    """What a `Replayable` may have besides: it knows what would have been right at a step."""

    def correct(self, checkpoint: Checkpoint) -> Intervention:
        """The right action in place of the next one, given what its agent has before it.

        It must not give away more than that agent could know.
        """
        ...

    def is_correct(self, checkpoint: Checkpoint, action: Action) -> bool:
        """Whether an action comes to the same as the right one."""
        ...


@runtime_checkable
class Milestones(Protocol):
    """What a `Replayable` may have besides: it knows how far a run has come."""

    def milestones(self, trace: Trace) -> Mapping[str, bool]:
        """The sub-goals of the task by name, and whether the run has reached them in the end.

        The names depend on the task alone, so that two runs of it can be compared.
        """
        ...


@runtime_checkable
class Repairable(Protocol):
    """What a `Replayable` may have besides: its set-up can be changed for good."""

    def repairs(self) -> Sequence[Repair]:
        """Every repair that it can take, in an order that is always the same."""
        ...

    def with_repair(self, repair: Repair) -> Replayable:
        """The system with a repair, known by kind and target; this one is unchanged.

        The result may take further repairs. Raises `UsageError` for one that it cannot take.
        """
        ...


@runtime_checkable
class Advisable(Protocol):
    """What a `Replayable` may have besides: it can be told what was wrong with earlier attempts."""

    def advised(self, attempts: Sequence[Attempt]) -> Replayable:
        """The system as it goes about a task again; this one is unchanged.

        `attempts` are all runs at that task so far, the latest last, one at least. Without advice
        the system knows only that they are over.
        """
        ...


@runtime_checkable
class Manipulator(Protocol):
    """Writes what goes wrong in a step. Entry-point group `tracekit.manipulators`."""

    name: ClassVar[str]
    """The name in `Injected.manipulator`."""
    modes: ClassVar[frozenset[str]]
    """Codes of the modes that it can bring about (`tracekit.inject.modes`)."""

    def apply(self, scene: Scene, rng: Random) -> Intervention:
        """The change that makes the fault at the scene's step.

        Actions say what happens instead (none: nothing, two: both); `inputs` alone change what the
        agent is given, and it acts by itself. Equal scenes and generators give equal changes, and
        nothing in the trace is obeyed. Raises `InjectionError` when the fault cannot be made there.
        """
        ...


@runtime_checkable
class Benchmark(Protocol):
    """A labelled public benchmark. Entry-point group `tracekit.benchmarks`."""

    name: ClassVar[str]
    definition: ClassVar[Definition]
    """What its labels mean."""
    base: ClassVar[int]
    """What it counts the first step as."""

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The labelled traces under `path`."""
        ...

    def group(self, trace: Trace) -> str:
        """Traces of one group never lie on both sides of a split (same question)."""
        ...

    def subset(self, trace: Trace) -> str:
        """The part of the benchmark that published tables report apart; empty when it has none."""
        ...

    def official(self, trace: Trace, attribution: Attribution) -> tuple[float | None, float | None]:
        """(agent, step) by the benchmark's own, possibly lenient, scorer.

        0 or 1, or a share where the source gives one; None where it has no such figure.
        """
        ...


@runtime_checkable
class Exporter(Protocol):
    """Writes traces in another format. Entry-point group `tracekit.exporters`."""

    name: ClassVar[str]
    """The name in `tracekit export traces --to NAME`."""
    suffix: ClassVar[str]
    """How its files usually end, with the dot; empty for a folder of files."""
    keeps: ClassVar[frozenset[str]]
    """Fields of `tracekit.export.fields.FIELDS` that come back when the file is read again."""

    def losses(self, trace: Trace) -> list[str]:
        """In words, what of this trace does not come back; empty when everything does."""
        ...

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """Write the traces, whole or not at all, and return how many there were.

        The same traces give the same bytes. Raises `UsageError` when the format cannot hold them
        there, e.g. two traces in a file of one.
        """
        ...


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request with JSON that hands verdicts to another tool."""

    path: str
    """What follows the endpoint, from its slash on."""
    body: bytes
    """The JSON."""


@runtime_checkable
class VerdictExporter(Protocol):
    """Writes verdicts as another tool reads them. Entry-point group `tracekit.verdict_exporters`."""

    name: ClassVar[str]
    """The name in `tracekit export verdicts --to NAME`."""
    suffix: ClassVar[str]
    """How its files usually end, with the dot."""

    def encode(self, pairs: Sequence[tuple[Trace, Attribution]]) -> bytes:
        """The file. The same verdicts give the same bytes."""
        ...


@runtime_checkable
class VerdictSender(VerdictExporter, Protocol):
    """A `VerdictExporter` whose tool has an address."""

    def posts(self, pairs: Sequence[tuple[Trace, Attribution]]) -> Iterator[Post]:
        """The requests that hand the verdicts over.

        Sent twice they change nothing there, or the module says that they do.
        """
        ...

    def headers(self, environ: Mapping[str, str] = ...) -> dict[str, str]:
        """Headers with the keys, from variables of the environment; raises `UsageError`."""
        ...
