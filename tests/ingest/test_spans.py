"""The span core: conventions in their versions, agents, order, history, and everything broken."""

import json

import pytest

from tracekit.ingest.pipeline import read_source
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Span
from tracekit.trace import Raw, Trace, faults

ASKED = "Which owl hunts by day?"
SAID = "The short-eared owl does."


class Reader:
    """Spans handed over as they are, through the pipeline's accounting."""

    name = "spans"

    def __init__(self, spans):
        self.spans = spans

    def sniff(self, head, name):
        return 1.0

    def read(self, source):
        for span in self.spans:
            source.see(span.raw.record)
        yield from traces(source, self.name, self.spans)


@pytest.fixture
def read(tmp_path):
    """`read(*spans)` gives (traces, problems); nothing lost, nothing contradictory."""

    def read(*spans):
        file = tmp_path / "log"
        file.write_bytes(b"x")
        items = list(read_source(Reader(spans), OpenSource(file, "log")))
        found = [item for item in items if isinstance(item, Trace)]
        problems = [item for item in items if not isinstance(item, Trace)]
        assert [p for p in problems if "no step holds it" in p.what or "failed" in p.what] == []
        assert [fault for trace in found for fault in faults(trace)] == []
        return found, problems

    return read


@pytest.fixture
def one(read):
    """The only trace of the spans."""

    def one(*spans):
        ((trace,), _) = read(*spans)
        return trace

    return one


def span(id, parent=None, start=None, end=None, name="", trace="t", record=None, **more):
    """A span; keyword arguments with `__` for dots are attributes."""
    fields = {k: more.pop(k) for k in list(more) if k in Span.__struct_fields__}
    attributes = {k.replace("__", "."): v for k, v in more.items()} | fields.pop("attributes", {})
    raw = Raw(record=record or f"{trace}/{id}", span=id)
    return Span(
        id=id, trace=trace, parent=parent, name=name or id, start=start, end=end, raw=raw,
        attributes=attributes, **fields,
    )  # fmt: skip


def agent(id, name, parent=None, start=0.0, end=90.0, **more):
    return span(
        id, parent, start, end, f"invoke_agent {name}",
        gen_ai__operation__name="invoke_agent", gen_ai__agent__name=name, **more,
    )  # fmt: skip


def model(id, parent=None, start=1.0, said=SAID, asks=(), given=(), end=None, **more):
    parts = [{"type": "text", "content": said}] if said else []
    parts += [{"type": "tool_call", "id": i, "name": n, "arguments": a} for i, n, a in asks]
    prompt = [{"role": r, "parts": [{"type": "text", "content": t}]} for r, t in given]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}]),
        "gen_ai.input.messages": json.dumps(prompt),
    } | more.pop("attributes", {})
    return span(id, parent, start, end or start + 1, "chat m", attributes=attributes, **more)


def tool(id, parent=None, start=2.0, name="look", result="seen", call=None, **more):
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.result": result,
        "gen_ai.tool.call.id": call,
    } | more.pop("attributes", {})
    called = f"execute_tool {name}"
    return span(id, parent, start, start + 1, called, attributes=attributes, **more)


