"""Models and data sets to and from the Hugging Face Hub: checked, pinned, verified.

What is pushed has a card with a licence and holds data only, no code and no pickles. What is
pulled is pinned to a commit, lies in the cache of `huggingface_hub`, and is verified byte for byte
against the hashes under which the Hub lists it. The network is used by `push` and `pull` and by
nothing else; with `HF_HUB_OFFLINE=1` the cache alone answers.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import msgspec

from tracekit.analyzers.models import CARD
from tracekit.errors import BackendError, InputError, TracekitError, UsageError
from tracekit.optional import require
from tracekit.version import __version__
from tracekit_models.publishable import (
    BACKBONE,
    PLAIN,
    Kind,
    allowed,
    check_folder,
    kind_of,
    licence_of,
)

LARGEST = 50 * 2**30
"""Bytes that a repository may hold to be pulled."""

_REPO = re.compile(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}")
_REVISION = re.compile(r"[\w][\w./-]{0,199}")


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A folder on the Hub, pinned."""

    kind: str
    """One of `KINDS`."""
    repo: str
    """`owner/name`."""
    revision: str
    """The branch, tag or commit that was asked for."""
    commit: str
    """The commit that this is, 40 hex digits."""
    files: tuple[str, ...]
    """Names, sorted."""
    bytes: int
    """Of all files together."""
    licence: str | None
    """As the card's header says; None = it does not."""
    folder: str
    """Where it lies on this machine."""


def push(
    kind: str,
    folder: str | os.PathLike[str],
    repo: str,
    *,
    revision: str | None = None,
    private: bool = False,
) -> Published:
    """Publish a folder as one commit, in a repository that is made if need be.

    `revision` is a branch, made from main if need be. Pushing the same bytes again makes no new
    commit; files of earlier commits stay. Raises `UsageError` and `InputError` for a folder that
    is not of its kind or has no card with a licence, `BackendError` without a token and when the
    Hub cannot be reached or refuses. Nothing is sent before the folder is found to be in order.
    """
    known, place = kind_of(kind), Path(folder)
    _named(repo, revision)
    names = check_folder(kind, place)
    licence = licence_of(place)
    if licence is None:
        raise InputError(
            f"{place / CARD}: the header names no licence: add a line such as `license: apache-2.0` "
            "between the `---` lines at its top"
        )
    hub = require("huggingface_hub", extra="hub")
    token = hub.get_token()
    if not token:
        raise BackendError(
            "no token for the Hub: set HF_TOKEN, or run `hf auth login`; "
            "tokens that may write are made under Settings, Access Tokens"
        )
    with _explained(repo, revision):
        api = _api(hub, token)
        api.create_repo(repo, repo_type=known.type, private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type=known.type).private:
            raise UsageError(f"--private: {repo} exists and is public; nothing was sent")
        if revision is not None and revision != "main":
            api.create_branch(repo, branch=revision, repo_type=known.type, exist_ok=True)
        sent = api.create_commit(
            repo,
            operations=[
                hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(place / name))
                for name in names
            ],
            commit_message=f"{kind}, pushed by tracekit {__version__}",
            repo_type=known.type,
            revision=revision,
        )
    return _published(kind, repo, revision or "main", sent.oid, place, names)


