"""The sandbox: teams of seeded agents on tasks with known answers, replayable from every step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tracekit.errors import UsageError
from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import grammar, read
from tracekit.replay.sandbox.language import REGISTERS
from tracekit.replay.sandbox.notes import Notes
from tracekit.replay.sandbox.state import (
    TOOL,
    Cast,
    Run,
    Settings,
    Turn,
    as_state,
    cast,
    from_state,
    problem_of,
    task_id,
    task_of,
)
from tracekit.replay.sandbox.topologies.table import topology
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Inputs, Message, Outcome, Source, Step, Task, ToolCall, Trace

LONGEST = 120
"""Steps after which a run is stopped, whatever policies do."""

SOURCE = Source(format="tracekit", framework="tracekit-sandbox", version="1")
KEY = "sandbox"
"""Member of `Trace.extra` and `Step.extra` that says how the run can be taken up again."""


class Sandbox:
    """A `Replayable` of one family and topology; it resumes runs of every other one as well.

    `settings` are those of `Settings`; `policies` replaces the policy of agents, by id, role or
    `*` for all. Traces are equal for equal task, seed and settings, byte for byte. A policy must
    be a function of its view for that to hold.

    >>> sandbox = Sandbox("arithmetic", "chain", skill=1.0)
    >>> task = next(sandbox.tasks(seed=3))
    >>> trace = sandbox.run(task, seed=0)
    >>> trace.outcome.status, [step.kind for step in trace.steps]
    ('success', ['plan', 'message', 'message', 'final'])
    """

    def __init__(
        self,
        family: str = "arithmetic",
        topology: str = "chain",
        *,
        policies: Mapping[str, Policy] | None = None,
        **settings: Any,
    ) -> None:
        try:
            self.settings = msgspec.convert(
                {"family": family, "topology": topology, **settings}, Settings
            )
        except msgspec.ValidationError as error:
            raise UsageError(f"settings of the sandbox: {error}") from None
        _check_settings(self.settings)
        self.policies = dict(policies or {})

    def tasks(self, seed: int = 0) -> Iterator[Task]:
        """Endless tasks of the family; the same ones for the same seed."""
        number = seed * 1_000_000
        while True:
            yield task_of(task_id(self.settings.family, self.settings.difficulty, number))
            number += 1

    def run(self, task: Task, seed: int) -> Trace:
        """One run. Raises `UsageError` for a task that the sandbox did not make."""
        run = Run(self.settings, task.id or "", seed, seed, [])
        problem = problem_of(run.task)
        if problem.family != self.settings.family:
            raise UsageError(f"task {run.task} is not of the family {self.settings.family}")
        run.agenda = topology(self.settings.topology).start(self._cast(run).roles)
        return self._finished(run, None, _id(run))

    def checkpoints(self, trace: Trace) -> list[Checkpoint]:
        """The state before every step; of a step said twice, the state before the first."""
        run, cast = self._restarted(trace)
        found: list[Checkpoint] = []
        while run.agenda and len(found) < len(trace.steps):
            turn, ahead = run.agenda[0], trace.steps[len(found) :]
            whose = (run.turn, turn.agent)
            said = [step for step in ahead[:LONGEST] if (_turn(step), step.agent) == whose]
            said = said if said[:1] == list(ahead[:1]) else []
            state = as_state(run) if said else {}
            found += [Checkpoint(trace.id, step.index, state) for step in said]
            run.agenda.pop(0)
            self._settle(run, cast, turn, said)
        if len(found) < len(trace.steps):
            raise UsageError(
                f"trace {trace.id}: step {len(found)} does not follow from those before"
            )
        return found

    def resume(self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int) -> Trace:
        """The run from a checkpoint on. Raises `UsageError` when the change is for another step."""
        run = from_state(checkpoint.state)
        if intervention is not None and intervention.step != checkpoint.step:
            raise UsageError(
                f"the intervention is for step {intervention.step}, "
                f"the checkpoint is before step {checkpoint.step}"
            )
        same = intervention is None and seed == run.draws
        run.draws = seed
        words = b"" if intervention is None else msgspec.json.encode(intervention)
        name = f"{checkpoint.trace_id}/{checkpoint.step}/{seed}/".encode() + words
        id = checkpoint.trace_id if same else f"{checkpoint.trace_id}~{_digest(name)}"
        return self._finished(run, intervention, id)

    def outcome(
        self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int
    ) -> Outcome:
        """How the run from a checkpoint on ends; its trace is not written."""
        return self.check(self.resume(checkpoint, intervention, seed))

    def check(self, trace: Trace) -> Outcome:
        """Whether the answer in the last step is right."""
        problem = problem_of(trace.task.id or "")
        answer = _answer(problem.family, problem.goal, trace.steps)
        right = answer is not None and family(problem.family).judge(answer, problem)
        return Outcome(
            status="success" if right else "failure",
            answer=answer,
            score=float(right),
            reason=None if right else f"expected {problem.expected}",
            by=f"sandbox:{problem.family}",
        )

    def correct(self, checkpoint: Checkpoint) -> Intervention:
        """The action that is right given what the agent has before it, in the agent's own words."""
        run = from_state(checkpoint.state)
        cast = self._cast(run)
        turn = run.agenda[0]
        action = self._act(run, cast, turn, None, perfect=True)
        return Intervention(step=checkpoint.step, actions=(action,), by="sandbox:correct")

    def is_correct(self, checkpoint: Checkpoint, action: Action) -> bool:
        """Whether an action comes to the same as the right one; wording does not count."""
        (right,) = self.correct(checkpoint).actions or ()
        name = from_state(checkpoint.state).settings.family
        return meaning(name, action) == meaning(name, right)

    # --- the machine -------------------------------------------------------------------------

    def _cast(self, run: Run) -> Cast:
        return cast(run.settings, topology(run.settings.topology), run.seed)

    def _finished(self, run: Run, change: Intervention | None, id: str) -> Trace:
        cast = self._cast(run)
        while run.agenda and len(run.steps) < LONGEST:
            turn = run.agenda.pop(0)
            actions = None if change is None else change.actions
            if actions is None:
                actions = (self._act(run, cast, turn, change, perfect=False),)
            said = [
                self._step(run, cast, turn, action, change, n) for n, action in enumerate(actions)
            ]
            self._settle(run, cast, turn, said)
            change = None
        return self._trace(run, cast, id)

    def _act(
        self, run: Run, cast: Cast, turn: Turn, change: Intervention | None, *, perfect: bool
    ) -> Action:
        problem = problem_of(run.task)
        if turn.duty == TOOL:
            return _served(run, turn, problem)
        member = cast.members[turn.agent]
        steps, told = _given(run, turn), tuple[Message, ...]()
        question = problem.question if member.task else None
        if change is not None and change.inputs is not None:
            steps, told = [], change.inputs
            # Without a word from the user the agent has no task before it.
            question = next((m.content for m in told if m.role == "user" and not m.name), None)
        skill = 1.0 if perfect else member.skill
        view = View(member, turn, run.turn, run.draws, steps, question, problem, skill, told)
        if perfect:
            return act(view)
        policies = self.policies
        names = (turn.agent, member.agent.role or "", "*")
        return next((policies[name] for name in names if name in policies), act)(view)

    def _step(
        self, run: Run, cast: Cast, turn: Turn, action: Action, change: Intervention | None, n: int
    ) -> Step:
        member = cast.members[turn.agent]
        to = action.to or turn.to
        if to is not None and to not in cast.members:
            raise UsageError(f"nobody is called {to!r}; the team: {', '.join(cast.members)}")
        if change is not None and change.inputs is not None:
            inputs = Inputs(messages=change.inputs)
        else:
            question = problem_of(run.task).question if member.task else None
            told = (Message("user", question),) if question is not None else ()
            inputs = Inputs(tuple(step.index for step in _given(run, turn)), told)
        asked = _open_call(run.steps) if turn.duty == TOOL else None
        return Step(
            index=len(run.steps) + n,
            agent=turn.agent,
            kind=action.kind,
            content=action.content,
            inputs=inputs,
            to=to,
            parent=asked.index if asked else None,
            tools=action.tools,
            extra={KEY: {"turn": run.turn}},
        )

    def _settle(self, run: Run, cast: Cast, turn: Turn, said: list[Step]) -> None:
        """Take the steps of a turn into the state and put down who is next."""
        run.steps = [*run.steps, *said]
        run.turn += 1
        last = said[-1] if said else None
        if turn.duty == TOOL:
            return
        if last is not None and last.kind == "tool_call" and TOOL in cast.roles:
            run.agenda[:0] = [Turn(cast.roles[TOOL], TOOL, turn.agent), turn]
            return
        text = None if last is None else last.content
        team = topology(run.settings.topology)
        run.agenda[:0] = team.after(turn, text, cast.roles, _Board(run))

    def _restarted(self, trace: Trace) -> tuple[Run, Cast]:
        """The run of a trace, at its beginning."""
        saved = trace.extra.get(KEY)
        try:
            settings = msgspec.convert(saved["settings"], Settings)  # type: ignore[index]
            run = Run(settings, trace.task.id or "", saved["seed"], saved["draws"], [])  # type: ignore[index]
        except (TypeError, KeyError, msgspec.ValidationError):
            raise UsageError(f"trace {trace.id} is not a run of the sandbox") from None
        _check_settings(settings)
        problem_of(run.task)
        cast = self._cast(run)
        run.agenda = topology(settings.topology).start(cast.roles)
        return run, cast

    def _trace(self, run: Run, cast: Cast, id: str) -> Trace:
        settings = msgspec.to_builtins(run.settings)
        trace = Trace(
            id=id,
            source=SOURCE,
            task=task_of(run.task),
            agents=tuple(member.agent for member in cast.members.values()),
            steps=tuple(run.steps),
            extra={KEY: {"settings": settings, "seed": run.seed, "draws": run.draws}},
        )
        return msgspec.structs.replace(trace, outcome=self.check(trace))


