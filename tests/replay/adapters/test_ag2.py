"""AG2 teams replayed: the sandbox's, and programs as people write them."""

import asyncio
import json
import random
from itertools import islice, pairwise

import msgspec
import pytest
from ag2 import Agent, tool
from ag2.events import ModelMessage, ModelResponse, ToolCallEvent, ToolCallsEvent, Usage
from ag2.knowledge import MemoryKnowledgeStore
from ag2.network import (
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

from tracekit import load
from tracekit.capture.ag2 import Ag2Capture
from tracekit.errors import BackendError, UsageError
from tracekit.protocols import Corrector, Replayable
from tracekit.replay.adapters.ag2 import Ag2System, Program
from tracekit.replay.adapters.demo_ag2 import DemoAg2, chain, star
from tracekit.replay.adapters.recording import normalised
from tracekit.replay.effect import checkpoint_at
from tracekit.replay.systems import load_system
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.store import encode
from tracekit.testing import check_replayable
from tracekit.trace import Message, Task, ToolCall


def tasks(system, count=1, seed=1):
    return list(islice(system.team.sandbox.tasks(seed), count))


def disk(checkpoint):
    """The checkpoint as it comes back from a file."""
    return msgspec.json.decode(msgspec.json.encode(checkpoint), type=Checkpoint)


def say(text, step=0, **fields):
    return Intervention(step=step, actions=(Action(text, **fields),), by="test")


def test_a_chain_keeps_the_contract():
    check_replayable(chain(), tasks(chain()), seed=3)


def test_a_star_keeps_the_contract():
    check_replayable(DemoAg2("star", skill=1.0), tasks(star()), seed=2)


def test_systems_by_name():
    system = load_system("tracekit.replay.adapters.demo_ag2:build")
    assert isinstance(system, Replayable)
    assert isinstance(system, Corrector)


@pytest.mark.parametrize("make", [chain, star])
def test_what_is_captured_is_the_trace(make, tmp_path):
    """Captured live to a file and read back: equal, and replayable as it is."""
    system = make()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    assert {agent.role for agent in trace.agents} >= {"worker", "verifier"}
    assert [s.kind for s in trace.steps].count("tool_call") >= 2

    capture = Ag2Capture(tmp_path / "live.jsonl")
    team = system.build(task, 1)
    capture.watch(*team.agents)

    async def main():
        with capture.run(task.question):
            await team.play(capture)

    asyncio.run(main())
    capture.close()
    (captured,) = load(tmp_path / "live.jsonl")
    assert normalised(captured.steps) == trace.steps
    captured = msgspec.structs.replace(captured, task=task)
    for checkpoint in system.checkpoints(captured)[::4]:
        assert system.resume(disk(checkpoint), None, 1).steps == trace.steps


def test_names_of_the_caller_do_not_reach_ag2():
    system = DemoAg2("chain", skill=1.0)
    (task,) = tasks(system)
    Context = str  # noqa: F841 - AG2 resolves its annotations in the frames of its callers
    assert system.run(task, 0).outcome.status == "success"


def test_replay_is_exact():
    """The same is counted a thousand times in benchmarks/replay_exact.py."""
    rng = random.Random(5)
    for system in (chain(), star()):
        for task in tasks(system, 2, seed=4):
            seed = rng.randrange(100)
            trace = system.run(task, seed)
            for checkpoint in rng.sample(system.checkpoints(trace), 3):
                assert encode(system.resume(disk(checkpoint), None, seed)) == encode(trace)


def test_a_wrong_answer_is_put_right_at_any_step():
    system = DemoAg2("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    assert trace.outcome.status == "success"
    last = len(trace.steps) - 1
    wrong = say("The final answer is -5.", last)
    lost = system.resume(checkpoint_at(system, trace, last), wrong, 0)
    assert lost.outcome.status == "failure"
    for checkpoint in system.checkpoints(lost):
        right = system.correct(checkpoint)
        assert system.resume(checkpoint, right, 1).outcome.status == "success"
        assert system.is_correct(checkpoint, right.actions[0])
        assert not system.is_correct(checkpoint, Action("The final answer is -5."))


def test_dropped_messages_are_never_heard_and_not_replayed_either():
    system = DemoAg2("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    first = system.resume(checkpoint_at(system, trace, 0), drop(0), 0)
    assert first.steps[0].agent == trace.steps[1].agent
    assert all(step.content for step in first.steps)
    at = next(s.index for s in first.steps if s.agent == "Checker")
    second = system.resume(checkpoint_at(system, first, at), drop(at), 0)
    for changed in (first, second):
        for checkpoint in system.checkpoints(changed):
            if changed is first or checkpoint.step >= at:
                assert encode(system.resume(checkpoint, None, 0)) == encode(changed)


def drop(step):
    return Intervention(step=step, actions=(), by="test")


def test_a_message_said_twice_and_an_agent_that_hears_something_else():
    system = chain()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    first = Action.of(trace.steps[0])
    twice = Intervention(step=0, actions=(first, first), by="test")
    changed = system.resume(checkpoint_at(system, trace, 0), twice, 1)
    assert [s.content for s in changed.steps[:2]] == [first.content] * 2
    assert [s.index for s in changed.steps] == list(range(len(changed.steps)))
    assert changed.steps[2].inputs.steps == (0, 1)
    points = system.checkpoints(changed)
    assert [c.step for c in points] == [0, *range(2, len(changed.steps))]
    for checkpoint in points[1:]:
        assert encode(system.resume(disk(checkpoint), None, 1)) == encode(changed)
    told = (Message("user", "Plan nothing.", name="Stranger"),)
    heard = Intervention(step=0, inputs=told, by="test")
    changed = system.resume(checkpoint_at(system, trace, 0), heard, 1)
    assert changed.steps[0].inputs.messages == told
    assert changed.steps[0].content != first.content


def test_a_tool_s_answer_is_changed():
    system = DemoAg2("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    at = next(s for s in trace.steps if s.kind == "tool_result")
    wrong = say("sum = 123456 (9 rows)", at.index, kind="tool_result")
    changed = system.resume(checkpoint_at(system, trace, at.index), wrong, 0)
    assert "123456" in changed.steps[at.index + 1].content


def test_a_tool_that_breaks_is_heard_and_replayed():
    system = DemoAg2("chain", skill=1.0)
    (task,) = tasks(system)
    trace = system.run(task, 0)
    at = next(step for step in trace.steps if step.kind == "tool_result")
    broken = ToolCall(
        at.tool.name, at.tool.arguments, error="connection reset", call_id=at.tool.call_id
    )
    change = say("connection reset", at.index, kind="tool_result", tools=(broken,))
    failed = system.resume(checkpoint_at(system, trace, at.index), change, 0)
    assert failed.steps[at.index].tool.error == "connection reset"
    assert failed.steps[at.index + 1].content != trace.steps[at.index + 1].content
    for point in system.checkpoints(failed)[at.index + 1 :]:
        assert system.resume(disk(point), None, 0).steps == failed.steps


TAKES = 0.01
"""Seconds that a model takes; on a hub nobody takes turns with models that take none."""


class Model:
    """A model that answers by a function of the last thing it was given and its seed."""

    model, provider = "scripted-1", "nobody"

    def __init__(self, say):
        self.say = say

    def copy(self):
        return self

    def create(self):
        return self

    async def __call__(self, messages, context, **more):
        await asyncio.sleep(TAKES)
        said = self.say(messages[-1])
        if isinstance(said, ToolCallEvent):
            return ModelResponse(tool_calls=ToolCallsEvent([said]))
        usage = Usage(prompt_tokens=7, completion_tokens=2)
        return ModelResponse(ModelMessage(said), usage=usage, model=self.model)


def call(name, **arguments):
    return ToolCallEvent(name=name, arguments=json.dumps(arguments), id=f"{name}-1")


def text_of(event):
    return "\n".join(part.content for part in event.parts) if hasattr(event, "parts") else None


TASK = Task(question="Can we sail?", id="sail")


def sails(trace):
    return "sail" in trace.steps[-1].content.lower()


def meeting(task, seed):
    """Three in a workflow on a hub: the foreman's tool says who is next."""

    @tool
    def pick(target: str) -> Handoff:
        """Say who is next."""
        return Handoff(target=target, reason="knows diesel")

    def foreman(last):
        text = text_of(last)
        return call("pick", target="welder") if text is not None else "Welder, go."

    agents = [
        Agent("foreman", config=Model(foreman), tools=[pick]),
        Agent("welder", config=Model(lambda last: f"Sail, says {seed}: {text_of(last)[-24:]}")),
    ]

    async def play(capture):
        hub = await Hub.open(MemoryKnowledgeStore())
        client, *theirs = [HubClient(LocalLink(hub)) for _ in range(3)]
        capture.watch(*agents, hub=hub)
        ids = {a.name: (await c.register(a)).agent_id for a, c in zip(agents, theirs, strict=True)}
        person = await client.register_human(Passport(name="owner", kind="human"))
        path = [person.agent_id, ids["foreman"]]
        graph = TransitionGraph(
            initial_speaker=person.agent_id,
            transitions=[
                Transition(when=FromSpeaker(one), then=AgentTarget(other))
                for one, other in pairwise(path)
            ],
            default_target=TerminateTarget("done"),
        )
        knobs = {"graph": graph.to_dict()}
        channel = await person.open(type=WORKFLOW_TYPE, target=list(ids), knobs=knobs)
        await person.send(channel.channel_id, task.question)
        while not (await client.get_channel(channel.channel_id)).is_terminal():
            await asyncio.sleep(0.002)
        for each in (client, *theirs):
            await each.close()
        await hub.close()

    return Program(agents, play)


def test_a_workflow_on_a_hub():
    system = Ag2System(meeting, sails, name="quay", again={"pick"}, pause=TAKES, limit=20)
    trace = system.run(TASK, 4)
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("owner", "message"),
        ("foreman", "tool_call"),
        ("foreman", "tool_result"),
        ("foreman", "message"),
        ("welder", "final"),
    ]
    assert trace.outcome.status == "success"
    for checkpoint in system.checkpoints(trace):
        assert encode(system.resume(disk(checkpoint), None, 4)) == encode(trace)
    at = next(s.index for s in trace.steps if s.agent == "foreman" and s.kind == "message")
    changed = system.resume(checkpoint_at(system, trace, at), say("Weld the sail.", at), 5)
    assert changed.steps[at].content == "Weld the sail."
    assert "Sail, says 5" in changed.steps[-1].content
    assert "Weld the sail." in changed.steps[-1].content


SENT = []


@tool
def radio(text: str) -> str:
    """Send a message to the harbour."""
    SENT.append(text)
    return f"sent {len(SENT)}"


def crew(task, seed):
    """A captain with an expert for a tool, and a radio."""

    def expert(last):
        return "Forty knots."

    def captain(last):
        asked = text_of(last)
        if asked == "We heard nothing.":
            return call("radio", text="bye")
        if asked is not None:
            return call("task_expert", objective="Wind?")
        (result,) = last.results
        told = text_of(result.result)
        return call("radio", text="hello") if result.name == "task_expert" else f"We sail: {told}"

    helper = Agent("expert", config=Model(expert))
    tools = [helper.as_tool(description="Knows the weather."), radio]
    leader = Agent("captain", config=Model(captain), tools=tools)
    mate = Agent("mate", config=Model(lambda last: "All quiet."))

    async def play(capture):
        await mate.ask("Report!")
        await leader.ask(task.question)

    return Program([mate, leader], play)


def test_tools_with_effects_and_agents_that_are_tools():
    SENT.clear()
    system = Ag2System(crew, sails, name="crew", sealed={"radio"})
    trace = system.run(TASK, 0)
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("mate", "message"),
        ("captain", "tool_call"),
        ("captain", "tool_result"),
        ("expert", "message"),
        ("captain", "tool_call"),
        ("captain", "tool_result"),
        ("captain", "final"),
    ]
    assert SENT == ["hello"]
    before = system.checkpoints(trace)
    assert [c.step for c in before] == [0, 1, 2, 4, 5, 6]
    for checkpoint in before:
        assert encode(system.resume(disk(checkpoint), None, 0)) == encode(trace)
    assert SENT == ["hello"]
    bye = Action("", "tool_call", tools=(ToolCall("radio", {"text": "bye"}, call_id="r9"),))
    changed = Intervention(step=4, actions=(bye,), by="test")
    with pytest.raises(BackendError, match="is not in the recording"):
        system.resume(checkpoint_at(system, trace, 4), changed, 0)
    assert SENT == ["hello"]
    calm = say("No wind.", 2, kind="tool_result")
    quiet = system.resume(checkpoint_at(system, trace, 2), calm, 0)
    assert [s.agent for s in quiet.steps].count("expert") == 0
    assert quiet.steps[2].content == "No wind."


def test_a_program_that_does_something_else_is_noticed():
    turns = []

    def moody(task, seed):
        turns.append(1)
        agents = [Agent(name, config=Model(lambda last: "Sail.")) for name in ("mate", "cook")]

        async def play(capture):
            for agent in agents if len(turns) == 1 else agents[::-1]:
                await agent.ask(task.question)

        return Program(agents, play)

    system = Ag2System(moody, sails, name="moody")
    trace = system.run(TASK, 0)
    with pytest.raises(BackendError, match="something else than in the recording"):
        system.resume(system.checkpoints(trace)[1], None, 0)


def test_a_program_that_raises_ends_a_run_and_one_that_hangs_is_stopped():
    def broken(task, seed):
        mate = Agent("mate", config=Model(lambda last: "Ready."))

        async def play(capture):
            said = await mate.ask(task.question)
            if said.body == "Fire!":
                raise RuntimeError("no water")
            if said.body == "Wait.":
                await asyncio.sleep(60)

        return Program([mate], play)

    system = Ag2System(broken, lambda trace: trace.outcome, name="broken", limit=0.3)
    trace = system.run(TASK, 0)
    assert trace.outcome.status == "unknown"
    before = system.checkpoints(trace)[0]
    burnt = system.resume(before, say("Fire!"), 0)
    assert (burnt.outcome.status, burnt.outcome.reason) == ("failure", "RuntimeError: no water")
    assert "Timeout" in system.resume(before, say("Wait."), 0).outcome.reason


def test_inside_a_running_loop():
    system = chain()
    (task,) = tasks(system)

    async def main():
        return system.run(task, 1)

    assert encode(asyncio.run(main())) == encode(system.run(task, 1))


def test_what_is_no_checkpoint_is_refused():
    system = chain()
    (task,) = tasks(system)
    trace = system.run(task, 1)
    with pytest.raises(UsageError, match="not a checkpoint of an AG2 system"):
        system.resume(Checkpoint("x", 0, {}), None, 0)
    with pytest.raises(UsageError, match="intervention is for step 3"):
        system.resume(checkpoint_at(system, trace, 0), say("x", 3), 0)
    with pytest.raises(UsageError, match="is a run of"):
        star().checkpoints(trace)
