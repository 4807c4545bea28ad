"""The sandbox: every family under every topology, exact replay, right answers, real effects."""

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tracekit.errors import ContractError, UnknownName, UsageError
from tracekit.protocols import Rerun
from tracekit.replay.effect import effect
from tracekit.replay.sandbox.families.table import FAMILIES, family
from tracekit.replay.sandbox.grammar import grammar
from tracekit.replay.sandbox.play import LONGEST
from tracekit.replay.sandbox.state import problem_of
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.replay.types import Action, Intervention
from tracekit.store import decode_trace, encode
from tracekit.testing import check_replayable
from tracekit.trace import Message, Task, ToolCall, faults

PAIRS = [(f, t) for f in FAMILIES for t in TOPOLOGIES]
DEFAULT_SKILL_RUNS = 24


def runs(sandbox, n, seed=0):
    tasks = sandbox.tasks(seed)
    return [sandbox.run(next(tasks), number) for number in range(n)]


@pytest.mark.parametrize(("family", "topology"), PAIRS)
def test_the_contract_holds(family, topology):
    sandbox = Sandbox(family, topology)
    tasks = sandbox.tasks(5)
    check_replayable(sandbox, [next(tasks)], seed=7)


@pytest.mark.parametrize(("family", "topology"), PAIRS)
def test_replay_is_exact(family, topology):
    """From random steps, after a round trip through the disk, by a sandbox set up otherwise."""
    rng = random.Random(f"{family}/{topology}")
    other = Sandbox()
    for trace in runs(Sandbox(family, topology, skill=0.6), 4, seed=11):
        read = decode_trace(encode(trace))
        assert faults(read) == []
        checkpoints = other.checkpoints(read)
        assert [c.step for c in checkpoints] == list(range(len(trace.steps)))
        for checkpoint in rng.sample(checkpoints, min(4, len(checkpoints))):
            seed = trace.extra["sandbox"]["draws"]
            assert encode(other.resume(checkpoint, None, seed)) == encode(trace)


class Plain:
    """A sandbox that can do no more than the protocol asks for."""

    def __init__(self, sandbox):
        self.run, self.checkpoints = sandbox.run, sandbox.checkpoints
        self.resume, self.check = sandbox.resume, sandbox.check


def changes(sandbox, trace, checkpoint):
    """Of every sort: none, the right action, a wrong one, dropped, said twice, other inputs."""
    fix = sandbox.correct(checkpoint)
    at = checkpoint.step
    told = (Message("user", trace.task.question), Message("user", trace.steps[0].content, "X"))
    wrong = Action(trace.steps[at - 1].content, trace.steps[at].kind)
    return [
        None,
        fix,
        Intervention(step=at, actions=(wrong,)),
        Intervention(step=at, actions=()),
        Intervention(step=at, actions=fix.actions * 2),
        Intervention(step=at, inputs=told),
    ]


@pytest.mark.parametrize(("family", "topology"), PAIRS)
def test_outcomes_are_those_of_the_traces(family, topology):
    """What the short cut leaves out decides nothing: shorthand says what the voice says."""
    sandbox = Sandbox(family, topology, skill=0.7)
    assert isinstance(sandbox, Rerun)
    rng = random.Random(f"{family}/{topology}")
    for trace in runs(sandbox, 3 if family == "programs" else 6, seed=21):
        checkpoint = rng.choice(sandbox.checkpoints(trace))
        for seed, change in enumerate(changes(sandbox, trace, checkpoint)):
            whole = sandbox.resume(checkpoint, change, seed)
            assert sandbox.outcome(checkpoint, change, seed) == sandbox.check(whole)
            assert whole.outcome == sandbox.check(whole)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_effects_need_no_traces(topology):
    sandbox = Sandbox("scheduling", topology, skill=0.7)
    for trace in runs(sandbox, 3, seed=4):
        step = len(trace.steps) // 2
        change = sandbox.correct(sandbox.checkpoints(trace)[step])
        found = effect(sandbox, trace, step, change, 12, seed=9)
        assert found == effect(Plain(sandbox), trace, step, change, 12, seed=9)


