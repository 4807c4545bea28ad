"""What the HTML report shows, as plain data: a pure function of a trace and its verdict.

Every string here is already `visible`; escaping is the template's and the script's duty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec

from tracekit.attribution import Attribution, Evidence, Suspect
from tracekit.prm.score import RunScore
from tracekit.report.explain import explain, reason
from tracekit.report.facts import NAME, arguments, method_name, pointer, run_facts, step_facts
from tracekit.report.quotes import Span, gathered, spans
from tracekit.report.visible import one_line, visible
from tracekit.trace import Agent, ToolCall, Trace

COLOURS = 8
"""Colours of the palette; agent n of a roster wears colour n modulo this."""


State = Literal["explained", "conditional", "none", "success", "asked"]
"""A failure with a verdict; an unknown outcome with one; no verdict; a success that nobody is
blamed for; a success that was attributed because the user asked for it."""


class AgentView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of the team and its share of the blame."""

    name: str
    colour: int
    steps: int
    probability: float = 0.0
    role: str = ""
    tokens: int | None = None
    """Input and output tokens of its steps; None = not logged."""
    cost: float | None = None
    """US dollars of its steps; None = not logged."""


class ToolView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool call of a step."""

    name: str
    arguments: tuple[Span, ...] = ()
    result: tuple[Span, ...] = ()
    error: tuple[Span, ...] = ()


class StepView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step, ready to be drawn."""

    index: int
    agent: int
    """Position in the run's `agents`."""
    kind: str
    text: tuple[Span, ...] = ()
    to: int | None = None
    tools: tuple[ToolView, ...] = ()
    probability: float = 0.0
    """Probability that this is the decisive step, 0 for steps that are no suspects."""
    rank: int | None = None
    """Place among the suspects, from 1; None = not a suspect."""
    value: float | None = None
    """Probability of success after the step; None = not scored."""
    facts: tuple[str, ...] = ()
    """Time and usage in words, as far as they are logged."""
    raw: str = ""
    """`path:line` or `path#record` of the leading raw record."""


class ReasonView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why words are quoted."""

    shows: str
    weight: float


class QuoteView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words quoted as evidence, once for all their reasons."""

    step: int
    quote: str
    reasons: tuple[ReasonView, ...]


class SuspectView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A suspect with its evidence."""

    rank: int
    agent: int
    step: int
    probability: float
    modes: tuple[str, ...] = ()
    evidence: tuple[QuoteView, ...] = ()


class RunView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run of the report."""

    number: int
    """Position in the report, from 1."""
    id: str
    path: str
    system: str
    """Framework and format, as far as known."""
    state: State
    outcome: str
    why: str
    """The verdict in a sentence."""
    reason: str
    """Its strongest evidence, or why there is no verdict."""
    method: str
    agents: tuple[AgentView, ...]
    steps: tuple[StepView, ...]
    suspects: tuple[SuspectView, ...] = ()
    question: str = ""
    answer: str | None = None
    expected: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    """Further facts about the outcome and the labels: (name, value)."""
    warnings: tuple[str, ...] = ()

    @property
    def top(self) -> SuspectView | None:
        """The first suspect, None without a verdict."""
        return self.suspects[0] if self.suspects else None

    @property
    def blamed(self) -> AgentView | None:
        """The agent of the first suspect, None without a verdict."""
        return self.agents[self.top.agent] if self.top else None


class Shown(msgspec.Struct, frozen=True):
    """How much of a run is shown."""

    text: int = 8_000
    """Characters of a text that are kept besides its quotes."""
    top: int = 5
    """Suspects that are shown with their evidence; the others only colour the timeline."""


USUAL = Shown()


def run_view(
    number: int,
    trace: Trace,
    verdict: Attribution,
    shown: Shown = USUAL,
    scored: RunScore | None = None,
) -> RunView:
    """The view of one run, the `number`th of the report; `scored` adds the values of its steps."""
    roster = _roster(trace, verdict)
    places = {agent.id: place for place, agent in enumerate(roster)}
    suspects = enumerate(verdict.suspects[: shown.top], 1)
    return RunView(
        number=number,
        id=one_line(trace.id, 200),
        path=one_line(trace.source.path, 400),
        system=" · ".join(
            one_line(part, NAME) for part in (trace.source.framework, trace.source.format) if part
        ),
        state=state(trace, verdict),
        outcome=trace.outcome.status,
        why=explain(trace, verdict),
        reason=reason(verdict.top) if verdict.top else one_line(verdict.abstained or "", 200),
        method=method_name(verdict.method),
        agents=tuple(_agents(trace, roster, verdict)),
        steps=tuple(_steps(trace, places, verdict, shown, scored)),
        suspects=tuple(_suspect(rank, suspect, places) for rank, suspect in suspects),
        question=_cut(trace.task.question, shown.text),
        answer=_optional(trace.outcome.answer, shown.text),
        expected=_optional(trace.task.expected, shown.text),
        facts=tuple(run_facts(trace, verdict)),
        warnings=tuple(
            one_line(warning, 400)
            for warning in dict.fromkeys(verdict.warnings + (scored.warnings if scored else ()))
        ),
    )


