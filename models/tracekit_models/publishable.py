"""What may be published: kinds of folders, the files that belong there, the card and its licence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from tracekit.analyzers.models import CARD, CONFIG, SCHEMA, read_config
from tracekit.errors import InputError, UsageError

MODEL_FILES = frozenset(
    {".gguf", ".jinja", ".json", ".md", ".npz", ".onnx", ".safetensors", ".txt", ".yaml"}
)
DATA_FILES = frozenset(
    {".csv", ".gz", ".json", ".jsonl", ".md", ".parquet", ".txt", ".yaml", ".zst"}
)
PLAIN = frozenset({"LICENSE", "NOTICE"})
"""Files without a suffix that may go along."""

_PART = re.compile(r"[A-Za-z0-9_][\w .+=-]{0,199}")
_LICENCE = re.compile(r"^licen[sc]e:[ \t]*['\"]?([A-Za-z0-9][\w.+-]*)['\"]?[ \t]*$", re.MULTILINE)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of some kind must hold."""

    type: str
    """Type of repository: `model` or `dataset`."""
    required: tuple[str, ...]
    """Files that must be there."""
    any_of: tuple[str, ...]
    """Suffixes of which at least one file must be there."""
    suffixes: frozenset[str]
    """Files that may be there; others are not pushed and not pulled."""


WEIGHTS = (".safetensors", ".onnx", ".npz")
KINDS: dict[str, Kind] = {
    "linear": Kind(
        type="model", required=(CONFIG, "weights.json"), any_of=(), suffixes=MODEL_FILES
    ),
    "compact": Kind(
        type="model", required=(CONFIG,), any_of=(*WEIGHTS, ".json"), suffixes=MODEL_FILES
    ),
    "prm": Kind(type="model", required=(CONFIG,), any_of=WEIGHTS, suffixes=MODEL_FILES),
    "tracer": Kind(type="model", required=(), any_of=(*WEIGHTS, ".gguf"), suffixes=MODEL_FILES),
    "dataset": Kind(
        type="dataset", required=(), any_of=(".jsonl", ".parquet", ".csv", ".gz", ".zst"),
        suffixes=DATA_FILES,
    ),
}  # fmt: skip
"""What can be pushed and pulled, by name."""
BACKBONE = Kind(
    type="model", required=(), any_of=(), suffixes=frozenset({".json", ".safetensors", ".txt"})
)
"""What is fetched of a language model that others published; it is never pushed."""
METHODS = {"prm": ("prm", "prm-language")}
"""Kinds whose folders hold models of several methods; of any other, the method has its name."""
TRACEKIT_KINDS = ("linear", "compact")
"""Kinds whose folders `tracekit.analyzers.models` writes and checks."""


def kind_of(kind: str) -> Kind:
    """The kind of that name; raises `UsageError`."""
    if kind not in KINDS:
        raise UsageError(f"no kind is named {kind!r}; known: {', '.join(KINDS)}")
    return KINDS[kind]


def check_folder(kind: str, folder: Path) -> list[str]:
    """The files of a folder that belong to it, sorted; raises `InputError` for what is missing.

    Pickles, programs and links are refused rather than left out: what is pushed must be what was
    tested. Files whose names begin with a dot do not count.
    """
    known = kind_of(kind)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    names = list(_inside(folder, known))
    missing = [name for name in (*known.required, CARD) if name not in names]
    if known.any_of and not any(PurePosixPath(name).suffix in known.any_of for name in names):
        missing.append(f"a file of {', '.join(known.any_of)}")
    if missing:
        raise InputError(f"{folder}: not a {kind}: {', '.join(missing)} missing")
    if kind in TRACEKIT_KINDS or _is_ours(folder):
        found = read_config(folder).kind
        if found not in METHODS.get(kind, (kind,)):
            raise InputError(f"{folder}: a model of {found}, not of {kind}")
    return names


def licence_of(folder: Path) -> str | None:
    """The licence that the card's YAML header names, None when there is none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "README.md").write_text("---\\nlicense: apache-2.0\\n---\\n# Card")
    ...     licence_of(Path(folder))
    'apache-2.0'
    """
    with (folder / CARD).open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(2**16)
    header = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", text, re.DOTALL)
    found = _LICENCE.search(header[1].replace("\r", "")) if header else None
    return None if found is None or found[1].lower() in ("unknown", "none", "null") else found[1]


def _inside(folder: Path, kind: Kind) -> Iterator[str]:
    """Names of the files that count, with `/` between folders."""
    linked = folder.name if _cached(folder) else None
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink() and linked is None:
            raise InputError(f"{path}: a link; put the file itself there")
        if path.is_dir():
            continue
        name = relative.as_posix()
        if not path.is_file() or not allowed(name, kind):
            known = ", ".join(sorted(kind.suffixes))
            raise InputError(f"{path}: only {known} files belong here, no code and no pickles")
        yield name


def allowed(name: str, kind: Kind) -> bool:
    """Whether a file of that name may lie in a folder of the kind."""
    path = PurePosixPath(name)
    plain = not path.is_absolute() and all(_PART.fullmatch(part) for part in path.parts)
    return plain and (path.suffix in kind.suffixes or name in PLAIN)


def _is_ours(folder: Path) -> bool:
    """Whether `config.json` says that tracekit wrote the model."""
    path = folder / CONFIG
    if not path.is_file() or path.stat().st_size > 2**20:
        return False
    return f'"{SCHEMA}"'.encode() in path.read_bytes()


def _cached(folder: Path) -> bool:
    """Whether the folder is a snapshot in the cache, where files are links to their blobs."""
    return folder.parent.name == "snapshots" and (folder.parent.parent / "blobs").is_dir()
