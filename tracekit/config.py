"""What a project always says: `tracekit.toml`, or `[tool.tracekit]` in `pyproject.toml`.

    # pyproject.toml
    [tool.tracekit]
    logs = ["runs"]
    outcome-from = "outcomes.csv"

    [tool.tracekit.gate]
    baseline = "baseline.json"

Every command takes from there what it has an option for, and so does `pytest --tracekit`; what is
said on the command line wins. `tracekit config` shows what came from where. A key that nobody knows
is an error: a typo must not switch a check off.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from tracekit.errors import UsageError

FILE = "tracekit.toml"
"""The file of its own; it goes before `pyproject.toml` of the same folder."""


class GateTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """`[tool.tracekit.gate]`: defaults of `tracekit gate`."""

    baseline: str | None = None
    """The file of known failures; also the one that `pytest --tracekit` compares with."""
    fail_on: tuple[str, ...] = ()
    """Rules that end the gate (`tracekit.gate.rules`); empty = what the command does by itself."""
    sarif: str | None = None
    """Where to write SARIF; None = nowhere."""
    junit: str | None = None
    """Where to write JUnit XML; None = nowhere."""


class EvalTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """`[tool.tracekit.eval]`: defaults of `tracekit eval`."""

    data: str | None = None
    """Where the benchmarks lie."""
    method: tuple[str, ...] = ()
    """Methods to compare; empty = the command line must name some."""
    folds: int | None = None
    """Folds of the cross-validation."""
    seeds: tuple[int, ...] = ()
    """Seeds, one run each."""
    protocol: str | None = None
    """`folds` or `lodo`."""
    scorer: str | None = None
    """`strict` or `official`."""


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Everything a project can say once. Paths are relative to the file that says them."""

    logs: tuple[str, ...] = ()
    """Folders, files or archives of logs."""
    format: str | None = None
    """Read every file as this format instead of detecting it."""
    outcome_from: str | None = None
    """Who knows how runs ended: a table, or `module:function`."""
    with_answer: bool | None = None
    """Whether methods may see the expected answer."""
    method: str | None = None
    """One of `tracekit methods`."""
    model: str | None = None
    """Weights: a folder or a Hub repository; or the name of a model that is asked."""
    seed: int | None = None
    """Seed of every random choice."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Options of the method, by name."""
    corpus: tuple[str, ...] = ()
    """Logs of other runs, for methods that learn from many."""
    system: str | None = None
    """`module:factory` of the system that made the runs."""
    llm: str | None = None
    """Server of the model, .../v1."""
    key_env: str | None = None
    """Variable that holds the server's key; never the key."""
    repeat: int | None = None
    """How often each run is judged."""
    concurrency: int | None = None
    """Calls at once."""
    timeout: float | None = None
    """The longest wait for an answer, in seconds."""
    retries: int | None = None
    """Further tries of a call that failed."""
    max_tokens_total: int | None = None
    """The most tokens of all calls together."""
    max_cost: float | None = None
    """The same in US dollars; needs `price`."""
    price: str | None = None
    """Dollars for a million tokens read, and written: `2.50,10`."""
    cache: str | None = None
    """Where answers are kept."""
    values: str | None = None
    """Value function of `score`, `rank` and `search`."""
    values_model: str | None = None
    """Its weights: a folder or a Hub repository."""
    redact: bool | None = None
    """Whether secrets are taken out."""
    pii: bool | None = None
    """Whether personal data are taken out as well."""
    gate: GateTable = GateTable()
    """Defaults of `tracekit gate`."""
    eval: EvalTable = EvalTable()
    """Defaults of `tracekit eval`."""
    attribute: dict[str, Any] = msgspec.field(default_factory=dict)
    """Options of `tracekit attribute` by their long names; so the tables below, each of a command."""
    debug: dict[str, Any] = msgspec.field(default_factory=dict)
    """`max-cost = 2.0` is `--max-cost 2.0`, of this command alone."""
    discover: dict[str, Any] = msgspec.field(default_factory=dict)
    """`variant = "trajs_(.*)_"`."""
    influence: dict[str, Any] = msgspec.field(default_factory=dict)
    """`model` is the language model that scores messages."""
    ingest: dict[str, Any] = msgspec.field(default_factory=dict)
    """`mapping = "mapping.toml"`."""
    rank: dict[str, Any] = msgspec.field(default_factory=dict)
    """`weight = "value"`."""
    retry: dict[str, Any] = msgspec.field(default_factory=dict)
    """`rounds = 2`."""
    score: dict[str, Any] = msgspec.field(default_factory=dict)
    """`below = 0.2`."""
    search: dict[str, Any] = msgspec.field(default_factory=dict)
    """`method = "mcts"`, `set = ["simulations=20"]`."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and where it was found."""

    config: Config = Config()
    """What it says; its paths can be opened from the working folder."""
    path: str = ""
    """The file; empty = there is none, and everything is as by default."""

    @property
    def folder(self) -> str:
        """Where the file lies."""
        return os.path.dirname(self.path) or "."


