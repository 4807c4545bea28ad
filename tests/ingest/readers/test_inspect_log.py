"""Inspect logs: JSON and archives, attachments, hand-offs, unfinished runs."""

import io
import json
import struct
import zipfile
import zlib

import pytest

LONG = "attachment://abc"
CALL = {"id": "c1", "function": "transfer_to_critic", "arguments": {}}
MESSAGES = [
    {"role": "system", "content": "Be good."},
    {"role": "user", "content": LONG, "source": "input"},
    {"role": "assistant", "content": "", "id": "m1", "tool_calls": [CALL], "model": "m"},
    {"role": "tool", "tool_call_id": "c1", "function": "transfer_to_critic", "content": "ok",
     "error": {"type": "timeout", "message": "too slow"}},
    {"role": "assistant", "content": [{"type": "text", "text": "Bad."}], "id": "m2"},
]  # fmt: skip
EVENTS = [
    {"event": "span_begin", "id": "s1", "type": "agent", "name": "writer"},
    {"event": "span_begin", "id": "s2", "parent_id": "s1", "type": "tool", "name": "t"},
    {"event": "span_begin", "id": "s3", "parent_id": "s2", "type": "agent", "name": "critic"},
    {"event": "model", "span_id": "s1", "timestamp": "2025-01-01T00:00:00Z",
     "output": {"model": "m", "usage": {"input_tokens": 4}, "choices": [{"message": {"id": "m1"}}]}},
    {"event": "model", "span_id": "s3", "output": {"choices": [{"message": {"id": "m2"}}]}},
]  # fmt: skip
SAMPLE = {
    "id": "q1", "epoch": 2, "input": LONG, "target": [" yes", "ja"], "messages": MESSAGES,
    "events": EVENTS, "scores": {"match": {"value": "I", "explanation": "no match"}},
    "output": {"completion": "Bad."}, "attachments": {"abc": "Is it?"},
}  # fmt: skip
EVAL = {
    "run_id": "r",
    "eval_id": "e",
    "task": "t",
    "task_id": "i",
    "packages": {"inspect_ai": "0.3"},
}
LOG = {"version": 2, "status": "success", "eval": EVAL, "samples": [SAMPLE]}


def archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, value in members.items():
            out.writestr(name, json.dumps(value))
    return file.getvalue()


def zstd_archive(members):
    """Python 3.11 cannot write these: stored members whose method is set to 93 afterwards."""
    zstandard = pytest.importorskip("zstandard")
    local, central, count = b"", b"", 0
    for name, value in members.items():
        data = json.dumps(value).encode()
        packed = zstandard.ZstdCompressor().compress(data)
        key = name.encode()
        sizes = (zlib.crc32(data), len(packed), len(data), len(key), 0)
        common = struct.pack("<5H3L2H", 20, 0, 93, 0, 0, *sizes)
        central += b"PK\x01\x02" + struct.pack("<H", 20) + common
        central += struct.pack("<3H2L", 0, 0, 0, 0, len(local)) + key
        local += b"PK\x03\x04" + common + key + packed
        count += 1
    end = struct.pack("<4H2LH", 0, 0, count, count, len(central), len(local), 0)
    return local + central + b"PK\x05\x06" + end


def check(trace):
    assert trace.id == "e-q1-2"
    assert trace.source.version == "0.3"
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("system", "system"),
        ("user", "message"),
        ("writer", "handoff"),
        ("tool", "tool_result"),
        ("critic", "message"),
    ]
    assert trace.steps[1].content == "Is it?"
    assert (trace.steps[2].to, trace.steps[2].usage.input_tokens) == ("critic", 4)
    assert (trace.steps[3].parent, trace.steps[3].tool.error) == (2, "too slow")
    assert trace.task.question == "Is it?"
    assert (trace.task.expected, trace.task.id) == ("yes | ja", "q1")
    outcome = trace.outcome
    assert (outcome.status, outcome.score, outcome.by) == ("failure", 0.0, "scores.match")
    assert (outcome.answer, outcome.reason) == ("Bad.", "no match")


def test_json_log(read):
    got = read(LOG)
    check(got.trace)
    assert got.trace.steps[2].raw[0].record == "/samples/0/messages/2"


@pytest.mark.parametrize("pack", [archive, zstd_archive])
def test_archive(read, pack):
    members = {"_journal/start.json": {"eval": EVAL}, "samples/q1_epoch_2.json": SAMPLE}
    got = read(pack(members | {"header.json": LOG | {"samples": None}}), "log.eval")
    check(got.trace)
    assert got.problems == []


def test_unfinished_archive(read):
    members = {"_journal/start.json": {"eval": EVAL}, "samples/q1_epoch_2.json": SAMPLE}
    got = read(archive(members | {"samples/q2_epoch_1.json": [1]}), "log.eval")
    check(got.trace)
    assert [p.severity for p in got.problems] == ["warning", "error"]
    empty = read(archive({"_journal/start.json": {"eval": EVAL}}), "log.eval")
    assert empty.traces == []


def test_damaged_archive(read):
    whole = archive({"_journal/start.json": {}, "samples/q1_epoch_2.json": SAMPLE})
    cut = read(whole[:-30], "log.eval")
    assert cut.traces == []
    assert any(p.severity == "error" for p in cut.problems)


@pytest.mark.parametrize(
    ("score", "status"),
    [({"value": 1}, "success"), ({"value": 0.3}, "unknown"), ({"value": True}, "success"),
     ({"value": "P"}, "failure"), ({"value": {"a": 1}}, "unknown"), ("C", "success")],
)  # fmt: skip
def test_grades(read, score, status):
    sample = SAMPLE | {"scores": {"s": score}}
    assert read(LOG | {"samples": [sample]}).trace.outcome.status == status


def test_errors_and_wrong_types(read):
    broken = {"messages": [1, MESSAGES[1]], "error": {"message": "boom"}, "attachments": 3}
    hostile = {"events": [1, {"event": "model", "output": 3}], "messages": "x", "input": [4]}
    got = read(LOG | {"samples": [broken, hostile, 7]})
    assert [t.outcome.status for t in got.traces] == ["failure", "unknown"]
    assert got.traces[0].steps[0].content == LONG
    assert len(got.problems) == 2
    old = {"role": "assistant", "content": "Yes"}
    event = {
        "event": "model",
        "output": {"usage": {"input_tokens": 3}, "choices": [{"message": old}]},
    }
    trace = read(LOG | {"samples": [{"messages": [old], "events": [event]}]}).trace
    assert trace.steps[0].usage.input_tokens == 3
