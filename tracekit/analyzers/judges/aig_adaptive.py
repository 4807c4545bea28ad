"""The adaptive influence graph: built by one agent, criticised, and read by another.

Source: arXiv 2608.24361, section 4. The builder looks at the log through tools and chooses nodes and
edges itself; a graph that is not sound is refused. A critic compares it with the log, up to three
times, and the builder mends it. The reader starts at the end, goes back along an edge only where the
log confirms it, and names one step. Limits on turns are tracekit's; a model that does not come to
an end within them has failed.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from tracekit.analyzers.judges.aig_tools import (
    CHANGES,
    LOOKS,
    Change,
    Look,
    Overview,
    Resolve,
    Submit,
    change,
    look,
)
from tracekit.analyzers.judges.case import Blame, Case, Finding
from tracekit.analyzers.judges.influence_graph import InfluenceGraph
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.llm.errors import InvalidAnswer
from tracekit.llm.request import Message

BUILD = Prompt(
    "aig-builder",
    1,
    """\
Draw a graph of this run. A node is a piece of work with the steps that it covers: choose its bounds \
so that it has one purpose. The first node is of kind task, the last of kind conclusion. An edge says \
what a later node took over from an earlier one, and how that went wrong; every node needs one. What \
you see at first:

$overview

Look before you draw. You act by actions: """
    + LOOKS
    + "; "
    + CHANGES
    + """; {"do": "submit"}: the graph is done.

Answer: {"thought": what you are after, "actions": up to 20 actions, done in order}""",
)

CRITICISE = Prompt(
    "aig-critic",
    1,
    """\
$log

A colleague has drawn this graph of the log:
$graph

Compare it with the log. Name what is not faithful to the steps that a node covers: work that was not \
done, an agent that did not do it, an edge for something that was not taken over. Leave out matters of \
taste.

Answer: {"faults": for each {"where": node or edge, "what": what is wrong and what would be right}}""",
)

MEND = Prompt(
    "aig-mend",
    1,
    """\
Your graph was compared with the log:
$faults

Mend what is really wrong, with as few changes as you can, and submit again.""",
)

RESOLVE = Prompt(
    "aig-reader",
    1,
    """\
$overview

This graph was drawn of the run:
$graph

Find the decisive error. Start where the failure shows. Go from a node to the source of an edge that \
leads to it only after you have read, in the log, that the source really holds the error which the \
edge describes. Stop where no edge explains the failure any further, and find the very step.

You act by actions: """
    + LOOKS
    + """; {"do": "resolve", "reason": why, in a few sentences, "agent": the name of the agent, as \
under Agents, "step": its number}: the verdict.

Answer: {"thought": what you are after, "action": one action}""",
)

ROUNDS = 3
"""Times that the critic looks at most."""


class Building(msgspec.Struct, frozen=True):
    """A turn of the builder."""

    thought: str
    actions: Annotated[
        tuple[Look | Change | Submit, ...], msgspec.Meta(min_length=1, max_length=20)
    ]


class Fault(msgspec.Struct, frozen=True):
    """Where the graph does not match the log."""

    where: str
    what: str


class Criticism(msgspec.Struct, frozen=True):
    """What the critic says; no fault = the graph is faithful."""

    faults: tuple[Fault, ...]


class Reading(msgspec.Struct, frozen=True):
    """A turn of the reader."""

    thought: str
    action: Look | Resolve


class Aig(Judge):
    """AIG, the last rung: an agent builds an influence graph, another one reads it to the step.

    Settings: `build_turns` and `read_turns`, the most turns of the two agents.
    """

    name: ClassVar[str] = "judge:aig"
    prompts: ClassVar = (BUILD, CRITICISE, MEND, RESOLVE)
    defaults: ClassVar = {"build_turns": 30, "read_turns": 20}

    async def judge(self, case: Case) -> Finding:
        """A call a turn, and one to three of the critic."""
        graph = InfluenceGraph(len(case.trace.steps))
        overview = look(case, graph, Overview())
        builder = Talk(case, BUILD.fill(overview=overview))
        left = case.options["build_turns"]
        for round in range(ROUNDS):
            left = await _built(builder, graph, left)
            said = await _criticised(case, graph)
            if not said.faults or round == ROUNDS - 1:
                break
            faults = "\n".join(f"{fault.where}: {fault.what}" for fault in said.faults)
            builder.say(MEND.fill(faults=case.shown.quote(faults)))
        return await _resolved(case, graph)


class Talk:
    """A conversation that grows; the results of actions answer the model."""

    def __init__(self, case: Case, first: str) -> None:
        self.case = case
        self.messages = [Message("user", first)]

    def say(self, text: str) -> None:
        """Add to what the model is told next."""
        if self.messages[-1].role == "user":
            text = f"{self.messages.pop().content}\n\n{text}"
        self.messages.append(Message("user", text))

    def heard(self, answer: msgspec.Struct) -> None:
        """Keep what the model said."""
        self.messages.append(Message("assistant", msgspec.json.encode(answer).decode()))


async def _built(talk: Talk, graph: InfluenceGraph, left: int) -> int:
    """Turns of the builder until it submits a sound graph; returns the turns that are left."""
    while left > 0:
        left -= 1
        said = await talk.case.go_on(tuple(talk.messages), Building)
        talk.heard(said)
        results = []
        for action in said.actions:
            if isinstance(action, Submit):
                if not (faults := graph.faults()):
                    talk.say("submitted")
                    return left
                results.append("not yet: " + "; ".join(faults))
            elif isinstance(action, Change):
                results.append(change(graph, action))
            else:
                results.append(look(talk.case, graph, action))
        talk.say("\n".join(f"{n}. {result}" for n, result in enumerate(results, 1)))
    raise InvalidAnswer("the builder did not submit a sound graph within its turns")


async def _criticised(case: Case, graph: InfluenceGraph) -> Criticism:
    prompt = CRITICISE.fill(log=case.shown.log(), graph=case.shown.quote(graph.told()))
    return await case.ask(prompt, Criticism)


async def _resolved(case: Case, graph: InfluenceGraph) -> Finding:
    """Turns of the reader until it names a step."""
    overview = look(case, graph, Overview())
    drawn = case.shown.quote(graph.told())
    talk = Talk(case, RESOLVE.fill(overview=overview, graph=drawn))

    def sound(said: Reading) -> None:
        if isinstance(said.action, Resolve):
            case.choice(_blame(said.action))

    for _ in range(case.options["read_turns"]):
        said = await case.go_on(tuple(talk.messages), Reading, sound)
        talk.heard(said)
        if isinstance(said.action, Resolve):
            return Finding((case.choice(_blame(said.action)),))
        talk.say(look(case, graph, said.action))
    raise InvalidAnswer("the reader named no step within its turns")


def _blame(action: Resolve) -> Blame:
    return Blame(action.reason, action.agent, action.step)
