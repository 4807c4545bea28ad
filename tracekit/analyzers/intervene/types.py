"""What debugging by intervention deals in: trials, hypotheses, what became of them, and of retries."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tracekit.attribution import Method
from tracekit.replay.types import Advice, Intervention, Repair
from tracekit.stats import Estimate

Finding = Literal["validated", "partially validated", "refuted", "inconclusive"]
"""What replays say of a hypothesis; `tracekit.analyzers.intervene.verdicts` has the definitions."""

SCHEMA = "tracekit/diagnosis/1"
"""Name and version of the schema of a `Diagnosis`."""
SESSION = "tracekit/debug/1"
"""Name and version of the schema of a `Session`."""
FEEDBACK = "tracekit/retry/1"
"""Name and version of the schema of `Feedback`."""


class Trial(msgspec.Struct, frozen=True):
    """One attempt within a run: a plan and what was done about it (DoVer, section 3)."""

    first: int
    """Index of its first step."""
    last: int
    """Index of its last step."""
    why: str
    """What begins it: `start`, `plan` (planned again) or `restart` (the words say so)."""

    def __contains__(self, step: int) -> bool:
        """Whether a step lies in it."""
        return self.first <= step <= self.last


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """A guess at what broke a trial: this agent, at this step."""

    trial: int
    """Number of the trial, from 0."""
    step: int
    """Index of the step."""
    agent: str
    """Id of the agent that took it."""
    probability: float
    """Of the method, over the whole run, 0 to 1."""
    by: str
    """Name of the method."""
    rationale: str = ""
    """Why the method suspects it, in words."""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """A hypothesis and what replays with its step corrected say of it."""

    hypothesis: Hypothesis
    """What was tested."""
    finding: Finding
    """What came of it."""
    reason: str
    """Why that, in words."""
    change: Intervention | None = None
    """The correction that was replayed; None where there was none to make."""
    n: int = 0
    """Replays with the correction, and as many without."""
    rate_with: float = 0.0
    """Share of successes with the correction, 0 to 1."""
    rate_without: float = 0.0
    """Share of successes with the step as recorded and the rest drawn anew, 0 to 1."""
    difference: Estimate | None = None
    """The first less the second, with its interval; None without replays."""
    followed: float = 0.0
    """Share of the replays in which something else than recorded really happened at the step."""
    progress: Estimate | None = None
    """Sub-goals reached with the correction less those without, as a share of all; None where
    the system knows none."""


class Diagnosis(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="schema", tag=SCHEMA
):
    """What interventions found out about one failed run."""

    trace_id: str
    """`id` of the trace."""
    trials: tuple[Trial, ...] = ()
    """Its attempts, in order."""
    tested: tuple[Tested, ...] = ()
    """Hypotheses in the order in which they were tested."""
    right: tuple[int, ...] = ()
    """Steps that the system itself calls right, given what their agents had before them; they are
    not tested."""
    right_share: float = 0.0
    """Probability that the method gave to those steps together, 0 to 1."""
    replays: int = 0
    """Replays made."""
    repair: Repair | None = None
    """What the findings suggest for runs to come; None where no hypothesis was validated."""
    abstained: str | None = None
    """Why nothing could be tested; None = something was."""

    @property
    def answer(self) -> Tested | None:
        """The earliest validated hypothesis, which is the decisive one by definition."""
        valid = [one for one in self.tested if one.finding == "validated"]
        return min(valid, key=lambda one: one.hypothesis.step, default=None)


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair is worth on fresh tasks: paired runs with it, without, and with another one."""

    repair: Repair
    """The repair that the findings suggest."""
    n: int
    """Fresh tasks; each is run once in each way with the same seed."""
    before: Estimate
    """Share of successes of the system as it is."""
    after: Estimate
    """The same with the repair."""
    random: Estimate
    """The same with a repair drawn at random for each task from those that the system can take."""
    gain: Estimate
    """`after` less `before`, paired."""
    over_random: Estimate
    """`after` less `random`, paired."""
    random_gain: Estimate
    """`random` less `before`, paired."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the loop."""

    diagnosed: int
    """Failures looked into."""
    explained: int
    """Those of them with a validated step."""
    replays: int
    """Replays that took."""
    asked: dict[str, int]
    """How many failures ask for each repair, most first."""
    repair: Repair | None
    """The repair that is made; None where nothing suggests one that the system can take."""
    gain: Gain | None
    """What it is worth on fresh tasks; None without fresh tasks, or without a repair."""


class Session(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SESSION):
    """Everything that `tracekit debug` found out, as it prints it in JSON."""

    system: str
    """`module:factory` of the system."""
    settings: dict[str, Any]
    """How runs were debugged, by name (`tracekit.analyzers.intervene.diagnose.Plan`)."""
    seed: int
    """Seed of every random choice."""
    diagnoses: tuple[Diagnosis, ...]
    """One for each failed run, in the order of the logs."""
    flipped: Estimate
    """Share of these runs with a validated step: a correction there makes more replays succeed."""
    findings: dict[str, int]
    """Hypotheses by what became of them."""
    replays: int
    """Replays made of recorded runs."""
    rounds: tuple[Round, ...] = ()
    """Repairs and what they are worth; one round, unless more were asked for."""
    config: dict[str, Any] = {}
    """The resolved configuration of the command, as `Attribution.config`."""


class Retried(msgspec.Struct, frozen=True):
    """What became of one failed task."""

    trace_id: str
    """`id` of its first run."""
    advice: tuple[Advice | None, ...]
    """What was said before each further attempt; null = nothing."""
    failed: tuple[str | None, ...]
    """Why nothing could be said: how the judgement failed; null = it did not."""
    solved: tuple[bool, ...]
    """Whether it was solved after each round."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=FEEDBACK):
    """Everything that `tracekit retry` found out, as it prints it in JSON."""

    system: str
    """`module:factory` of the system."""
    method: Method
    """Who gave advice: as its verdicts say, or by its name alone where there is none."""
    start: str
    """Where attempts start: `beginning` or `step`."""
    seed: int
    """Seed of every random choice."""
    failures: int
    """Failed runs in the logs."""
    runs: tuple[Retried, ...]
    """One for each of them that was taken up, the first ones, in the order of the logs."""
    failed: int
    """Judgements that failed: those attempts were made without advice, and count all the same."""
    solved: tuple[Estimate, ...]
    """Share of the runs taken up that is solved after each round; empty without runs."""
    plain: tuple[Estimate, ...] = ()
    """The same of retries with the same seeds and no advice; empty where there were none."""
    gain: Estimate | None = None
    """The last of `solved` less the last of `plain`, paired."""
    config: dict[str, Any] = {}
    """The resolved configuration of the command, as `Attribution.config`."""


def percent(share: float) -> str:
    """A share as people write it.

    >>> percent(0.5)
    '50 %'
    """
    return f"{100 * share:.0f} %"
