"""An evaluation as the commands ask for it, and its result in every form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit import registry
from tracekit.analyzers.models import load_model, weights_id
from tracekit.errors import Problem, UsageError
from tracekit.eval import suite_tables, tables
from tracekit.eval.board import Leaderboard
from tracekit.eval.config import EvalConfig
from tracekit.eval.crossfit import Asking
from tracekit.eval.leaderboard import Progress, evaluate
from tracekit.eval.manifest import Manifest, manifest
from tracekit.eval.suite import Suite, evaluate_all
from tracekit.llm.retry import silence
from tracekit.protocols import Analyzer
from tracekit.store import atomic
from tracekit_cli.calls import Calls, told
from tracekit_cli.output import note
from tracekit_cli.progress import bar

if TYPE_CHECKING:
    from rich.console import RenderableType

ALL = "all"
"""The benchmark that is every benchmark found."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to evaluate."""

    benchmark: str
    methods: tuple[str, ...]
    model: str | None = None
    """Weights that are scored as they are, before the methods."""
    data: str
    config: EvalConfig
    calls: Calls = Calls()
    """The server of methods that ask a model, and how it is asked."""
    settings: dict[str, Any] = {}
    """Settings of the methods that ask a model, its name among them."""

    def __post_init__(self) -> None:
        if not self.methods and self.model is None:
            raise UsageError("nothing to score: name a method (-m) or a model (--model)")


class Evaluated:
    """The result of a job: one benchmark's leaderboard, or that of all."""

    def __init__(self, job: Job, result: Leaderboard | Suite) -> None:
        self.job = job
        self.result = result
        self.problems: tuple[Problem, ...] = result.problems

    @property
    def boards(self) -> tuple[Leaderboard, ...]:
        """One for each benchmark."""
        return self.result.boards if isinstance(self.result, Suite) else (self.result,)

    def json(self) -> bytes:
        """One line without its end."""
        if isinstance(self.result, Suite):
            return suite_tables.as_json(self.result)
        return tables.as_json(self.result)

    def rich(self) -> list[RenderableType]:
        """For the terminal."""
        if isinstance(self.result, Suite):
            return suite_tables.as_rich(self.result)
        return tables.as_rich(self.result)

    def markdown(self) -> bytes:
        """For a page."""
        if isinstance(self.result, Suite):
            return suite_tables.as_markdown(self.result).encode()
        return tables.as_markdown(self.result).encode()

    def html(self) -> bytes:
        """For a browser."""
        from tracekit.report import leaderboard  # jinja2 only where a page is wanted

        return leaderboard.render(self.result).encode()

    def cases(self) -> Iterator[bytes]:
        """One line for each benchmark, method, seed and run."""
        if isinstance(self.result, Suite):
            return suite_tables.cases_jsonl(self.result)
        return tables.cases_jsonl(self.result)

    def manifest(self) -> Manifest:
        """What it takes to do it again."""
        job = self.job
        folder = job.model is not None and Path(job.model).expanduser().is_dir()
        return manifest(
            job.benchmark,
            job.methods,
            None if folder else job.model,
            job.config,
            self.boards,
            job.settings,
            weights=None if job.model is None else weights_id(job.model),
        )


def evaluated(job: Job, *, quiet: bool) -> Evaluated:
    """Do it, with a progress bar; raises what `evaluate` raises."""
    silence()  # a method may ask a model
    with _asking(job, quiet=quiet) as asking, bar("evaluating", None, quiet=quiet) as tick:

        def shown(_done: int, _total: int, what: str) -> None:
            tick(what)

        return Evaluated(job, _result(job, asking, shown))


def _result(job: Job, asking: Asking, progress: Progress) -> Leaderboard | Suite:
    methods: list[str | Analyzer] = [] if job.model is None else [load_model(job.model)]
    methods += job.methods
    run: Callable[..., Leaderboard | Suite]
    run = evaluate_all if job.benchmark == ALL else partial(evaluate, job.benchmark)
    return run(methods, job.data, job.config, progress=progress, asking=asking)


@contextmanager
def _asking(job: Job, *, quiet: bool) -> Iterator[Asking]:
    """The client while it is open; what the calls came to is said in the end."""
    needing = [m for m in job.methods if "llm" in registry.get("analyzers", m).needs]
    if not job.calls.answered:
        if needing:
            raise UsageError(
                f"{needing[0]} asks a model: say where, --llm http://localhost:8000/v1"
            )
        yield Asking(settings=job.settings)  # for methods that load a model by name
        return
    model = str(job.settings.get("model", ""))
    with job.calls.client(model) as client:
        yield Asking(llm=client, settings=job.settings, concurrency=job.calls.concurrency)
        if needing:
            note(f"tracekit: {told(client.spent())}", quiet=quiet)


def write(path: Path, content: bytes, *, quiet: bool) -> None:
    """A file of the result, whole or not at all."""
    with atomic(path) as stream:
        stream.write(content)
    note(f"wrote {path}", quiet=quiet)
