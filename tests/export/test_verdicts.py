"""Verdicts in the formats of other tools: valid, the same every time, and sent only when asked."""

import base64
import importlib.util
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from google.protobuf.json_format import ParseDict
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracekit import registry
from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution, Evidence, Method, Suspect
from tracekit.errors import BackendError, UsageError
from tracekit.export import tree
from tracekit.export.otlp import Otlp
from tracekit.export.verdicts.judged import case_id, judged, verdict_id
from tracekit.export.verdicts.sending import send
from tracekit.ingest.pipeline import load
from tracekit.protocols import Post, VerdictExporter, VerdictSender
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Label, Outcome, Raw, Source, Step, Task

_spec = importlib.util.spec_from_file_location(
    "verdict_schemas", Path(__file__).with_name("schemas.py")
)
schemas = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schemas)

ROOT = Path(__file__).parents[2]
NAMES = sorted(registry.BUILT_IN["verdict_exporters"])
SENDERS = ["langfuse", "openinference", "otel", "phoenix"]


def exporter(name):
    return registry.get("verdict_exporters", name)


@pytest.fixture(scope="module")
def pairs():
    """Runs of every outcome, hostile and empty ones, twins, with verdicts and without."""
    traces = [*edge_traces(), *load(ROOT / "datasets" / "examples" / "logs")]
    traces.append(make_trace("won", [("A", "24")], outcome=Outcome("success")))
    traces.append(make_trace("one-step", [("Solver", "23")]))  # a second run of this id
    made = [(trace, attribute(trace, "first-error")) for trace in traces]
    made += [(trace, attribute(trace, "linear")) for trace in traces[:3]]
    moded = Suspect("A", 1, 0.5, modes=("FM-3.2", "own"), evidence=(Evidence(0, "a"), Evidence(1)))
    trace = make_trace("moded", [("A", "a"), ("A", "b"), ("B", "c")])
    return [*made, (trace, Attribution("moded", Method("m", settings={"k": 1}), (moded,)))]


def test_every_exporter_keeps_its_protocol():
    for name in NAMES:
        assert isinstance(exporter(name), VerdictExporter)
        assert exporter(name).name == name
    assert [name for name in NAMES if isinstance(exporter(name), VerdictSender)] == SENDERS


@pytest.mark.parametrize("name", NAMES)
def test_the_same_verdicts_are_the_same_bytes(name, pairs):
    slower = [(t, replace(v, cost=replace(v.cost, seconds=99.0))) for t, v in pairs]
    assert exporter(name).encode(pairs) == exporter(name).encode(slower)
    exporter(name).encode([])


@pytest.mark.parametrize("name", NAMES)
def test_half_surrogates_and_markup_come_out_as_text(name):
    """File names that are not UTF-8 end up in ids and paths."""
    bad = "a\udc80\0\u202e</x>\n::error::\ud83d"
    trace = make_trace(bad, [(bad, bad), ("B", bad)], task=Task(bad, None, bad))
    trace = replace(trace, source=Source(bad, bad, bad))
    document = exporter(name).encode([(trace, attribute(trace, "first-speaker"))])
    if name == "junit":
        assert "</x>" not in document.decode()
        ET.fromstring(document)
    else:
        for line in [document] if name == "sarif" else document.splitlines():
            json.loads(line)


@pytest.mark.parametrize("name", NAMES)
def test_labels_stay_at_home(name, pairs):
    """What a benchmark knows about a run is not what tracekit says of it."""
    secret = Label("decisive", "A", 0, reason="the-annotator-said-so")
    labelled = [(replace(t, labels=(secret,)), v) for t, v in pairs]
    assert exporter(name).encode(labelled) == exporter(name).encode(pairs)


def test_sarif_is_valid(pairs):
    document = json.loads(exporter("sarif").encode(pairs))
    jsonschema.validate(document, schemas.SARIF)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    assert len({result["guid"] for result in run["results"]}) == len(run["results"])
    moded = run["results"][-1]
    assert [taxon["id"] for taxon in moded["taxa"]] == ["FM-3.2"]
    assert [taxon["id"] for taxon in run["taxonomies"][0]["taxa"]] == ["FM-3.2"]
    flow = moded["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [place["location"]["physicalLocation"]["region"]["startLine"] for place in flow] == [
        1,
        2,
    ]


