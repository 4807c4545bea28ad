"""What the agents of the adaptive influence graph may do: look at the log, and change the graph.

An action is a JSON object with the field `do`; so any model that can answer in JSON can act,
without an API for tools. Searching is for plain text: a pattern written by a model that read a
hostile log could take for ever.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tracekit.analyzers.judges.case import Case
from tracekit.analyzers.judges.influence_graph import KINDS, Edge, Id, InfluenceGraph, Node
from tracekit.analyzers.judges.shown import barred, cut
from tracekit.signals.segments import segments

HITS = 20
"""Places that a search tells at most."""
READ = 20_000
"""Characters of the log that one look shows at most."""


class Overview(msgspec.Struct, frozen=True, tag="overview", tag_field="do"):
    """The task, the team, and who spoke when."""


class Read(msgspec.Struct, frozen=True, tag="read", tag_field="do"):
    """Steps word for word."""

    first: int
    last: int


class Search(msgspec.Struct, frozen=True, tag="search", tag_field="do"):
    """Steps that hold a text, whatever its case."""

    text: Annotated[str, msgspec.Meta(min_length=1)]


class Kinds(msgspec.Struct, frozen=True, tag="kinds", tag_field="do"):
    """The kinds of nodes."""


class Render(msgspec.Struct, frozen=True, tag="graph", tag_field="do"):
    """The graph as it stands."""


class AddNode(msgspec.Struct, frozen=True, tag="add_node", tag_field="do"):
    """A new node."""

    node: Node


class ChangeNode(msgspec.Struct, frozen=True, tag="change_node", tag_field="do"):
    """A node in place of the one of that id."""

    node: Node


class DeleteNode(msgspec.Struct, frozen=True, tag="delete_node", tag_field="do"):
    """A node taken out."""

    id: Id


class AddEdge(msgspec.Struct, frozen=True, tag="add_edge", tag_field="do"):
    """A new edge, or one in place of another."""

    edge: Edge


class DeleteEdge(msgspec.Struct, frozen=True, tag="delete_edge", tag_field="do"):
    """An edge taken out."""

    source: Id
    target: Id


class MarkDefect(msgspec.Struct, frozen=True, tag="mark_defect", tag_field="do"):
    """A node whose output missed its instruction and was used all the same."""

    id: Id


class Submit(msgspec.Struct, frozen=True, tag="submit", tag_field="do"):
    """The work is done."""


class Resolve(msgspec.Struct, frozen=True, tag="resolve", tag_field="do"):
    """The verdict of the reader."""

    reason: str
    agent: str
    step: int


Look = Overview | Read | Search | Kinds | Render
Change = AddNode | ChangeNode | DeleteNode | AddEdge | DeleteEdge | MarkDefect

LOOKS = """\
{"do": "overview"}: who spoke when; {"do": "read", "first": step, "last": step}: steps word for \
word; {"do": "search", "text": plain text}: where it stands; {"do": "kinds"}: the kinds of nodes; \
{"do": "graph"}: the graph as it stands"""

CHANGES = """\
{"do": "add_node", "node": {"id": a-z, 0-9 and -, "kind": one of the kinds, "steps": the numbers of \
the steps that it covers, "agent": name, "summary": text, "input": text, "output": text, \
"authorship": "authored", "relayed" or "executed"}}; {"do": "change_node", "node": the same}; \
{"do": "delete_node", "id": id}; {"do": "add_edge", "edge": {"source": id, "target": id, \
"inherited": what was taken over, "effect": how that went wrong}}; {"do": "delete_edge", "source": \
id, "target": id}; {"do": "mark_defect", "id": id}: its output missed its instruction and was used \
all the same"""


def look(case: Case, graph: InfluenceGraph, action: Look) -> str:
    """What an inspection shows, fenced."""
    match action:
        case Read():
            steps = range(max(0, action.first), min(len(case.trace.steps) - 1, action.last) + 1)
            each = max(200, READ // max(1, len(steps)))
            return case.shown.log(steps, view=lambda _, text: cut(text, each))
        case Overview():
            return case.shown.fenced(f"{case.shown.head()}\n\nTurns:\n{barred(_turns(case))}")
        case Search():
            return case.shown.quote(_search(case, action.text))
        case Kinds():
            return "\n".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
        case Render():
            return case.shown.quote(graph.told())


def change(graph: InfluenceGraph, action: Change) -> str:
    """Change the graph; what is refused is said, not raised: the model may try again."""
    try:
        match action:
            case AddNode():
                graph.put(action.node, new=True)
            case ChangeNode():
                graph.put(action.node, new=False)
            case DeleteNode():
                graph.drop(action.id)
            case AddEdge():
                graph.join(action.edge)
            case DeleteEdge():
                graph.cut(action.source, action.target)
            case MarkDefect():
                graph.mark(action.id)
    except ValueError as error:
        return f"refused: {error}"
    return "done"


def _turns(case: Case) -> str:
    lines = []
    for turn in segments(case.trace):
        size = sum(len(case.shown.text(step)) for step in turn.steps)
        begin = " ".join(cut(case.shown.text(turn.start), 100).split())
        lines.append(f"steps {turn.start}-{turn.stop - 1}, {turn.agent}, {size:,} chars: {begin}")
    return "\n".join(lines)


def _search(case: Case, text: str) -> str:
    found = []
    for step in case.trace.steps:
        said = case.shown.text(step.index)
        at = said.casefold().find(text.casefold())
        if at >= 0:
            around = said[max(0, at - 80) : at + len(text) + 80]
            found.append(f"step {step.index}: {' '.join(around.split())}")
    more = f"\n({len(found) - HITS} more steps)" if len(found) > HITS else ""
    return "\n".join(found[:HITS]) + more or "(nowhere)"
