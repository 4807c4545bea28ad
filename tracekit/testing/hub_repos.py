"""Repositories in memory, for the Hub on loopback: files with git's and LFS's hashes, and commits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Blob:
    """A file of a commit."""

    data: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """What git calls it, 40 hex digits; of an LFS file, the hash of its pointer."""
        data = self.data
        if self.lfs:
            head = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
            data = f"{head}size {len(self.data)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324

    @property
    def sha256(self) -> str:
        """Hash of the bytes, 64 hex digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def etag(self) -> str:
        """What a download is checked against."""
        return self.sha256 if self.lfs else self.oid


@dataclass
class Repo:
    """A repository: commits by hash, and branches."""

    private: bool = False
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, Blob], message: str) -> str:
        """Put a new state of all files on a branch; returns its hash."""
        said = json.dumps([self.refs.get(branch), message, {n: b.oid for n, b in files.items()}])
        sha = hashlib.sha1(said.encode()).hexdigest()  # noqa: S324
        self.commits[sha] = files
        self.refs[branch] = sha
        return sha
