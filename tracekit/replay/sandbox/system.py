"""The sandbox: teams of seeded agents on tasks with known answers, replayable from every step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from tracekit.errors import UsageError
from tracekit.replay.sandbox.advice import advised
from tracekit.replay.sandbox.agents import meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import grammar, read
from tracekit.replay.sandbox.language import REGISTERS
from tracekit.replay.sandbox.play import KEY, Play
from tracekit.replay.sandbox.problem import Problem
from tracekit.replay.sandbox.progress import milestones
from tracekit.replay.sandbox.repairs import repaired, repairs
from tracekit.replay.sandbox.state import (
    TOOL,
    Run,
    Settings,
    as_state,
    from_state,
    problem_of,
    task_id,
    task_of,
)
from tracekit.replay.sandbox.topologies.table import topology
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action, Attempt, Checkpoint, Intervention, Repair
from tracekit.trace import Message, Outcome, Source, Step, Task, Trace

SOURCE = Source(format="tracekit", framework="tracekit-sandbox", version="1")

KEPT = 32
"""Runs up to a checkpoint that are kept for the next replay from there."""


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
        self._kept: dict[int, tuple[object, Play]] = {}

    def tasks(self, seed: int = 0) -> Iterator[Task]:
        """Endless tasks of the family; the same ones for the same seed."""
        number = seed * 1_000_000
        while True:
            yield task_of(task_id(self.settings.family, self.settings.difficulty, number))
            number += 1

    def run(self, task: Task, seed: int) -> Trace:
        """One run. Raises `UsageError` for a task that the sandbox did not make."""
        play = self._opening(task, seed)
        play.finish()
        return self._trace(play, _id(play.run))

    def checkpoints(self, trace: Trace) -> list[Checkpoint]:
        """The state before every step; of a step said twice, the state before the first."""
        play = self._restarted(trace)
        run, steps = play.run, trace.steps
        told = msgspec.to_builtins(list(steps))
        found: list[Checkpoint] = []
        while run.agenda and len(found) < len(steps):
            turn, at = run.agenda[0], len(found)
            whose = (run.turn, turn.agent)
            said = list(takewhile(lambda s: (_turn(s), s.agent) == whose, steps[at:]))  # noqa: B023
            state = as_state(run, told[:at]) if said else {}
            found += [Checkpoint(trace.id, step.index, state) for step in said]
            run.agenda.pop(0)
            play.settle(turn, said)
        if len(found) < len(steps):
            raise UsageError(
                f"trace {trace.id}: step {len(found)} does not follow from those before"
            )
        return found

    def resume(self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int) -> Trace:
        """The run from a checkpoint on. Raises `UsageError` when the change is for another step."""
        same = intervention is None and seed == self._opened(checkpoint).run.draws
        play = self._resumed(checkpoint, intervention, seed, traced=True)
        words = b"" if intervention is None else msgspec.json.encode(intervention)
        name = f"{checkpoint.trace_id}/{checkpoint.step}/{seed}/".encode() + words
        id = checkpoint.trace_id if same else f"{checkpoint.trace_id}~{_digest(name)}"
        return self._trace(play, id)

    def begin(self, task: Task, seed: int) -> tuple[Trace, Checkpoint]:
        """A run before its first step. Raises `UsageError` as `run` does."""
        play = self._opening(task, seed)
        trace = msgspec.structs.replace(self._trace(play, _id(play.run)), outcome=Outcome())
        return trace, Checkpoint(trace.id, 0, as_state(play.run, []))

    def advance(
        self, checkpoint: Checkpoint, seed: int
    ) -> tuple[tuple[Step, ...], Checkpoint | None]:
        """One action, with the tool's answer to it, and the state after it; None = the end."""
        play = self._opened(checkpoint).fork(seed)
        at = len(play.run.steps)
        play.turn()
        new = tuple(play.run.steps[at:])
        if play.over:
            return new, None
        told = [*checkpoint.state["steps"], *msgspec.to_builtins(list(new))]
        state = as_state(play.run, told)
        self._keep(state, play)
        return new, Checkpoint(checkpoint.trace_id, len(told), state)

    def outcome(
        self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int
    ) -> Outcome:
        """How the run from a checkpoint on ends; its trace is not written."""
        play = self._resumed(checkpoint, intervention, seed, traced=False)
        return _outcome(play.problem, play.run.steps)

    def check(self, trace: Trace) -> Outcome:
        """Whether the answer in the last step is right."""
        return _outcome(problem_of(trace.task.id or ""), trace.steps)

    def correct(self, checkpoint: Checkpoint) -> Intervention:
        """The action that is right given what the agent has before it, in the agent's own words."""
        play = self._opened(checkpoint)
        action = play.act(play.run.agenda[0], perfect=True)
        return Intervention(step=checkpoint.step, actions=(action,), by="sandbox:correct")

    def is_correct(self, checkpoint: Checkpoint, action: Action) -> bool:
        """Whether an action comes to the same as the right one; wording does not count.

        To end the run is no matter of wording.
        """
        play = self._opened(checkpoint).fork(0, traced=False)
        right = play.act(play.run.agenda[0], perfect=True)
        name = play.problem.family
        ends = action.kind == "final", right.kind == "final"
        return ends[0] == ends[1] and meaning(name, action) == meaning(name, right)

    def milestones(self, trace: Trace) -> dict[str, bool]:
        """The items of the task, and whether the team ends with the right value of each."""
        return milestones(trace)

    def repairs(self) -> list[Repair]:
        """What can be changed about the team, role by role (`tracekit.replay.sandbox.repairs`)."""
        return repairs(self.settings)

    def with_repair(self, repair: Repair) -> Sandbox:
        """The sandbox with a repair; raises `UsageError` for one that it cannot take."""
        policies = repaired(self.policies, repair, self.repairs())
        return Sandbox(policies=policies, **msgspec.structs.asdict(self.settings))

    def advised(self, attempts: Sequence[Attempt]) -> Sandbox:
        """The team of the latest attempt as it tries again (`tracekit.replay.sandbox.advice`)."""
        settings = self._restarted(attempts[-1].trace).run.settings
        policies = advised(self.policies, attempts, settings.habit)
        return Sandbox(policies=policies, **msgspec.structs.asdict(settings))

    def view(
        self, checkpoint: Checkpoint, inputs: tuple[Message, ...] | None = None
    ) -> View | None:
        """What the agent that is next has before it, or would have; None where a tool is next."""
        play = self._opened(checkpoint)
        turn = play.run.agenda[0]
        if turn.duty == TOOL:
            return None
        return play.view(turn, Intervention(step=checkpoint.step, inputs=inputs))

    def _opening(self, task: Task, seed: int) -> Play:
        """A run of a task, at its beginning."""
        run = Run(self.settings, task.id or "", seed, seed, [])
        problem = problem_of(run.task)
        if problem.family != self.settings.family:
            raise UsageError(f"task {run.task} is not of the family {self.settings.family}")
        return self._begun(run)

    def _restarted(self, trace: Trace) -> Play:
        """The run of a trace, at its beginning."""
        saved = trace.extra.get(KEY)
        try:
            settings = msgspec.convert(saved["settings"], Settings)  # type: ignore[index]
            run = Run(settings, trace.task.id or "", saved["seed"], saved["draws"], [])  # type: ignore[index]
        except (TypeError, KeyError, msgspec.ValidationError):
            raise UsageError(f"trace {trace.id} is not a run of the sandbox") from None
        _check_settings(settings)
        return self._begun(run)

    def _begun(self, run: Run) -> Play:
        play = Play(run, self.policies)
        run.agenda = play.team.start(play.cast.roles)
        return play

    def _opened(self, checkpoint: Checkpoint) -> Play:
        """The run up to a checkpoint; kept, for many replays from the same few."""
        state = checkpoint.state
        kept = self._kept.get(id(state))  # nothing else has its id while it is held
        return kept[1] if kept else self._keep(state, Play(from_state(state), self.policies))

    def _keep(self, state: dict[str, Any], play: Play) -> Play:
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[id(state)] = state, play
        return play

    def _resumed(
        self, checkpoint: Checkpoint, change: Intervention | None, seed: int, *, traced: bool
    ) -> Play:
        if change is not None and change.step != checkpoint.step:
            raise UsageError(
                f"the intervention is for step {change.step}, "
                f"the checkpoint is before step {checkpoint.step}"
            )
        play = self._opened(checkpoint).fork(seed, traced=traced)
        play.finish(change)
        return play

    def _trace(self, play: Play, id: str) -> Trace:
        run = play.run
        settings = msgspec.to_builtins(run.settings)
        return Trace(
            id=id,
            source=SOURCE,
            task=task_of(run.task),
            agents=tuple(member.agent for member in play.cast.members.values()),
            steps=tuple(run.steps),
            outcome=_outcome(play.problem, run.steps),
            extra={KEY: {"settings": settings, "seed": run.seed, "draws": run.draws}},
        )


def _check_settings(settings: Settings) -> None:
    family(settings.family)
    topology(settings.topology)
    shares = [settings.skill, settings.vocabulary, settings.habit, *settings.skills.values()]
    if settings.difficulty < 1 or not all(0 <= share <= 1 for share in shares):
        raise UsageError("difficulty starts at 1; skill, vocabulary, habit lie between 0 and 1")
    if settings.style not in (None, *REGISTERS):
        raise UsageError(f"style {settings.style!r} is none of {', '.join(REGISTERS)}")


def _outcome(problem: Problem, steps: Sequence[Step]) -> Outcome:
    answer = _answer(problem.family, problem.goal, steps)
    right = answer is not None and family(problem.family).judge(answer, problem)
    return Outcome(
        status="success" if right else "failure",
        answer=answer,
        score=float(right),
        reason=None if right else f"expected {problem.expected}",
        by=f"sandbox:{problem.family}",
    )


def _answer(name: str, goal: str, steps: Sequence[Step]) -> str | None:
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
