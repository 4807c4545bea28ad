"""LangGraph and LangChain as people run them, with chat models that follow a script."""

import asyncio
import operator
import signal
import subprocess
import sys
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import InjectedToolCallId, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from tracekit import load
from tracekit.capture.langchain import TracekitCallback
from tracekit.capture.recorder import Recorder, running
from tracekit.capture.runs import Run


class Scripted(BaseChatModel):
    """Says what the script says, in order; an exception in the script is raised."""

    script: list[Any]

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **more):
        named = [{"type": "function", "function": {"name": tool.name}} for tool in tools]
        return self.bind(tools=named)

    def _generate(self, messages, stop=None, run_manager=None, **more):
        reply = self.script.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return ChatResult(generations=[ChatGeneration(message=reply)])


def says(*script):
    replies = [AIMessage(reply) if isinstance(reply, str) else reply for reply in script]
    return Scripted(script=replies)


def calls(*wanted, text=""):
    """A reply that asks for tools: (name, arguments, id)."""
    asked = [{"name": name, "args": args, "id": id} for name, args, id in wanted]
    return AIMessage(text, tool_calls=asked)


@tool
def tide(port: str) -> str:
    """Height of the next tide."""
    return f"{port}: 4.2 m"


@tool
def depth(port: str) -> str:
    """Depth of the harbour."""
    raise ToolException(f"no chart of {port}")


depth.handle_tool_error = True


@tool
def radio(port: str) -> str:
    """Call the harbour master."""
    raise ConnectionError("the radio is dead")


@pytest.fixture
def callback(out):
    callback = TracekitCallback(out)
    yield callback
    callback.recorder.close()
    assert callback.recorder.problems == []


@pytest.fixture
def one(callback, written):
    """`one(graph, state)` runs the graph and gives the trace that was captured."""

    def run(graph, state, **config):
        graph.invoke(state, {"callbacks": [callback], **config})
        return written()[-1]

    return run


def told(trace):
    return [(s.agent, s.kind, s.content, s.parent) for s in trace.steps]


def ask(text):
    return {"messages": [("user", text)]}


def harbour(researcher, writer):
    """A researcher with tools, and a writer that works on what it found."""

    def write(state):
        return {"messages": [writer.invoke(state["messages"])]}

    def look(state):
        found = researcher.invoke(state)
        return Command(goto="writer", update={"messages": found["messages"][-1:]})

    graph = StateGraph(MessagesState)
    graph.add_node("researcher", look, destinations=("writer",))
    graph.add_node("writer", write)
    graph.add_edge(START, "researcher")
    return graph.compile()


def test_two_agents_a_tool_a_tool_error_and_a_hand_off(one):
    found = AIMessage(
        "High tide is 4.2 m; the depth is unknown.",
        usage_metadata={"input_tokens": 40, "output_tokens": 9, "total_tokens": 49},
        response_metadata={"model_name": "scripted-1"},
    )
    model = says(
        calls(("tide", {"port": "Aar"}, "c1"), ("depth", {"port": "Aar"}, "c2"), text="I look."),
        found,
    )
    researcher = create_agent(model, [tide, depth], system_prompt="You know tides.")
    trace = one(harbour(researcher, says("Sail at noon.")), ask("When can we sail?"))
    asked, *results, said, last = trace.steps
    assert told(trace)[:1] == [("researcher", "tool_call", "I look.", None)]
    assert told(trace)[3:] == [
        ("researcher", "message", "High tide is 4.2 m; the depth is unknown.", None),
        ("writer", "final", "Sail at noon.", None),
    ]
    # Tools called together run together: either may be done first.
    first, second = sorted(results, key=lambda step: step.tool.call_id)
    assert sorted(told(trace)[1:3]) == [
        ("researcher", "tool_result", "Aar: 4.2 m", 0),
        ("researcher", "tool_result", "no chart of Aar", 0),
    ]
    assert [(c.name, c.arguments, c.call_id) for c in asked.tools] == [
        ("tide", {"port": "Aar"}, "c1"),
        ("depth", {"port": "Aar"}, "c2"),
    ]
    assert (first.tool.result, first.tool.error) == ("Aar: 4.2 m", None)
    assert (second.tool.call_id, second.tool.error) == ("c2", "no chart of Aar")
    assert (said.usage.input_tokens, said.usage.output_tokens) == (40, 9)
    assert said.usage.model == "scripted-1"
    assert said.inputs.steps == (0, 1, 2)
    assert [m.content for m in said.inputs.messages] == ["When can we sail?"]
    assert said.to == "writer"
    assert said.extra["handoff"]["evidence"] == "the node returned Command(goto=...)"
    assert last.inputs.steps == (3,)
    assert all(s.time.start <= s.time.end for s in trace.steps)
    assert trace.task.question == "When can we sail?"
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "Sail at noon.")
    roster = {agent.id: agent for agent in trace.agents}
    assert list(roster) == ["researcher", "writer"]
    assert roster["researcher"].system_prompt == "You know tides."
    assert roster["researcher"].tools == ("tide", "depth")
    assert trace.source.framework == "langgraph"


