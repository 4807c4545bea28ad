"""An influence graph while it is built: nodes that cover steps, edges along which an error went.

Source: arXiv 2608.24361, section 4. A sound graph is connected, has no circle, begins at one node of
kind `task` and ends at one of kind `conclusion`.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

import msgspec

Kind = Literal["task", "orchestrator", "agent", "conclusion"]
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,30}$")]

KINDS = {
    "task": "the root: what was asked, and how it was understood at the start",
    "orchestrator": "an agent that plans, delegates or decides who goes on",
    "agent": "an agent that does a part of the work",
    "conclusion": "the end: the answer, or how the run broke off",
}
"""What the kinds of nodes stand for."""


class Node(msgspec.Struct, frozen=True):
    """A piece of work."""

    id: Id
    kind: Kind
    steps: tuple[int, ...]
    agent: str = ""
    summary: str = ""
    input: str = ""
    output: str = ""
    authorship: Literal["authored", "relayed", "executed"] = "authored"
    defect: bool = False


class Edge(msgspec.Struct, frozen=True):
    """What a node took over from an earlier one."""

    source: Id
    target: Id
    inherited: str
    effect: str


class InfluenceGraph:
    """Nodes and edges that can be changed; every change that makes no sense raises `ValueError`."""

    def __init__(self, count: int) -> None:
        self.count = count
        """Steps of the run."""
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}

    def put(self, node: Node, *, new: bool) -> None:
        """Add a node, or replace the one of that id."""
        if new == (node.id in self.nodes):
            raise ValueError(f"node {node.id} is there already" if new else f"no node {node.id}")
        if not all(0 <= step < self.count for step in node.steps):
            raise ValueError(f"steps go from 0 to {self.count - 1}")
        if not node.steps and node.kind not in ("task", "conclusion"):
            raise ValueError(f"node {node.id} must list the steps that it covers")
        self.nodes[node.id] = node

    def drop(self, id: str) -> None:
        """Take a node out, with its edges."""
        self._known(id)
        del self.nodes[id]
        self.edges = {pair: edge for pair, edge in self.edges.items() if id not in pair}

    def join(self, edge: Edge) -> None:
        """Add an edge, or replace the one between the same nodes."""
        self._known(edge.source, edge.target)
        if edge.source == edge.target:
            raise ValueError("an edge needs two nodes")
        self.edges[edge.source, edge.target] = edge

    def cut(self, source: str, target: str) -> None:
        """Take an edge out."""
        if (source, target) not in self.edges:
            raise ValueError(f"no edge from {source} to {target}")
        del self.edges[source, target]

    def mark(self, id: str) -> None:
        """Note that a node's output missed its own instruction and was used all the same."""
        self._known(id)
        self.nodes[id] = msgspec.structs.replace(self.nodes[id], defect=True)

    def faults(self) -> list[str]:
        """What keeps the graph from being sound; empty = nothing.

        >>> graph = InfluenceGraph(2)
        >>> graph.put(Node("start", "task", (0,)), new=True)
        >>> graph.faults()
        ['there must be exactly one node without an edge to it, of kind task, and one without an \
edge from it, of kind conclusion']
        >>> graph.put(Node("end", "conclusion", (1,)), new=True)
        >>> graph.join(Edge("start", "end", "the task", "misread"))
        >>> graph.faults()
        []
        """
        found = []
        targets = {target for _, target in self.edges}
        sources = {source for source, _ in self.edges}
        roots = [node.kind for id, node in self.nodes.items() if id not in targets]
        sinks = [node.kind for id, node in self.nodes.items() if id not in sources]
        if roots != ["task"] or sinks != ["conclusion"]:
            found.append(
                "there must be exactly one node without an edge to it, of kind task, and one "
                "without an edge from it, of kind conclusion"
            )
        if self._circle():
            found.append("the edges must not run in a circle")
        if not self._connected():
            found.append("every node must hang together with the others")
        return found

    def told(self) -> str:
        """The graph in words."""
        lines = [_told(node) for node in self.nodes.values()]
        lines += [
            f"edge {e.source} -> {e.target}: inherited: {e.inherited}; effect: {e.effect}"
            for e in self.edges.values()
        ]
        return "\n".join(lines) or "(the graph is empty)"

    def _known(self, *ids: str) -> None:
        for id in ids:
            if id not in self.nodes:
                raise ValueError(f"no node {id}")

    def _circle(self) -> bool:
        before: dict[str, set[str]] = {id: set() for id in self.nodes}
        for source, target in self.edges:
            before[target].add(source)
        try:
            TopologicalSorter(before).prepare()
        except CycleError:
            return True
        return False

    def _connected(self) -> bool:
        reached: set[str] = set()
        todo = list(self.nodes)[:1]
        while todo:
            id = todo.pop()
            reached.add(id)
            todo += [other for other in self._beside(id) if other not in reached]
        return len(reached) == len(self.nodes)

    def _beside(self, id: str) -> Iterable[str]:
        for source, target in self.edges:
            if source == id:
                yield target
            elif target == id:
                yield source


def _told(node: Node) -> str:
    steps = ", ".join(map(str, node.steps))
    line = f"node {node.id} ({node.kind}), steps {steps}, {node.agent or 'no agent'}"
    line += f", {node.authorship}: {node.summary}"
    if node.input or node.output:
        line += f"\n  input: {node.input}; output: {node.output}"
    return line + ("\n  its output missed its instruction and was used all the same" * node.defect)
