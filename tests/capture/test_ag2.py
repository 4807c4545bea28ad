"""AG2 agents as people run them, with models that follow a script."""

import asyncio
import json
from itertools import pairwise

import pytest
from ag2 import Agent, tool
from ag2.annotations import Context
from ag2.events import ModelMessage, ModelResponse, ToolCallEvent, Usage
from ag2.knowledge import MemoryKnowledgeStore
from ag2.middleware import BaseMiddleware, Middleware
from ag2.network import (
    DISCUSSION_TYPE,
    WORKFLOW_TYPE,
    AgentTarget,
    FromSpeaker,
    Handoff,
    Hub,
    HubClient,
    Passport,
    TerminateTarget,
    Transition,
    TransitionGraph,
)
from ag2.network.transport.local import LocalLink
from ag2.testing import TestConfig
from ag2.tools import LocalEnvironment, SandboxCodeTool

from tracekit.capture.ag2 import Ag2Capture
from tracekit.capture.runs import Run


@pytest.fixture
def capture(out):
    capture = Ag2Capture(out)
    yield capture
    capture.close()
    assert capture.recorder.problems == []


def call(name, id, **arguments):
    return ToolCallEvent(name=name, arguments=json.dumps(arguments), id=id)


def script(*turns):
    return TestConfig(*turns, raise_tool_errors=False)


def told(trace):
    return [(s.agent, s.kind, s.content, s.parent) for s in trace.steps]


@tool
def tide(port: str) -> str:
    """Height of the next tide."""
    return f"{port}: 4.2 m"


@tool
def radio(port: str) -> str:
    """Call the harbour master."""
    raise ConnectionError("the radio is dead")


def test_an_agent_its_tools_and_their_errors(capture, written):
    usage = Usage(prompt_tokens=12, completion_tokens=4)
    last = ModelResponse(ModelMessage("Sail at noon."), usage=usage, model="scripted-1")
    pilot = Agent(
        "pilot",
        "You know the harbour.",
        config=script(
            [call("tide", "c1", port="Aar"), call("radio", "c2", port="Aar")],
            [call("flag", "c3")],
            last,
        ),
        tools=[tide, radio],
    )
    capture.watch(pilot)
    reply = asyncio.run(pilot.ask("When can we sail?"))
    assert reply.body == "Sail at noon."
    (trace,) = written()
    first, *results, flag, missing, final = trace.steps
    assert [(c.name, c.arguments, c.call_id) for c in first.tools] == [
        ("tide", {"port": "Aar"}, "c1"),
        ("radio", {"port": "Aar"}, "c2"),
    ]
    assert [(s.kind, s.parent, s.tool.result, s.tool.error) for s in results] == [
        ("tool_result", 0, "Aar: 4.2 m", None),
        ("tool_result", 0, None, "ConnectionError: the radio is dead"),
    ]
    assert flag.tool.name == "flag"
    assert (missing.kind, missing.parent, missing.tool.call_id) == ("tool_result", 3, "c3")
    assert "not found" in missing.tool.error.lower()
    assert (final.kind, final.content) == ("final", "Sail at noon.")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (12, 4)
    assert final.usage.model == "scripted-1"
    assert final.inputs.steps == (0, 1, 2, 3, 4)
    assert [m.content for m in final.inputs.messages] == ["When can we sail?"]
    (agent,) = trace.agents
    assert (agent.id, agent.system_prompt) == ("pilot", "You know the harbour.")
    assert agent.tools == ("tide", "radio")
    assert trace.task.question == "When can we sail?"
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "Sail at noon.")
    assert trace.source.framework == "ag2"
    assert all(step.time.start <= step.time.end for step in trace.steps)


def test_an_agent_inside_a_tool_of_another_one(capture, written):
    expert = Agent("expert", config=script("Forty knots."))
    captain = Agent(
        "captain",
        config=script(call("task_expert", "e1", objective="Wind?"), "We stay."),
        tools=[expert.as_tool(description="Knows the weather.")],
    )
    capture.watch(captain)
    asyncio.run(captain.ask("Do we sail?"))
    (trace,) = written()
    assert told(trace) == [
        ("captain", "tool_call", "", None),
        ("captain", "tool_result", "Forty knots.", 0),
        ("expert", "message", "Forty knots.", 1),
        ("captain", "final", "We stay.", None),
    ]
    assert trace.steps[0].to == "expert"
    assert trace.agent("expert").parent == "captain"
    assert [m.content for m in trace.steps[2].inputs.messages] == ["Wind?"]


def test_code_that_an_agent_runs(capture, written):
    coder = Agent(
        "coder",
        config=script(call("run_code", "r1", code="print(6 * 7)", language="python"), "It is 42."),
        tools=[SandboxCodeTool(LocalEnvironment())],
    )
    capture.watch(coder)
    asyncio.run(coder.ask("6 * 7?"))
    (trace,) = written()
    assert [s.kind for s in trace.steps] == ["tool_call", "tool_result", "final"]
    assert trace.steps[0].tool.arguments["code"] == "print(6 * 7)"
    assert "42" in trace.steps[1].tool.result


