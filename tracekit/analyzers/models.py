"""Weights in a folder: written with a card and checksums, read as the work of a stranger.

    config.json        kind, versions, definition of the labels, hash of the fingerprints, checksums
    weights.json       or .safetensors, .onnx, .npz: what the kind itself writes
    fingerprints.txt   of the traces it was fitted on, one a line
    README.md          the card, with a YAML header

Nothing in the folder is executed and nothing is unpickled. A file that `config.json` does not list
is not looked at, and one that it lists is read only when its size and checksum are right.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from tracekit import registry
from tracekit.errors import InputError, UsageError, boundary
from tracekit.protocols import Analyzer, Fitted, Storable, ValueFunction
from tracekit.trace import Definition
from tracekit.version import __version__

SCHEMA = "tracekit/model/1"
"""Name and version of `config.json`."""
CONFIG, CARD, PRINTS = "config.json", "README.md", "fingerprints.txt"
HUB = "tracekit_models.hub:model_folder"
"""What turns `owner/name@revision` into a folder; needs the extra `hub`."""

LARGEST_CONFIG = 2**20
LARGEST_FILE = 2 * 2**30
"""Bytes of one file of a model."""
SUFFIXES = frozenset({".json", ".md", ".npz", ".onnx", ".safetensors", ".txt"})
"""Kinds of files that hold data and no code."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPO = re.compile(
    r"(?P<repo>[\w][\w.-]{0,95}/[\w][\w.-]{0,95})(?:@(?P<revision>[\w][\w./-]{0,199}))?"
)
_HASH = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a model."""

    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_FILE)]
    """Bytes."""
    sha256: _HASH
    """Of its bytes."""


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """What a model is: `config.json`."""

    kind: str
    """Name of the method, as in `tracekit methods`."""
    version: str
    """Version of its weights (`Storable.version`)."""
    tracekit: str
    """Version of tracekit that wrote them."""
    definition: Definition
    """What the labels mean that it was fitted on."""
    traces: Annotated[int, msgspec.Meta(ge=0)]
    """How many traces it was fitted on."""
    fingerprints: _HASH
    """SHA-256 of their fingerprints, sorted, with a line end after each."""
    files: Annotated[dict[str, File], msgspec.Meta(max_length=64)]
    """Every other file of the model by name, the card left out."""


def save_model(
    analyzer: Analyzer | ValueFunction,
    folder: str | os.PathLike[str],
    *,
    definition: Definition,
    card: str,
) -> ModelConfig:
    """Put a fitted analyzer or value function into a folder, whole or not at all.

    The folder may be absent, empty, or an earlier model, which is replaced. Raises `UsageError`
    for a method that cannot be stored and for a folder that holds something else.
    """
    if not (isinstance(analyzer, Storable) and isinstance(analyzer, Fitted)):
        raise UsageError(f"{analyzer.name} has no weights that could be saved")
    target = Path(folder)
    if target.exists() and not _replaceable(target):
        raise UsageError(f"{target} is not empty and holds no model: choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        analyzer.save(draft)
        (draft / PRINTS).write_bytes(_lines(analyzer.seen()))
        config = ModelConfig(
            kind=analyzer.name,
            version=analyzer.version,
            tracekit=__version__,
            definition=definition,
            traces=len(analyzer.seen()),
            fingerprints=_hash(_lines(analyzer.seen())),
            files={path.name: _described(path) for path in sorted(draft.iterdir())},
        )
        (draft / CARD).write_text(card, encoding="utf-8")
        text = msgspec.json.format(msgspec.json.encode(config), indent=1)
        (draft / CONFIG).write_bytes(text + b"\n")
        draft.chmod(0o755)  # mkdtemp made it private
        if target.exists():
            shutil.rmtree(target)
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return config


def load_model(model: str | os.PathLike[str]) -> Analyzer:
    """The analyzer whose weights lie in a folder, or in a Hub repository `owner/name[@revision]`.

    A folder of that name wins. The network is used for a repository alone, and not then when it is
    in the cache and `HF_HUB_OFFLINE` is set. Raises `InputError` for a folder that is damaged or
    not to be trusted, `UsageError` for what is neither, `UnknownName` for a kind not installed.
    """
    found = _loaded(*_folder(os.fspath(model)))
    if not isinstance(found, Analyzer):
        raise UsageError(
            f"{os.fspath(model)}: a model of {found.name}, which values runs (`tracekit score`) "
            "and attributes nothing"
        )
    return found


def load_values(model: str | os.PathLike[str]) -> ValueFunction:
    """The value function whose weights lie in a folder or repository; as `load_model` otherwise."""
    found = _loaded(*_folder(os.fspath(model)))
    if not isinstance(found, ValueFunction):
        raise UsageError(f"{os.fspath(model)}: a model of {found.name}, which values no runs")
    return found


def weights_id(model: str | os.PathLike[str]) -> str:
    """Short hash of everything that lies in a model but its card, 12 hex digits.

    The same wherever the folder lies and however it is named; raises as `load_model`.
    """
    return _id(*_folder(os.fspath(model)))


def read_config(folder: Path) -> ModelConfig:
    """What the model in a folder is, its files checked; raises `InputError`."""
    return _checked(folder, _config(folder))


def _folder(model: str) -> tuple[Path, bytes]:
    """The folder, and its config as it is now."""
    place = Path(model).expanduser()
    if place.is_dir():
        return place.resolve(), _config(place)
    repo = _REPO.fullmatch(model)
    if repo is None or model.startswith((".", "/", "~")):
        raise UsageError(f"{model}: no such folder, and not of the form owner/name[@revision]")
    fetch: Callable[[str, str | None], Path] = registry.load(HUB, "hub")
    fetched = fetch(repo["repo"], repo["revision"])
    return fetched, _config(fetched)


@lru_cache(maxsize=8)
def _loaded(folder: Path, config: bytes) -> Analyzer | ValueFunction:
    found = _checked(folder, config)
    valued = found.kind in registry.plugins("values")
    analyzer = registry.get("values" if valued else "analyzers", found.kind)
    if not isinstance(analyzer, Storable):
        raise UsageError(f"{folder}: {found.kind} is a method without weights")
    if found.version != analyzer.version:
        raise InputError(
            f"{folder}: weights of version {found.version[:20]} of {found.kind}, this tracekit reads "
            f"version {analyzer.version}: train the model anew, or install tracekit {found.tracekit[:20]}"
        )
    with boundary(f"{folder}: the weights do not load") as failure:
        loaded: Analyzer | ValueFunction = type(analyzer).load(folder)
        if isinstance(loaded, Fitted) and _hash(_lines(loaded.seen())) != found.fingerprints:
            raise InputError(f"{folder}: the weights are not those of the fingerprints in {CONFIG}")
        return loaded
    assert failure.problem is not None
    raise InputError(failure.problem.what)


@lru_cache(maxsize=8)
def _id(folder: Path, config: bytes) -> str:
    return _hash(msgspec.json.encode(_checked(folder, config).files, order="sorted"))[:12]


def _config(folder: Path) -> bytes:
    path = folder / CONFIG
    if not _regular(path):
        raise InputError(f"{folder}: no model here: {CONFIG} is missing")
    if path.stat().st_size > LARGEST_CONFIG:
        raise InputError(f"{path}: larger than {LARGEST_CONFIG // 2**20} MiB")
    return path.read_bytes()


def _checked(folder: Path, config: bytes) -> ModelConfig:
    """The config, once every file that it lists is what it should be."""
    try:
        found = msgspec.json.decode(config, type=ModelConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{folder / CONFIG}: not a {SCHEMA} document: {error}") from None
    for name, promised in found.files.items():
        if not _NAME.fullmatch(name) or Path(name).suffix not in SUFFIXES or name == CONFIG:
            known = ", ".join(sorted(SUFFIXES))
            raise InputError(
                f"{folder / CONFIG}: {name[:100]!r} is no plain name of a {known} file"
            )
        path = folder / name
        if not _regular(path):
            raise InputError(f"{path}: missing, or not a plain file: fetch the model again")
        if path.stat().st_size != promised.size or _described(path) != promised:
            raise InputError(f"{path}: not the bytes that {CONFIG} promises: fetch the model again")
    return found


def _replaceable(folder: Path) -> bool:
    """Whether nothing but a model would be lost with the folder."""
    if not folder.is_dir():
        return False
    inside = {path.name for path in folder.iterdir()}
    if not inside:
        return True
    try:
        return inside <= {CONFIG, CARD, *read_config(folder).files}
    except InputError:
        return False


def _regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _described(path: Path) -> File:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return File(size=path.stat().st_size, sha256=digest.hexdigest())


def _lines(fingerprints: Iterable[str]) -> bytes:
    return "".join(f"{one}\n" for one in sorted(fingerprints)).encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def card_header(*tags: str, licence: str | None = None, base: str | None = None) -> list[str]:
    """The lines of YAML that a model card begins with, and an empty one.

    Hubs want a licence; without one the header has none, and `push` will ask for it.

    >>> card_header("judge", base="ada/model")[1:3]
    ['base_model: ada/model', 'library_name: mas-tracekit']
    """
    lines = [] if licence is None else [f"license: {licence}"]
    lines += [] if base is None else [f"base_model: {base}"]
    lines += ["library_name: mas-tracekit", f"tags: [{', '.join(tags)}]"]
    return ["---", *lines, "---", ""]
