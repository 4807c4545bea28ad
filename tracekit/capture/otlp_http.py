"""OTLP over HTTP on loopback: `POST /v1/traces` in JSON or protobuf, gzip or not, within caps."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import zlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec

from tracekit.capture.otlp import Receipt, SpanCollector
from tracekit.errors import BackendError, MissingExtra
from tracekit.ingest.decode import decode_json
from tracekit.optional import require

HOST = "127.0.0.1"
"""The only address that is ever bound: spans hold prompts, and nothing here asks who sends them."""
PORT = 4318
"""The port that OTLP over HTTP has by convention."""
MOST_BODY = 16 * 1024**2
"""Largest body of a request, in bytes, as sent."""
MOST_EXPANDED = 32 * 1024**2
"""Largest body after expansion."""
DEPTH = 100
"""Deepest nesting of a request in JSON."""
PATIENCE = 10.0
"""Seconds that a connection may be silent."""

JSON, PROTOBUF = "application/json", "application/x-protobuf"


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """A server in threads of its own; `with Receiver(collector) as receiver:` runs it.

    `port` 0 takes any free one. Raises `BackendError` when the port is taken.
    """

    def __init__(self, collector: SpanCollector, port: int = PORT) -> None:
        self.collector = collector
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as error:
            do = "another collector may be running; choose another with --port"
            raise BackendError(f"{HOST}:{port}: {error.strerror}: {do}") from None
        self._server.collector = collector
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True),
            threading.Thread(target=self._settle, daemon=True),
        ]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where exporters send to."""
        return f"http://{HOST}:{self.port}/v1/traces"

    def start(self) -> None:
        """Begin to listen."""
        for thread in self._threads:
            thread.start()

    def wait(self, idle: float | None = None) -> None:
        """Return when nothing arrived for `idle` seconds after the first span; None = never."""
        while not self._stop.wait(0.1):
            rests = time.monotonic() - self.collector.last
            if idle is not None and self.collector.spans and rests >= idle:
                return

    def close(self) -> None:
        """Finish the requests that have begun, stop listening, and write every trace."""
        self._stop.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
        self.collector.close()

    def _settle(self) -> None:
        pause = min(1.0, max(0.05, self.collector.quiet / 4))
        while not self._stop.wait(pause):
            self.collector.settle()

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64
    collector: SpanCollector

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self.stopping = False
        self.handlers: set[_Handler] = set()

    def hang_up(self) -> None:
        """Let connections that wait for a further request find that there is none."""
        self.stopping = True
        for handler in list(self.handlers):
            if not handler.busy:
                with contextlib.suppress(OSError):
                    handler.connection.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tracekit"
    sys_version = ""
    timeout = PATIENCE
    server: _Server
    busy = False

    def setup(self) -> None:
        """A connection begins."""
        super().setup()
        self.server.handlers.add(self)

    def finish(self) -> None:
        """A connection ends."""
        self.server.handlers.discard(self)
        with contextlib.suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        """An export request."""
        self.busy = True
        try:
            self._export()
        except TimeoutError:  # the sender went silent
            self.close_connection = True
        finally:
            self.busy = False
            self.close_connection |= self.server.stopping

    def _export(self) -> None:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            if self.headers.get("Host", "").rpartition(":")[0] not in ("localhost", HOST):
                raise RefusedError(HTTPStatus.FORBIDDEN, f"only {HOST} is served here")
            if self.path.partition("?")[0].rstrip("/") != "/v1/traces":
                raise RefusedError(HTTPStatus.NOT_FOUND, "only /v1/traces is received here")
            body = self._body()
            if kind == JSON:
                receipt = self.server.collector.take(_from_json(body))
            elif kind == PROTOBUF:
                receipt = self.server.collector.take(_from_protobuf(body))
            else:
                why = f"Content-Type must be {JSON} or {PROTOBUF}"
                raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, why)
        except RefusedError as refusal:
            self._refuse(refusal.status, str(refusal), kind)
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error)[:500], kind)
        except TimeoutError:
            raise
        except OSError as error:  # a full disk: exporters try this again
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error.strerror), kind)
        else:
            self._answer(HTTPStatus.OK, *_response(receipt, kind))

    def do_GET(self) -> None:
        """There is nothing to be had here."""
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "POST")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """The body of the request, expanded; raises `RefusedError` beyond the caps."""
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity", ""):
            why = f"Content-Encoding {encoding[:40]!r} is not supported; use gzip"
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, why)
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self._chunks()
        else:
            size = self.headers.get("Content-Length", "")
            if not size.isdecimal():
                raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
            if len(size) > 18 or int(size) > MOST_BODY:
                self._drain(int(size[:18]))
                raise _too_large()
            body = self.rfile.read(int(size))
            if len(body) < int(size):
                self.close_connection = True
                raise RefusedError(HTTPStatus.BAD_REQUEST, "the body breaks off")
        return expand(body) if encoding == "gzip" else body

    def _drain(self, size: int) -> None:
        """Let a sender finish, within reason, so that it reads the answer."""
        left = min(size, 4 * MOST_BODY)
        while left > 0 and (got := len(self.rfile.read(min(left, 1 << 20)))):
            left -= got

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            head = self.rfile.readline(64).partition(b";")[0].strip()
            try:
                size = int(head, 16)
            except ValueError:
                self.close_connection = True
                raise RefusedError(HTTPStatus.BAD_REQUEST, "a chunk has no size") from None
            if size < 0 or len(body) + size > MOST_BODY:
                raise _too_large()
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if size == 0:
                return bytes(body)

    def _refuse(self, status: HTTPStatus, why: str, kind: str) -> None:
        """The error as OTLP has it: a `google.rpc.Status` in the encoding of the request."""
        if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.LENGTH_REQUIRED):
            self.close_connection = True  # the body that was not read is still on its way
        if kind == PROTOBUF:
            text = why.encode()
            self._answer(status, PROTOBUF, b"\x12" + _varint(len(text)) + text)
        else:
            self._answer(status, JSON, msgspec.json.encode({"code": 3, "message": why}))

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "5")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line each."""


def expand(body: bytes, most: int = MOST_EXPANDED) -> bytes:
    """A gzip body as it was; raises `RefusedError` beyond `most` bytes and for what is no gzip.

    >>> import gzip
    >>> expand(gzip.compress(b"spans"))
    b'spans'
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        found = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"not gzip: {error}") from None
    if len(found) > most:
        raise _too_large()
    if not stream.eof:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the gzip body breaks off")
    return found