def test_the_sarif_subset_refuses_what_it_does_not_know(pairs):
    document = json.loads(exporter("sarif").encode(pairs))
    document["runs"][0]["results"][0]["kindd"] = "fail"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas.SARIF)


def test_an_alert_stays_the_same_when_its_verdict_changes():
    task = Task("2 + 2?")
    before = make_trace("run-1", [("A", "5"), ("B", "ok")], task=task)
    after = make_trace("run-2", [("A", "6"), ("B", "fine")], task=task)
    prints = []
    for trace, method in ((before, "first-speaker"), (after, "last-speaker")):
        document = json.loads(exporter("sarif").encode([(trace, attribute(trace, method))]))
        (result,) = document["runs"][0]["results"]
        prints.append((result["ruleId"], result["partialFingerprints"]))
    assert prints[0] == prints[1]


def test_junit_says_how_each_run_ended(pairs):
    root = ET.fromstring(exporter("junit").encode(pairs))
    (suite,) = root
    cases = suite.findall("testcase")
    found = Counter(child.tag for case in cases for child in case)
    outcomes = Counter(trace.outcome.status for trace, _ in pairs)
    assert found == {"failure": outcomes["failure"], "skipped": outcomes["unknown"]}
    for holder in (root, suite):
        assert holder.get("tests") == str(len(pairs)) == str(len(cases))
        assert holder.get("failures") == str(found["failure"])
        assert holder.get("errors") == "0"
    assert suite.get("skipped") == str(found["skipped"])
    assert root.get("skipped") is None  # Jenkins' schema has it on suites alone
    for case in cases:
        assert set(case.attrib) == {"classname", "name", "time"}
        assert len(case) <= 1  # at most one outcome in a case
        assert all(set(child.attrib) <= {"message", "type"} for child in case)


def test_junit_says_which_judgements_broke_off(pairs):
    """Who could not be asked has not cleared anybody, and has not skipped the run either."""
    broken = [
        (trace, replace(verdict, suspects=(), agents={}, abstained="the call failed", failed=True))
        for trace, verdict in pairs
        if trace.failed is not False
    ]
    (suite,) = ET.fromstring(exporter("junit").encode(broken))
    assert suite.get("errors") == suite.get("tests") == str(len(broken))
    assert suite.get("failures") == suite.get("skipped") == "0"
    assert {child.tag for case in suite.findall("testcase") for child in case} == {"error"}
    assert "the call failed" in suite.find("testcase/error").get("message")


def test_what_could_not_be_analysed_is_an_error_in_junit_and_sarif(pairs):
    blamed = make_trace("blamed", [("A", "5"), ("B", "ok")])
    silent, unknown = replace(blamed, id="silent"), replace(blamed, id="unknown")
    unknown = replace(unknown, outcome=Outcome())
    broke = Attribution("", Method("m"), abstained="the server was busy", failed=True)
    held = replace(broke, failed=False)
    made = [
        (blamed, attribute(blamed, "first-speaker")),
        *((trace, replace(broke, trace_id=trace.id)) for trace in (silent, unknown)),
        *((trace, replace(held, trace_id=trace.id)) for trace in (silent, unknown)),
    ]
    (suite,) = ET.fromstring(exporter("junit").encode(made))
    tags = [case[0].tag for case in suite.findall("testcase")]
    assert tags == ["failure", "error", "error", "failure", "skipped"]
    assert [suite.get(name) for name in ("failures", "errors", "skipped")] == ["2", "2", "1"]
    assert "the server was busy" in suite.find(".//error").get("message")
    for some, whole in ((made, False), (pairs, True)):
        document = json.loads(exporter("sarif").encode(some))
        jsonschema.validate(document, schemas.SARIF)
        (invocation,) = document["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is whole
        errors = [n for n in invocation["toolExecutionNotifications"] if n["level"] == "error"]
        assert len(errors) == (0 if whole else 2)


def binary(value):
    """Ids of OTLP/JSON, in hex, as the JSON of protobuf has them."""
    if isinstance(value, dict):
        return {
            k: base64.b64encode(bytes.fromhex(v)).decode()
            if k in ("traceId", "spanId")
            else binary(v)
            for k, v in value.items()
        }
    return [binary(item) for item in value] if isinstance(value, list) else value


def otlp(line, message):
    """A line of OTLP/JSON by its published protobuf schema; unknown members are errors."""
    return ParseDict(binary(json.loads(line)), message())


def attributes(holder):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in holder.attributes}


