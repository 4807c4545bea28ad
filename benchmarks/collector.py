"""Send spans and verdicts through a real OpenTelemetry collector, and compare what comes out.

    pip install rotel opentelemetry-proto
    python benchmarks/collector.py LOGS...

The collector is Rotel, whose program lies in its package on PyPI (`--collector` names another copy
of it); it is started on loopback and stopped again. Two ways are gone, all by OTLP/HTTP:

spans     the export `otlp` in JSON -> collector -> protobuf, gzip -> tracekit's live capture; the
          runs that are captured must be those that `tracekit.load` reads from the export
verdicts  `otel` and `openinference` as `--endpoint` sends them -> collector -> a server that
          decodes them with opentelemetry-proto; records must be those that were written, once for
          every time they were sent
"""

from __future__ import annotations

import argparse
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tracekit import registry
from tracekit.analyzers.run import attribute
from tracekit.capture.otlp import SpanCollector
from tracekit.capture.otlp_http import Receiver
from tracekit.export.otlp import Otlp
from tracekit.export.verdicts.judged import Pair
from tracekit.export.verdicts.sending import send
from tracekit.ingest.pipeline import load
from tracekit.protocols import Post
from tracekit.trace import Trace

PATIENCE = 30.0
"""Seconds that the collector may take to hand things on."""
DIGITS = 12
"""Figures of a fraction that must survive: Rotel's reader of JSON is off by a few last bits."""


def main() -> int:
    """Both ways; 1 when anything was lost or changed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--collector", type=Path, help="the program `rotel-agent`")
    parser.add_argument("--method", default="last-speaker", help="what attributes the runs")
    parser.add_argument("--steps", type=int, default=400, help="leave out longer runs")
    parser.add_argument("logs", nargs="+", help="logs to send and judge")
    given = parser.parse_args()
    program = given.collector or _shipped()
    print(subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip())
    traces = [trace for trace in load(*given.logs) if len(trace.steps) <= given.steps]
    with TemporaryDirectory() as folder:
        right = _spans(program, traces, Path(folder))
    pairs = [(trace, attribute(trace, given.method, even_success=True)) for trace in traces]
    for name in ("otel", "openinference"):
        right &= _verdicts(program, name, pairs)
    return 0 if right else 1


def _spans(program: Path, traces: Sequence[Trace], folder: Path) -> bool:
    """The way of the spans."""
    out = folder / "spans.jsonl"
    Otlp().write(traces, out)
    lines = out.read_bytes().splitlines()
    wanted = sorted(_plain(trace) for trace in load(out))
    receiver = Receiver(SpanCollector(folder / "captured.jsonl", quiet=60), port=0)
    with receiver, collector(program, f"http://127.0.0.1:{receiver.port}") as address:
        sent = 0
        for line in lines:
            sent += _count(json.loads(line), "spans")
            send([Post(path="/v1/traces", body=line)], address, {})
            _until(lambda: receiver.collector.spans >= sent)  # noqa: B023  (asked at once)
        arrived = receiver.collector.spans
    found = sorted(_plain(trace) for trace in load(folder / "captured.jsonl"))
    same = sum((Counter(wanted) & Counter(found)).values())
    print(
        f"spans: {len(lines)} requests with {sent} spans sent, {arrived} arrived; "
        f"{same} of {len(wanted)} runs captured as they are read from the export"
    )
    return arrived == sent and wanted == found


def _plain(trace: Trace) -> bytes:
    """A run without pointers into files."""
    steps = tuple(msgspec.structs.replace(step, raw=()) for step in trace.steps)
    source = msgspec.structs.replace(trace.source, format="", path="", sha256=None)
    bare = msgspec.structs.replace(trace, steps=steps, source=source)
    return msgspec.json.encode(_rough(msgspec.to_builtins(bare)))


def _rough(value: Any) -> Any:
    """With fractions to so many figures."""
    if isinstance(value, dict):
        return {key: _rough(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rough(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _verdicts(program: Path, name: str, pairs: Sequence[Pair]) -> bool:
    """The way of the verdicts, twice."""
    exporter = registry.get("verdict_exporters", name)
    posts = list(exporter.posts(pairs))
    once = Counter(record for post in posts for record in _written(post))
    with Sink() as sink, collector(program, sink.address) as address:
        for turn in (1, 2):
            for post in posts:
                send([post], address, {})
            _until(lambda: sink.records.total() >= turn * once.total())  # noqa: B023
    kept = Counter({record: n for record, n in sink.records.items() if n == 2 * once[record]})
    print(
        f"{name}: {len(posts)} requests with {once.total()} records sent twice, "
        f"{sink.records.total()} arrived, {kept.total()} of them as they were written"
    )
    return kept.total() == sink.records.total() == 2 * once.total()


class Sink:
    """A server that decodes what a collector hands on."""

    def __init__(self) -> None:
        self.records: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def take(self, path: str, body: bytes) -> None:
        """Count the records of one request."""
        request = _message(path)()
        request.ParseFromString(body)
        with self._lock:
            self.records.update(_records(request))

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                sink.take(self.path, gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def collector(program: Path, target: str) -> Iterator[str]:
    """A collector that hands everything on to `target`; gives its own address."""
    http, grpc = _free(), _free()
    with TemporaryDirectory() as folder:
        settings = {
            "pid-file": f"{folder}/pid",
            "log-file": f"{folder}/log",
            "otlp-http-endpoint": f"127.0.0.1:{http}",
            "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
            "exporter": "otlp",
            "otlp-exporter-endpoint": target,
            "otlp-exporter-protocol": "http",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = subprocess.Popen(
            [program, "start", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _until(lambda: _listens(http))
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _shipped() -> Path:
    """The collector of the package `rotel`."""
    spec = find_spec("rotel")
    if spec is None or spec.origin is None:
        sys.exit("no collector: pip install rotel, or name its program with --collector")
    return Path(spec.origin).with_name("rotel-agent")


def _message(path: str) -> Any:
    """The request that belongs to a path."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return {"/v1/logs": ExportLogsServiceRequest, "/v1/traces": ExportTraceServiceRequest}[path]