def test_threads_may_replay_from_one_state():
    sandbox = Sandbox("tables", "star", skill=0.7)
    (trace,) = runs(sandbox, 1, seed=2)
    seeds = range(60)

    def ends(system):
        checkpoint = system.checkpoints(trace)[len(trace.steps) // 2]
        return lambda seed: system.outcome(checkpoint, None, seed)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ends(sandbox), seeds)) == list(map(ends(Sandbox()), seeds))


def test_models_read_real_words_in_short_cuts_too():
    heard = []

    def reporter(view):
        heard.append([message.content for message in view.messages()])
        return Action("The final answer is 7.", "final")

    sandbox = Sandbox("arithmetic", "chain", policies={"reporter": reporter})
    (trace,) = runs(sandbox, 1)
    sandbox.outcome(sandbox.checkpoints(trace)[0], None, 0)
    assert heard[0] == heard[1]
    assert len(heard) == 2


@pytest.mark.parametrize(("family", "topology"), PAIRS)
def test_agents_that_make_no_mistakes_succeed(family, topology):
    for difficulty in (1, 2, 4):
        for trace in runs(Sandbox(family, topology, skill=1.0, difficulty=difficulty), 3):
            assert trace.outcome.status == "success", encode(trace)
            assert trace.outcome.by == f"sandbox:{family}"


@pytest.mark.parametrize("family", FAMILIES)
def test_skill_decides(family):
    """Success at skill 0 is rare, at the default skill neither rare nor sure."""
    few = [t for topology in TOPOLOGIES for t in runs(Sandbox(family, topology, skill=0.0), 4)]
    assert sum(t.outcome.status == "success" for t in few) <= 4
    usual = [
        trace
        for topology in TOPOLOGIES
        for trace in runs(Sandbox(family, topology), DEFAULT_SKILL_RUNS)
    ]
    share = sum(t.outcome.status == "success" for t in usual) / len(usual)
    assert 0.3 < share < 0.9


@pytest.mark.parametrize("family", FAMILIES)
def test_the_oracle_repairs_failures_at_the_first_wrong_step(family):
    repaired = failures = 0
    for topology in TOPOLOGIES:
        sandbox = Sandbox(family, topology)
        for trace in runs(sandbox, 12, seed=3):
            if trace.outcome.status == "success":
                continue
            failures += 1
            for checkpoint in sandbox.checkpoints(trace):
                if not sandbox.is_correct(checkpoint, Action.of(trace.steps[checkpoint.step])):
                    change = sandbox.correct(checkpoint)
                    ends = [sandbox.resume(checkpoint, change, n).outcome.status for n in range(3)]
                    repaired += ends.count("success") >= 2
                    break
            else:
                pytest.fail(f"{trace.id} failed and every step was right")
    assert failures >= 8
    assert repaired / failures > 0.5


def test_a_failure_has_a_wrong_step_and_a_perfect_run_has_none():
    for f, t in PAIRS:
        sandbox = Sandbox(f, t, skill=1.0)
        (trace,) = runs(sandbox, 1, seed=8)
        for checkpoint in sandbox.checkpoints(trace):
            assert sandbox.is_correct(checkpoint, Action.of(trace.steps[checkpoint.step]))


def chain(skill=1.0, **settings):
    sandbox = Sandbox("arithmetic", "chain", skill=skill, **settings)
    (trace,) = runs(sandbox, 1)
    return sandbox, trace, sandbox.checkpoints(trace)


def test_a_message_changes_what_follows():
    """The reporter reads the number that it was told, not the one that is right."""
    sandbox, trace, checkpoints = chain()
    goal = problem_of(trace.task.id).goal
    said = Action(f"Checked. The {goal} come to 4711.")
    changed = sandbox.resume(checkpoints[2], Intervention(step=2, actions=(said,)), 0)
    assert changed.outcome.answer == "4711"
    assert changed.outcome.status == "failure"
    assert changed.id != trace.id
    assert encode(sandbox.resume(checkpoints[2], Intervention(step=2, actions=(said,)), 0)) == (
        encode(changed)
    )