def find(start: str | os.PathLike[str] = ".") -> Found:
    """The configuration of the nearest folder from `start` up that has one.

    The search ends at the root of a repository (`.git`). Raises `UsageError` for a file that is
    not TOML or holds what it must not.
    """
    folder = Path(os.path.abspath(start))
    for place in (folder, *folder.parents):
        for name in (FILE, "pyproject.toml"):
            if (place / name).is_file() and (found := _read(place / name)) is not None:
                return found
        if (place / ".git").exists():
            break
    return Found()


def read(path: str | os.PathLike[str]) -> Found:
    """The configuration in one file; `pyproject.toml` must have the table `[tool.tracekit]`."""
    found = _read(Path(path))
    if found is None:
        raise UsageError(f"{path}: there is no table [tool.tracekit] in it")
    return found


def _read(path: Path) -> Found | None:
    name = os.path.relpath(path)
    try:
        document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: not TOML: {error}") from None
    if path.name == "pyproject.toml":
        tools = document.get("tool")
        document = tools.get("tracekit") if isinstance(tools, dict) else None
        if document is None:
            return None
        return Found(config=parse(document, f"{name}: tool.tracekit", path.parent), path=name)
    return Found(config=parse(document, name, path.parent), path=name)


def parse(document: Any, where: str, folder: str | os.PathLike[str] = ".") -> Config:
    """A table as `Config`; raises `UsageError` that names the key and the likeliest right one.

    >>> parse({"method": "linear", "gate": {"fail-on": ["any-failure"]}}, "x.toml").gate.fail_on
    ('any-failure',)
    >>> parse({"gate": {"basline": "b.json"}}, "x.toml")
    Traceback (most recent call last):
        ...
    tracekit.errors.UsageError: x.toml: no key is named 'gate.basline'; did you mean 'gate.baseline'?
    """
    for key, known in _strangers(document, Config, ""):
        raise stranger(where, key, known)
    try:
        config = msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from None
    return _rebased(config, folder)


def stranger(where: str, key: str, known: Sequence[str]) -> UsageError:
    """The error for a key that nobody knows, with the likeliest right one."""
    near = get_close_matches(key.replace("_", "-"), known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return UsageError(f"{where}: no key is named {key!r}; {hint}")


def _strangers(value: Any, struct: type[Any], above: str) -> Iterator[tuple[str, list[str]]]:
    """Keys that no field has, with those that would be right."""
    if not isinstance(value, Mapping):
        return
    hints = get_type_hints(struct)
    fields = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
    for key, inner in value.items():
        if key not in fields:
            yield above + str(key), [above + name for name in fields]
        elif isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct):
            yield from _strangers(inner, fields[key], f"{above}{key}.")


def _rebased(config: Config, folder: str | os.PathLike[str]) -> Config:
    """The same with paths that can be opened from the working folder; nothing moves within it."""
    path, known = partial(rebased, folder=folder), partial(rebased, folder=folder, if_there=True)
    gate, eval = config.gate, config.eval
    return msgspec.structs.replace(
        config,
        logs=tuple(map(path, config.logs)),
        corpus=tuple(map(path, config.corpus)),
        outcome_from=config.outcome_from and known(config.outcome_from),
        model=config.model and known(config.model),
        cache=config.cache and path(config.cache),
        values_model=config.values_model and known(config.values_model),
        gate=msgspec.structs.replace(
            gate,
            baseline=gate.baseline and path(gate.baseline),
            sarif=gate.sarif and path(gate.sarif),
            junit=gate.junit and path(gate.junit),
        ),
        eval=msgspec.structs.replace(eval, data=eval.data and known(eval.data)),
    )


def rebased(text: str, folder: str | os.PathLike[str], *, if_there: bool = False) -> str:
    """A path that a file in `folder` says, as it can be opened from the working folder.

    `if_there` for what may be a path and may be a name: it is a path when something lies there.
    """
    if if_there and not os.path.exists(os.path.join(folder, text)):
        return text
    return os.path.normpath(os.path.join(os.path.relpath(folder), text))
