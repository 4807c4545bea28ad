"""Training targets of value models: how well runs went on from each prefix, in fixed columns.

A target comes from how a recorded run ended (`outcome`), from continuations sampled after a prefix
(`mc`), or from the tree of a search (`mcts`). They lie in JSON lines or Parquet, one a line, with
the runs beside them in a file of traces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tracekit.errors import InputError
from tracekit.folds import question_key
from tracekit.optional import require
from tracekit.trace import Trace

Origin = Literal["outcome", "mc", "mcts"]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well things went on from one prefix of one run. One row of a file of targets."""

    trace: str
    """Id of the run."""
    step: Annotated[int, msgspec.Meta(ge=-1)]
    """The last step of the prefix, 0-based; -1 = before the first."""
    value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """Share of continuations that succeeded, 0 to 1."""
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Continuations, or visits, that the value is the mean of."""
    source: Origin = "outcome"
    """Where the value comes from."""
    problem: str = ""
    """Key of the task; runs of one task share it, and it is never on both sides of a split."""
    system: str = ""
    """The system that made the run; values hold for it alone."""
    seed: int = 0
    """Seed of the continuations; 0 for recorded runs."""


COLUMNS: tuple[str, ...] = Target.__struct_fields__
"""Names of the columns, in order."""


def of_outcomes(traces: Iterable[Trace]) -> list[Target]:
    """Targets of recorded runs: every prefix is worth how its run ended; unknown ends give none.

    >>> from tracekit.trace import Outcome, Source, Step
    >>> good = Trace(id="t", source=Source(format="x"), steps=(Step(index=0, agent="a"),),
    ...              outcome=Outcome(status="success"))
    >>> [(target.step, target.value) for target in of_outcomes([good])]
    [(-1, 1.0), (0, 1.0)]
    """
    return [
        Target(
            trace=trace.id,
            step=step,
            value=float(not trace.failed),
            problem=question_key(trace),
            system=system_of(trace),
        )
        for trace in traces
        if trace.failed is not None and trace.steps
        for step in range(-1, len(trace.steps))
    ]


def system_of(trace: Trace) -> str:
    """The kind of system that made a run: its framework, or its format where none is known."""
    return trace.source.framework or trace.source.format


def write_targets(targets: Iterable[Target], path: Path) -> int:
    """Write targets as `.jsonl` or `.parquet`, by the suffix, and return how many there were.

    Raises `MissingExtra` for Parquet without pyarrow.
    """
    rows = list(targets)
    if path.suffix == ".parquet":
        arrow, parquet = (
            require("pyarrow", extra="parquet"),
            require("pyarrow.parquet", extra="parquet"),
        )
        columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
        parquet.write_table(arrow.table(columns, schema=_schema(arrow)), path)
    else:
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return len(rows)


def read_targets(path: Path) -> Iterator[Target]:
    """The targets of a file that `write_targets` wrote; raises `InputError` for anything else."""
    if path.suffix == ".parquet":
        yield from _of_parquet(path)
        return
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _target(line, f"{path}:{number}")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _target(line: bytes, where: str) -> Target:
    try:
        return msgspec.json.decode(line, type=Target)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{where}: not a target: {error}; its columns are {', '.join(COLUMNS)}"
        ) from None


def _of_parquet(path: Path) -> Iterator[Target]:
    parquet = require("pyarrow.parquet", extra="parquet")
    try:
        rows: Sequence[Any] = parquet.read_table(path, columns=list(COLUMNS)).to_pylist()
        yield from (msgspec.convert(row, Target) for row in rows)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a file of targets: {error}") from None


def _schema(arrow: Any) -> Any:
    kinds = {
        "step": arrow.int64(),
        "seed": arrow.int64(),
        "value": arrow.float64(),
        "weight": arrow.float64(),
    }
    return arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])
