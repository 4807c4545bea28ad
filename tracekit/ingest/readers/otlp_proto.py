"""OTLP as protobuf (`TracesData`), whole or as length-prefixed messages of the file exporter.

Needs the extra `otlp` (opentelemetry-proto). The messages are turned into OTLP's JSON form and
read like it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.readers.otlp_json import read_document
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Span
from tracekit.optional import require
from tracekit.trace import Trace

_TRACE_ID = b"\x0a\x10"
"""Field 1 of a span: a trace id of 16 bytes."""
_SPAN_ID = b"\x12\x08"
"""Field 2 of a span: an id of 8 bytes."""


class OtlpProto:
    """Reads OTLP trace exports in protobuf."""

    name: ClassVar[str] = "otlp-proto"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of binary data whose first field holds a span's two ids, one after the other."""
        for start in (0, 4):
            if head[start : start + 1] == b"\x0a":
                at = head.find(_TRACE_ID, start)
                while at >= 0:
                    if head[at + 18 : at + 20] == _SPAN_ID:
                        return 0.9
                    at = head.find(_TRACE_ID, at + 1)
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id; raises `MissingExtra` without the extra."""
        yield from traces(source, self.name, _spans(source))


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    proto = require("opentelemetry.proto.trace.v1.trace_pb2", extra="otlp")
    json_format = require("google.protobuf.json_format", extra="otlp")
    data = source.data
    messages = list(_messages(proto, data))
    if not messages:
        yield source.problem(None, "not an OTLP protobuf message", do="check that it is complete")
    for number, (message, start) in enumerate(messages):
        if message is None:
            what = "a message of the file breaks off or is none"
            yield source.problem(None, what, byte=start)
            continue
        pointer = "" if len(messages) == 1 else f"/{number}"
        yield from read_document(source, json_format.MessageToDict(message), pointer, None)


def _messages(proto: Any, data: bytes) -> Iterator[tuple[Any, int]]:
    """The whole file as one message, or the messages that follow one another with their sizes."""
    whole = _parse(proto, data)
    if whole is not None:
        yield whole, 0
        return
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0 or at + 4 + size > len(data):
            if at:
                yield None, at
            return
        yield _parse(proto, data[at + 4 : at + 4 + size]), at
        at += 4 + size


def _parse(proto: Any, data: bytes) -> Any:
    """The message, None when the bytes are none."""
    message = proto.TracesData()
    try:
        message.ParseFromString(data)
    except Exception:  # protobuf's DecodeError; its class depends on the implementation
        return None
    return message if len(message.resource_spans) else None
