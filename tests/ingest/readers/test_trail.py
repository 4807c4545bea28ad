"""TRAIL: nested spans, annotations in a folder beside, labels on the steps that hold the span."""

import json

import pytest


def span(id, name, second, attributes, children=(), seconds=1.0, **more):
    return {
        "timestamp": f"2025-03-19T16:40:{second:02d}Z", "trace_id": "t1", "span_id": id,
        "parent_span_id": "set by the tree", "span_name": name, "span_kind": "Internal",
        "span_attributes": attributes, "duration": f"PT{seconds}S", "status_code": "Ok",
        "status_message": "", "events": [], "logs": [], "child_spans": list(children),
        "scope_name": "openinference.instrumentation.smolagents", "resource_attributes": {}, **more,
    }  # fmt: skip


def llm(id, second, said):
    return span(
        id, "LiteLLMModel.__call__", second,
        {"openinference.span.kind": "LLM", "llm.output_messages.0.message.content": said},
    )  # fmt: skip


EXAMPLE = {"question": "Which door?", "true_answer": "the left", "task_id": "q7"}
FETCH = {"body": {"function.name": "get_examples_to_answer", "function.output": [EXAMPLE]}}
TEAM = {
    "openinference.span.kind": "AGENT", "input.value": '{"task": "Answer: Which door?"}',
    "output.value": "the right", "smolagents.managed_agents.0.name": "door_keeper",
}  # fmt: skip
HELPER = {
    "openinference.span.kind": "AGENT", "output.value": "Knock first.",
    "input.value": '{"task": "You\'re a helpful agent named \'door_keeper\'. Look."}',
}  # fmt: skip
STEP = {"openinference.span.kind": "CHAIN", "input.value": '{"memory_step": "ActionStep()"}'}
RUN = {
    "trace_id": "t1",
    "spans": [
        span("m", "main", 0, {}, [
            span("g", "get_examples_to_answer", 0, {}, logs=[FETCH]),
            span("a", "CodeAgent.run", 1, TEAM, [
                span("s1", "Step 1", 2, STEP | {"output.value": "Execution logs:\nKnock first."}, [
                    llm("l1", 2, "Thought: ask the keeper"),
                    span("k", "ToolCallingAgent.run", 4, HELPER, [llm("l2", 5, "Knock first.")], 3),
                ], 7.5),
                span("s2", "Step 2", 10, STEP, [llm("l3", 10, "print(door)")], 3,
                     status_code="Error", status_message="NameError: door is not defined"),
            ], 40),
            llm("l4", 50, "FINAL ANSWER: the right"),
        ], 59),
    ],
}  # fmt: skip
NOTES = {
    "trace_id": "t1",
    "errors": [
        {"category": "Goal Deviation", "location": "l2", "evidence": "Knock",
         "description": "It was to look.", "impact": "HIGH"},
        {"category": "Resource Abuse", "location": "s2", "description": "Ran it."},
        {"category": "Language-only", "location": "a"},
        {"category": "Nowhere", "location": "zz"},
    ],
    "scores": [{"overall": 2}],
}  # fmt: skip


@pytest.fixture
def trace(read_one, tmp_path):
    folder = tmp_path / "processed_annotations_gaia"
    folder.mkdir()
    (folder / "t1.json").write_text(json.dumps(NOTES))
    return read_one("trail", RUN, "GAIA/t1.json")


def test_agents_and_order(trace):
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("CodeAgent", "message", "Thought: ask the keeper"),
        ("door_keeper", "message", "Knock first."),
        ("CodeAgent", "tool_result", "Execution logs:\nKnock first."),
        ("CodeAgent", "message", "print(door)"),
        ("CodeAgent", "tool_result", "NameError: door is not defined"),
        ("CodeAgent", "message", "the right"),
        ("unknown", "message", "FINAL ANSWER: the right"),
    ]
    assert trace.agent("door_keeper").parent == "CodeAgent"
    assert trace.agent("door_keeper").role == "ToolCallingAgent"
    assert trace.steps[4].tool.error == "NameError: door is not defined"


def test_task_answer_and_scores(trace):
    assert (trace.task.question, trace.task.expected, trace.task.id) == (
        "Which door?", "the left", "q7",
    )  # fmt: skip
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "the right")
    assert trace.extra["scores"] == [{"overall": 2}]


def test_labels_point_to_the_step_that_holds_the_span(trace):
    assert [(m.step, m.agent, m.modes, m.span) for m in trace.labels] == [
        (1, "door_keeper", ("Goal Deviation",), "l2"),
        (4, "CodeAgent", ("Resource Abuse",), "s2"),
        (5, "CodeAgent", ("Language-only",), "a"),
        (None, None, ("Nowhere",), "zz"),
    ]
    first = trace.labels[0]
    assert (first.definition, first.reason) == ("span-error", "It was to look.")
    assert first.extra == {"evidence": "Knock", "impact": "HIGH"}


def test_without_annotations_there_are_no_labels(read_one):
    assert read_one("trail", RUN).labels == ()


def test_the_file_of_annotations_is_one_skipped_record(read):
    got = read(NOTES)
    assert (got.report.format, got.report.records, got.traces) == ("trail", 1, [])
    assert [(p.severity, p.what) for p in got.problems] == [
        ("skip", "annotations, read with their trace")
    ]


def test_annotations_that_are_broken_are_reported(read, tmp_path):
    (tmp_path / "processed_annotations_gaia").mkdir()
    (tmp_path / "processed_annotations_gaia" / "t1.json").write_text("{oops")
    got = read(RUN, "GAIA/t1.json")
    assert got.trace.labels == ()
    assert ["cannot be read" in p.what for p in got.problems] == [True]


def test_annotations_that_break_off_are_read_so_far(read, tmp_path):
    (tmp_path / "processed_annotations_gaia").mkdir()
    half = json.dumps(NOTES)[:-1] + ', "more": [}'
    (tmp_path / "processed_annotations_gaia" / "t1.json").write_text(half)
    got = read(RUN, "GAIA/t1.json")
    assert len(got.trace.labels) == len(NOTES["errors"])
    assert [p.severity for p in got.problems] == ["warning"]
