"""The contract of exporters of verdicts: kept by those that ship, and able to fail."""

import json
import random
import socket
from pathlib import Path

import pytest

from tracekit import registry
from tracekit.errors import ContractError
from tracekit.protocols import Post
from tracekit.testing import check_verdict_exporter
from tracekit.testing.rules import VERDICT_EXPORTER


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["verdict_exporters"]))
def test_what_ships_keeps_it(name):
    check_verdict_exporter(registry.get("verdict_exporters", name))


class Good:
    name = "good"
    suffix = ".txt"

    def encode(self, pairs):
        return "\n".join(repr(trace.id) for trace, _ in pairs).encode()


class Loud(Good):
    name = "LOUD"


class Bare(Good):
    suffix = "txt"


class Text(Good):
    def encode(self, pairs):
        return ""


class Brittle(Good):
    def encode(self, pairs):
        return "\n".join(trace.id for trace, _ in pairs).encode()


class Timed(Good):
    def encode(self, pairs):
        return str([verdict.cost.seconds for _, verdict in pairs]).encode()


class Random(Good):
    def encode(self, pairs):
        return str(random.random()).encode()


class Telling(Good):
    def encode(self, pairs):
        return str([len(trace.labels) for trace, _ in pairs]).encode()


class Meddling(Good):
    def encode(self, pairs):
        for trace, _ in pairs:
            trace.extra["seen"] = trace.extra.get("seen", 0) + 1
        return b""


class Sending(Good):
    def encode(self, pairs):
        with socket.socket() as other:
            other.connect(("127.0.0.1", 9))
        return b""


class Littering(Good):
    def encode(self, pairs):
        Path("/tmp/never-written").write_text("x")
        return b""


class Posting(Good):
    path, body = "/v1", b"{}"

    def posts(self, pairs):
        yield Post(path=self.path, body=self.body)

    def headers(self, environ=()):
        return {}


class Pathless(Posting):
    path = "v1"


class Prose(Posting):
    body = b"{"


def test_small_ones_keep_it():
    check_verdict_exporter(Good())
    check_verdict_exporter(Posting())
    assert json.loads(Posting.body) == {}


@pytest.mark.parametrize(
    ("breach", "rule"),
    [
        (Loud, "name"),
        (Bare, "suffix"),
        (Text, "writes"),
        (Brittle, "writes"),
        (Timed, "same-bytes"),
        (Random, "same-bytes"),
        (Telling, "label-blind"),
        (Meddling, "input-unchanged"),
        (Sending, "no-network"),
        (Littering, "no-writes"),
        (Pathless, "posts"),
        (Prose, "posts"),
    ],
)
def test_each_breach_is_named(breach, rule):
    assert rule in VERDICT_EXPORTER
    with pytest.raises(ContractError, match=rf"\[{rule}\]"):
        check_verdict_exporter(breach())
