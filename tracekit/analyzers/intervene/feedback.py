"""Feedback to a running system: a verdict on an attempt goes into the next one, round by round.

That is how AgenTracer is used (Zhang et al. 2025, arXiv 2509.03312, section 4): what the tracer
says about a failed run is inserted in the next one, for up to three rounds. Here the system starts
anew, or goes on from the step that is blamed, with what came before kept. A system that knows what
to make of advice takes it itself (`Advisable`); in any other the agent that acts first is told, in
words and after all that it is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from tracekit import stats
from tracekit.analyzers.intervene.corrections import untold
from tracekit.analyzers.run import in_order, judged
from tracekit.analyzers.together import together
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.context import Context
from tracekit.errors import Problem, UsageError
from tracekit.inject.strategies import given
from tracekit.protocols import Advisable, Analyzer, Replayable
from tracekit.replay.types import Advice, Attempt, Checkpoint, Intervention
from tracekit.signals.roles import charged
from tracekit.stats import Estimate
from tracekit.trace import Message, Outcome, Trace

LONGEST = 600
"""Characters of a reason that are passed on."""

Attempts = tuple[Attempt, ...]
"""All runs at one task, the latest last and without advice."""
Said = Advice | Problem | None
"""What is held against an attempt: None for nothing, a `Problem` where that could not be told."""
Adviser = Callable[[Sequence[Attempts]], Sequence[Said]]
"""From attempts at tasks to what is held against the latest of each."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How tasks are tried again."""

    rounds: int = 3
    """Further attempts at most."""
    start: Literal["beginning", "step"] = "beginning"
    """Where an attempt starts: anew, or at the step that is blamed; without advice always anew."""
    told: bool = True
    """Whether it is known how an attempt ended. If so a success ends the rounds; if not every
    attempt gets advice and is tried again, and the last one counts."""

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError("feedback needs at least one round")


class History(msgspec.Struct, frozen=True):
    """What became of one task."""

    attempts: Attempts
    """All runs at it, the first one included."""
    failed: tuple[Problem | None, ...] = ()
    """Why there was no advice before each further attempt; None where nothing went wrong."""

    def solved(self, rounds: int) -> bool:
        """Whether the task is solved after so many rounds.

        Where rounds end with a success, what is solved stays solved.
        """
        reached = self.attempts[min(rounds, len(self.attempts) - 1)]
        return reached.trace.outcome.status == "success"


def in_rounds(
    system: Replayable, runs: Sequence[Trace], adviser: Adviser, rules: Rules, seed: int = 0
) -> list[History]:
    """Try the tasks of runs again, with advice on all open ones between two rounds.

    Where the adviser fails the task is tried again without advice, and the history says so.
    The seed of an attempt depends on `seed`, the first run and the round alone: whoever advises,
    the same numbers are drawn. Raises `UsageError` for runs that the system cannot resume.
    """
    histories = [History((Attempt(_ended(system, run)),)) for run in runs]
    seeds = [_first_seed(run, seed) for run in runs]
    for number in range(rules.rounds):
        places = [at for at, one in enumerate(histories) if not (rules.told and one.solved(number))]
        shown = [histories[at].attempts for at in places]
        if not rules.told:
            shown = [tuple(map(_untold, attempts)) for attempts in shown]
        for at, said in zip(places, adviser(shown), strict=True):
            attempts, failed = histories[at].attempts, histories[at].failed
            advice, problem = (None, said) if isinstance(said, Problem) else (said, None)
            attempts = (*attempts[:-1], Attempt(attempts[-1].trace, advice))
            trace = again(system, attempts, rules.start, seeds[at] + number)
            attempts = (*attempts, Attempt(_ended(system, trace)))
            histories[at] = History(attempts, (*failed, problem))
    return histories


