"""The OTLP receiver: what exporters send becomes traces, and nothing that was acknowledged is lost."""

import base64
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from tracekit import load
from tracekit.capture import otlp_http
from tracekit.capture.otlp import SpanCollector
from tracekit.capture.otlp_http import Receiver
from tracekit.errors import BackendError, UsageError
from tracekit.ingest.batch import ingest_to
from tracekit.store import read_traces

JSON, PROTOBUF = "application/json", "application/x-protobuf"


@pytest.fixture
def listen(out):
    """`listen(quiet=…)` gives a running receiver; all are closed at the end."""
    running = []

    def start(**options):
        receiver = Receiver(SpanCollector(out, **options), port=0)
        receiver.start()
        running.append(receiver)
        return receiver

    yield start
    for receiver in running:
        if not receiver._stop.is_set():
            receiver.close()


@pytest.fixture
def receiver(listen):
    return listen(quiet=60.0)


def post(receiver, body, kind=JSON, **headers):
    """Status, content type and body of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(receiver.url, data, {"Content-Type": kind, **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def attribute(key, value):
    return {"key": key, "value": {"stringValue": value}}


def span(trace, id, parent=None, start=1, name="chat", **attributes):
    found = {
        "traceId": trace * 32,
        "spanId": id * 16,
        "name": name,
        "startTimeUnixNano": str(1_700_000_000_000_000_000 + start * 1_000_000),
        "endTimeUnixNano": str(1_700_000_000_000_500_000 + start * 1_000_000),
        "attributes": [attribute(k.replace("__", "."), v) for k, v in attributes.items()],
    }
    return {**found, "parentSpanId": parent * 16} if parent else found


def says(trace, id, text, parent=None, start=1, agent="pilot"):
    reply = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
    return span(
        trace,
        id,
        parent,
        start,
        gen_ai__operation__name="chat",
        gen_ai__agent__name=agent,
        gen_ai__output__messages=json.dumps(reply),
    )


def root(trace, id, start=0):
    return span(
        trace,
        id,
        start=start,
        name="invoke_agent pilot",
        gen_ai__operation__name="invoke_agent",
        gen_ai__agent__name="pilot",
    )


def request(*spans):
    scope = {"scope": {"name": "harbour"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def emit(tracer, question="When can we sail?"):
    """The spans of two agents, a tool and a tool that fails, as instrumentations write them."""

    def messages(role, text):
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])

    def call(name, id):
        part = {"type": "tool_call", "id": id, "name": name, "arguments": {"port": "Aar"}}
        return json.dumps([{"role": "assistant", "parts": [part]}])

    def chat(agent, given, made):
        with tracer.start_as_current_span("chat scripted") as model:
            model.set_attribute("gen_ai.operation.name", "chat")
            model.set_attribute("gen_ai.agent.name", agent)
            model.set_attribute("gen_ai.request.model", "scripted")
            model.set_attribute("gen_ai.usage.input_tokens", 7)
            model.set_attribute("gen_ai.usage.output_tokens", 3)
            model.set_attribute("gen_ai.input.messages", given)
            model.set_attribute("gen_ai.output.messages", made)

    def agent(name):
        return tracer.start_as_current_span(f"invoke_agent {name}")

    with agent("pilot") as whole:
        whole.set_attribute("gen_ai.operation.name", "invoke_agent")
        whole.set_attribute("gen_ai.agent.name", "pilot")
        whole.set_attribute("gen_ai.input.messages", messages("user", question))
        chat("pilot", messages("user", question), call("tide", "c1"))
        with tracer.start_as_current_span("execute_tool tide") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "tide")
            tool.set_attribute("gen_ai.tool.call.id", "c1")
            tool.set_attribute("gen_ai.tool.call.result", "4.2 m")
        with agent("mate") as inner:
            inner.set_attribute("gen_ai.operation.name", "invoke_agent")
            inner.set_attribute("gen_ai.agent.name", "mate")
            chat("mate", messages("user", "Is she ready?"), call("radio", "c2"))
            with tracer.start_as_current_span("execute_tool radio") as tool:
                tool.set_attribute("gen_ai.operation.name", "execute_tool")
                tool.set_attribute("gen_ai.tool.name", "radio")
                tool.set_attribute("gen_ai.tool.call.id", "c2")
                tool.set_status(StatusCode.ERROR, "the radio is dead")
        chat("pilot", messages("user", question), messages("assistant", "At noon."))


def check_emitted(trace, question="When can we sail?"):
    assert trace.task.question == question
    assert [(s.agent, s.kind, s.parent) for s in trace.steps] == [
        ("pilot", "tool_call", None),
        ("pilot", "tool_result", 0),
        ("mate", "tool_call", None),
        ("mate", "tool_result", 2),
        ("pilot", trace.steps[4].kind, None),
    ]
    assert trace.steps[1].tool.result == "4.2 m"
    assert trace.steps[3].tool.error == "the radio is dead"
    assert trace.steps[4].content == "At noon."
    assert trace.steps[0].usage.input_tokens == 7


def provider(receiver, processor, **options):
    exporter = OTLPSpanExporter(endpoint=receiver.url, **options)
    found = TracerProvider(resource=Resource.create({"service.name": "harbour"}))
    found.add_span_processor(processor(exporter))
    return found


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_the_sdk_and_its_exporter(receiver, written, processor, compression):
    from opentelemetry.exporter.otlp.proto.http import Compression

    system = provider(receiver, processor, compression=Compression(compression))
    emit(system.get_tracer("harbour"))
    emit(system.get_tracer("harbour"), "And tomorrow?")
    system.shutdown()
    receiver.close()
    first, second = written()
    check_emitted(first)
    check_emitted(second, "And tomorrow?")
    assert receiver.collector.spans == 14
    assert receiver.collector.problems == []
    assert first.extra["resource"]["service.name"] == "harbour"


def test_steps_point_into_the_spans_as_they_arrived(receiver, written):
    post(receiver, request(root("a", "1")))
    post(receiver, request(says("a", "2", "Aye.", "1"), says("b", "3", "No.")))
    receiver.close()
    lines = receiver.collector.journal.read_text().splitlines()
    for trace in written():
        assert trace.source.path == str(receiver.collector.journal)
        for raw in [raw for step in trace.steps for raw in step.raw]:
            line, _, pointer = raw.record.partition(":")
            found = json.loads(lines[int(line) - 1])
            for part in pointer.split("/")[1:]:
                found = found[int(part)] if part.isdecimal() else found[part]
            assert found["spanId"] == raw.span


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock of collectors, set by hand."""
    time = [1000.0]
    monkeypatch.setattr("tracekit.capture.otlp.time.monotonic", lambda: time[0])
    return time


