"""What we say about a failed run: who, where, why, how sure, and on what evidence."""

from __future__ import annotations

from typing import Any

import msgspec

SCHEMA = "tracekit/attribution/1"
"""Name and version of the Attribution schema."""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words in the trace that moved the verdict."""

    step: int
    """Index of the step quoted, not necessarily the suspect's own."""
    quote: str = ""
    """The words themselves, cut to a readable length; `content[start:end]` of the step."""
    start: int = 0
    """First character of the quote in the content of the step."""
    end: int = 0
    """The character after the quote."""
    weight: float = 0.0
    """How much it moved the score of the suspect; positive = towards blame. Units of the method
    (log-odds for `linear` and `compact`)."""
    shows: str = ""
    """What it shows, in a few words."""


class Suspect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candidate for the decisive step."""

    agent: str
    """Id of the agent, as in the trace's roster."""
    step: int
    """Index of the step, 0-based."""
    probability: float
    """Probability that this is the decisive step, given that the run failed; 0 to 1. Over all
    steps these sum to at most 1."""
    modes: tuple[str, ...] = ()
    """Likely failure modes (MAST codes), most likely first."""
    evidence: tuple[Evidence, ...] = ()
    """The words that moved the verdict, strongest first."""


class SuspectSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Steps that contain the decisive one at a stated coverage."""

    steps: tuple[int, ...]
    """Indices, most suspect first."""
    coverage: float
    """Share of runs in which such a set contains the decisive step, 0 to 1."""


class AgentSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Agents that contain the one to blame at a stated coverage."""

    agents: tuple[str, ...]
    """Ids, most suspect first."""
    coverage: float
    """Share of runs in which such a set contains the agent to blame, 0 to 1."""


class Method(msgspec.Struct, frozen=True, omit_defaults=True):
    """What made the verdict, well enough to make it again."""

    name: str
    """Name of the analyzer, as in `tracekit methods`."""
    version: str = ""
    """Version of the method; it changes whenever its verdicts may."""
    model: str | None = None
    """Name or hash of the weights; None for methods without."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Options that the verdict was made with, by name."""
    seed: int | None = None
    """Seed of its random choices; None = it makes none."""


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the verdict cost. None = not measured."""

    seconds: float | None = None
    """Wall time. Left out of machine output, which must not depend on the clock."""
    calls: int = 0
    """Calls of a model server or of a system that was replayed."""
    tokens: int = 0
    """Tokens of those calls, both ways."""
    money: float = 0.0
    """US dollars."""


class Votes(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far several judgements of one run agree; shares of `asked`, failed ones included."""

    asked: int
    """Judgements that were made or tried."""
    step: int = 0
    """Those whose first choice is the step of the first suspect."""
    agent: int = 0
    """Those whose first choice is its agent."""
    abstained: int = 0
    """Those that named nobody."""
    failed: int = 0
    """Those that broke off: a call failed, or its answer could not be read."""

    @property
    def agreement(self) -> float:
        """Share of the judgements that name the first suspect's step, 0 to 1.

        >>> Votes(asked=4, step=3, failed=1).agreement
        0.75
        """
        return self.step / self.asked


class Attribution(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """The verdict on one trace.

    `suspects[0]` is the answer. An analyzer that cannot answer leaves `suspects` empty and says
    why in `abstained`; it never falls back on another method.
    """

    trace_id: str
    """`id` of the trace."""
    method: Method
    """What made the verdict."""
    suspects: tuple[Suspect, ...] = ()
    """Ranked, most suspect first."""
    agents: dict[str, float] = msgspec.field(default_factory=dict)
    """Probability that the agent is to blame, by agent id, highest first; sums to at most 1."""
    suspect_set: SuspectSet | None = None
    """None = the method states no coverage."""
    agent_set: AgentSet | None = None
    """The same for agents."""
    abstained: str | None = None
    """Why there is no answer; None = there is one."""
    failed: bool = False
    """True when there is no answer because the method broke, a call of a model failed or its answer
    could not be read; `abstained` then says how. A method that holds back has not failed."""
    conditional: bool = False
    """True when the outcome of the run is unknown and the verdict holds only if it failed."""
    votes: Votes | None = None
    """How far repeated judgements agree; None = the method judged once."""
    cost: Cost = Cost()
    """What it cost to make."""
    warnings: tuple[str, ...] = ()
    """Doubts that the reader of the verdict should know of, in sentences."""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    """The resolved configuration of the command that made it: options by name, those that are not
    set left out, and the version of tracekit. Empty = it was made from Python."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """What else the method found out, by name: any JSON values."""

    @property
    def top(self) -> Suspect | None:
        """The first suspect, None after an abstention."""
        return self.suspects[0] if self.suspects else None

    def __str__(self) -> str:
        """One line a person can read."""
        name = f"{self.trace_id}: "
        if self.top is None:
            return f"{name}no verdict ({self.abstained or 'no suspects'})"
        given = " if it failed" if self.conditional else ""
        return (
            f"{name}{self.top.agent} at step {self.top.step}"
            f" ({self.top.probability:.0%}{given}, {self.method.name})"
        )
