"""LangGraph graphs replayed: the sandbox's teams, and graphs as people write them."""

import json
import operator
import random
from collections import namedtuple
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import msgspec
import pytest
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from tracekit import load
from tracekit.capture.langchain import TracekitCallback
from tracekit.errors import BackendError, UsageError
from tracekit.protocols import Corrector, Replayable
from tracekit.replay.adapters.demo_langgraph import DemoLangGraph, chain, star
from tracekit.replay.adapters.langgraph import LangGraphSystem
from tracekit.replay.adapters.langgraph_state import decoded, encoded
from tracekit.replay.adapters.recording import normalised
from tracekit.replay.adapters.tools import recorded
from tracekit.replay.effect import checkpoint_at
from tracekit.replay.systems import load_system
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.store import encode
from tracekit.testing import check_replayable
from tracekit.trace import Message, Task


def tasks(system, count=1, seed=1):
    return list(islice(system.team.sandbox.tasks(seed), count))


def disk(checkpoint):
    """The checkpoint as it comes back from a file."""
    return msgspec.json.decode(msgspec.json.encode(checkpoint), type=Checkpoint)


def test_a_chain_keeps_the_contract():
    check_replayable(chain(), tasks(chain()), seed=3)


def test_a_star_keeps_the_contract():
    check_replayable(DemoLangGraph("star", skill=1.0), tasks(star()), seed=2)


def test_systems_by_name():
    system = load_system("tracekit.replay.adapters.demo_langgraph:build")
    assert isinstance(system, Replayable)
    assert isinstance(system, Corrector)


@pytest.mark.parametrize("make", [chain, star])
def test_what_the_graph_logs_is_the_trace(make, tmp_path):
    """Captured live to a file, and read in the graph's own history of states."""
    system = make()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    assert {agent.role for agent in trace.agents} >= {"worker", "verifier"}
    assert [s.kind for s in trace.steps].count("tool_call") >= 2

    log = tmp_path / "live.jsonl"
    callback = TracekitCallback(log)
    graph = system.build(task, 1).copy(update={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "harbour-7"}, "recursion_limit": 100}
    graph.invoke(system.start(task), {**config, "callbacks": [callback]})
    callback.recorder.close()
    (captured,) = load(log)
    assert captured.task.question == task.question
    assert normalised(captured.steps, {"agenda"}) == trace.steps

    states = tmp_path / "states.json"
    states.write_text(json.dumps([plain(s) for s in graph.get_state_history(config)]))
    (read,) = load(states)
    assert read.source.format == "langgraph"
    assert read.steps[0].agent == "user"
    assert [(s.content, s.tools) for s in read.steps[1:]] == [
        (s.content, answers(s)) for s in trace.steps
    ]
    speakers = [s.agent for s in trace.steps if s.kind != "tool_result"]
    assert [s.agent for s in read.steps[1:] if s.kind != "tool_result"] == speakers


def plain(snapshot):
    return {
        "values": {"messages": [m.model_dump() for m in snapshot.values.get("messages", [])]},
        "next": snapshot.next,
        "metadata": {**snapshot.metadata, "thread_id": "harbour-7"},
        "created_at": snapshot.created_at,
    }


def answers(step):
    """Calls as the messages have them: an answer does not repeat the arguments."""
    if step.kind != "tool_result":
        return step.tools
    return tuple(msgspec.structs.replace(call, arguments=None) for call in step.tools)


def test_replay_is_exact():
    """The same is counted a thousand times in benchmarks/replay_exact.py."""
    rng = random.Random(5)
    for system in (chain(), star()):
        for task in tasks(system, 2, seed=4):
            trace = system.run(task, rng.randrange(100))
            for checkpoint in rng.sample(system.checkpoints(trace), 4):
                seed = trace.extra["replay"]["seed"]
                assert encode(system.resume(disk(checkpoint), None, seed)) == encode(trace)


def test_a_checkpoint_is_taken_up_by_another_process():
    """Nothing is shared but the JSON, and the trace."""
    system, other = chain(), chain()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    assert encode(other.resume(disk(checkpoint_at(system, trace, 4)), None, 1)) == encode(trace)
    changed = system.resume(checkpoint_at(system, trace, 0), say("Nothing to do."), 1)
    third = chain()
    again = [disk(c) for c in third.checkpoints(changed)]
    assert [c.step for c in again] == list(range(len(changed.steps)))
    assert encode(third.resume(again[-1], None, 1)) == encode(changed)