def test_a_trace_is_written_when_its_root_came_and_it_rests(clock, out, written):
    collector = SpanCollector(out, quiet=5.0)
    collector.take(request(says("a", "2", "Aye.", "1"), says("b", "2", "No.", "1")))
    clock[0] += 20
    assert collector.settle() == 0
    collector.take(request(root("a", "1")))
    clock[0] += 4.9
    assert collector.settle() == 0
    clock[0] += 0.2
    assert collector.settle() == 1
    assert [(t.id[0], t.steps[0].content) for t in written()] == [("a", "Aye.")]
    clock[0] += 30
    assert collector.settle() == 1  # the root of this one never came
    assert [(t.id[0], t.steps[0].content) for t in written()] == [("a", "Aye."), ("b", "No.")]
    collector.close()
    assert len(written()) == 2


def test_late_spans_bring_the_trace_again_and_one_line_stays(listen, written):
    receiver = listen(quiet=0.05)
    post(receiver, request(root("a", "1"), says("a", "2", "First.", "1", start=10)))
    wait_for(written)
    post(receiver, request(says("b", "9", "Meanwhile.")))
    post(receiver, request(says("a", "3", "Second.", "1", start=30)))
    wait_for(lambda: len(written()) == 3)
    assert [[s.content for s in t.steps] for t in written() if t.id == "a" * 32] == [
        ["First."],
        ["First.", "Second."],
    ]
    receiver.close()
    found = {trace.id[0]: [s.content for s in trace.steps] for trace in written()}
    assert found == {"a": ["First.", "Second."], "b": ["Meanwhile."]}
    assert len(written()) == 2


def test_spans_of_traces_that_were_let_go_are_joined(listen, written):
    receiver = listen(quiet=60.0, most=3)
    post(receiver, request(root("a", "1"), says("a", "2", "First.", "1", start=10)))
    for number, trace in enumerate("bcdef"):
        post(receiver, request(says(trace, "9", f"Other {number}.")))
    assert "a" * 32 not in receiver.collector.ids
    post(receiver, request(says("a", "3", "Late.", "1", start=30)))
    receiver.close()
    found = {trace.id[0]: [s.content for s in trace.steps] for trace in written()}
    assert found.pop("a") == ["First.", "Late."]
    assert found == {t: [f"Other {n}."] for n, t in enumerate("bcdef")}


def test_a_span_that_is_sent_twice_is_one_step(receiver, written):
    body = request(root("a", "1"), says("a", "2", "Aye.", "1"))
    post(receiver, body)
    post(receiver, body)
    receiver.close()
    (trace,) = written()
    assert [s.content for s in trace.steps] == ["Aye."]