def test_inputs_change_what_the_agent_does():
    sandbox, trace, checkpoints = chain()
    number = next(word for word in trace.task.question.split() if word.isdecimal())
    asked = Message("user", trace.task.question.replace(number, "9731", 1))
    changed = sandbox.resume(checkpoints[0], Intervention(step=0, inputs=(asked,)), 0)
    assert "9731" in changed.steps[0].content
    assert changed.steps[0].inputs.messages == (asked,)
    lost = sandbox.resume(checkpoints[0], Intervention(step=0, inputs=()), 0)
    assert grammar("arithmetic").read(lost.steps[0].content) == ()
    assert len(lost.steps) > len(trace.steps), "the verifier, who has the task, sends it back"


def test_steps_can_be_dropped_and_doubled():
    sandbox, trace, checkpoints = chain()
    dropped = sandbox.resume(checkpoints[1], Intervention(step=1, actions=()), 0)
    assert trace.steps[1].agent != dropped.steps[1].agent
    plan = Action.of(trace.steps[0])
    doubled = sandbox.resume(checkpoints[0], Intervention(step=0, actions=(plan, plan)), 0)
    assert [s.content for s in doubled.steps[:2]] == [plan.content] * 2
    assert doubled.outcome.status == "success"
    for changed in (dropped, doubled):
        assert faults(changed) == []
        later = sandbox.checkpoints(changed)[-1]
        assert encode(sandbox.resume(later, None, 0)) == encode(changed)


def test_tool_calls_and_results_can_be_changed():
    sandbox = Sandbox("retrieval", "chain", skill=1.0)
    (trace,) = runs(sandbox, 1)
    at = next(step.index for step in trace.steps if step.kind == "tool_call")
    checkpoints = sandbox.checkpoints(trace)
    wrong = Action(
        trace.steps[at].content, "tool_call", None, (ToolCall("search_archive", {"query": ""}),)
    )
    changed = sandbox.resume(checkpoints[at], Intervention(step=at, actions=(wrong,)), 0)
    assert changed.steps[at + 1].tool.error == "search failed: the query is empty"
    lie = Action(
        "[1] nothing found", "tool_result", tools=(ToolCall("search_archive", {}, "", None),)
    )
    fooled = sandbox.resume(checkpoints[at + 1], Intervention(step=at + 1, actions=(lie,)), 0)
    assert fooled.steps[at + 1].content == "[1] nothing found"
    assert len(fooled.steps) <= LONGEST


@pytest.mark.parametrize(
    "text", ["", "\0", "9" * 5000, "the " * 3000, "`" * 500, "redo redo\n" * 99]
)
def test_any_text_can_be_said_anywhere(text):
    for f in FAMILIES:
        sandbox = Sandbox(f, "blackboard")
        (trace,) = runs(sandbox, 1)
        for checkpoint in sandbox.checkpoints(trace)[::2]:
            change = Intervention(step=checkpoint.step, actions=(Action(text),))
            assert faults(sandbox.resume(checkpoint, change, 1)) == []


def test_a_policy_can_be_replaced():
    seen = []

    def stubborn(view):
        seen.append(view)
        return Action("The final answer is 7.", "final")

    sandbox = Sandbox("arithmetic", "chain", policies={"reporter": stubborn})
    (trace,) = runs(sandbox, 1)
    assert trace.outcome.answer == "7"
    chat = seen[0].messages()
    assert chat[0].role == "system"
    assert chat[-1].content == trace.steps[-2].content
    check_replayable(sandbox, [trace.task])


class Forgetful(Sandbox):
    """A factory of systems that drift: resumes draw from a stream of their own."""

    count = 0

    def resume(self, checkpoint, intervention, seed):
        self.count += 1
        return super().resume(checkpoint, intervention, seed + self.count)


class Opaque(Sandbox):
    def checkpoints(self, trace):
        return [msgspec.structs.replace(c, state={"run": self}) for c in super().checkpoints(trace)]


class Deaf(Sandbox):
    def resume(self, checkpoint, intervention, seed):
        return super().resume(checkpoint, None, seed)


@pytest.mark.parametrize(
    ("broken", "rule"), [(Forgetful, "exact"), (Opaque, "plain-state"), (Deaf, "obedient")]
)
def test_systems_that_deviate_are_refused(broken, rule):
    sandbox = broken("arithmetic", "star", skill=0.5)
    with pytest.raises(ContractError, match=rf"\[{rule}\]"):
        check_replayable(sandbox, [next(sandbox.tasks())])