def _too_large() -> RefusedError:
    why = f"more than {MOST_BODY} bytes, or {MOST_EXPANDED} expanded; export smaller batches"
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)


def _from_json(body: bytes) -> Any:
    return decode_json(body, DEPTH)


def _from_protobuf(body: bytes) -> Any:
    try:
        proto = require("opentelemetry.proto.trace.v1.trace_pb2", extra="otlp")
        json_format = require("google.protobuf.json_format", extra="otlp")
    except MissingExtra as missing:
        why = f"{missing}, or set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, why) from None
    message = proto.TracesData()
    try:
        message.ParseFromString(body)
    except Exception:  # protobuf's DecodeError; its class depends on the implementation
        raise RefusedError(HTTPStatus.BAD_REQUEST, "not an ExportTraceServiceRequest") from None
    return json_format.MessageToDict(message)


def _response(receipt: Receipt, kind: str) -> tuple[str, bytes]:
    """An `ExportTraceServiceResponse`; empty when every span was taken."""
    if kind == JSON:
        partial = {"rejectedSpans": str(receipt.rejected), "errorMessage": receipt.why}
        return JSON, msgspec.json.encode({"partialSuccess": partial} if receipt.rejected else {})
    if not receipt.rejected:
        return PROTOBUF, b""
    why = receipt.why.encode()
    inner = b"\x08" + _varint(receipt.rejected) + b"\x12" + _varint(len(why)) + why
    return PROTOBUF, b"\x0a" + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    """A number as protobuf writes it.

    >>> _varint(300).hex()
    'ac02'
    """
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