def test_events_lie_on_the_judged_spans(pairs, tmp_path):
    spans = set()
    some = [(trace, attribute(trace, "first-speaker")) for trace, _ in pairs[:5]]
    Otlp().write((trace for trace, _ in some), tmp_path / "spans.jsonl")
    for line in (tmp_path / "spans.jsonl").read_text().splitlines():
        for scope in otlp(line, ExportTraceServiceRequest).resource_spans[0].scope_spans:
            spans |= {(span.trace_id, span.span_id) for span in scope.spans}
    met = 0
    for line in exporter("otel").encode(some).splitlines():
        request = otlp(line, ExportLogsServiceRequest)
        for event in request.resource_logs[0].scope_logs[0].log_records:
            said = attributes(event)
            assert event.event_name == "gen_ai.evaluation.result"
            assert said["gen_ai.evaluation.name"].startswith("tracekit.")
            assert event.trace_id in {trace for trace, _ in spans}
            if said["gen_ai.evaluation.name"] == "tracekit.decisive-step":
                met += 1
                assert (event.trace_id, event.span_id) in spans
                assert 0 <= said["gen_ai.evaluation.score.value"] <= 1
    assert met


def test_annotations_ride_on_spans_with_one_link(pairs):
    for line in exporter("openinference").encode(pairs).splitlines():
        request = otlp(line, ExportTraceServiceRequest)
        for span in request.resource_spans[0].scope_spans[0].spans:
            said = attributes(span)
            assert said["openinference.span.kind"] == "EVALUATOR"
            assert len(span.links) == 1
            assert len(span.links[0].trace_id) == 16
            assert len(span.links[0].span_id) == 8
            assert span.links[0].trace_id != span.trace_id
            assert said["annotations.0.annotation.annotator_kind"] in {"LLM", "CODE"}
            json.loads(said["annotations.0.annotation.metadata"])


def test_spans_of_the_log_are_used_where_it_has_some():
    (trace, *_) = load(ROOT / "tests" / "fixtures" / "otlp-json")
    (one,) = judged([(trace, attribute(trace, "last-speaker", even_success=True))])
    last = trace.steps[-1]
    assert one.at(last.index).trace == trace.id
    assert one.at(last.index).span == last.raw[0].span
    assert one.at().span is None


def test_ids_that_are_not_opentelemetrys_stay_where_they_are_from():
    """Langfuse may name observations as it likes; nobody else knows those names."""
    steps = [Step(0, "A", content="5", raw=(Raw("r", span="obs-1"),))]
    trace = make_trace("trace-1", steps, outcome=Outcome("failure"))
    source = Source("langfuse-export", "export.json")
    pairs = [(t, attribute(t, "first-speaker")) for t in (trace, replace(trace, source=source))]
    sent = [json.loads(line) for line in exporter("langfuse").encode(pairs).splitlines()]
    node = tree.grow(trace)[-1]
    assert [score.get("observationId") for score in sent] == [None, node.id, None, "obs-1"]
    assert [score["traceId"] for score in sent] == [node.trace, node.trace, "trace-1", "trace-1"]
    for name in ("otel", "phoenix", "openinference"):
        assert b"obs-1" not in exporter(name).encode(pairs)


