"""The ladder of adaptive influence graphs: one reader, and a log that is laid out better each time.

Source: arXiv 2608.24361, sections 3 and 5. Raw log; structured log, where neighbouring steps of one
speaker are merged into nodes without any model; influence graph, where one call annotates the nodes
and draws edges along which the error travelled. The last rung, built and read by agents, is
`aig_adaptive`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from tracekit.analyzers.judges.case import Case, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import BLAME, Prompt
from tracekit.signals.segments import Segment, segments

READ = Prompt(
    "aig-read",
    1,
    """\
$log
$graph
Where did the failure begin? Go back from what went wrong at the end to the step where it entered \
the run.

Answer: """
    + BLAME,
)

GRAPH = """
A colleague has read the log and drawn this graph of it. A node is what one agent did in a row; an \
edge says that the later node took over from the earlier one what went wrong:
$told

The graph may err. The log decides.
"""

ANNOTATE = Prompt(
    "aig-graph",
    1,
    """\
$log

The nodes of a graph are what one agent did in a row:
$nodes

Describe each node, and draw an edge from an earlier to a later node only where the later one took \
over earlier work in a way that has to do with what went wrong. There may be no edge at all.

Answer: {"nodes": for every node {"node": its number, "summary": what was done, "input": what it \
built on, "output": what came of it, "authorship": "authored" if the agent made the content, \
"relayed" if it passed it on, "executed" if it carried out an order}, "edges": for each edge \
{"source": number of the earlier node, "target": number of the later node, "inherited": what was \
taken over, "effect": how that went wrong}}""",
)

Authorship = Literal["authored", "relayed", "executed"]


class Note(msgspec.Struct, frozen=True):
    """A node described."""

    node: int
    summary: str
    input: str
    output: str
    authorship: Authorship


class Edge(msgspec.Struct, frozen=True):
    """What a later node took over from an earlier one."""

    source: int
    target: int
    inherited: str
    effect: str


class Graph(msgspec.Struct, frozen=True):
    """An influence graph over given nodes."""

    nodes: tuple[Note, ...]
    edges: tuple[Edge, ...] = ()


class AigRaw(Judge):
    """AIG, rung 1: an LLM reads the numbered log as it is."""

    name: ClassVar[str] = "judge:aig-raw"
    prompts: ClassVar = (READ,)

    async def judge(self, case: Case) -> Finding:
        """One call."""
        return await read(case, case.shown.log(merged=False))


class AigStructured(Judge):
    """AIG, rung 2: an LLM reads the log with neighbouring steps of one speaker merged."""

    name: ClassVar[str] = "judge:aig-structured"
    prompts: ClassVar = (READ,)

    async def judge(self, case: Case) -> Finding:
        """One call."""
        return await read(case, case.shown.log())


class AigGraph(Judge):
    """AIG, rung 3: one call draws an influence graph, a second one reads it beside the log."""

    name: ClassVar[str] = "judge:aig-graph"
    prompts: ClassVar = (ANNOTATE, READ)

    async def judge(self, case: Case) -> Finding:
        """Two calls."""
        turns = segments(case.trace)
        nodes = "\n".join(_node(number, turn) for number, turn in enumerate(turns))

        def sound(graph: Graph) -> None:
            check(graph, len(turns))

        prompt = ANNOTATE.fill(log=case.shown.log(), nodes=nodes)
        graph = await case.ask(prompt, Graph, sound)
        return await read(case, case.shown.log(), _drawn(graph, turns))


async def read(case: Case, log: str, graph: str = "") -> Finding:
    """The verdict of the reader, the same on every rung, on a log and perhaps a graph."""
    told = GRAPH.replace("$told", case.shown.quote(graph)) if graph else ""
    return Finding((await case.blame(READ.fill(log=log, graph=told)),))


def check(graph: Graph, count: int) -> None:
    """Raise `ValueError` unless every node is described once and edges lead forward."""
    if sorted(note.node for note in graph.nodes) != list(range(count)):
        raise ValueError(f"`nodes` must describe each of the nodes 0 to {count - 1} exactly once")
    for edge in graph.edges:
        if not 0 <= edge.source < edge.target < count:
            raise ValueError(f"an edge must lead from a node to a later one, up to {count - 1}")


def _node(number: int, turn: Segment) -> str:
    steps = f"step {turn.start}" if len(turn.steps) == 1 else f"steps {turn.start}-{turn.stop - 1}"
    return f"node {number}: {steps}"


def _drawn(graph: Graph, turns: list[Segment]) -> str:
    """The graph in words, for the reader."""
    lines = []
    for note in sorted(graph.nodes, key=lambda note: note.node):
        turn = turns[note.node]
        lines.append(f"{_node(note.node, turn)}, {turn.agent}, {note.authorship}: {note.summary}")
        lines.append(f"  input: {note.input}; output: {note.output}")
    for edge in graph.edges:
        taken = f"inherited: {edge.inherited}; effect: {edge.effect}"
        lines.append(f"edge {edge.source} -> {edge.target}: {taken}")
    return "\n".join(lines)
