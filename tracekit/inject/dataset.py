"""Labelled failures as a data set: Parquet shards, a manifest and a card; resumable, parallel.

    from tracekit.inject.dataset import build
    from tracekit.inject.spec import Spec

    build(Spec(n=1000), Path("datasets/injected"), workers=2)

The same specification gives the same bytes, whatever the number of processes and however often the
work was interrupted: a shard is there as a whole or not at all, and says what it was made from.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tracekit.errors import InputError, UsageError
from tracekit.ingest.columns import MARK
from tracekit.inject import shard as shards
from tracekit.inject.rows import COLUMNS
from tracekit.inject.spec import Spec
from tracekit.optional import require
from tracekit.store import atomic
from tracekit.trace import Trace
from tracekit.version import __version__

SCHEMA = "tracekit/dataset/1"
"""Name and version of the layout; stands in every shard and in the manifest."""
SAID = b"tracekit.shard"
"""Key in the metadata of a shard; its value says what the shard was made from, and counts."""
FILE = re.compile(r"\.?(train|validation|test)-\d{5}-of-\d{5}\.parquet(\..*)?")

PAGE = 16 * 1024**2
"""Bytes of a page: traces of one task have much in common, and compress better together."""

Progress = Callable[[int, int], None]
"""Called with the failures there are and those wanted."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One shard as the manifest lists it."""

    name: str
    """Path within the data set."""
    rows: int
    """Rows in it."""
    sha256: str
    """Hash of its bytes."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to know about a data set but its rows."""

    schema: str
    """Name and version of the layout."""
    tracekit: str
    """Version that built it."""
    spec: Spec
    """What was asked for; with the version it gives the same bytes again."""
    counts: dict[str, int]
    """How often what happened while it was made, over all shards."""
    files: tuple[File, ...]
    """The shards."""


def build(
    spec: Spec,
    out: Path,
    *,
    workers: int = 1,
    recordings: Sequence[Trace] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Make what is missing of a data set in `out`, then write its manifest.

    `recordings` are the runs whose fingerprints the specification lists, where it lists any.
    Raises `UsageError` when another data set lies there, `MissingExtra` without pyarrow.
    """
    require("pyarrow.parquet", extra="parquet")
    folder = out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".*.parquet.*"):  # what a killed process was writing
        if FILE.fullmatch(stale.name):
            stale.unlink()
    done = _finished(spec, folder)
    made = sum(spec.quota(number) for number in done)
    if progress is not None:
        progress(made, spec.n)
    todo = [
        Job(spec, number, folder, tuple(recordings[number :: spec.shards]))
        for number in range(spec.shards)
        if number not in done
    ]
    with closing(_work(todo, workers)) as numbers:  # an interrupt out here must reach the pool
        for number in numbers:
            made += spec.quota(number)
            if progress is not None:
                progress(made, spec.n)
    return _manifest(spec, out)


def clear(out: Path) -> None:
    """Remove the shards of a data set, and nothing else."""
    for path in (out / "data").glob("*"):
        if FILE.fullmatch(path.name):
            path.unlink()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a data set; raises `InputError` when there is none."""
    path = folder / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise InputError(f"{folder}: no manifest.json here; is it finished?") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: not a {SCHEMA} manifest: {error}") from None


def read_rows(folder: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a data set, shard by shard, all columns or some."""
    parquet = require("pyarrow.parquet", extra="parquet")
    for file in read_manifest(folder).files:
        with parquet.ParquetFile(folder / file.name) as table:
            for batch in table.iter_batches(batch_size=64, columns=columns):
                yield from batch.to_pylist()


class Job(NamedTuple):
    """One shard to make, in any process."""

    spec: Spec
    number: int
    folder: Path
    recordings: tuple[Trace, ...] = ()


def _work(todo: list[Job], workers: int) -> Generator[int, None, None]:
    """Make shards, in this process or in several; yields the number of each that is done."""
    if workers == 1 or len(todo) < 2:
        for job in todo:
            yield make_shard(job)
        return
    context = multiprocessing.get_context("spawn")
    size = min(workers, len(todo))
    pool = ProcessPoolExecutor(size, mp_context=context, initializer=_uninterrupted)
    try:
        for future in as_completed([pool.submit(make_shard, job) for job in todo]):
            yield future.result()
    finally:  # shards begun are finished and kept, the others are not begun
        pool.shutdown(cancel_futures=True)


def _uninterrupted() -> None:
    """An interrupt is for the process that hands out the work: shards begun are finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def make_shard(job: Job) -> int:
    """Make one shard and write it as a whole; returns its number."""
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    spec, number = job.spec, job.number
    made = shards.make(spec, number, job.recordings)
    said = {"spec": spec.digest, "number": number, "counts": made.counts}
    fields = [(name, _type(arrow, kind)) for name, kind in COLUMNS.items()]
    metadata = {MARK: SCHEMA.encode(), SAID: msgspec.json.encode(said, order="sorted")}
    table = arrow.Table.from_pylist(made.rows, arrow.schema(fields, metadata=metadata))
    plain = [name for name in COLUMNS if name != "trace"]
    with atomic(job.folder / spec.file(number)) as stream:
        parquet.write_table(
            table,
            stream,
            compression="zstd",
            compression_level=9,
            use_dictionary=plain,
            write_statistics=plain,
            data_page_size=PAGE,
        )
    return number


def _type(arrow: Any, kind: Any) -> Any:
    return arrow.list_(_type(arrow, kind[0])) if isinstance(kind, list) else getattr(arrow, kind)()


def _finished(spec: Spec, folder: Path) -> set[int]:
    """Numbers of the shards that are there; raises `UsageError` for shards of something else."""
    found = set()
    names = {spec.file(number): number for number in range(spec.shards)}
    for path in sorted(folder.glob("*.parquet")):
        if path.name not in names or _said(path)["spec"] != spec.digest:
            raise UsageError(
                f"{path} belongs to another data set: choose another folder, or start afresh"
            )
        found.add(names[path.name])
    return found


def _said(path: Path) -> dict[str, Any]:
    """What a shard says about itself."""
    parquet = require("pyarrow.parquet", extra="parquet")
    arrow = require("pyarrow", extra="parquet")
    try:
        metadata = parquet.read_schema(path).metadata or {}
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a shard: {str(error)[:200]}") from error
    empty: dict[str, Any] = {"spec": None, "counts": {}}
    return msgspec.json.decode(metadata[SAID], type=dict[str, Any]) if SAID in metadata else empty


def _manifest(spec: Spec, out: Path) -> Manifest:
    parquet = require("pyarrow.parquet", extra="parquet")
    counts: Counter[str] = Counter()
    files = []
    for number in range(spec.shards):
        path = out / "data" / spec.file(number)
        counts.update(_said(path)["counts"])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = parquet.read_metadata(path).num_rows
        files.append(File(name=f"data/{path.name}", rows=rows, sha256=digest))
    manifest = Manifest(
        schema=SCHEMA,
        tracekit=__version__,
        spec=spec,
        counts=dict(sorted(counts.items())),
        files=tuple(files),
    )
    with atomic(out / "manifest.json") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest
