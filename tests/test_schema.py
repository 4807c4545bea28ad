"""JSON Schemas: complete, committed, and true of what tracekit writes."""

import json
from pathlib import Path

import jsonschema
import pytest

from tracekit.attribution import (
    AgentSet,
    Attribution,
    Cost,
    Evidence,
    Method,
    Suspect,
    SuspectSet,
)
from tracekit.errors import Problem, UnknownName
from tracekit.ingest.batch import ingest_to
from tracekit.schema import DOCUMENTS, json_schema
from tracekit.store import encode, write_traces
from tracekit.trace import (
    Agent,
    Inputs,
    Label,
    Media,
    Message,
    Outcome,
    Raw,
    Source,
    Step,
    Task,
    Time,
    ToolCall,
    Trace,
    Usage,
)

COMMITTED = Path(__file__).parents[1] / "docs" / "schema"

STEP = Step(
    index=0,
    agent="Coder",
    kind="tool_call",
    content="see [image]",
    inputs=Inputs(steps=(), messages=(Message("system", "be brief", "Manager"),)),
    to="Manager",
    parent=0,
    tools=(ToolCall("run", {"code": "1"}, "1", "none", "c1"),),
    media=(Media(4, "image/png", None, "00", 3),),
    time=Time(1.0, 2.5),
    usage=Usage(10, 20, 0.1, "m"),
    raw=(Raw("/history/0", 1, 0, 9, "s1", 0, "other.json"),),
    speaker="Coder (-> Manager)",
    extra={"odd": [None, {"deep": True}]},
)
TRACE = Trace(
    id="t",
    source=Source("x", "a.json", "ag2", "0.2", "00"),
    task=Task("what?", "42", "q1"),
    agents=(Agent("Coder", "Coder", "worker", "You code.", ("run",), "Manager"),),
    steps=(STEP,),
    outcome=Outcome("failure", "41", 0.0, "wrong", "is_correct"),
    labels=(Label("decisive", "Coder", 0, ("1.1",), "why", 0, "me", "s1", {"k": 1}),),
    extra={"seed": 1},
)
VERDICT = Attribution(
    trace_id="t",
    method=Method("linear", "1", "w", {"k": 1}, 0),
    suspects=(Suspect("Coder", 0, 0.5, ("1.1",), (Evidence(0, "see", 0, 3, 1.5, "cue"),)),),
    agents={"Coder": 0.5},
    suspect_set=SuspectSet((0,), 0.9),
    agent_set=AgentSet(("Coder",), 0.9),
    conditional=True,
    cost=Cost(0.1, 1, 2, 0.3),
    warnings=("careful",),
    config={"tracekit": "1", "seed": 0},
    extra={"shapley": {"residual": 0.0}},
)
PROBLEM = Problem(
    what="cut", severity="warning", path="a", line=1, byte=2, record="/0", do="repair"
)


def check(name, data):
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(data))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_committed_copy_is_current(name):
    committed = json.loads((COMMITTED / f"{name}.json").read_text())
    assert committed == json_schema(name), "run `make docs`"


def test_nothing_else_is_committed():
    assert {path.stem for path in COMMITTED.iterdir()} == set(DOCUMENTS)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("trace", TRACE),
        ("trace", Trace(id="t", source=Source("x"))),
        ("attribution", VERDICT),
        ("attribution", Attribution("t", Method("m"), abstained="no steps")),
        ("problem", PROBLEM),
        ("problem", Problem(what="cut")),
    ],
)
def test_what_is_written_validates(name, document):
    check(name, encode(document))


def test_the_examples_use_every_field():
    """A field added to the types must be added to the documents above."""
    for document in (TRACE, STEP, TRACE.labels[0], PROBLEM, VERDICT.suspects[0]):
        empty = [field for field in document.__struct_fields__ if getattr(document, field) is None]
        assert empty == []


def test_a_manifest_validates(tmp_path):
    write_traces([TRACE, TRACE], tmp_path / "in.jsonl")
    (tmp_path / "broken.json").write_text('{"history": [')
    manifest = ingest_to([tmp_path / "in.jsonl", tmp_path / "broken.json"], tmp_path / "out.jsonl")
    check("manifest", encode(manifest))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("trace", '{"id": "t", "source": {"format": "x"}}'),
        ("trace", '{"schema": "tracekit/trace/2", "id": "t", "source": {"format": "x"}}'),
        ("trace", '{"schema": "tracekit/trace/1", "id": "t", "source": {"format": 1}}'),
        ("attribution", '{"schema": "tracekit/attribution/1", "trace_id": "t"}'),
        ("problem", '{"severity": "error"}'),
    ],
)
def test_what_is_wrong_does_not(name, data):
    with pytest.raises(jsonschema.ValidationError):
        check(name, data)


def test_every_described_field_is_described_in_the_schema():
    defs = json_schema("trace")["$defs"]
    assert "Index" in json.dumps(json_schema("attribution"))
    assert defs["Raw"]["properties"]["line"]["description"].startswith("Line in the file, from 1")
    assert ">>>" not in json.dumps(defs)


def test_unknown_name():
    with pytest.raises(UnknownName, match="attribution, manifest, problem, trace"):
        json_schema("report")