def pull(
    kind: str,
    repo: str,
    *,
    revision: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Published:
    """Fetch a repository into the cache, or find it there, and verify it; `out` gets a copy.

    Files that are in the cache are not fetched again, and a commit that is there needs no network.
    Raises `InputError` for what is damaged or not of its kind, `UsageError` for a name that is
    none and an `out` that is not empty, `BackendError` when the Hub cannot be reached or refuses.
    """
    known = kind_of(kind)
    _named(repo, revision)
    target = None if out is None else Path(out)
    if target is not None and target.exists() and (target.is_file() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty: choose another folder")
    folder = _fetched(known, repo, revision)
    names = check_folder(kind, folder)
    if target is not None:
        _copied(folder, names, target)
    return _published(kind, repo, revision or "main", folder.name, target or folder, names)


def model_folder(repo: str, revision: str | None = None) -> Path:
    """The folder of a model on the Hub, fetched and verified; what `--model owner/name` means."""
    _named(repo, revision)
    return _fetched(kind_of("compact"), repo, revision)


def backbone_folder(repo: str, revision: str | None = None) -> Path:
    """The folder of a language model of the transformers library, fetched and verified.

    Weights as safetensors, configuration and tokenizer alone; its name is the commit.
    """
    _named(repo, revision)
    return _fetched(BACKBONE, repo, revision)


def _fetched(known: Kind, repo: str, revision: str | None) -> Path:
    """The snapshot of a repository in the cache, every file of it verified."""
    hub = require("huggingface_hub", extra="hub")
    with _explained(repo, revision):
        folder = _snapshot(hub, known, repo, revision or "main")
    _verify(folder, repo)
    return folder


def _snapshot(hub: ModuleType, kind: Kind, repo: str, revision: str) -> Path:
    """From the cache when offline or when the very commit is there, else over the network."""
    patterns = [*(f"*{suffix}" for suffix in sorted(kind.suffixes)), *sorted(PLAIN)]
    options = {"repo_type": kind.type, "allow_patterns": patterns}
    offline = require("huggingface_hub.constants", extra="hub").HF_HUB_OFFLINE
    absent = require("huggingface_hub.errors", extra="hub").LocalEntryNotFoundError
    pinned = re.fullmatch(r"[0-9a-f]{40}", revision) is not None
    if offline or pinned:
        try:
            return Path(
                hub.snapshot_download(repo, revision=revision, local_files_only=True, **options)
            )
        except absent:
            if offline:
                raise
    api = _api(hub, hub.get_token())
    commit = api.repo_info(repo, repo_type=kind.type, revision=revision).sha
    tree = api.list_repo_tree(repo, recursive=True, repo_type=kind.type, revision=commit)
    _bearable(tree, repo, kind)
    # By its name, so that the cache knows what the name stood for when it is offline.
    folder = Path(api.snapshot_download(repo, revision=revision, **options))
    if folder.name != commit:
        raise BackendError(f"{repo}: {revision} moved while it was fetched: pull again")
    return folder


def _bearable(entries: Any, repo: str, kind: Kind) -> None:
    """Refuse what is too large, or lies where it should not, before any of it is fetched."""
    total = 0
    for entry in entries:
        if getattr(entry, "size", None) is None:
            continue  # a folder
        parts = PurePosixPath(entry.path).parts
        if entry.path.startswith("/") or ".." in parts or "\\" in entry.path:
            raise InputError(f"{repo}: a file of it wants to lie outside its folder; not fetched")
        total += entry.size if allowed(entry.path, kind) else 0
    if total > LARGEST:
        raise InputError(f"{repo}: {total:,} bytes, more than the {LARGEST:,} that are fetched")


def _verify(folder: Path, repo: str) -> None:
    """Compare every file with the hash that the Hub gave it; a damaged one is taken away.

    The cache names blobs by that hash: SHA-256 for large files, git's for small ones.
    """
    for path in sorted(folder.rglob("*")):
        blob = path.resolve()
        if not blob.is_file() or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
            continue
        if _hashed(blob, git=len(blob.name) == 40) != blob.name:
            path.unlink()
            blob.unlink(missing_ok=True)
            raise InputError(
                f"{repo}: {path.relative_to(folder)} arrived damaged (its hash is wrong) and was "
                "taken out of the cache: pull again"
            )


def _hashed(path: Path, *, git: bool) -> str:
    digest = hashlib.sha1(usedforsecurity=False) if git else hashlib.sha256()
    if git:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _copied(folder: Path, names: list[str], target: Path) -> None:
    """A copy of the files in a folder of their own, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name in names:
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, draft / name)
        draft.chmod(0o755)  # mkdtemp made it private
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _published(
    kind: str, repo: str, revision: str, commit: str, folder: Path, names: list[str]
) -> Published:
    return Published(
        kind=kind,
        repo=repo,
        revision=revision,
        commit=commit,
        files=tuple(names),
        bytes=sum((folder / name).stat().st_size for name in names),
        licence=licence_of(folder),
        folder=str(folder),
    )


def _named(repo: str, revision: str | None) -> None:
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise UsageError(f"{repo}: not of the form owner/name")
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise UsageError(f"{revision}: no branch, tag or commit is named like that")


def _api(hub: ModuleType, token: str | None) -> Any:
    require("huggingface_hub.utils", extra="hub").disable_progress_bars()
    return hub.HfApi(token=token, library_name="tracekit", library_version=__version__)


@contextmanager
def _explained(repo: str, revision: str | None) -> Iterator[None]:
    """Errors of the client as errors of tracekit that say what to do."""
    errors = require("huggingface_hub.errors", extra="hub")
    try:
        yield
    except TracekitError:
        raise
    except errors.GatedRepoError:
        raise BackendError(f"{repo}: gated: accept its terms on its page, then try again") from None
    except errors.RepositoryNotFoundError:
        raise BackendError(
            f"{repo}: no such repository, or a private one that this token may not see: "
            "check the name, the kind and HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise UsageError(f"{repo}: it has no revision {revision!r}") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise BackendError(
            f"{repo}: not in the cache, or not whole, and the Hub is out of reach: "
            "pull it once while online, or unset HF_HUB_OFFLINE"
        ) from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "?")
        why = "the token is missing, wrong or may not write" if status in (401, 403) else error
        raise BackendError(f"{repo}: the Hub answered {status}: {str(why)[:300]}") from None
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests"):
            raise BackendError(f"{repo}: the Hub cannot be reached: {str(error)[:300]}") from None
        raise