class _Board:
    """The state of the work, for topologies."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def _notes(self, agent: str) -> Notes:
        return Notes(self._run.settings.family, _visible(self._run.steps, agent))

    def planned(self, agent: str) -> list[str]:
        return [item.label for item in self._notes(agent).ordered()]

    def open(self, agent: str) -> list[str]:
        notes = self._notes(agent)
        return [item.label for item in notes.ordered() if item.label not in notes.values]

    def rejected(self, said: str | None) -> list[str]:
        name = self._run.settings.family
        again = [each.label for each in read(name, said or "") if each.what == "again"]
        notes = Notes(name, self._run.steps)
        return list(
            dict.fromkeys([*again, *(x for label in again for x in notes.following(label))])
        )


def _check_settings(settings: Settings) -> None:
    family(settings.family)
    topology(settings.topology)
    shares = [settings.skill, settings.vocabulary, *settings.skills.values()]
    if settings.difficulty < 1 or not all(0 <= share <= 1 for share in shares):
        raise UsageError("difficulty starts at 1; skill and vocabulary lie between 0 and 1")
    if settings.style not in (None, *REGISTERS):
        raise UsageError(f"style {settings.style!r} is none of {', '.join(REGISTERS)}")


def _visible(steps: list[Step], agent: str) -> list[Step]:
    """What an agent can see: its own steps, those addressed to it, those to everybody."""
    return [step for step in steps if step.to in (None, agent) or step.agent == agent]


def _given(run: Run, turn: Turn) -> list[Step]:
    seen = _visible(run.steps, turn.agent)
    return [s for s in seen if turn.agent in (s.agent, s.to)] if turn.own else seen


def _open_call(steps: list[Step]) -> Step | None:
    """The call that waits for its answer."""
    return steps[-1] if steps and steps[-1].kind == "tool_call" else None


def _served(run: Run, turn: Turn, problem: Any) -> Action:
    """The answer of the tool to the call before."""
    asked = _open_call(run.steps)
    call = asked.tool if asked else None
    if call is None:
        return Action("no call was made", "tool_result", turn.to)
    kind = family(problem.family)
    text, fine = kind.serve(call.arguments, problem)
    if call.name != kind.tool:
        text, fine = f"there is no tool {call.name[:100]!r}", False
    answer = ToolCall(
        call.name, call.arguments, text if fine else None, None if fine else text, call.call_id
    )
    return Action(text, "tool_result", turn.to, (answer,))


def _answer(name: str, goal: str, steps: tuple[Step, ...]) -> str | None:
    """The answer in the last step: as announced, or the last value given for the goal."""
    if not steps:
        return None
    text = steps[-1].content
    stated = [
        said.value for said in read(name, text) if said.what == "value" and said.label == goal
    ]
    return grammar(name).answer(text) or (stated[-1] if stated else None)


def _turn(step: Step) -> Any:
    saved = step.extra.get(KEY)
    return saved.get("turn") if isinstance(saved, dict) else None


def _id(run: Run) -> str:
    words = msgspec.json.encode([run.settings, run.task, run.seed])
    return f"{run.settings.family}-{run.settings.topology}-{_digest(words)}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