def say(text, step=0, **fields):
    return Intervention(step=step, actions=(Action(text, **fields),), by="test")


def test_a_wrong_plan_is_followed_and_a_right_one_helps():
    system = DemoLangGraph("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    assert trace.outcome.status == "success"
    lost = system.resume(checkpoint_at(system, trace, len(trace.steps) - 1), say(
        "The final answer is -5.", len(trace.steps) - 1), 0)  # fmt: skip
    assert lost.outcome.status == "failure"
    for checkpoint in system.checkpoints(lost):
        right = system.correct(checkpoint)
        assert system.resume(checkpoint, right, 1).outcome.status == "success"
        assert system.is_correct(checkpoint, right.actions[0])
        assert not system.is_correct(checkpoint, Action("The final answer is -5."))


def test_a_dropped_message_is_never_heard():
    system = DemoLangGraph("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    dropped = Intervention(step=0, actions=(), by="test")
    changed = system.resume(checkpoint_at(system, trace, 0), dropped, 0)
    assert changed.steps[0].agent == trace.steps[1].agent
    assert changed.id != trace.id
    assert encode(system.resume(checkpoint_at(system, changed, 0), None, 0)) == encode(changed)


def test_a_message_said_twice_and_an_agent_that_hears_something_else():
    system = chain()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    first = Action.of(trace.steps[0])
    twice = Intervention(step=0, actions=(first, first), by="test")
    changed = system.resume(checkpoint_at(system, trace, 0), twice, 1)
    assert [s.content for s in changed.steps[:2]] == [first.content] * 2
    told = (Message("user", "Plan nothing.", name="Stranger"),)
    heard = Intervention(step=0, inputs=told, by="test")
    changed = system.resume(checkpoint_at(system, trace, 0), heard, 1)
    assert [m.content for m in changed.steps[0].inputs.messages] == ["Plan nothing."]
    assert changed.steps[0].content != first.content
    assert changed.steps[1].inputs.steps == (0,)


def test_a_tool_s_answer_is_changed():
    system = DemoLangGraph("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    at = next(s for s in trace.steps if s.kind == "tool_result")
    wrong = say("sum = 123456 (9 rows)", at.index, kind="tool_result")
    changed = system.resume(checkpoint_at(system, trace, at.index), wrong, 0)
    assert "123456" in changed.steps[at.index + 1].content


class Scripted(BaseChatModel):
    """Says what the script says; the seed decides which."""

    replies: list

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **more):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **more):
        place = sum(message.type == "tool" for message in messages)
        reply = self.replies[min(place, len(self.replies) - 1)]
        message = reply(messages) if callable(reply) else reply
        return ChatResult(generations=[ChatGeneration(message=message)])


TASK = Task(question="Can we sail?", id="sail")


def started(task):
    return {"messages": [HumanMessage(task.question)]}


def done(trace):
    return "sail" in trace.steps[-1].content.lower()


def routed(task, seed):
    """A pilot that hands over to the mate or to the cook, by `Command`."""

    def pilot(state):
        return Command(goto="mate", update={"messages": [AIMessage("Ask the mate.", name="pilot")]})

    def mate(state):
        return {"messages": [AIMessage(f"We sail, {seed}.", name="mate")]}

    def cook(state):
        return {"messages": [AIMessage("Stew.", name="cook")]}

    graph = StateGraph(MessagesState)
    graph.add_node("pilot", pilot, destinations=("mate", "cook"))
    graph.add_node("mate", mate)
    graph.add_node("cook", cook)
    graph.add_edge(START, "pilot")
    return graph.compile()


def test_a_command_leads_where_the_changed_message_says():
    system = LangGraphSystem(routed, started, done, name="harbour")
    trace = system.run(TASK, 4)
    assert [(s.agent, s.to) for s in trace.steps] == [("pilot", "mate"), ("mate", None)]
    assert (trace.outcome.status, trace.outcome.by) == ("success", "checker")
    before = checkpoint_at(system, trace, 0)
    same_way = system.resume(before, say("Go and ask."), 5)
    assert [(s.agent, s.content) for s in same_way.steps][1:] == [("mate", "We sail, 5.")]
    other = system.resume(before, say("Ask the cook.", to="cook"), 5)
    assert [s.agent for s in other.steps] == ["pilot", "cook"]
    assert other.outcome.status == "failure"
    check_replayable(system, [TASK])


SENT = []


@tool
def radio(text: str) -> str:
    """Send a message to the harbour."""
    SENT.append(text)
    return f"sent {len(SENT)}"


def radioed(task, seed):
    def ask(messages):
        text = "bye" if messages[-1].text == "say bye" else "hello"
        return AIMessage("", tool_calls=[{"name": "radio", "args": {"text": text}, "id": "r1"}])

    def say_so(messages):
        return AIMessage(f"We sail: {messages[-1].text}")

    mate = create_agent(Scripted(replies=[ask, say_so]), [recorded(radio)], name="mate")
    graph = StateGraph(MessagesState)
    graph.add_node("pilot", lambda state: {"messages": [AIMessage("Radio them.", name="pilot")]})
    graph.add_node("mate", mate)
    graph.add_edge(START, "pilot")
    graph.add_edge("pilot", "mate")
    return graph.compile()


def test_a_tool_with_effects_is_not_called_again():
    SENT.clear()
    system = LangGraphSystem(radioed, started, done, name="radio")
    trace = system.run(TASK, 0)
    told = [(s.agent, s.kind) for s in trace.steps]
    assert told == [
        ("pilot", "message"), ("mate", "tool_call"), ("mate", "tool_result"), ("mate", "final"),
    ]  # fmt: skip
    assert (SENT, trace.steps[2].content) == (["hello"], "sent 1")
    assert [c.step for c in system.checkpoints(trace)] == [0, 1]
    again = [system.resume(disk(c), None, 0) for c in system.checkpoints(trace)]
    assert [encode(each) for each in again] == [encode(trace)] * 2
    changed = system.resume(checkpoint_at(system, trace, 0), say("Say hello."), 0)
    assert changed.steps[1:] == trace.steps[1:]
    assert SENT == ["hello"]
    with pytest.raises(BackendError, match="is not in the recording"):
        system.resume(checkpoint_at(system, trace, 0), say("say bye"), 0)
    assert SENT == ["hello"]


def unseeded(task, seed):
    model = Scripted(replies=[lambda _: AIMessage(f"We sail at {random.random()}.", name="mate")])
    graph = StateGraph(MessagesState)
    graph.add_node("mate", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "mate")
    return graph.compile()


def test_a_run_that_cannot_be_made_again_is_said_to_be_gone():
    system = LangGraphSystem(unseeded, started, done, name="chance")
    trace = system.run(TASK, 0)
    assert [c.step for c in system.checkpoints(trace)] == [0]
    other = LangGraphSystem(unseeded, started, done, name="chance")
    with pytest.raises(UsageError, match="comes out differently"):
        other.checkpoints(trace)
    lasting = InMemorySaver()
    kept = LangGraphSystem(unseeded, started, done, name="chance", checkpointer=lasting)
    trace = kept.run(TASK, 0)
    other = LangGraphSystem(unseeded, started, done, name="chance", checkpointer=lasting)
    assert [c.step for c in other.checkpoints(trace)] == [0]


class Count(MessagesState):
    log: Annotated[list[str], operator.add]


def side_by_side(task, seed):
    graph = StateGraph(Count)

    def says(name):
        return lambda state: {
            "messages": [AIMessage(f"{name} is ready.", name=name)],
            "log": [name],
        }

    for name in ("pilot", "mate", "cook", "captain"):
        graph.add_node(name, says(name))
    graph.add_edge(START, "pilot")
    graph.add_edge("pilot", "mate")
    graph.add_edge("pilot", "cook")
    graph.add_edge(["mate", "cook"], "captain")
    return graph.compile()


def test_nodes_side_by_side_have_no_checkpoint_of_their_own():
    system = LangGraphSystem(side_by_side, started, done, name="deck", hidden={"log"})
    trace = system.run(TASK, 0)
    assert {s.agent for s in trace.steps[1:3]} == {"mate", "cook"}
    assert [c.step for c in system.checkpoints(trace)] == [0, 3]
    assert system.values(system.checkpoints(trace)[1])["log"][0] == "pilot"
    assert all("update" not in step.extra for step in trace.steps)


def awaited(task, seed):
    async def mate(state):
        return {"messages": [AIMessage(f"We sail, {seed}.", name="mate")]}

    async def pilot(state):
        return {"messages": [AIMessage("Ready?", name="pilot")]}

    async def onward(state):
        return END if state["messages"][-1].text == "Stay." else "mate"

    graph = StateGraph(MessagesState)
    graph.add_node("pilot", pilot)
    graph.add_node("mate", mate)
    graph.add_edge(START, "pilot")
    graph.add_conditional_edges("pilot", onward, ["mate", END])
    return graph.compile()


def test_async_nodes():
    system = LangGraphSystem(awaited, started, done, name="async", asynchronous=True)
    check_replayable(system, [TASK])
    trace = system.run(TASK, 0)
    stays = system.resume(checkpoint_at(system, trace, 0), say("Stay."), 0)
    assert [s.content for s in stays.steps] == ["Stay."]
    told = Intervention(step=1, inputs=(Message("user", "Go."),), by="test")
    assert system.resume(checkpoint_at(system, trace, 1), told, 3).steps[1].content == "We sail, 3."


def failing(task, seed):
    def mate(state):
        if state["messages"][-1].text == "Fire!":
            raise RuntimeError("no water")
        return {"messages": [AIMessage("We sail.", name="mate")]}

    graph = StateGraph(MessagesState)
    graph.add_node("pilot", lambda state: {"messages": [AIMessage("Ready?", name="pilot")]})
    graph.add_node("mate", mate)
    graph.add_edge(START, "pilot")
    graph.add_edge("pilot", "mate")
    graph.add_edge("mate", END)
    return graph.compile()


def test_a_graph_that_raises_ends_a_run():
    system = LangGraphSystem(failing, started, done, name="fire")
    trace = system.run(TASK, 0)
    changed = system.resume(checkpoint_at(system, trace, 0), say("Fire!"), 0)
    assert changed.steps[1].content == "RuntimeError: no water"
    assert changed.outcome.status == "failure"
    assert [c.step for c in system.checkpoints(changed)] == [0, 1]
    saved = system.resume(checkpoint_at(system, changed, 1), say("We sail.", 1), 0)
    assert saved.outcome.status == "success"


def test_what_is_no_checkpoint_is_refused():
    system = chain()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    with pytest.raises(UsageError, match="not a checkpoint of a LangGraph system"):
        system.resume(Checkpoint("x", 0, {}), None, 0)
    with pytest.raises(UsageError, match="intervention is for step 3"):
        system.resume(checkpoint_at(system, trace, 0), say("x", 3), 0)
    with pytest.raises(UsageError, match="not a run of"):
        system.checkpoints(msgspec.structs.replace(trace, extra={}))
    with pytest.raises(UsageError, match="is a run of"):
        star().checkpoints(trace)
    damaged = {**trace.extra["replay"], "places": [{"superstep": 1, "node": "x", "steps": [99]}]}
    with pytest.raises(UsageError, match="steps that it does not have"):
        system.checkpoints(msgspec.structs.replace(trace, extra={"replay": damaged}))
    for text in ("pickle:gASVAAAA", "msgpack:!!", "", "msgpack:kQ==", "msgpack:koCA"):
        with pytest.raises(UsageError, match="not a checkpoint of LangGraph"):
            decoded(text)


@dataclass
class Berth:
    """A class of the user's own in the state."""

    number: int


def test_only_trusted_classes_are_made():
    text = encoded(Saved({**EMPTY, "channel_values": {"berth": Berth(7)}}, {"step": 1}))
    here = (Berth.__module__, Berth.__name__)
    assert decoded(text)[0]["channel_values"]["berth"] == {"number": 7}
    assert decoded(text, [here])[0]["channel_values"]["berth"] == Berth(7)


EMPTY = {"id": "1", "channel_versions": {}, "channel_values": {}}
Saved = namedtuple("Saved", "checkpoint metadata")
