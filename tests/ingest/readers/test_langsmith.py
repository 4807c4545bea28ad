"""LangSmith: batches that tell a run twice, exports nested, flat, in lines and by dotted order."""

import pytest

CALLS = [{"id": "c", "name": "look", "args": {"up": 1}}]
ASKS = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "", "type": "ai", "tool_calls": CALLS}}  # fmt: skip
USER = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": "Weather?", "type": "human"}}  # fmt: skip
TOLD = {"type": "tool", "content": "clouds", "tool_call_id": "c", "status": "success"}


def run(id, parent, kind, name, second, inputs=None, outputs=None, node=None, **more):
    return {
        "id": id, "name": name, "run_type": kind, "parent_run_id": parent, "error": None,
        "start_time": f"2025-01-01T00:00:0{second}", "end_time": f"2025-01-01T00:00:0{second}.5",
        "inputs": inputs or {}, "outputs": outputs or {}, "trace_id": "r",
        "extra": {"metadata": {"langgraph_node": node} if node else {}}, **more,
    }  # fmt: skip


ROOT = run("r", None, "chain", "LangGraph", 0, {"messages": [["user", "Weather?"]]},
           {"messages": [{"type": "human", "content": "Weather?"}, {"type": "ai", "content": "Rain."}]})  # fmt: skip
NODE = run("n", "r", "chain", "forecaster", 1, node="forecaster")
LLM = run("l", "n", "llm", "ChatOpenAI", 2, {"messages": [[USER]]},
          {"generations": [[{"text": "", "message": ASKS}]],
           "llm_output": {"token_usage": {"prompt_tokens": 5, "completion_tokens": 2}, "model_name": "m"}},
          node="forecaster")  # fmt: skip
TOOL = run("t", "r", "tool", "look", 3, {"input": "{'up': 1}"}, {"output": TOLD}, node="tools")
LAST = run("x", "r", "llm", "ChatOpenAI", 4, {"messages": [[USER, ASKS, TOLD]]},
           {"choices": [{"message": {"role": "assistant", "content": "Rain."}}],
            "usage_metadata": {"input_tokens": 9, "output_tokens": 1}}, node="forecaster")  # fmt: skip
RUNS = [ROOT, NODE, LLM, TOOL, LAST]


def nest(id):
    (item,) = [r for r in RUNS if r["id"] == id]
    children = [nest(r["id"]) for r in RUNS if r["parent_run_id"] == id]
    return {k: v for k, v in item.items() if k not in ("parent_run_id", "trace_id")} | {
        "child_runs": children
    }


def dotted(item):
    by_id = {r["id"]: r for r in RUNS}
    path = []
    here = item
    while here is not None:
        path.append(f"20250101T00000{here['start_time'][-1]}000000Z{here['id']}")
        here = by_id.get(here["parent_run_id"])
    kept = {k: v for k, v in item.items() if k not in ("parent_run_id", "trace_id")}
    return kept | {"dotted_order": ".".join(reversed(path))}


@pytest.mark.parametrize("shape", ["list", "lines", "nested", "dotted", "runs"])
def test_every_shape_of_an_export(shape, read_one, jsonl):
    log = {
        "list": RUNS[::-1],
        "lines": jsonl(*RUNS),
        "nested": nest("r"),
        "dotted": [dotted(item) for item in RUNS],
        "runs": {"runs": RUNS},
    }[shape]
    trace = read_one("langsmith", log)
    assert trace.id == "r"
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("forecaster", "tool_call", ""), ("forecaster", "tool_result", "clouds"),
        ("forecaster", "message", "Rain."),
    ]  # fmt: skip
    asked, ran, said = trace.steps
    assert (asked.tool.name, asked.tool.arguments, asked.usage.input_tokens) == (
        "look",
        {"up": 1},
        5,
    )
    assert (ran.tool.arguments, ran.parent) == ({"up": 1}, 0)
    assert (said.inputs.steps, said.usage.input_tokens) == ((0, 1), 9)
    assert (trace.task.question, trace.outcome.answer) == ("Weather?", "Rain.")


def test_a_batch_tells_a_run_at_its_start_and_at_its_end(read):
    start = {k: v for k, v in LLM.items() if k not in ("outputs", "end_time")} | {"outputs": {}}
    end = {"id": "l", "trace_id": "r", "outputs": LLM["outputs"], "end_time": LLM["end_time"],
           "inputs": None}  # fmt: skip
    got = read({"post": [start], "patch": [end]})
    (step,) = got.trace.steps
    assert [raw.record for raw in step.raw] == ["/post/0", "/patch/0"]
    assert (step.tool.name, step.time.seconds) == ("look", 0.5)
    assert got.report.records == 2


def test_an_end_that_names_its_run_by_dotted_order_alone(read):
    order = "20250101T000002000000Zl"
    start = LLM | {"outputs": {}, "dotted_order": order, "parent_run_id": None, "trace_id": "l"}
    end = {"dotted_order": order, "trace_id": "l", "outputs": LLM["outputs"]}
    got = read({"post": [start], "patch": [end]})
    assert [raw.record for raw in got.trace.steps[0].raw] == ["/post/0", "/patch/0"]


def test_a_failed_root(read_one):
    failed = ROOT | {"error": "GraphRecursionError()", "outputs": None}
    trace = read_one("langsmith", [failed, LLM])
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "GraphRecursionError()")


def test_runs_that_are_none(read_as):
    traces, problems = read_as("langsmith", [7, ROOT, {"run_type": "llm"}, LLM])
    assert len(traces) == 1
    errors = [p.what for p in problems if p.severity == "error"]
    assert errors == ["a run is not an object", "a run has no id"]