def test_named_agents_hand_over_by_tools(one):
    @tool
    def transfer_to_hotel_desk(tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        """Hand over to the hotel desk."""
        done = ToolMessage("transferred", tool_call_id=tool_call_id)
        return Command(goto="hotel_desk", graph=Command.PARENT, update={"messages": [done]})

    flights = create_agent(
        says(calls(("transfer_to_hotel_desk", {}, "h1"))),
        [transfer_to_hotel_desk],
        name="flight_desk",
    )
    hotels = create_agent(says("The Anchor has a room."), [], name="hotel_desk")
    graph = StateGraph(MessagesState)
    graph.add_node("flight_desk", flights, destinations=("hotel_desk",))
    graph.add_node("hotel_desk", hotels)
    graph.add_edge(START, "flight_desk")
    trace = one(graph.compile(), ask("A room, please."))
    assert told(trace) == [
        ("flight_desk", "handoff", "", None),
        ("flight_desk", "tool_result", "transferred", 0),
        ("hotel_desk", "final", "The Anchor has a room.", None),
    ]
    assert [step.to for step in trace.steps] == ["hotel_desk", "hotel_desk", None]
    assert [step.extra["handoff"]["evidence"] for step in trace.steps] == [
        "the tool that was called names the agent",
        "the node returned Command(goto=...)",
        "the agent changes from one step to the next",
    ]
    assert trace.steps[1].tool.error is None


def test_an_error_ends_the_run_and_is_told_once(callback, written):
    desk = create_agent(says(calls(("radio", {"port": "Aar"}, "r1"))), [radio], name="desk")
    with pytest.raises(ConnectionError):
        desk.invoke(ask("Call them."), {"callbacks": [callback]})
    (trace,) = written()
    assert told(trace) == [
        ("desk", "tool_call", "", None),
        ("desk", "tool_result", "ConnectionError: the radio is dead", 0),
    ]
    assert trace.steps[1].tool.error == "ConnectionError: the radio is dead"
    assert trace.outcome.status == "failure"
    assert trace.outcome.reason == "ConnectionError: the radio is dead"


def test_a_model_that_fails(callback, written):
    graph = harbour(create_agent(says("Calm."), []), says(TimeoutError("no answer in 30 s")))
    with pytest.raises(TimeoutError):
        graph.invoke(ask("Weather?"), {"callbacks": [callback]})
    (trace,) = written()
    assert told(trace)[1:] == [("writer", "message", "", None)]
    assert trace.steps[1].extra["error"] == "TimeoutError: no answer in 30 s"
    assert trace.outcome.status == "failure"


def test_a_node_that_fails_without_a_model(callback, written):
    graph = StateGraph(MessagesState)
    graph.add_node("parser", lambda state: int("four"))
    graph.add_edge(START, "parser")
    with pytest.raises(ValueError, match="four"):
        graph.compile().invoke(ask("Parse."), {"callbacks": [callback]})
    (trace,) = written()
    (step,) = trace.steps
    assert (step.agent, step.kind) == ("parser", "system")
    assert step.content.startswith("ValueError: invalid literal")


def test_agents_inside_a_tool_lie_under_it(one):
    expert = create_agent(says("Forty knots."), [], name="weather_expert")

    @tool
    def ask_expert(question: str) -> str:
        """Ask the weather expert."""
        return expert.invoke(ask(question))["messages"][-1].content

    captain = create_agent(
        says(calls(("ask_expert", {"question": "Wind?"}, "e1")), "We stay."),
        [ask_expert],
        name="captain",
    )
    trace = one(captain, ask("Do we sail?"))
    assert told(trace) == [
        ("captain", "tool_call", "", None),
        ("captain", "tool_result", "Forty knots.", 0),
        ("weather_expert", "message", "Forty knots.", 1),
        ("captain", "final", "We stay.", None),
    ]
    assert trace.steps[2].extra["handoff"] == {
        "from": "captain",
        "to": "weather_expert",
        "evidence": "the step runs inside a step of captain",
    }


class Log(TypedDict):
    """A state without messages."""

    lines: Annotated[list[str], operator.add]
    done: bool


def test_nodes_without_a_model_are_steps(one):
    graph = StateGraph(Log)
    graph.add_node("pilot", lambda state: {"lines": ["on board"]})
    graph.add_node("router", lambda state: Command(goto="mate"))
    graph.add_node("mate", lambda state: {"lines": ["moored"], "done": True})
    graph.add_edge(START, "pilot")
    graph.add_edge("pilot", "router")
    trace = one(graph.compile(), {"lines": ["Bring her in."], "done": False})
    assert told(trace) == [
        ("pilot", "message", '["on board"]', None),
        ("router", "handoff", "Command(goto=mate)", None),
        ("mate", "message", '{"lines":["moored"],"done":true}', None),
    ]


def test_messages_made_up_by_a_node_and_state_beside_them(one):
    class State(MessagesState):
        berth: int

    model = says("Berth seven is free.")

    def assign(state):
        reply = model.invoke(state["messages"])
        return {"messages": [HumanMessage(reply.content, name="assign")], "berth": 7}

    graph = StateGraph(State)
    graph.add_node("assign", assign)
    graph.add_node("clerk", lambda state: {"messages": [AIMessage("Noted.")]})
    graph.add_edge(START, "assign")
    graph.add_edge("assign", "clerk")
    trace = one(graph.compile(), ask("Where?"))
    assert told(trace) == [
        ("assign", "message", "Berth seven is free.", None),
        ("clerk", "final", "Noted.", None),
    ]
    assert trace.steps[0].extra["update"] == {"berth": 7}


def test_parallel_branches_keep_their_agents(one):
    def branch(state):
        return {"lines": [says(f"seen from {state['done']}").invoke("look").content]}

    graph = StateGraph(Log)
    graph.add_node("start", lambda state: Command(goto=[Send("watch", {"done": n}) for n in "ab"]))
    graph.add_node("watch", branch)
    graph.add_edge(START, "start")
    trace = one(graph.compile(), {"lines": ["Look out."]})
    assert trace.steps[0].extra["handoff"]["all"] == ["watch", "watch"]
    assert sorted(told(trace)[1:]) == [
        ("watch", "message", "seen from a", None),
        ("watch", "message", "seen from b", None),
    ]


def test_a_pause_is_no_error_and_the_rest_is_a_run_of_its_own(callback, written):
    graph = StateGraph(MessagesState)
    graph.add_node("gate", lambda state: {"messages": [AIMessage(f"You said {interrupt('Go?')}")]})
    graph.add_edge(START, "gate")
    app = graph.compile(checkpointer=InMemorySaver())
    config = {"callbacks": [callback], "configurable": {"thread_id": "7"}}
    app.invoke(ask("Open."), config)
    app.invoke(Command(resume="yes"), config)
    paused, resumed = written()
    assert paused.steps == ()
    assert paused.outcome.status == "unknown"
    assert paused.extra["interrupted"][0]["value"] == "Go?"
    assert told(resumed) == [("gate", "final", "You said yes", None)]
    assert paused.extra["metadata"]["thread_id"] == "7"


def test_streams(callback, written):
    graph = harbour(create_agent(says("Calm."), []), says("Sail."))
    assert list(graph.stream(ask("Weather?"), {"callbacks": [callback]}))
    (trace,) = written()
    assert told(trace) == [
        ("researcher", "message", "Calm.", None),
        ("writer", "final", "Sail.", None),
    ]


def numbered(number):
    model = says(calls(("tide", {"port": str(number)}, "c1")), f"Tide {number}.")
    return harbour(create_agent(model, [tide]), says(f"Sail {number}."))


def check_numbered(traces, count):
    assert sorted(trace.task.question for trace in traces) == sorted(f"Q{n}" for n in range(count))
    for trace in traces:
        number = trace.task.question[1:]
        assert told(trace) == [
            ("researcher", "tool_call", "", None),
            ("researcher", "tool_result", f"{number}: 4.2 m", 0),
            ("researcher", "message", f"Tide {number}.", None),
            ("writer", "final", f"Sail {number}.", None),
        ]


def test_runs_side_by_side_in_one_event_loop(callback, written):
    async def main():
        config = {"callbacks": [callback]}
        await asyncio.gather(*(numbered(n).ainvoke(ask(f"Q{n}"), config) for n in range(12)))

    asyncio.run(main())
    check_numbered(written(), 12)


def test_runs_side_by_side_in_threads(callback, written):
    def work(n):
        numbered(n).invoke(ask(f"Q{n}"), {"callbacks": [callback]})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_numbered(written(), 8)


def test_a_cancelled_run_is_unfinished(callback, written):
    async def wait(state):
        await asyncio.Event().wait()

    graph = StateGraph(MessagesState)
    graph.add_node("sleeper", wait)
    graph.add_edge(START, "sleeper")

    async def main():
        running = asyncio.create_task(
            graph.compile().ainvoke(ask("Wait."), {"callbacks": [callback]})
        )
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    callback.recorder.close()
    (trace,) = written()
    assert trace.extra["unfinished"] is True
    assert trace.outcome.status == "unknown"


class Shelf(BaseRetriever):
    """Has one book."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(f"All about {query}")]


def test_plain_chains_and_retrievers(one):
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{input}")])
    chain = (
        RunnableLambda(lambda text: {"input": Shelf().invoke(text)[0].page_content})
        | prompt
        | says("Knots.")
    ).with_config(run_name="Librarian")
    trace = one(chain, "ropes")
    assert told(trace) == [
        ("Librarian", "tool_call", "All about ropes", None),
        ("Librarian", "final", "Knots.", None),
    ]
    assert trace.steps[0].tool.arguments == {"query": "ropes"}
    assert trace.task.question == "ropes"
    assert trace.source.framework == "langchain"
    assert trace.agents[0].system_prompt == "Be brief."


def test_a_bare_model_is_a_run_of_nobody_known(one):
    trace = one(says("Aye."), "Ready?")
    assert told(trace) == [("unknown", "final", "Aye.", None)]
    assert trace.task.question == "Ready?"


def test_a_checker_and_redaction(out, written):
    key = "sk-proj-" + "a1B2c3D4" * 4
    callback = TracekitCallback(out, redact=True, check=lambda t: "Sail" in t.outcome.answer)
    graph = harbour(create_agent(says(f"The key is {key}."), []), says("Sail."))
    graph.invoke(ask("Go?"), {"callbacks": [callback]})
    callback.recorder.close()
    (trace,) = written()
    assert (trace.outcome.status, trace.outcome.by) == ("success", "checker")
    assert key not in out.read_text()


def test_what_breaks_in_the_recorder_does_not_reach_the_run(out, monkeypatch):
    callback = TracekitCallback(out)

    def fail(*args, **more):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Run, "step", fail)
    graph = harbour(create_agent(says("Calm."), []), says("Sail."))
    assert graph.invoke(ask("Go?"), {"callbacks": [callback]})["messages"][-1].content == "Sail."
    assert callback.recorder.errors >= 2
    assert callback.recorder.problems[0].what.endswith("RuntimeError: a bug")
    callback.recorder.close()


class Strange:
    """Something without a form in JSON."""

    def __repr__(self):
        return "<strange>"


def test_strange_values(one):
    class State(TypedDict):
        thing: Any

    graph = StateGraph(State)
    loop = {}
    loop["self"] = loop
    values = {"thing": [Strange(), float("nan"), {1: b"x"}, loop]}
    graph.add_node("odd", lambda state: values)
    graph.add_edge(START, "odd")
    trace = one(graph.compile(), {"thing": Strange()})
    assert trace.steps[0].content.startswith('["<strange>",null,{"1":"b')


CRASH = """
import os, signal, sys
from test_langchain import *
@tool
def sink() -> str:
    "Sink."
    os.kill(os.getpid(), signal.SIGKILL)
agent = create_agent(says(calls(("sink", {}, "s1"), text="Down.")), [sink], name="ship")
agent.invoke(ask("Sink."), {"callbacks": [TracekitCallback(sys.argv[1])]})
"""


def test_a_killed_process_leaves_the_partial_run(out):
    program = [sys.executable, "-c", CRASH, out]
    done = subprocess.run(program, cwd=__file__.rpartition("/")[0], check=False)
    assert done.returncode == -signal.SIGKILL
    (trace,) = load(running(out))
    assert told(trace) == [("ship", "tool_call", "Down.", None), ("ship", "tool_result", "", 0)]
    assert trace.steps[1].extra["unfinished"] is True
    assert trace.task.question == "Sink."
    assert [t.id for t in Recorder.recover(out)] == [trace.id]


def test_the_end_is_no_hand_off(one):
    graph = StateGraph(MessagesState)
    graph.add_node(
        "last", lambda s: Command(goto=END, update={"messages": [AIMessage("Bye.")]}),
        destinations=(END,),
    )  # fmt: skip
    graph.add_edge(START, "last")
    trace = one(graph.compile(), ask("Go."))
    assert trace.steps[0].to is None
    assert told(trace) == [("last", "final", "Bye.", None)]