def test_answers_in_both_encodings(receiver):
    good, bad = says("a", "2", "Aye."), {**says("a", "3", "No."), "spanId": ""}
    assert post(receiver, request(good)) == (200, JSON, b"{}")
    status, kind, body = post(receiver, request(good, bad))
    assert (status, kind) == (200, JSON)
    partial = json.loads(body)["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "spanId" in partial["errorMessage"]
    message = ExportTraceServiceRequest()
    assert post(receiver, message.SerializeToString(), PROTOBUF) == (200, PROTOBUF, b"")
    spans = message.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"\xab" * 16, span_id=b"\x01" * 8, name="chat")
    spans.add(trace_id=b"\xab" * 16, name="chat")
    status, kind, body = post(receiver, message.SerializeToString(), PROTOBUF)
    answer = ExportTraceServiceResponse.FromString(body)
    assert (status, kind) == (200, PROTOBUF)
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message == "spans need a traceId and a spanId"
    assert "ab" * 16 in receiver.collector.ids
    stored = json.loads(receiver.collector.journal.read_text().splitlines()[-1])
    stored = stored["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert base64.b64decode(stored["traceId"]) == b"\xab" * 16


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"spans"',
    b"\xff\xfe\x00",
    b'{"resourceSpans": {}}',
    b'{"resourceSpans": [1]}',
    b'{"resource_spans": []}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": 3}]}]}',
    b'{"resourceSpans": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_requests(receiver, body):
    status, kind, answer = post(receiver, body)
    assert (status, kind) == (400, JSON)
    assert json.loads(answer)["message"]
    assert receiver.collector.journal.read_bytes() == b""
    assert post(receiver, request(says("a", "2", "Aye.")))[0] == 200


def test_malformed_protobuf(receiver):
    status, kind, body = post(receiver, b"\xff\xff\xff", PROTOBUF)
    assert (status, kind) == (400, PROTOBUF)
    assert b"not an ExportTraceServiceRequest" in body


def test_protobuf_without_the_extra(receiver, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    status, _, body = post(receiver, b"", PROTOBUF)
    assert status == 415
    assert b"mas-tracekit[otlp]" in body
    assert b"http/json" in body


def test_gzip(receiver):
    body = gzip.compress(json.dumps(request(says("a", "2", "Aye."))).encode())
    assert post(receiver, body, **{"Content-Encoding": "gzip"})[0] == 200
    assert post(receiver, body[:-9], **{"Content-Encoding": "gzip"})[0] == 400
    assert post(receiver, b"plain", **{"Content-Encoding": "gzip"})[0] == 400
    assert post(receiver, body, **{"Content-Encoding": "br"})[0] == 415
    assert receiver.collector.spans == 1


def test_a_gzip_bomb_and_a_large_body(receiver):
    bomb = gzip.compress(b" " * (otlp_http.MOST_EXPANDED + 10_000_000))
    assert len(bomb) < 100_000
    assert post(receiver, bomb, **{"Content-Encoding": "gzip"})[0] == 413
    assert post(receiver, b" " * (otlp_http.MOST_BODY + 1))[0] == 413
    assert post(receiver, request(says("a", "2", "Aye.")))[0] == 200


def raw(receiver, text):
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def test_requests_that_are_none(receiver):
    head = b"POST /v1/traces HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: application/json\r\n"
    assert b" 411 " in raw(receiver, head + b"\r\n")
    assert b" 400 " in raw(receiver, head + b"Content-Length: 100\r\n\r\n{}")
    assert b" 413 " in raw(receiver, head + b"Content-Length: 99999999999999999999\r\n\r\n")
    assert b" 411 " in raw(receiver, head + b"Content-Length: -5\r\n\r\n")
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    assert b" 200 " in raw(receiver, chunked + b"2\r\n{}\r\n0\r\n\r\n")
    assert b" 400 " in raw(receiver, chunked + b"zz\r\n")
    assert b" 413 " in raw(receiver, chunked + b"ffffffff\r\n")
    assert b" 400 " in raw(receiver, b"\x16\x03\x01 tls\r\n\r\n")
    assert post(receiver, {})[0] == 200


def test_other_paths_methods_types_and_hosts(receiver):
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    connection.request("GET", "/v1/traces")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (405, b"")
    connection.request("POST", "/v1/logs", b"{}", {"Content-Type": JSON})
    answer = connection.getresponse()
    assert (answer.status, bool(answer.read())) == (404, True)
    connection.close()
    assert post(receiver, {}, "text/plain")[0] == 415
    assert post(receiver, {}, JSON, Host="evil.example")[0] == 403
    assert post(receiver, {}, "application/json; charset=utf-8")[0] == 200


def test_only_loopback(receiver):
    assert receiver._server.server_address[0] == "127.0.0.1"
    with socket.socket() as other:
        other.settimeout(5)
        own = socket.gethostbyname(socket.gethostname())
        if not own.startswith("127."):
            assert other.connect_ex((own, receiver.port)) != 0


def test_the_port_is_taken(receiver, tmp_path):
    collector = SpanCollector(tmp_path / "other.jsonl")
    with pytest.raises(BackendError, match="--port"):
        Receiver(collector, receiver.port)
    collector.close()


def test_many_senders_at_once(receiver, written):
    def send(name):
        for number in range(10):
            first = root(name, "1")
            reply = says(name, f"{number:x}"[-1] if number else "f", f"{number}.", "1", number)
            assert post(receiver, request(first, reply) if not number else request(reply))[0] == 200

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcdef789"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receiver.close()
    traces = written()
    assert len(traces) == 9
    for trace in traces:
        assert [step.content for step in trace.steps] == [f"{n}." for n in range(10)]


def test_a_sender_that_waits_does_not_hold_up_the_end(receiver):
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    connection.request("POST", "/v1/traces", b"{}", {"Content-Type": JSON})
    connection.getresponse().read()
    start = time.monotonic()
    receiver.close()
    assert time.monotonic() - start < 5
    connection.close()


def test_a_full_disk_is_told_and_the_sender_tries_again(receiver, monkeypatch, written):
    body = request(says("a", "2", "Aye."))

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, _, answer = post(receiver, body)
    assert status == 503
    assert json.loads(answer)["message"] == "No space left on device"
    assert receiver.collector.journal.read_bytes() == b""
    assert post(receiver, body)[0] == 200
    receiver.close()
    (trace,) = written()
    assert [s.content for s in trace.steps] == ["Aye."]


KEY = "sk-proj-" + "a1B2c3D4" * 4


def test_secrets_reach_no_file(listen, out):
    receiver = listen(redact=True)
    post(
        receiver, request(says("a", "2", f"The key is {KEY}."), span("a", "3", api_key="hunter22"))
    )
    receiver.close()
    for file in (out, receiver.collector.journal):
        assert KEY not in file.read_text()
        assert "hunter22" not in file.read_text()
        assert "[REDACTED:" in file.read_text()
    assert receiver.collector.redacted == 2


def test_a_second_session_appends(listen, written):
    first = listen()
    post(first, request(says("a", "2", "Aye.")))
    first.close()
    with first.collector.journal.open("ab") as stream:
        stream.write(b'{"resourceSpans": [{"sco')
    second = listen()
    post(second, request(says("a", "3", "Late.", start=9), says("b", "4", "New.")))
    second.close()
    assert sorted([s.content for s in t.steps] for t in written()) == [
        ["Aye."],
        ["Late."],
        ["New."],
    ]
    lines = second.collector.journal.read_text().splitlines()
    assert [t.steps[0].raw[0].line for t in written()] == [1, 3, 3]
    assert len(lines) == 3


def test_it_refuses_outputs_that_are_not_its_own(tmp_path):
    (tmp_path / "x.jsonl").write_text("dear diary")
    with pytest.raises(UsageError):
        SpanCollector(tmp_path / "x.jsonl")


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def command(out):
    """`command(…)` runs `tracekit capture otlp` in a process; gives it and its port."""
    processes = []

    base = [sys.executable, "-m", "tracekit_cli", "capture", "otlp"]

    def start(*options):
        process = subprocess.Popen(
            [*base, "--port", "0", "-o", out, *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stderr.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        return process, int(line.split(":")[2].partition("/")[0])

    yield start
    for process in processes:
        process.kill()
        process.communicate()


class At:
    """Where a process listens."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/v1/traces"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly(command, written, stop):
    process, port = command()
    assert post(At(port), request(root("a", "1"), says("a", "2", "Aye.", "1")))[0] == 200
    process.send_signal(stop)
    printed, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert printed == ""
    assert "2 spans" in told
    (trace,) = written()
    assert [s.content for s in trace.steps] == ["Aye."]


def test_the_command_ends_when_idle(command, written):
    process, port = command("--until-idle", "0.5", "--redact")
    post(At(port), request(says("a", "2", f"The key is {KEY}.")))
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "1 secrets taken out" in told
    assert "REDACTED" in written()[0].steps[0].content


def test_a_killed_command_leaves_every_span(command, out, tmp_path):
    process, port = command()
    post(At(port), request(root("a", "1")))
    post(At(port), request(says("a", "2", "Aye.", "1")))
    process.kill()
    process.wait()
    journal = out.with_name("traces.spans.jsonl")
    (trace,) = load(journal)
    assert [s.content for s in trace.steps] == ["Aye."]
    ingest_to([journal], tmp_path / "again.jsonl")
    assert len(list(read_traces(tmp_path / "again.jsonl"))) == 1