def test_the_language_varies():
    """Among many runs few messages are the same, and every register is heard."""
    plans = [trace.steps[0].content for trace in runs(Sandbox("scheduling", "chain"), 60)]
    openings = {plan.split(".")[0].split("\n")[0][:25] for plan in plans}
    assert len(set(plans)) == len(plans)
    assert len(openings) >= 12


def test_names_styles_and_skills_are_settings():
    sandbox = Sandbox("arithmetic", "chain", style="terse", skills={"worker": 0.0}, skill=1.0)
    traces = runs(sandbox, 6)
    assert len({tuple(agent.id for agent in trace.agents) for trace in traces}) > 1
    assert not any("Happy to explain" in step.content for t in traces for step in t.steps)
    for trace in traces:
        wrong = [
            c.step
            for c in sandbox.checkpoints(trace)
            if not sandbox.is_correct(c, Action.of(trace.steps[c.step]))
        ]
        workers = [agent.id for agent in trace.agents if agent.role == "worker"]
        assert {trace.steps[step].agent for step in wrong} == set(workers)


def test_tasks_are_endless_and_known_by_their_ids():
    sandbox = Sandbox("tables")
    tasks = sandbox.tasks(2)
    first = [next(tasks) for _ in range(50)]
    again = sandbox.tasks(2)
    assert first == [next(again) for _ in range(50)]
    assert len({task.question for task in first}) > 45
    assert all(task.expected is not None for task in first)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnknownName, match="arithmetic"):
        Sandbox("poetry")
    with pytest.raises(UnknownName, match="chain"):
        Sandbox(topology="ring")
    for settings in ({"skill": 2}, {"difficulty": 0}, {"style": "rude"}, {"mood": "good"}):
        with pytest.raises(UsageError):
            Sandbox(**settings)
    with pytest.raises(UsageError, match="no task of the sandbox"):
        Sandbox().run(Task(question="?", id="elsewhere/1"), 0)
    sandbox, trace, checkpoints = chain()
    with pytest.raises(UsageError, match="not a run of the sandbox"):
        sandbox.checkpoints(msgspec.structs.replace(trace, extra={}))
    with pytest.raises(UsageError, match="step 1"):
        sandbox.resume(checkpoints[0], Intervention(step=1), 0)
    with pytest.raises(UsageError, match="nobody is called"):
        sandbox.resume(checkpoints[0], Intervention(step=0, actions=(Action("Hi", to="Bo"),)), 0)
    with pytest.raises(UsageError, match="does not follow"):
        sandbox.checkpoints(msgspec.structs.replace(trace, steps=trace.steps[::-1]))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_written_can_be_read(name):
    """Every way to ask for every operation comes back as the same item."""
    kind = family(name)
    for seed in range(12):
        problem = kind.make(random.Random(seed), 1 + seed % 4)
        for item in problem.items:
            args = [f"the {arg}" if arg in kind.labels else arg for arg in item.args]
            for form in kind.forms[item.op]:
                for line in kind.lines:
                    how = form.format(*args)
                    text = line.format(label=item.label, Label=item.label.capitalize(), how=how)
                    said = [s.item for s in grammar(name).read(text + ".") if s.what == "spec"]
                    assert said == [item], text
    for link in kind.links:
        value = problem.expected
        text = f"As it stands, the {problem.goal} {link} {value}. More."
        assert [s.value for s in grammar(name).read(text)] == [value]


ONE_RUN = """
import sys
from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import encode
for family in ("arithmetic", "tables", "retrieval", "scheduling"):
    sandbox = Sandbox(family, "hierarchy")
    sys.stdout.buffer.write(encode(sandbox.run(next(sandbox.tasks(4)), 9)))
"""


def test_runs_are_the_same_in_every_process():
    outputs = set()
    for hashes in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", ONE_RUN],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop()) > 5000


def test_runs_are_fast():
    """Far below what the benchmark asks for, so that a busy machine passes."""
    began = time.process_time()
    runs(Sandbox("scheduling", "star"), 60)
    assert time.process_time() - began < 60 * 0.03