def state(trace: Trace, verdict: Attribution) -> State:
    """What the report can say about a run."""
    if verdict.top is None:
        return "success" if trace.failed is False else "none"
    if trace.failed is False:
        return "asked"
    return "conditional" if verdict.conditional else "explained"


def _roster(trace: Trace, verdict: Attribution) -> list[Agent]:
    """The roster, and after it whoever acts or is blamed without being on it."""
    known = {agent.id: agent for agent in trace.agents}
    named = [id for step in trace.steps for id in (step.agent, step.to) if id is not None]
    for id in (*named, *(suspect.agent for suspect in verdict.suspects)):
        known.setdefault(id, Agent(id=id, name=id))
    return list(known.values())


def _agents(trace: Trace, roster: list[Agent], verdict: Attribution) -> list[AgentView]:
    steps = Counter(step.agent for step in trace.steps)
    tokens: defaultdict[str, list[int]] = defaultdict(list)
    costs: defaultdict[str, list[float]] = defaultdict(list)
    for step in trace.steps:
        if (usage := step.usage) is not None:
            counts = (usage.input_tokens, usage.output_tokens)
            tokens[step.agent] += [count for count in counts if count is not None]
            costs[step.agent] += [usage.cost] if usage.cost is not None else []
    return [
        AgentView(
            name=one_line(agent.name or agent.id, NAME) or "(no name)",
            colour=place % COLOURS,
            steps=steps[agent.id],
            probability=_rounded(verdict.agents.get(agent.id, 0.0)),
            role=one_line(agent.role or "", NAME),
            tokens=sum(tokens[agent.id]) if tokens[agent.id] else None,
            cost=sum(costs[agent.id]) if costs[agent.id] else None,
        )
        for place, agent in enumerate(roster)
    ]


def _steps(
    trace: Trace,
    places: dict[str, int],
    verdict: Attribution,
    shown: Shown,
    scored: RunScore | None,
) -> list[StepView]:
    ranks: dict[int, int] = {}
    probabilities: dict[int, float] = {}
    quotes: defaultdict[int, list[Evidence]] = defaultdict(list)
    for rank, suspect in enumerate(verdict.suspects, 1):
        probabilities.setdefault(suspect.step, _rounded(suspect.probability))
        if rank <= shown.top:
            ranks.setdefault(suspect.step, rank)
            for evidence in suspect.evidence:
                quotes[evidence.step].append(evidence)
    began = next((s.time.start for s in trace.steps if s.time and s.time.start is not None), None)
    return [
        StepView(
            index=step.index,
            agent=places[step.agent],
            kind=step.kind.replace("_", " "),
            text=spans(step.content, quotes[step.index], shown.text),
            to=None if step.to is None else places[step.to],
            tools=tuple(_tool(tool, shown.text) for tool in step.tools),
            probability=probabilities.get(step.index, 0.0),
            rank=ranks.get(step.index),
            value=_rounded(scored.steps[step.index].value) if scored else None,
            facts=tuple(step_facts(step, began)),
            raw=pointer(trace, step.raw[0]) if step.raw else "",
        )
        for step in trace.steps
    ]


def _tool(tool: ToolCall, limit: int) -> ToolView:
    return ToolView(
        name=one_line(tool.name, NAME),
        arguments=spans(arguments(tool.arguments, indent=2), limit=limit),
        result=spans(tool.result or "", limit=limit),
        error=spans(tool.error or "", limit=limit),
    )


def _suspect(rank: int, suspect: Suspect, places: dict[str, int]) -> SuspectView:
    return SuspectView(
        rank=rank,
        agent=places[suspect.agent],
        step=suspect.step,
        probability=_rounded(suspect.probability),
        modes=tuple(one_line(mode, NAME) for mode in suspect.modes),
        evidence=tuple(_quote(items) for items in gathered(suspect.evidence)),
    )


def _quote(items: Sequence[Evidence]) -> QuoteView:
    reasons = tuple(ReasonView(one_line(item.shows, 160), item.weight) for item in items)
    return QuoteView(items[0].step, one_line(items[0].quote, 320), reasons)


def _cut(text: str, limit: int) -> str:
    left_out = len(text) - limit
    return visible(text) if left_out <= 0 else f"{visible(text[:limit])} … ({left_out:,} more)"


def _optional(text: str | None, limit: int) -> str | None:
    return None if text is None else _cut(text, limit)


def _rounded(probability: float) -> float:
    """Four decimals: what the report can show, and short in its data."""
    return round(probability, 4)
