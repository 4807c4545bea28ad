"""Where a batch runs: in this process, in several, or on a Ray cluster. Same work, same output."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Protocol, TypeVar

from tracekit.errors import UsageError
from tracekit.optional import require

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Applies `work` to every task and yields the results in whatever order they come."""

    def __call__(self, work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
        """Results of `work` over `tasks`, at most `jobs` at a time."""
        ...


def local(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    """This machine: in this process for one job, else in `jobs` processes."""
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(work, task) for task in tasks]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ray(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    """Ray Data over the tasks; the folders of input and output must be shared by all nodes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    require("ray", "ray")
    import ray.data

    if not ray.is_initialized():
        ray.init(
            num_cpus=jobs, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Rows are names of files, never the logs themselves; some blocks a worker even out their sizes.
    blocks = min(len(tasks), 8 * max(1, jobs)) or 1
    rows = ray.data.from_items([{"task": task} for task in tasks], override_num_blocks=blocks)
    for row in rows.map(lambda row: {"done": work(row["task"])}).iter_rows():
        yield row["done"]


ENGINES: dict[str, Engine] = {"local": local, "ray": ray}


def engine(name: str) -> Engine:
    """The engine of that name; raises `UsageError` for an unknown one."""
    if name not in ENGINES:
        raise UsageError(f"no engine is named {name!r}; known: {', '.join(ENGINES)}")
    return ENGINES[name]
