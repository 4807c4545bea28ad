"""Magentic-One's log.jsonl."""

import json

FORMAT = "magentic-one-jsonl"


def event(source, message, type="OrchestrationEvent", **more):
    return {
        "timestamp": "2024-11-15T08:00:00",
        "source": source,
        "message": message,
        "type": type,
        **more,
    }


def call(given, produced):
    return {"timestamp": "2024-11-15T08:00:01", "prompt_tokens": given, "completion_tokens": produced,
            "type": "LLMCallEvent"}  # fmt: skip


LOG = [
    event("UserProxy", "Say hi"),
    call(10, 1),
    call(20, 2),
    event("Orchestrator (thought)", "Initial plan:\nask the surfer"),
    event("Orchestrator (-> WebSurfer)", "Open the page"),
    event("WebSurfer", "opened", "WebSurferEvent", url="u", action="visit", arguments={"to": "u"}),
    event("Orchestrator (final answer)", "hi"),
    event("Orchestrator (termination condition)", "done"),
    event("UserProxy", "Another"),
    call(7, 7),
]


def lines(events):
    return "\n".join(map(json.dumps, events))


def test_runs_are_split_and_calls_belong_to_what_follows(read_as, speakers):
    traces, problems = read_as(FORMAT, lines(LOG), "log.jsonl", sniffed=True)
    first, second = traces
    assert speakers(first) == [
        "UserProxy",
        *["Orchestrator"] * 2,
        "WebSurfer",
        *["Orchestrator"] * 2,
    ]
    assert [step.kind for step in first.steps] == [
        "message", "plan", "message", "tool_call", "final", "system",
    ]  # fmt: skip
    assert (first.steps[1].usage.input_tokens, first.steps[1].usage.output_tokens) == (30, 3)
    assert [raw.line for raw in first.steps[1].raw] == [4, 2, 3]
    assert first.steps[2].to == "WebSurfer"
    assert first.steps[2].speaker == "Orchestrator (-> WebSurfer)"
    assert first.steps[3].tool.arguments == {"to": "u"}
    assert first.steps[3].extra["url"] == "u"
    assert (first.task.question, first.outcome.answer) == ("Say hi", "hi")
    assert (second.task.question, len(second.steps)) == ("Another", 1)
    assert [(p.severity, p.line) for p in problems] == [("skip", 10)]


def test_a_user_who_was_asked_starts_no_run(read_as, speakers):
    log = [LOG[0], event("Orchestrator (-> UserProxy)", "Which?"), event("UserProxy", "This")]
    traces, _ = read_as(FORMAT, lines(log))
    assert speakers(traces[0]) == ["UserProxy", "Orchestrator", "UserProxy"]


def test_broken_lines(read_as, speakers):
    log = lines(LOG[:1]) + '\n{"type": \n[]\n' + lines([event(None, None), {"type": "x"}])
    traces, problems = read_as(FORMAT, log)
    assert speakers(traces[0]) == ["UserProxy", "unknown", "unknown"]
    assert [problem.line for problem in problems] == [2, 3]