def test_two_turns_are_two_runs_unless_they_are_one(capture, written):
    mate = Agent("mate", config=script("Aye."))
    cook = Agent("cook", config=script("Stew."))
    capture.watch(mate, cook)
    asyncio.run(mate.ask("Ready?"))
    asyncio.run(cook.ask("Dinner?"))
    mate = Agent("mate", config=script("Aye."))
    capture.watch(mate, mate)

    async def both():
        with capture.run("Ready for dinner?", check=lambda trace: True):
            said = await mate.ask("Ready?")
            await cook.ask(f"The mate says: {said.body}")

    asyncio.run(both())
    first, second, third = written()
    assert [t.task.question for t in (first, second, third)] == [
        "Ready?",
        "Dinner?",
        "Ready for dinner?",
    ]
    assert told(third) == [("mate", "message", "Aye.", None), ("cook", "final", "Stew.", None)]
    assert third.outcome.status == "success"
    assert third.steps[1].extra["handoff"]["from"] == "mate"


def test_history_over_turns_is_not_told_twice(capture, written):
    mate = Agent("mate", config=script("Aye.", "Aye, aye."))
    capture.watch(mate)

    async def talk():
        with capture.run("Orders"):
            reply = await mate.ask("Ready?")
            await reply.ask("Cast off!")

    asyncio.run(talk())
    (trace,) = written()
    assert told(trace) == [
        ("mate", "message", "Aye.", None),
        ("mate", "final", "Aye, aye.", None),
    ]
    assert trace.steps[1].inputs.steps == (0,)
    assert [m.content for m in trace.steps[1].inputs.messages] == ["Ready?", "Cast off!"]


def test_a_model_that_fails_and_one_that_is_tried_again(capture, written):
    class Again(BaseMiddleware):
        async def on_llm_call(self, call_next, events, context):
            try:
                return await call_next(events, context)
            except TimeoutError:
                return await call_next(events, context)

    lost = TimeoutError("no answer")
    mate = Agent("mate", config=script(lost, "Aye."), middleware=[Middleware(Again)])
    bosun = Agent("bosun", config=script(ValueError("bad prompt")))
    capture.watch(mate, bosun)
    asyncio.run(mate.ask("Ready?"))
    with pytest.raises(ValueError, match="bad prompt"):
        asyncio.run(bosun.ask("Ready?"))
    first, second = written()
    assert told(first) == [("mate", "message", "", None), ("mate", "final", "Aye.", None)]
    assert first.steps[0].extra["error"] == "TimeoutError: no answer"
    assert told(second) == [("bosun", "message", "", None)]
    assert (second.outcome.status, second.outcome.reason) == ("failure", "ValueError: bad prompt")


def test_a_question_to_a_human(capture, written):
    @tool
    async def berth(ctx: Context) -> str:
        """Ask for the berth."""
        return "berth " + await ctx.input("Which berth?")

    mate = Agent(
        "mate",
        config=script(call("berth", "b1"), "Moored."),
        tools=[berth],
        hitl_hook=lambda event: "seven",
    )
    capture.watch(mate)
    asyncio.run(mate.ask("Moor her."))
    (trace,) = written()
    assert told(trace) == [
        ("mate", "tool_call", "", None),
        ("mate", "tool_result", "berth seven", 0),
        ("mate", "message", "Which berth?", 1),
        ("human", "message", "seven", 2),
        ("mate", "final", "Moored.", None),
    ]
    assert trace.agent("human").role == "user"


def test_a_turn_that_is_driven_from_outside(capture, written):
    mate = Agent("mate", config=script(call("tide", "c1", port="Aar"), "Aye."), tools=[tide])
    capture.watch(mate)

    async def main():
        async with mate.run("Ready?") as turn:
            turn.start()
            assert (await turn.result()).body == "Aye."

    asyncio.run(main())
    (trace,) = written()
    assert told(trace)[1:] == [
        ("mate", "tool_result", "Aar: 4.2 m", 0),
        ("mate", "final", "Aye.", None),
    ]


def test_runs_side_by_side(capture, written):
    async def work(number):
        agent = Agent(
            f"a{number}",
            config=script(call("tide", "c1", port=str(number)), f"Done {number}."),
            tools=[tide],
        )
        capture.watch(agent)
        await agent.ask(f"Q{number}")

    async def main():
        await asyncio.gather(*(work(number) for number in range(12)))

    asyncio.run(main())
    traces = written()
    assert sorted(t.task.question for t in traces) == sorted(f"Q{n}" for n in range(12))
    for trace in traces:
        number = trace.task.question[1:]
        assert told(trace) == [
            (f"a{number}", "tool_call", "", None),
            (f"a{number}", "tool_result", f"{number}: 4.2 m", 0),
            (f"a{number}", "final", f"Done {number}.", None),
        ]