def _written(post: Post) -> Iterator[bytes]:
    """The records of a request as it is written, members that are not OTLP's refused."""
    from google.protobuf.json_format import ParseDict

    return _records(ParseDict(_binary(json.loads(post.body)), _message(post.path)()))


def _records(request: Any) -> Iterator[bytes]:
    """Log records or spans of a request, each with its resource and scope."""
    groups = getattr(request, "resource_logs", None) or getattr(request, "resource_spans", ())
    for group in groups:
        for scoped in getattr(group, "scope_logs", None) or group.scope_spans:
            for record in getattr(scoped, "log_records", None) or scoped.spans:
                _rounded(record.attributes)
                parts = (group.resource, scoped.scope, record)
                yield b"".join(part.SerializeToString(deterministic=True) for part in parts)


def _rounded(attributes: Any) -> None:
    for each in attributes:
        if each.value.HasField("double_value"):
            each.value.double_value = _rough(each.value.double_value)


def _binary(value: Any) -> Any:
    """Ids in hex, as OTLP's JSON has them, in the base64 of protobuf's."""
    if isinstance(value, dict):
        return {
            key: b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else _binary(item)
            for key, item in value.items()
        }
    return [_binary(item) for item in value] if isinstance(value, list) else value


def _count(value: Any, name: str) -> int:
    """Members of all lists of this name."""
    if isinstance(value, dict):
        own = len(value[name]) if isinstance(value.get(name), list) else 0
        return own + sum(_count(item, name) for item in value.values())
    return sum(_count(item, name) for item in value) if isinstance(value, list) else 0


def _until(done: Callable[[], bool]) -> None:
    """Wait; what is not there by then shows in the count."""
    end = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
