"""`tracekit inject`: a data set of failures whose cause is known."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tracekit.errors import InputError, UsageError
from tracekit.folds import fingerprint
from tracekit.ingest.pipeline import Ingest
from tracekit.inject.card import write_card
from tracekit.inject.dataset import Manifest, Progress, build, clear
from tracekit.inject.leaks import Leak
from tracekit.inject.spec import Spec
from tracekit.inject.tasks import own_tasks, read_tasks
from tracekit.optional import require
from tracekit.trace import Task, Trace
from tracekit_cli import options
from tracekit_cli.calls import KeyEnv
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit_json, note, report_problems, show
from tracekit_cli.progress import bar

DEFAULTS = Spec()


NOption = Annotated[
    int, typer.Option("--n", "-n", min=1, metavar="N", help="Verified failures wanted.")
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the data set.")
]
FamilyOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Families of sandbox tasks; all by default.")
]
TopologyOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Topologies of sandbox teams; all by default.")
]
ModesOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Failure modes, e.g. FM-2.6; all by default.")
]
StrategiesOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Ways to inject; all by default.")
]
ManipulatorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What writes the faults: sandbox, rules, llm."),
]
LlmOption = Annotated[
    str, typer.Option(metavar="URL", help="Server that manipulator llm asks, .../v1.")
]
ModelOption = Annotated[str, typer.Option(metavar="NAME", help="Model there.")]
SystemOption = Annotated[
    str | None, typer.Option(metavar="MODULE:FACTORY", help="A system of your own.")
]
TasksOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="JSONL of tasks for your system; else those it has."),
]
OfflineOption = Annotated[
    list[str] | None,
    typer.Option(metavar="LOGS", help="Change recorded successes; nothing is replayed."),
]
NaturalOption = Annotated[
    bool, typer.Option("--natural", help="Label runs that fail by themselves as well.")
]
LeaksOption = Annotated[
    bool, typer.Option("--leaks/--no-leaks", help="Check what gives struck steps away.")
]
LicenceOption = Annotated[
    str | None,
    typer.Option("--license", metavar="ID", help="Licence for the card, of runs of your own."),
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of everything.")]
WorkersOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes to share the work.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume/--fresh", help="Keep finished shards, or make all anew.")
]


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Which faults are injected, by whom, and into the runs of what."""

    family: FamilyOption = None
    topology: TopologyOption = None
    modes: ModesOption = None
    strategies: StrategiesOption = None
    manipulator: ManipulatorOption = None
    llm: LlmOption = ""
    model: ModelOption = ""
    key_env: KeyEnv = ""
    system: SystemOption = None
    tasks: TasksOption = None
    offline: OfflineOption = None
    natural: NaturalOption = False

    def spec(self, n: int, seed: int, recordings: list[Trace]) -> Spec:
        """The same for the library; what is not said is as usual there."""
        given: dict[str, Any] = {
            "families": _names(self.family),
            "topologies": _names(self.topology),
            "modes": _names(self.modes),
            "strategies": _names(self.strategies),
            "tasks": _tasks(self.system, self.tasks),
            "recordings": tuple(fingerprint(trace) for trace in recordings) or None,
            "manipulator": self.manipulator or ("rules" if self.system or self.offline else None),
        }
        given = {name: value for name, value in given.items() if value is not None}
        return Spec(
            n=n, system=self.system, seed=seed, natural=self.natural, endpoint=self.llm,
            model=self.model, key_env=self.key_env, **given,
        )  # fmt: skip


