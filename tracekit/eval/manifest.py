"""What an evaluation was made of, well enough to make it again and to see whether it is the same.

The manifest holds no path and no clock. Data are named by a hash over what was scored, results by
a hash over the leaderboard's JSON; the same data, settings and versions give the same manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError
from tracekit.eval import tables
from tracekit.eval.board import Leaderboard
from tracekit.eval.config import EvalConfig
from tracekit.version import __version__

SCHEMA = "tracekit/evaluation/1"
"""Name and version of the JSON document."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark of an evaluation."""

    n: int
    """Labelled runs."""
    data: str
    """SHA-256 over the runs and their labels (`Leaderboard.data`)."""
    result: str
    """SHA-256 of the leaderboard as JSON."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """An evaluation: what was asked, with what, and what came out."""

    benchmark: str
    """Name of the benchmark, or `all`."""
    methods: tuple[str, ...]
    """The methods that were named, in order."""
    model: str | None = None
    """Weights on the Hub that were named, as `owner/name[@revision]`; None also for a folder's."""
    weights: str | None = None
    """Hash of the weights that were named (`tracekit.analyzers.models.weights_id`)."""
    config: EvalConfig
    """Every setting, defaults included."""
    asked: dict[str, Any] = {}
    """Settings of the methods that ask a model, its name among them; empty = none does."""
    versions: dict[str, str]
    """Of tracekit and numpy, which figures may depend on."""
    boards: dict[str, Record]
    """By benchmark."""


def manifest(
    benchmark: str,
    methods: Sequence[str],
    model: str | None,
    config: EvalConfig,
    boards: Sequence[Leaderboard],
    asked: dict[str, Any] | None = None,
    *,
    weights: str | None = None,
) -> Manifest:
    """The manifest of an evaluation that is done."""
    return Manifest(
        benchmark=benchmark,
        methods=tuple(methods),
        model=model,
        weights=weights,
        config=config,
        asked=asked or {},
        versions={"numpy": version("numpy"), "tracekit": __version__},
        boards={
            board.benchmark: Record(
                n=board.n, data=board.data, result=hashlib.sha256(tables.as_json(board)).hexdigest()
            )
            for board in boards
        },
    )


def encode(made: Manifest) -> bytes:
    """The document, indented, with a line end."""
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def read(path: Path) -> Manifest:
    """The manifest in a file; raises `InputError` when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: no manifest of an evaluation ({error})") from None


def differences(then: Manifest, now: Manifest) -> list[str]:
    """What is not the same, in sentences; empty when data and results are.

    Versions are named only where a result differs: they are what may have done it.
    """
    found = [f"{name}: not found this time" for name in then.boards if name not in now.boards]
    if then.weights is not None and then.weights != now.weights:
        found.append(f"other weights: {then.weights} then, {now.weights or 'none'} now")
    changed = False
    for name, board in now.boards.items():
        recorded = then.boards.get(name)
        if recorded is None:
            found.append(f"{name}: was not part of it then")
        elif board.data != recorded.data:
            found.append(f"{name}: other runs or labels ({recorded.n} then, {board.n} now)")
        elif board.result != recorded.result:
            changed = True
            found.append(f"{name}: the same data give other figures")
    if changed:
        found += [
            f"{package} was {recorded_version}, is {now.versions.get(package)}"
            for package, recorded_version in sorted(then.versions.items())
            if now.versions.get(package) != recorded_version
        ]
    return found
