"""AgentOps: attributes nested in objects, a crew's tasks, costs beside the attributes."""


def span(id, parent, name, second, kind, attributes, **more):
    inner = {"agentops": {"span": {"kind": kind}}, **attributes}
    return {
        "span_id": id, "parent_span_id": parent, "span_name": name, "span_kind": "Client",
        "span_type": "request" if kind == "llm" else "agent", "status_code": "OK",
        "start_time": f"2025-01-01T00:00:0{second}+00:00", "end_time": "2025-01-01T00:00:09+00:00",
        "span_attributes": inner, "attributes": {}, "resource_attributes": {}, "event_names": [],
        "event_attributes": [], "status_message": "", **more,
    }  # fmt: skip


CREW = {"crewai": {"crew": {"tasks": [{"description": "Write a song."}], "result": "La la."}}}
CALL = {
    "gen_ai": {
        "prompt": [{"role": "system", "content": "You sing."}, {"role": "user", "content": "Go."}],
        "completion": [{"role": "assistant", "content": "La la."}],
        "request": {"model": "m"}, "usage": {"prompt_tokens": "4", "completion_tokens": "2"},
        "system": "crewai",
    }
}  # fmt: skip
RUN = {
    "trace": {"trace_id": "t1", "root_span_name": "crewai.workflow"},
    "spans": [
        span("l", "g", "m.llm", 3, "llm", CALL, metrics={"total_cost": "0.25"}),
        span("g", "k", "Singer.agent", 2, "agent", {"agent": {"role": "Singer"}}),
        span("k", "w", "Write a song..task", 1, "workflow.step", {}),
        span("w", "", "crewai.workflow", 0, "workflow", CREW),
    ],
}


def test_a_crew(read_one):
    trace = read_one("agentops-export", RUN, "traces.md")
    (step,) = trace.steps
    assert (step.agent, step.content) == ("Singer", "La la.")
    assert (step.usage.input_tokens, step.usage.output_tokens, step.usage.cost) == (4, 2, 0.25)
    assert trace.agent("Singer").system_prompt == "You sing."
    assert (trace.task.question, trace.outcome.answer) == ("Write a song.", "La la.")
    assert {raw.span for raw in step.raw} == {"l", "g", "k", "w"}


def test_an_event_in_columns_names_the_error(read_one):
    tool = {"tool": {"name": "tune"}}
    failed = span(
        "x", "g", "tune.tool", 4, "tool", tool, status_code="ERROR", event_names=["exception"],
        event_attributes=[{"exception.type": "Flat", "exception.message": "too low"}],
    )  # fmt: skip
    trace = read_one("agentops-export", RUN | {"spans": [*RUN["spans"], failed]})
    assert trace.steps[1].tool.error == "Flat: too low"


def test_a_file_without_spans(read_as):
    traces, problems = read_as("agentops-export", {"trace": {}, "spans": 3})
    assert (traces, [p.severity for p in problems]) == ([], ["error"])