MESSAGES_37 = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]
    ),
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": SAID},
                    {"type": "tool_call", "id": "c", "name": "look", "arguments": {"at": "owl"}},
                ],
                "finish_reason": "tool_call",
            }
        ]
    ),
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": "3",
    "gen_ai.request.model": "m",
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": ASKED,
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": SAID,
    "gen_ai.completion.0.tool_calls.0.id": "c",
    "gen_ai.completion.0.tool_calls.0.name": "look",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"at": "owl"}',
    "gen_ai.usage.prompt_tokens": 7,
    "gen_ai.usage.completion_tokens": 3,
    "gen_ai.response.model": "m",
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": ASKED,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": SAID,
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"at": "owl"}',
    "llm.token_count.prompt": "7",
    "llm.token_count.completion": 3,
}
ROWS = {  # OpenInference as a dataframe's columns
    "openinference.span.kind": "LLM",
    "llm.model_name": "m",
    "llm.input_messages": [
        {"message.role": "system", "message.content": "Be brief."},
        {"message.role": "user", "message.content": ASKED},
    ],
    "llm.output_messages": [
        {
            "message.role": "assistant",
            "message.content": SAID,
            "message.tool_calls": [
                {
                    "tool_call.id": "c",
                    "tool_call.function.name": "look",
                    "tool_call.function.arguments": '{"at": "owl"}',
                }
            ],
        }
    ],
    "llm.token_count.prompt": 7.0,
    "llm.token_count.completion": 3.0,
}
ADK = {
    "gen_ai.system": "gcp.vertex.agent",
    "gen_ai.request.model": "m",
    "gcp.vertex.agent.llm_request": json.dumps(
        {
            "config": {"system_instruction": "Be brief."},
            "contents": [{"role": "user", "parts": [{"text": ASKED}]}],
        }
    ),
    "gcp.vertex.agent.llm_response": json.dumps(
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": SAID},
                    {"function_call": {"id": "c", "name": "look", "args": {"at": "owl"}}},
                ],
            }
        }
    ),
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": 3,
}
TOOL_CALL = {
    "id": "c",
    "type": "function",
    "function": {"name": "look", "arguments": '{"at": "owl"}'},
}
EVENTS_28 = [
    {"name": "gen_ai.system.message", "attributes": {"content": "Be brief."}},
    {"name": "gen_ai.user.message", "attributes": {"content": ASKED}},
    {
        "name": "gen_ai.choice",
        "attributes": {
            "index": 0,
            "message": json.dumps(
                {"role": "assistant", "content": SAID, "tool_calls": [TOOL_CALL]}
            ),
        },
    },
]
EVENTS_OLD = [
    {
        "name": "gen_ai.content.prompt",
        "attributes": {
            "gen_ai.prompt": json.dumps(
                [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}]
            )
        },
    },
    {
        "name": "gen_ai.content.completion",
        "attributes": {
            "gen_ai.completion": json.dumps(
                [{"role": "assistant", "content": SAID, "tool_calls": [TOOL_CALL]}]
            )
        },
    },
]
DETAILS = [
    {
        "name": "gen_ai.client.inference.operation.details",
        "attributes": {k: MESSAGES_37[f"gen_ai.{k[7:]}"] for k in
                       ("gen_ai.input.messages", "gen_ai.output.messages")},
    }
]  # fmt: skip
COUNTS = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": 3,
}  # fmt: skip
PYDANTIC_AI = {  # the same events, but all of them in one attribute
    **COUNTS,
    "events": json.dumps(
        [
            {"event.name": "gen_ai.system.message", "content": "Be brief.", "role": "system"},
            {"event.name": "gen_ai.user.message", "content": ASKED, "role": "user"},
            {
                "event.name": "gen_ai.choice",
                "index": 0,
                "message": {"role": "assistant", "content": SAID, "tool_calls": [TOOL_CALL]},
            },
        ]
    ),
}
VERCEL = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.prompt.messages": json.dumps(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": ASKED}]},
        ]
    ),
    "ai.response.text": SAID,
    "ai.response.toolCalls": json.dumps(
        [{"toolCallId": "c", "toolName": "look", "input": '{"at": "owl"}'}]
    ),
    "ai.model.id": "m",
    "ai.usage.promptTokens": 7,
    "ai.usage.completionTokens": 3,
}
CONVENTIONS = {
    "genai-1.26": (COUNTS, EVENTS_OLD),
    "genai-1.28": (COUNTS, EVENTS_28),
    "genai-1.36": (COUNTS | {"gen_ai.provider.name": "p"}, EVENTS_28),
    "genai-1.37": (MESSAGES_37, []),
    "genai-1.37-details": (COUNTS, DETAILS),
    "openllmetry": (OPENLLMETRY, []),
    "openinference": (OPENINFERENCE, []),
    "openinference-rows": (ROWS, []),
    "google-adk": (ADK, []),
    "vercel-ai": (VERCEL, []),
    "pydantic-ai": (PYDANTIC_AI, []),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_model_call_reads_the_same_in_every_convention(name, one):
    attributes, events = CONVENTIONS[name]
    trace = one(span("a", attributes=attributes, events=events, start=1.0, end=2.5))
    (step,) = trace.steps
    assert (step.kind, step.content) == ("tool_call", SAID)
    assert [(c.name, c.arguments, c.call_id) for c in step.tools] == [("look", {"at": "owl"}, "c")]
    assert (step.usage.input_tokens, step.usage.output_tokens, step.usage.model) == (7, 3, "m")
    said = [(m.role, m.content) for m in step.inputs.messages]
    assert ("user", ASKED) in said
    assert name == "genai-1.37-details" or ("system", "Be brief.") in said
    assert trace.task.question == ASKED
    assert step.time.seconds == 1.5
    assert step.raw[0].span == "a"


TOOLS = {
    "genai": {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
        "gen_ai.tool.call.id": "c", "gen_ai.tool.call.arguments": '{"at": "owl"}',
        "gen_ai.tool.call.result": "a beak",
    },
    "openinference": {
        "openinference.span.kind": "TOOL", "tool.name": "look", "tool.id": "c",
        "input.value": '{"at": "owl"}', "output.value": "a beak",
    },
    "smolagents": {
        "openinference.span.kind": "TOOL", "tool.name": "look", "output.value": "a beak",
        "input.value": '{"args": [], "sanitize_inputs_outputs": true, "kwargs": {"at": "owl"}}',
    },
    "traceloop": {
        "traceloop.span.kind": "tool", "traceloop.entity.name": "look",
        "traceloop.entity.input": '{"at": "owl"}', "traceloop.entity.output": "a beak",
    },
    "traceloop-langchain": {
        "traceloop.span.kind": "tool", "traceloop.entity.name": "look",
        "traceloop.entity.input": '{"input_str": "{\'at\': \'owl\'}", "tags": []}',
        "traceloop.entity.output": '{"output": "a beak"}',
    },
    "google-adk": {
        "gen_ai.tool.name": "look", "gcp.vertex.agent.tool_call_args": '{"at": "owl"}',
        "gcp.vertex.agent.tool_response": "a beak",
    },
    "mcp": {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
        "gen_ai.tool.call.arguments": {"at": "owl"},
        "gen_ai.tool.call.result": '{"content": [{"type": "text", "text": "a beak"}]}',
    },
    "langchain": {
        "openinference.span.kind": "TOOL", "tool.name": "look", "input.value": "{'at': 'owl'}",
        "output.value": '{"type": "tool", "content": "a beak", "tool_call_id": "c"}',
    },
    "vercel-ai": {
        "ai.operationId": "ai.toolCall", "ai.toolCall.name": "look", "ai.toolCall.id": "c",
        "ai.toolCall.args": '{"at": "owl"}', "ai.toolCall.result": "a beak",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_run_reads_the_same_in_every_convention(name, one):
    trace = one(
        model("a", asks=[("c", "look", {"at": "owl"})]),
        span("b", start=3.0, name="run", attributes=TOOLS[name]),
    )
    asked, ran = trace.steps
    assert (ran.kind, ran.content, ran.parent) == ("tool_result", "a beak", 0)
    assert (ran.tool.name, ran.tool.arguments) == ("look", {"at": "owl"})
    assert (ran.tool.result, ran.tool.error) == ("a beak", None)
    assert asked.kind == "tool_call"


AGENTS = {
    "genai": {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Scout"},
    "openinference": {"openinference.span.kind": "AGENT", "agent.name": "Scout"},
    "graph": {"openinference.span.kind": "AGENT", "graph.node.id": "Scout"},
    "traceloop": {"traceloop.span.kind": "agent", "traceloop.entity.name": "Scout"},
    "pydantic-ai": {"gen_ai.operation.name": "invoke_agent", "agent_name": "Scout"},
    "crewai": {
        "openinference.span.kind": "AGENT",
        "input.value": '{"agent": "id=1 role=\'Scout\'"}',
    },
}
NAMED = {
    "openinference": ("Scout.run", {"openinference.span.kind": "AGENT"}),
    "google-adk": ("agent_run [Scout]", {}),
    "genai": ("invoke_agent Scout", {}),
    "autogen": (
        "autogen process Scout_0a1b2c3d-0000-4000-8000-0123456789ab/0a1b2c3d",
        {"messaging.operation": "process"},
    ),
}


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_is_known_in_every_convention(name, one):
    called = "Task._execute_core" if name == "crewai" else "whatever"
    trace = one(span("a", name=called, start=0.0, attributes=AGENTS[name]), model("b", "a"))
    assert [step.agent for step in trace.steps] == ["Scout"]


@pytest.mark.parametrize("name", NAMED)
def test_an_agent_is_known_by_the_name_of_its_span(name, one):
    called, attributes = NAMED[name]
    trace = one(span("a", name=called, start=0.0, attributes=attributes), model("b", "a"))
    assert [step.agent for step in trace.steps] == ["Scout"]


def test_agent_is_the_nearest_above_across_spans_without_one(one):
    trace = one(
        agent("a", "Planner"),
        span("b", "a", 1.0, 80.0, openinference__span__kind="CHAIN"),
        agent("c", "Searcher", "b", start=2.0, end=50.0),
        span("d", "c", 3.0, 40.0, name="RunnableSequence"),
        model("e", "d", 4.0, said="found"),
        tool("f", "b", 60.0),
        model("g", None, 95.0, said="nobody's"),
    )
    assert [(s.agent, s.content) for s in trace.steps] == [
        ("Searcher", "found"), ("Planner", "seen"), ("unknown", "nobody's"),
    ]  # fmt: skip
    assert trace.agent("Searcher").parent == "Planner"


def test_agents_do_not_leak_between_traces_with_the_same_span_ids(read):
    found, _ = read(
        agent("a", "One", trace="t1"),
        model("b", "a", trace="t1"),
        span("a", trace="t2", start=0.0, openinference__span__kind="CHAIN"),
        model("b", "a", trace="t2"),
    )
    assert [(t.id, t.steps[0].agent) for t in found] == [("t1", "One"), ("t2", "unknown")]


def test_langgraph_nodes_are_agents_and_tool_nodes_are_not(one):
    metadata = {"langgraph_node": "agent", "langgraph_checkpoint_ns": "critic:1|agent:2"}
    trace = one(
        model("a", start=1.0, attributes={"metadata": json.dumps({"langgraph_node": "writer"})}),
        model("b", start=2.0, said="no", attributes={"metadata": json.dumps(metadata)}),
        tool("c", start=3.0, attributes={"metadata": '{"langgraph_node": "tools"}'}),
    )
    assert [step.agent for step in trace.steps] == ["writer", "critic", "unknown"]


@pytest.mark.parametrize("before", ["traceloop.association.properties.", "langsmith.metadata.", ""])
def test_nodes_are_known_under_the_names_of_every_exporter(before, one):
    place = {
        f"{before}langgraph_node": "agent",
        f"{before}langgraph_checkpoint_ns": "critic:1|agent:2",
    }
    assert [step.agent for step in one(model("a", attributes=place)).steps] == ["critic"]


def test_order_is_by_start_with_parents_first_whatever_the_order_of_the_file(one):
    spans = [
        model("c", "a", 5.0, said="second"),
        model("b", "a", 2.0, said="first"),
        agent("a", "A"),
        model("d", "x", 7.0, said="its parent is missing"),
    ]
    forwards, backwards = one(*spans), one(*spans[::-1])
    want = ["first", "second", "its parent is missing"]
    assert [s.content for s in forwards.steps] == want == [s.content for s in backwards.steps]


def test_clock_skew_does_not_put_a_child_before_its_parent(one):
    trace = one(
        tool("a", start=10.0, name="ask_remote", result="pong!"),
        model("b", "a", start=2.0, said="ping?"),
        model("c", None, start=11.0, said="later"),
    )
    assert [s.content for s in trace.steps] == ["pong!", "ping?", "later"]
    assert trace.steps[1].parent == 0


def test_zero_negative_and_missing_times(one):
    trace = one(
        agent("a", "A", start=5.0, end=5.0),
        model("b", "a", start=6.0, end=4.0, said="ends before it starts"),
        span("c", "a", attributes=MESSAGES_37),
        model("d", "a", start=9.0, said="last"),
    )
    assert [s.content for s in trace.steps] == ["ends before it starts", SAID, "last"]
    assert trace.steps[0].time.seconds == -2.0
    assert trace.steps[1].time is None


def test_a_cycle_of_parents_is_cut_where_it_starts(read):
    (trace,), problems = read(
        tool("a", "b", 2.0, result="two"), tool("b", "a", 1.0, result="one"), model("c", "c", 3.0)
    )
    assert [s.content for s in trace.steps] == ["one", "two", SAID]
    assert [p.severity for p in problems] == ["warning"]
    assert "each other's parents" in problems[0].what


def test_copies_of_a_span_are_one_step_and_strangers_with_its_id_are_two(read):
    (trace,), problems = read(
        model("a", start=1.0, said="once", record="1"),
        model("a", start=1.0, said="once", record="2"),
        model("a", start=5.0, said="another", record="3"),
    )
    assert [s.content for s in trace.steps] == ["once", "another"]
    assert [raw.record for raw in trace.steps[0].raw] == ["1", "2"]
    assert ["same id" in p.what for p in problems] == [True]


def test_spans_of_one_call_inside_one_another_are_one_step(one):
    trace = one(
        agent("a", "A"),
        span("b", "a", 1.0, 4.0, name="call_llm", attributes=ADK),
        span("c", "b", 1.1, 3.9, gen_ai__operation__name="generate_content"),
        span("d", "c", 1.2, 3.8, attributes=OPENLLMETRY | {"gen_ai.usage.cost": 0.5}),
        span("e", "d", 1.3, 3.7, name="POST", http__method="POST"),
        tool("f", "c", 3.0, call="c"),
    )
    assert [s.kind for s in trace.steps] == ["tool_call", "tool_result"]
    assert {raw.span for raw in trace.steps[0].raw} == {"a", "b", "c", "d", "e"}
    assert trace.steps[0].usage.cost == 0.5
    assert trace.steps[1].parent == 0


def test_a_loop_inside_a_model_span_is_as_many_steps_as_it_made_calls(one):
    trace = one(
        span("a", start=1.0, end=9.0, ai__operationId="ai.generateText", ai__response__text="two"),
        span("b", "a", 2.0, attributes=VERCEL | {"ai.response.text": "one"}),
        span("c", "a", 4.0, attributes=VERCEL | {"ai.response.text": "two"}),
    )
    assert [s.content for s in trace.steps] == ["one", "two"]
    assert [raw.span for raw in trace.steps[1].raw] == ["c", "a"]


def test_plumbing_is_merged_into_the_step_around_it_or_skipped_with_a_reason(read):
    (trace,), problems = read(
        span("a", start=0.0, name="POST /chat", http__route="/chat"),
        span("b", "a", 0.5, name="GET /health", url__full="x"),
        agent("c", "A", "a", start=1.0),
        model("d", "c", 2.0),
        span("e", "d", 2.1, name="POST", http__method="POST"),
        span("f", "c", 2.2, name="cache", db__system="redis"),
    )
    assert {raw.span for raw in trace.steps[0].raw} == {"a", "c", "d", "e", "f"}
    assert [(p.severity, "plumbing" in p.what) for p in problems] == [("skip", True)]
    assert trace.steps[0].extra["merged"]["e"]["http.method"] == "POST"


def test_history_in_a_prompt_is_recognised_and_not_read_as_new_steps(one):
    question, first = ("user", ASKED), ("assistant", "Let me look first.")
    trace = one(
        agent("a", "A"),
        model("b", "a", 1.0, said=first[1], asks=[("c1", "look", {})], given=[question]),
        tool("c", "a", 2.0, result="a pair of yellow eyes", call="c1"),
        model("d", "a", 3.0, given=[question, first, ("tool", "a pair of yellow eyes")]),
    )
    assert [s.kind for s in trace.steps] == ["tool_call", "tool_result", "message"]
    assert trace.steps[2].inputs.steps == (0, 1)
    assert [m.content for m in trace.steps[2].inputs.messages] == [ASKED]


def test_history_inside_a_longer_message_is_recognised(one):
    long = "The northern hawk-owl hunts by day as well, from the tops of spruces."
    trace = one(
        model("a", start=1.0, said=long),
        model("b", start=2.0, given=[("user", f"Notes so far:\n{long}\nGo on."), ("user", "And?")]),
    )
    assert trace.steps[1].inputs.steps == (0,)
    assert [m.content for m in trace.steps[1].inputs.messages] == ["And?"]


def test_the_system_prompt_goes_to_the_roster_once(one):
    prompt = ("system", "You watch birds.")
    trace = one(
        agent("a", "A"),
        model("b", "a", 1.0, said="x", given=[prompt, ("user", ASKED)]),
        model("c", "a", 2.0, said="y", given=[prompt, ("user", ASKED)]),
        model("d", "a", 3.0, said="z", given=[("system", "Another."), ("user", ASKED)]),
    )
    assert trace.agent("A").system_prompt == "You watch birds."
    assert [[m.role for m in s.inputs.messages] for s in trace.steps] == [
        ["user"], ["user"], ["system", "user"],
    ]  # fmt: skip


def test_an_agents_last_word_is_a_step_only_when_nobody_said_it_before(one):
    told = one(agent("a", "A", attributes={"output.value": SAID}), model("b", "a"))
    assert [(s.kind, s.content) for s in told.steps] == [("final", SAID)]
    new = one(agent("a", "A", attributes={"output.value": "42 owls."}), model("b", "a"))
    assert [(s.kind, s.content) for s in new.steps] == [("message", SAID), ("final", "42 owls.")]
    assert [t.outcome.answer for t in (told, new)] == [SAID, "42 owls."]


def test_hand_offs_carry_their_evidence(one):
    trace = one(
        agent("a", "Desk"),
        model("b", "a", 1.0, said="", asks=[("c", "transfer_to_bird_expert", {})]),
        agent("d", "Bird Expert", "a", start=2.0),
        model("e", "d", 3.0),
        agent("f", "Clerk", None, start=95.0, end=99.0),
        model("g", "f", 96.0, said="filed"),
    )
    first, second, third = trace.steps
    assert (first.kind, first.to) == ("handoff", "Bird Expert")
    assert "tool" in first.extra["handoff"]["evidence"]
    assert second.extra["handoff"]["from"] == "Desk"
    assert "inside" in second.extra["handoff"]["evidence"]
    assert third.extra["handoff"] == {
        "from": "Bird Expert",
        "to": "Clerk",
        "evidence": "the agent changes from one step to the next",
    }


def test_errors_of_tools_models_and_wrappers(read):
    exception = {
        "name": "exception",
        "attributes": {"exception.type": "Timeout", "exception.message": "no answer in 5 s"},
    }
    (trace,), _ = read(
        agent("a", "A", failed=True, reason="AgentError: Timeout: no answer in 5 s"),
        tool("b", "a", 1.0, result=None, failed=True, events=[exception]),
        model("c", "a", 2.0, said="", failed=True, reason="rate limit"),
        span("d", "a", 3.0, 4.0, openinference__span__kind="CHAIN", failed=True, reason="bad plan"),
    )
    ran, called, chain = trace.steps
    assert (ran.tool.error, ran.content) == ("Timeout: no answer in 5 s",) * 2
    assert called.extra["error"] == "rate limit"
    assert (chain.extra["error"], chain.content) == ("bad plan", "bad plan")
    assert (trace.outcome.status, trace.outcome.by) == ("failure", "status of the root span")


def test_an_exception_that_did_not_fail_its_span_is_no_error(one):
    polled = {"name": "exception", "attributes": {"exception.type": "QueueEmpty"}}
    trace = one(model("a", events=[polled]))
    assert "error" not in trace.steps[0].extra
    assert trace.outcome.status == "unknown"


def test_an_unknown_convention_version_and_an_unknown_kind_warn(read):
    resource = {"schema_url": "https://opentelemetry.io/schemas/1.99.0"}
    _, problems = read(
        model("a", resource=resource), span("b", gen_ai__operation__name="levitate", start=1.0)
    )
    assert [p.severity for p in problems if p.severity != "skip"] == ["warning", "warning"]
    assert "1.99.0" in problems[0].what
    assert "levitate" in problems[1].what


def test_spans_without_any_convention_are_read_as_they_are_with_a_warning(read):
    (trace,), problems = read(
        span("a", start=0.0, name="nightly"), span("b", "a", 1.0, name="count owls", owls__seen=3)
    )
    assert [s.content for s in trace.steps] == ["nightly", "count owls"]
    assert trace.steps[1].extra["owls.seen"] == 3
    assert trace.outcome.answer is None
    assert [p.severity for p in problems] == ["warning"]


def test_nothing_of_a_span_is_dropped(one):
    trace = one(model("a", attributes=MESSAGES_37 | {"user.mood": "calm"}, extra={"links": [1]}))
    assert trace.steps[0].extra["user.mood"] == "calm"
    assert trace.steps[0].extra["links"] == [1]


def test_a_chain_of_ten_thousand_spans(one):
    spans = [span(str(i), str(i - 1) if i else None, float(i)) for i in range(10_000)]
    trace = one(*spans, model("end", "9999", 10_000.0))
    assert len(trace.steps) == 1
    assert len(trace.steps[0].raw) == 10_001


def test_a_key_of_ten_thousand_dots(one):
    key = "llm.input_messages.0." + ".".join("x" * 10_000)
    trace = one(span("a", start=1.0, attributes=OPENLLMETRY | {key: "deep"}))
    assert trace.steps[0].content == SAID


@pytest.mark.parametrize("value", [None, 7, "", [], {}, [None], {"": None}, True, [[1], "a"], "{"])
def test_values_of_any_type_anywhere(value, read):
    keys = {key for attributes, _ in CONVENTIONS.values() for key in attributes}
    keys |= {key for attributes in (*TOOLS.values(), *AGENTS.values()) for key in attributes}
    kinds = ("LLM", "TOOL", "AGENT", "CHAIN", "RETRIEVER")
    odd = [{"openinference.span.kind": kind, key: value} for kind in kinds for key in sorted(keys)]
    found, _ = read(
        *(
            span("a", trace=str(n), start=1.0, attributes=attributes, events=[{"name": value}])
            for n, attributes in enumerate(odd)
        )
    )
    assert found