async def meet(capture, agents, kind, opening, knobs):
    """A person and agents in one channel, until it closes or everybody has spoken."""
    hub = await Hub.open(MemoryKnowledgeStore())
    client = HubClient(LocalLink(hub))
    capture.watch(*agents, hub=hub)
    capture.watch(*agents, hub=hub)  # which changes nothing
    ids = {}
    for agent in agents:
        ids[agent.name] = (await client.register(agent)).agent_id
    person = await client.register_human(Passport(name="harbour master", kind="human"))
    ids["person"] = person.agent_id
    names = [agent.name for agent in agents]
    channel = await person.open(type=kind, target=names, knobs=knobs(ids))
    await person.send(channel.channel_id, opening)
    for _ in range(500):
        await asyncio.sleep(0.01)
        spoken = [e for e in await client.read_wal(channel.channel_id) if "msg" in e.event_type]
        state = await client.get_channel(channel.channel_id)
        if state.is_terminal() or len(spoken) > len(agents):
            break
    if not state.is_terminal():
        await client.close_channel(channel.channel_id, reason="all have spoken")
    await client.close()
    await hub.close()


def graph(*path):
    """A workflow in which each speaks after the one before."""

    def knobs(ids):
        transitions = [
            Transition(when=FromSpeaker(ids[one]), then=AgentTarget(ids[other]))
            for one, other in pairwise(path)
        ]
        start, end = ids[path[0]], TerminateTarget("done")
        made = TransitionGraph(initial_speaker=start, transitions=transitions, default_target=end)
        return {"graph": made.to_dict()}

    return knobs


def test_a_group_that_works_in_turns(capture, written):
    planner = Agent("planner", config=script("First dredge, then build."))
    dredger = Agent(
        "dredger", config=script(call("tide", "c1", port="Aar"), "Dredged."), tools=[tide]
    )
    builder = Agent("builder", config=script("Built."))
    knobs = graph("person", "planner", "dredger", "builder")
    team = [planner, dredger, builder]
    asyncio.run(meet(capture, team, WORKFLOW_TYPE, "Make a quay.", knobs))
    (trace,) = written()
    assert told(trace) == [
        ("harbour master", "message", "Make a quay.", None),
        ("planner", "message", "First dredge, then build.", None),
        ("dredger", "tool_call", "", None),
        ("dredger", "tool_result", "Aar: 4.2 m", 2),
        ("dredger", "message", "Dredged.", None),
        ("builder", "final", "Built.", None),
    ]
    assert trace.task.question == "Make a quay."
    assert trace.outcome.answer == "Built."
    assert trace.extra["close_reason"] == "done"
    assert trace.steps[1].inputs.steps == (0,)


def test_a_tool_decides_who_is_next(capture, written):
    @tool
    def pick(target: str) -> Handoff:
        """Say who is next."""
        return Handoff(target=target, reason="she knows diesel")

    foreman = Agent(
        "foreman", config=script(call("pick", "p1", target="welder"), "Welder, go."), tools=[pick]
    )
    welder = Agent("welder", config=script("Welded."))
    knobs = graph("person", "foreman")
    asyncio.run(meet(capture, [foreman, welder], WORKFLOW_TYPE, "Fix the crane.", knobs))
    (trace,) = written()
    handing = [s for s in trace.steps if s.to == "welder"]
    assert [s.extra["handoff"]["evidence"] for s in handing] == [
        "the packet names the next speaker"
    ]
    assert handing[0].extra["handoff"]["reason"] == "she knows diesel"
    assert [s.agent for s in trace.steps if s.kind in ("message", "final")] == [
        "harbour master",
        "foreman",
        "welder",
    ]


def test_a_round_table(capture, written):
    agents = [Agent(name, config=script(f"{name} agrees.")) for name in ("mate", "cook")]
    knobs = lambda ids: {"ordering": "round_robin"}  # noqa: E731
    asyncio.run(meet(capture, agents, DISCUSSION_TYPE, "Do we sail?", knobs))
    (trace,) = written()
    assert told(trace) == [
        ("harbour master", "message", "Do we sail?", None),
        ("mate", "message", "mate agrees.", None),
        ("cook", "final", "cook agrees.", None),
    ]


def test_what_breaks_in_the_recorder_does_not_reach_the_agents(out, monkeypatch):
    capture = Ag2Capture(out)
    mate = Agent("mate", config=script(call("tide", "c1", port="Aar"), "Aye."), tools=[tide])
    capture.watch(mate)

    def fail(*args, **more):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Run, "step", fail)
    assert asyncio.run(mate.ask("Ready?")).body == "Aye."
    assert capture.recorder.errors >= 2
    capture.close()


def test_a_run_that_fails_inside_its_own_block(capture, written):
    with pytest.raises(KeyError), capture.run("x"):
        raise KeyError("beds")
    (trace,) = written()
    assert trace.outcome.status == "failure"