def _first_seed(run: Trace, seed: int) -> int:
    """Seed of the first retry; no seed of replays that label the run (`tracekit.inject.replays`)."""
    digest = hashlib.sha256(f"feedback/{seed}/{run.id}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _ended(system: Replayable, trace: Trace) -> Trace:
    return msgspec.structs.replace(trace, outcome=system.check(trace))


def _untold(attempt: Attempt) -> Attempt:
    outcome = Outcome(answer=attempt.trace.outcome.answer)
    return Attempt(msgspec.structs.replace(attempt.trace, outcome=outcome), attempt.advice)


def shares(histories: Sequence[History], rounds: int) -> tuple[Estimate, ...]:
    """Share of the tasks solved after each round; raises `ValueError` without tasks."""
    solved = [sum(one.solved(number) for one in histories) for number in range(1, rounds + 1)]
    return tuple(stats.wilson(count, len(histories)) for count in solved)


def gain(ours: Sequence[History], others: Sequence[History], rounds: int) -> Estimate:
    """Solved after so many rounds less the same of other attempts at the same tasks, paired."""
    ends = [(a.solved(rounds), b.solved(rounds)) for a, b in zip(ours, others, strict=True)]
    gained, lost = sum(a and not b for a, b in ends), sum(b and not a for a, b in ends)
    return stats.paired_difference(gained, lost, len(ends))


def again(system: Replayable, attempts: Sequence[Attempt], start: str, seed: int) -> Trace:
    """One more attempt, by a system that knows of those before.

    A run that cannot be resumed from the step that is blamed goes on from the nearest earlier one.
    Raises `UsageError` when it cannot be resumed at all.
    """
    trace, advice = attempts[-1].trace, attempts[-1].advice
    points = system.checkpoints(trace)
    if not points:
        raise UsageError(f"trace {trace.id} cannot be tried again: the system has no checkpoint")
    at = points[0]
    if start == "step" and advice is not None:
        at = max((p for p in points if p.step <= advice.step), key=lambda p: p.step, default=at)
    if isinstance(system, Advisable):
        return system.advised(attempts).resume(at, None, seed)
    return system.resume(at, _told(at, attempts), seed)


def _told(at: Checkpoint, attempts: Sequence[Attempt]) -> Intervention | None:
    """The agent that is next is given what it was given, and all advice so far."""
    said = [words(one) for one in attempts if one.advice is not None]
    if not said:
        return None
    told = (*given(attempts[-1].trace, at.step), Message("user", "\n".join(said), name="feedback"))
    return Intervention(step=at.step, inputs=told, by="feedback")


def words(attempt: Attempt) -> str:
    """What is said to a system that reads; the expected answer is blanked out.

    >>> from tracekit.testing.traces import make_trace
    >>> run = make_trace("t", [("Ada", "2 + 2 = 5")])
    >>> words(Attempt(run, Advice(agent="Ada", step=0, why="the sum is off")))
    'An earlier attempt went wrong, it seems at step 0, by Ada: the sum is off.'
    """
    advice = attempt.advice
    if advice is None:
        return "An earlier attempt went wrong."
    why = untold(advice.why[:LONGEST], attempt.trace.task.expected).strip().rstrip(".")
    where = f"An earlier attempt went wrong, it seems at step {advice.step}, by {advice.agent}"
    return f"{where}: {why}." if why else f"{where}."


def silent(tasks: Sequence[Attempts]) -> list[None]:
    """The adviser that says nothing: plain retries."""
    return [None] * len(tasks)


class ByMethod:
    """The adviser that asks a method: the first suspect not blamed before, with the reason given.

    A judgement that failed is a `Problem`, and no abstention. Raises `UsageError` for a method that
    needs replays or other runs.
    """

    def __init__(self, method: Analyzer, context: Context, concurrency: int = 1) -> None:
        """`concurrency` is how many runs are judged at once, by a method that asks a model."""
        if method.needs & {"replay", "corpus"}:
            raise UsageError(f"{method.name}: feedback comes from a method that needs one log")
        self.method = Method(name=method.name)
        """What made the verdicts, as they say; before the first one but its name."""
        self._asked, self._context = method, context
        self._at_once = concurrency if "llm" in method.needs else 1

    def __call__(self, tasks: Sequence[Attempts]) -> list[Said]:
        """What a verdict on the latest attempt at each task says."""
        traces = [attempts[-1].trace for attempts in tasks]
        one = together(self._asked, traces)
        found = list(
            in_order(
                lambda trace: judged(trace, one, self._context, even_success=True),
                traces,
                self._at_once,
            )
        )
        own = (verdict.method for verdict, _ in found if verdict.method != self.method)
        self.method = next(own, self.method)
        return [
            problem or advice_of(attempts, verdict)
            for attempts, (verdict, problem) in zip(tasks, found, strict=True)
        ]


def advice_of(attempts: Attempts, verdict: Attribution) -> Advice | None:
    """What a verdict on the latest attempt says to the system; None where it names nobody.

    A step is not blamed again while there is another suspect: its agent has gone over it. Output
    of a tool is held against whoever asked for it.
    """
    if verdict.abstained is not None:
        return None
    trace = attempts[-1].trace
    asked = charged(trace)
    known = {one.advice.step for one in attempts if one.advice is not None}
    new = (one for one in verdict.suspects if asked[one.step] not in known)
    chosen = next(new, verdict.top)
    if chosen is None:
        return None
    step = asked[chosen.step]
    agent = chosen.agent if step == chosen.step else trace.steps[step].agent
    return Advice(agent=agent, step=step, why=_why(chosen), by=verdict.method.name)


def _why(suspect: Suspect) -> str:
    shown = (evidence.shows for evidence in suspect.evidence if evidence.weight >= 0)
    return next((text for text in shown if text), "")