@grouped
def command(
    n: NOption = DEFAULTS.n,
    out: OutOption = Path("datasets/injected"),
    *,
    faults: Faults,
    leaks: LeaksOption = True,
    licence: LicenceOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = 2,
    resume: ResumeOption = True,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Build a data set of runs that fail by injected faults.

    Clean runs of the sandbox, or of your own system, are run again with a fault in them. Where the
    outcome changes, replays with repeats say which step decided and from which there was no way
    back. Parquet shards, a manifest and a card are written; the same options give the same bytes.
    What was finished before an interruption is kept. Without a single failure the exit code is 1.
    Needs the extras `parquet` and `analyze`.

    \b
    Examples:
      tracekit inject --n 1000 -o datasets/injected
      tracekit inject --n 200 --family arithmetic,tables --topology star --modes FM-2.6,FM-3.3 -o out/star
      tracekit inject --system my_team:build --tasks tasks.jsonl --manipulator rules --n 100 -o out/mine
      tracekit inject --manipulator llm --llm http://localhost:8000/v1 --model my-model --n 50 -o out/llm
      tracekit inject --offline logs/ --manipulator rules --n 50 --no-leaks -o out/offline
    """
    if faults.tasks is not None and faults.system is None:
        raise UsageError("--tasks is for a --system of your own; the sandbox makes its tasks")
    sys.path.append(os.getcwd())  # a system lies beside its logs more often than on the path
    if leaks:
        require("sklearn", extra="analyze")
    recordings, code = _recordings(faults.offline or [], quiet=quiet)
    spec = faults.spec(n, seed, recordings)
    if not resume:
        clear(out)
    began = time.perf_counter()
    manifest = _built(spec, out, recordings, workers=workers, quiet=quiet)
    seconds = time.perf_counter() - began
    found = write_card(out, leaks=leaks, seed=seed, licence=licence)
    _print(manifest, found, out, seconds, json=json)
    note(f"wrote {out}", quiet=quiet)
    made = any(manifest.counts.get(f"kept/{kind}", 0) for kind in ("failure", "offline"))
    raise typer.Exit(code if made else 1)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _tasks(system: str | None, file: Path | None) -> tuple[Task, ...] | None:
    """What a system of one's own is asked: tasks of a file, or those that it has itself."""
    if file is not None:
        return tuple(read_tasks(file))
    return tuple(own_tasks(system)) if system is not None else None


def _recordings(logs: list[str], *, quiet: bool) -> tuple[list[Trace], int]:
    """Successes among recorded runs, and the exit code that the files ask for."""
    if not logs:
        return [], 0
    ingest = Ingest(logs)
    found = [trace for trace in ingest.traces() if trace.failed is False]
    problems = [problem for file in ingest.files for problem in file.problems]
    if not found:
        raise InputError("no run there is known to have succeeded; see `tracekit ingest --help`")
    return found, report_problems(problems, quiet=quiet)


def _built(
    spec: Spec, out: Path, recordings: list[Trace], *, workers: int, quiet: bool
) -> Manifest:
    with bar("injecting", spec.n, quiet=quiet) as tick:
        progress = _ticks(tick, quiet=quiet)
        return build(spec, out, workers=workers, recordings=recordings, progress=progress)


def _ticks(tick: Any, *, quiet: bool) -> Progress:
    """Progress of the builder as ticks of the bar, or as a line per shard where there is none."""
    shown = 0

    def progress(made: int, wanted: int) -> None:
        nonlocal shown
        for _ in range(made - shown):
            tick(f"{made:,}")
        if made > shown and not sys.stderr.isatty():
            note(f"{made:,} of {wanted:,} failures", quiet=quiet)
        shown = made

    return progress


def _print(manifest: Manifest, leaks: list[Leak], out: Path, seconds: float, *, json: bool) -> None:
    counts = manifest.counts
    broken = [leak for leak in leaks if leak.passed is False]
    if json:
        emit_json(
            {
                "output": str(out),
                "failures": counts.get("kept/failure", 0),
                "verified": counts.get("verified", 0),
                "wanted": manifest.spec.n,
                "seconds": round(seconds, 1),
                "counts": counts,
                "leaks": leaks,
            }
        )
        return
    if manifest.spec.recordings:
        show(f"{counts.get('kept/offline', 0):,} recordings with a fault; nothing was replayed")
        return
    made = counts.get("kept/failure", 0)
    show(
        f"{made:,} failures, {counts.get('verified', 0):,} with a decisive step; "
        f"{counts.get('kept/hard-negative', 0):,} hard negatives, "
        f"{counts.get('kept/clean', 0):,} clean twins; {counts.get('replays', 0):,} replays"
    )
    for leak in broken:
        show(f"{leak.mode}: words tell the struck step with AUC {leak.auc:.2f}, above {leak.bound}")
    if counts.get("verified", 0) < manifest.spec.n:
        show(f"fewer than the {manifest.spec.n:,} asked for: {_why_few(counts)}")


def _why_few(counts: dict[str, int]) -> str:
    """Where it ended: without a run to strike, an occasion for a fault, or a change of outcome."""
    if not counts.get("clean successes", 0):
        return "no run succeeded without a fault"
    if not counts.get("injected", 0):
        return "no fault found an occasion; try other modes, or another manipulator"
    return "the faults hardly change an outcome"
