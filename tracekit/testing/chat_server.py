"""A real HTTP server on loopback that speaks the chat-completions API, scripted call by call.

For tests of whatever talks to a model: it answers, streams, waits, drips, limits, breaks and cuts
as told, and remembers what it was asked. It needs nothing but the standard library.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from tracekit.testing.loopback import Loopback

PATH = "/v1/chat/completions"
PIECE = 8
"""Characters of a streamed piece of text."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How one call is answered; by default at once, in full, with status 200."""

    text: str | None = "ok"
    """What the model says; None = no text, as beside tool calls."""
    status: int = 200
    """With another than 200, an error body that says `text`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More headers, e.g. `Retry-After`."""
    delay: float = 0.0
    """Seconds before the first byte."""
    drip: float = 0.0
    """Seconds between the pieces of the body; a body in one piece is cut into single bytes."""
    finish: str | None = "stop"
    """The `finish_reason`; a stream whose finish is None ends without one."""
    usage: tuple[int, int] | None = (10, 5)
    """Tokens read and written, as reported; None = not reported."""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    """As the API has them."""
    body: bytes | None = None
    """Sent as it is in place of what follows from the above."""
    cut: int | None = None
    """Bytes of the body after which the connection is closed."""
    code: str | None = None
    """The `code` of an error body."""


@dataclass(frozen=True)
class Call:
    """What the server was asked."""

    index: int
    """0 for the first call, in the order of arrival."""
    body: dict[str, Any]
    """The request, parsed."""
    headers: dict[str, str]
    """Its headers, names in lower case."""

    @property
    def prompt(self) -> str:
        """Text of the last message."""
        return str(self.body["messages"][-1]["content"])


Script = Callable[[Call], Reply] | Sequence[Reply]


class ChatServer(Loopback):
    """The server, running while its `with` block does.

    `script` is a function from call to reply, or the replies in order, the last of which repeats.
    With `key`, every call that does not bring it is answered 401. A `port` of 0 takes a free one.

    >>> with ChatServer([Reply(text="Hello")]) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self, script: Script = (Reply(),), *, key: str | None = None, port: int = 0
    ) -> None:
        self._script = script
        self._key = key
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self.calls: list[Call] = []
        """What was asked, in order of arrival, refused calls included."""
        self.busy = 0
        """Calls being answered at the moment."""
        self.peak = 0
        """The most calls that were being answered at once."""
        super().__init__(_handler(self), port)

    @property
    def url(self) -> str:
        """The base address for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        super().__exit__(kind, error, trace)

    def pause(self, seconds: float) -> None:
        """Wait, or return at once when the server closes."""
        if seconds:
            self._closing.wait(seconds)

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        """Note a call and say how it is answered."""
        with self._changed:
            call = Call(len(self.calls), body, headers)
            self.calls.append(call)
            self.busy += 1
            self.peak = max(self.peak, self.busy)
        if self._key is not None and headers.get("authorization") != f"Bearer {self._key}":
            return Reply(status=401, text="Incorrect API key provided", code="invalid_api_key")
        if callable(self._script):
            return self._script(call)
        return self._script[min(call.index, len(self._script) - 1)]

    def done(self) -> None:
        """Note that a call is answered."""
        with self._changed:
            self.busy -= 1
            self._changed.notify_all()

    def settled(self, seconds: float = 10.0) -> bool:
        """Wait until no call is being answered; False when one still is after so many seconds.

        A client may have its answer a moment before the server is done with the call.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self.busy == 0, seconds)


def _handler(chat: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != PATH:
                self._send(Reply(status=404, text=f"no such path: {self.path}"), {})
                return
            body = json.loads(raw)
            reply = chat.take(body, {name.lower(): value for name, value in self.headers.items()})
            try:
                chat.pause(reply.delay)
                self._send(reply, body)
            finally:
                chat.done()

        def _send(self, reply: Reply, body: dict[str, Any]) -> None:
            streamed = bool(body.get("stream")) and reply.status == 200 and reply.body is None
            pieces = _stream(reply, body) if streamed else [_whole(reply, body)]
            left = sum(map(len, pieces)) if reply.cut is None else reply.cut
            self.send_response(reply.status)
            self.send_header(
                "Content-Type", "text/event-stream" if streamed else "application/json"
            )
            if streamed:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(pieces[0])))
                pieces = [bytes([byte]) for byte in pieces[0]] if reply.drip else pieces
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in pieces:
                kept = piece[:left]
                left -= len(kept)
                self._write(kept, streamed)
                chat.pause(reply.drip)
                if len(kept) < len(piece):
                    self.close_connection = True
                    return
            if streamed:
                self.wfile.write(b"0\r\n\r\n")

        def _write(self, piece: bytes, chunked: bool) -> None:
            if chunked and piece:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            self.wfile.write(piece)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: tests read stderr."""

    return Handler


def _whole(reply: Reply, body: dict[str, Any]) -> bytes:
    if reply.body is not None:
        return reply.body
    if reply.status != 200:
        error = {"message": reply.text, "type": "error", "param": None, "code": reply.code}
        return json.dumps({"error": error}).encode()
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": reply.finish}
    return json.dumps(_envelope(reply, body, "chat.completion", [choice])).encode()


def _stream(reply: Reply, body: dict[str, Any]) -> list[bytes]:
    return [
        b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n"
        for chunk in _chunks(reply, body)
    ]


def _chunks(reply: Reply, body: dict[str, Any]) -> Iterator[dict[str, Any] | bytes]:
    def piece(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _envelope(reply, body, "chat.completion.chunk", [choice]) | {"usage": None}

    yield piece({"role": "assistant", "content": ""})
    text = reply.text or ""
    for start in range(0, len(text), PIECE):
        yield piece({"content": text[start : start + PIECE]})
    for index, call in enumerate(reply.tool_calls):
        yield piece({"tool_calls": [{"index": index, **call}]})
    if reply.finish is None:
        return
    yield piece({}, reply.finish)
    if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
        yield _envelope(reply, body, "chat.completion.chunk", [])
    yield b"[DONE]"


def _envelope(
    reply: Reply, body: dict[str, Any], kind: str, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    found = {"id": "chatcmpl-0", "object": kind, "created": 0, "model": body.get("model")}
    if reply.usage:
        read, written = reply.usage
        counted = {"prompt_tokens": read, "completion_tokens": written}
        found["usage"] = counted | {"total_tokens": read + written}
    return found | {"choices": choices}
