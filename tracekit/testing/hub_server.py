"""A real HTTP server on loopback that speaks the part of the Hub's API that publishing needs.

For tests with the real `huggingface_hub` client, pointed here by `HF_ENDPOINT`: repositories are
created, files preuploaded, large ones sent through LFS (in parts where they are large), commits
made, revisions resolved, files fetched by name or range. It keeps everything in memory, needs
nothing but the standard library, and can be told to refuse, to cut and to corrupt.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tracekit.testing.hub_repos import Blob, Repo
from tracekit.testing.loopback import Loopback

LARGE = (".gz", ".npz", ".onnx", ".parquet", ".safetensors", ".zst")
"""Names of files that go through LFS; others do when they hold NUL bytes."""


class Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Answer:
    """What it says."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


TOKEN = "hf_loopback"  # noqa: S105 - it opens nothing
"""What the server takes for a token."""


class HubServer(Loopback):
    """The server, running while its `with` block does.

    Writing, and reading what is private, needs the `token`. Large files above `part_size` bytes
    are asked for in parts.

    >>> with HubServer() as hub:
    ...     hub.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, *, token: str = TOKEN, part_size: int = 5_000_000) -> None:
        self.token = token
        self.part_size = part_size
        self.repos: dict[tuple[str, str], Repo] = {}
        """By type (`model`, `dataset`) and id (`owner/name`)."""
        self.stored: dict[str, bytes] = {}
        """LFS objects by SHA-256."""
        self.requests: list[Request] = []
        """What was asked, in order of arrival."""
        self.corrupt: set[str] = set()
        """Names of files of which downloads get other bytes of the same length."""
        self.cut: dict[str, int] = {}
        """Names of files of which the next download stops after that many bytes."""
        self._parts: dict[tuple[str, int], bytes] = {}
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        """The address for `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self.port}"

    def publish(self, id: str, files: dict[str, bytes], *, type: str = "model") -> str:
        """Put files on the main branch of a repository, made if need be; returns the commit."""
        repo = self.repos.setdefault((type, id), Repo())
        blobs = {name: Blob(data, name.endswith(LARGE)) for name, data in files.items()}
        return repo.commit("main", blobs, "published")

    def answer(self, request: Request) -> Answer:
        """What is said to a request; raises `Refused`."""
        self.requests.append(request)
        for method, pattern, act in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and request.method in method:
                return act(
                    self, request, {k: unquote(v) for k, v in found.groupdict().items() if v}
                )
        raise Refused(404, "", f"no such path: {request.path}")

    def _signed_in(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def _repo(self, request: Request, at: dict[str, str], *, write: bool = False) -> Repo:
        signed = self._signed_in(request)
        repo = self.repos.get((at.get("type") or "model", at["id"]))
        if write and not signed:
            raise Refused(401, "", "Invalid username or password.")
        if repo is None or (repo.private and not signed):
            raise Refused(404 if signed else 401, "RepoNotFound", "Repository not found")
        return repo

    def _files(self, repo: Repo, revision: str) -> tuple[str, dict[str, Blob]]:
        sha = repo.refs.get(revision, revision)
        if sha not in repo.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, repo.commits[sha]

    def _whoami(self, request: Request, at: dict[str, str]) -> Answer:
        if not self._signed_in(request):
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return _json({"type": "user", "name": "someone", "orgs": []})

    def _validate(self, request: Request, at: dict[str, str]) -> Answer:
        return _json({"errors": [], "warnings": []})

    def _create(self, request: Request, at: dict[str, str]) -> Answer:
        if not self._signed_in(request):
            raise Refused(401, "", "Invalid username or password.")
        asked = request.json()
        id = f"{asked.get('organization') or 'someone'}/{asked['name']}"
        key = (asked.get("type") or "model", id)
        prefix = "datasets/" if key[0] == "dataset" else ""
        made = {"url": f"{self.url}/{prefix}{id}", "name": id, "id": id}
        if key in self.repos:
            return Answer(json.dumps(made | {"error": "exists"}).encode(), 409)
        hidden = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.repos[key] = Repo(private=hidden)
        self.repos[key].commit("main", {}, "initial commit")
        return _json(made)

    def _branch(self, request: Request, at: dict[str, str]) -> Answer:
        repo = self._repo(request, at, write=True)
        if at["rev"] in repo.refs:
            raise Refused(409, "", "Reference already exists")
        repo.refs[at["rev"]] = repo.refs["main"]
        return _json({})

    def _preupload(self, request: Request, at: dict[str, str]) -> Answer:
        repo = self._repo(request, at, write=True)
        _, files = self._files(repo, at["rev"])
        said = []
        for asked in request.json()["files"]:
            name = asked["path"]
            large = name.endswith(LARGE) or b"\0" in base64.b64decode(asked["sample"])
            old = files.get(name)
            said.append(
                {
                    "path": name,
                    "uploadMode": "lfs" if large else "regular",
                    "shouldIgnore": False,
                    "oid": old.etag if old else None,
                }
            )
        return _json({"files": said})

    def _batch(self, request: Request, at: dict[str, str]) -> Answer:
        self._repo(request, at, write=True)
        objects = [
            self._upload_of(asked["oid"], asked["size"]) for asked in request.json()["objects"]
        ]
        return _json({"transfer": "multipart", "objects": objects})

    def _upload_of(self, oid: str, size: int) -> dict[str, Any]:
        """Where an LFS object goes: nowhere when it is here, in parts when it is large."""
        if oid in self.stored:
            return {"oid": oid, "size": size}
        href, header = f"{self.url}/lfs/{oid}", {}
        if size > self.part_size:
            header["chunk_size"] = str(self.part_size)
            for n in range(1, -(-size // self.part_size) + 1):
                header[f"{n:05d}"] = f"{href}/{n}"
        verify = {"href": f"{self.url}/lfs-verify"}
        return {
            "oid": oid,
            "size": size,
            "actions": {"upload": {"href": href, "header": header}, "verify": verify},
        }

    def _put(self, request: Request, at: dict[str, str]) -> Answer:
        if at.get("part"):
            self._parts[at["oid"], int(at["part"])] = request.body
            return Answer(headers={"ETag": hashlib.sha256(request.body).hexdigest()})
        return self._store(at["oid"], request.body)

    def _complete(self, request: Request, at: dict[str, str]) -> Answer:
        numbers = [part["partNumber"] for part in request.json()["parts"]]
        return self._store(at["oid"], b"".join(self._parts[at["oid"], n] for n in numbers))

    def _store(self, oid: str, data: bytes) -> Answer:
        if hashlib.sha256(data).hexdigest() != oid:
            raise Refused(400, "", "the bytes do not have that hash")
        self.stored[oid] = data
        return _json({})

    def _verify(self, request: Request, at: dict[str, str]) -> Answer:
        asked = request.json()
        if len(self.stored.get(asked["oid"], b"")) != asked["size"]:
            raise Refused(404, "", "no such object")
        return _json({})

    def _commit(self, request: Request, at: dict[str, str]) -> Answer:
        repo = self._repo(request, at, write=True)
        _, before = self._files(repo, at["rev"])
        files, message = dict(before), ""
        for line in request.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), lfs=False)
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.stored:
                    raise Refused(400, "", "the large file was not uploaded")
                files[value["path"]] = Blob(self.stored[value["oid"]], lfs=True)
            elif item["key"] == "deletedFile":
                files.pop(value["path"], None)
        sha = repo.commit(at["rev"], files, message)
        return _json(
            {"success": True, "commitOid": sha, "commitUrl": f"{self.url}/{at['id']}/commit/{sha}"}
        )

    def _info(self, request: Request, at: dict[str, str]) -> Answer:
        repo = self._repo(request, at)
        sha, files = self._files(repo, at.get("rev") or "main")
        siblings = [{"rfilename": name} for name in sorted(files)]
        return _json(
            {"id": at["id"], "sha": sha, "private": repo.private, "tags": [], "siblings": siblings}
        )

    def _tree(self, request: Request, at: dict[str, str]) -> Answer:
        _, files = self._files(self._repo(request, at), at["rev"])
        return _json([_entry(name, blob) for name, blob in sorted(files.items())])

    def _resolve(self, request: Request, at: dict[str, str]) -> Answer:
        sha, files = self._files(self._repo(request, at), at["rev"])
        if at["file"] not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        blob = files[at["file"]]
        headers = {
            "X-Repo-Commit": sha,
            "ETag": f'"{blob.etag}"',
            "X-Linked-Etag": f'"{blob.etag}"',
            "X-Linked-Size": str(len(blob.data)),
            "Accept-Ranges": "bytes",
        }
        data = blob.data
        if at["file"] in self.corrupt:
            data = bytes(byte ^ 1 for byte in data)
        start = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if start is None:
            return Answer(data, headers=headers)
        first = int(start[1])
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return Answer(data[first:], 206, headers)


def _entry(name: str, blob: Blob) -> dict[str, Any]:
    found = {"type": "file", "path": name, "size": len(blob.data), "oid": blob.oid}
    if blob.lfs:
        found["lfs"] = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 134}
    return found


def _json(value: Any) -> Answer:
    return Answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


_API = r"/api/(?P<type>model|dataset)s/(?P<id>[^/]+/[^/]+)"
_GIT = r"/(?:(?P<type>dataset)s/)?(?P<id>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, str, Callable[[HubServer, Request, dict[str, str]], Answer]]] = [
    ("GET", r"/api/whoami-v2", HubServer._whoami),
    ("POST", r"/api/validate-yaml", HubServer._validate),
    ("POST", r"/api/repos/create", HubServer._create),
    ("POST", _API + r"/branch/(?P<rev>[^/]+)", HubServer._branch),
    ("POST", _API + r"/preupload/(?P<rev>[^/]+)", HubServer._preupload),
    ("POST", _GIT + r"\.git/info/lfs/objects/batch", HubServer._batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?", HubServer._put),
    ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})", HubServer._complete),
    ("POST", r"/lfs-verify", HubServer._verify),
    ("POST", _API + r"/commit/(?P<rev>[^/]+)", HubServer._commit),
    ("GET", _API + r"(?:/revision/(?P<rev>[^/]+))?", HubServer._info),
    ("GET", _API + r"/tree/(?P<rev>[^/]+)", HubServer._tree),
    ("GET HEAD", _GIT + r"/resolve/(?P<rev>[^/]+)/(?P<file>.+)", HubServer._resolve),
]


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _respond(self) -> None:
            split = urlsplit(self.path)
            length = self.headers.get("Content-Length")
            body = b"".join(self._chunks()) if length is None else self.rfile.read(int(length))
            names = {name.lower(): value for name, value in self.headers.items()}
            asked = Request(self.command, split.path, parse_qs(split.query), names, body)
            try:
                said = hub.answer(asked)
            except Refused as refused:
                error = json.dumps({"error": str(refused)}).encode()
                headers = {"X-Error-Code": refused.code, "X-Error-Message": str(refused)}
                said = Answer(error, refused.status, headers)
            self._send(said, split.path.rpartition("/")[2])

        def _chunks(self) -> Iterator[bytes]:
            """The pieces of a chunked body; nothing where there is none."""
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, said: Answer, name: str) -> None:
            self.send_response(said.status)
            for key, value in said.headers.items():
                if value:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            stop = hub.cut.pop(name, None) if said.status == 200 else None
            self.wfile.write(said.body[:stop])
            self.close_connection = self.close_connection or stop is not None

        def do_GET(self) -> None:
            self._respond()

        def do_HEAD(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def do_PUT(self) -> None:
            self._respond()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: tests read stderr."""

    return Handler