def test_an_export_that_is_read_again_keeps_its_spans(tmp_path, pairs):
    traces = [trace for trace, _ in pairs[1:4]]
    Otlp().write(traces, tmp_path / "spans.jsonl")
    again = [(trace, attribute(trace, "first-speaker")) for trace in load(tmp_path / "spans.jsonl")]
    for one, trace in zip(judged(again), traces, strict=True):
        nodes = {n.step.index: n for n in tree.grow(trace) if n.step}
        assert (one.at(0).trace, one.at(0).span) == (nodes[0].trace, nodes[0].id)


def test_ids_say_what_was_judged_and_by_what():
    trace = make_trace("r", [("A", "x")])
    first, last = attribute(trace, "first-speaker"), attribute(trace, "last-speaker")
    assert verdict_id(first) == verdict_id(replace(first, warnings=("new",)))
    assert len({verdict_id(first), verdict_id(last), verdict_id(first, copy=1)}) == 3
    other = replace(trace, id="s")
    assert case_id(trace) == case_id(other)
    assert case_id(make_trace("r", [], task=Task())) != case_id(make_trace("s", [], task=Task()))


class Server(ThreadingHTTPServer):
    """Keeps what it is sent; its answer can be set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.answer = (200, b"{}")

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        status, answer = self.server.answer
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"{self.server.address}/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


KEYS = {
    "LANGFUSE_PUBLIC_KEY": "pk",
    "LANGFUSE_SECRET_KEY": "sk",
    "PHOENIX_API_KEY": "ph",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-key=ot",
}


@pytest.mark.parametrize("name", ["phoenix", "langfuse"])
def test_requests_follow_the_public_api(name, pairs, server):
    sender = exporter(name)
    count = send(sender.posts(pairs), server.address, sender.headers(KEYS))
    assert count == len(server.got) > 0
    bodies = {"phoenix": schemas.PHOENIX, "langfuse": schemas.LANGFUSE}[name]
    for path, headers, body in server.got:
        jsonschema.validate(body, bodies[path])
        assert headers["Content-Type"] == "application/json"
        assert headers["Authorization"] in ("Bearer ph", "Basic cGs6c2s=")
    send(sender.posts(pairs), server.address, sender.headers(KEYS))
    assert server.got[:count] == server.got[count:]


@pytest.mark.parametrize("name", ["otel", "openinference"])
def test_otlp_goes_over_http(name, pairs, server):
    sender = exporter(name)
    send(sender.posts(pairs), server.address + "/otlp/", sender.headers(KEYS))
    assert {path for path, _, _ in server.got} <= {"/otlp/v1/logs", "/otlp/v1/traces"}
    lines = sender.encode(pairs).splitlines()
    assert [body for _, _, body in server.got] == [json.loads(line) for line in lines]
    assert {headers.get("X-Key") for _, headers, _ in server.got} == {"ot"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, b"Spans with IDs x do not exist."), "404 .*Spans with IDs x"),
        ((500, b""), "500"),
        ((307, b""), "307"),
        ((207, b'{"accepted": 1, "rejected": 2, "errors": []}'), "in part only"),
        ((200, b'{"partialSuccess": {"rejectedLogRecords": "3"}}'), "in part only"),
    ],
)
def test_what_a_server_does_not_take_is_an_error(server, answer, says):
    server.answer = answer
    with pytest.raises(BackendError, match=says):
        send([Post(path="/x", body=b"{}")], server.address, {"Authorization": "secret"})
    assert len(server.got) == 1  # a redirect would take the key elsewhere


def test_a_full_success_is_none_in_part(server):
    server.answer = (200, b'{"partialSuccess": {}}')
    assert send([Post(path="/x", body=b"{}")], server.address, {}) == 1


@pytest.mark.parametrize("endpoint", ["localhost:6006", "ftp://x", "http://u:p@x", "http://x/?k=1"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint):
    with pytest.raises(UsageError, match="--endpoint"):
        send([Post(path="/x", body=b"{}")], endpoint, {})


def test_nobody_listens():
    with pytest.raises(BackendError, match="refused"):
        send([Post(path="/x", body=b"{}")], "http://127.0.0.1:9", {})


def test_langfuse_wants_keys():
    with pytest.raises(UsageError, match="LANGFUSE_PUBLIC_KEY"):
        exporter("langfuse").headers({})
