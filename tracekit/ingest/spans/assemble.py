"""Spans to traces: the one core behind every span format.

A reader turns its records into `Span`s; `assemble` groups them by trace, grows the trees, decides
which spans are steps, and puts the traces together:

- a model call is one step, however many spans instrument it; what it was given becomes `inputs`;
- a tool's execution is a step, placed when it starts, and answers the step that asked for it;
- an agent's final output is a step, placed when it ends, unless a step below already said it;
- errors that no step below tells are steps; all other spans are merged into the step that
  encloses them or lies below them, or are skipped with a reason.

The agent of a step is the nearest agent around its span, across spans that name none, within one
trace; where no span names an agent it is `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.agents import agent_of
from tracekit.ingest.spans.attributes import (
    Span,
    error_of,
    role_of,
    strange_version,
)
from tracekit.ingest.spans.contents import (
    answer,
    asked,
    crew_tasks,
    heard,
    question,
    runs_code,
    text_in,
    text_out,
)
from tracekit.ingest.spans.lines import Reread, gather
from tracekit.ingest.spans.merge import merge
from tracekit.ingest.spans.own import Own, is_own, restore
from tracekit.ingest.spans.steps import Stepper
from tracekit.ingest.spans.store import Later
from tracekit.ingest.spans.tree import Node, grow, release
from tracekit.trace import Label, Outcome, Step, Task, Trace


class Run(msgspec.Struct):
    """One trace, put together but still open to what a format knows beyond its spans."""

    id: str
    build: Builder
    nodes: list[Node]
    task: Task
    outcome: Outcome
    labels: list[Label] = []
    extra: dict[str, Any] = {}

    def trace(self, sha256: str | None = None) -> Trace:
        """The finished trace."""
        return self.build.trace(
            self.id,
            task=self.task,
            outcome=self.outcome,
            labels=self.labels,
            extra=self.extra,
            sha256=sha256,
        )

    def step_of(self, span: str) -> int | None:
        """Index of the step that holds the span, None when none does."""
        for step in self.build.steps:
            if any(raw.span == span for raw in step.raw):
                return step.index
        return None


def assemble(
    source: OpenSource,
    format: str,
    spans: Iterable[Span | Later | Problem],
    reread: Reread | None = None,
) -> Iterator[Run | Problem]:
    """The traces of a source's spans, in the order in which their first spans stand there.

    Spans that a reader only notes it must be able to `reread`.
    """
    versions: set[str] = set()
    for item in gather(source, spans, reread):
        if isinstance(item, Problem):
            yield item
            continue
        id, members = item
        yield from _versions(source, members, versions)
        yield from _run(source, format, id, members)


def _versions(source: OpenSource, spans: list[Span], told: set[str]) -> Iterator[Problem]:
    """A warning, once a file, for conventions that are older or newer than those known."""
    for span in spans:
        if "schema_url" in span.resource:
            version = strange_version(span.resource["schema_url"])
            if version is not None and version not in told:
                told.add(version)
                what = f"semantic conventions {version} are not known; read like the newest known"
                yield source.problem(None, what, severity="warning")


def traces(
    source: OpenSource, format: str, spans: Iterable[Span | Problem]
) -> Iterator[Trace | Problem]:
    """`assemble`, for formats that know nothing beyond their spans."""
    for run in assemble(source, format, spans):
        yield run if isinstance(run, Problem) else run.trace(source.sha256)


def _run(source: OpenSource, format: str, id: str, spans: list[Span]) -> Iterator[Run | Problem]:
    if is_own(spans):
        own = restore(spans)
        if own is not None:
            yield from _own(source, format, own, spans)
            return
        what = "spans that tracekit exported are incomplete or changed; read like any others"
        yield source.problem(None, what, severity="warning")
    nodes, doubts = grow(spans)
    for span, what in doubts:
        yield source.problem(span.raw, what, severity="warning")
    strange = _judge(nodes)
    for kind in sorted(strange):
        yield source.problem(None, f"unknown kind of span: {kind}", severity="warning")
    build = Builder(source, format, framework=_framework(nodes), version=_version(nodes))
    stepper, generic = Stepper(build, nodes), False
    if any(node.role in _MARKED or runs_code(node.span) for node in nodes):
        stepper.walk()
    if not build.steps and any(node.role != "noise" for node in nodes):
        stepper.as_they_are()
        if build.steps:
            generic = True
            what = "no span marks a model, a tool or an agent; spans were read as they are"
            yield source.problem(None, what, severity="warning")
    for span, why in merge(build, nodes):
        for raw in (span.raw, *span.also):
            yield source.skip(raw, why)
    if not build.steps:
        return
    run = Run(
        id=id or source.default_id(),
        build=build,
        nodes=nodes,
        task=Task(question=_question(nodes)),
        outcome=_outcome(nodes, [] if generic else build.steps),
    )
    run.extra.update(_common(nodes))
    if stepper.tools:
        run.extra["tools"] = stepper.tools
    yield run
    release(nodes)


_MARKED = ("llm", "tool", "retriever", "agent")
"""Roles of spans that make steps; a trace of nothing but wrappers is read as it is."""


def _own(source: OpenSource, format: str, own: Own, spans: list[Span]) -> Iterator[Run | Problem]:
    """A trace that tracekit exported, with pointers to where it stands now."""
    trace = own.trace
    build = Builder(source, format, framework=trace.source.framework, version=trace.source.version)
    build.adopt(trace.agents)
    for step, place in zip(trace.steps, own.places, strict=True):
        raw = tuple(raw for span in place for raw in (span.raw, *span.also))
        build.steps.append(msgspec.structs.replace(step, raw=raw))
    for span in spans if not trace.steps else ():
        yield source.skip(span.raw, "the run has no steps")
    yield Run(
        id=trace.id,
        build=build,
        nodes=[],
        task=trace.task,
        outcome=trace.outcome,
        labels=list(trace.labels),
        extra=trace.extra,
    )


def _judge(nodes: list[Node]) -> set[str]:
    """Give every node its role and agent; returns the kinds that no convention knows."""
    strange: set[str] = set()
    for node in nodes:
        node.role, unknown = role_of(node.span)
        if unknown:
            strange.add(unknown)
        node.own_agent = agent_of(node.span, node.role)
        above = node.parent
        node.agent = node.own_agent
        if above is not None:
            if node.role == "agent":
                node.own_agent = _managed(node, above) or node.own_agent or above.agent
            node.agent = node.own_agent or above.agent
            node.inside = above.inside or above.role not in ("", "noise")
            if above.role == "llm":
                node.call = above
            elif above.role in ("", "chain", "noise", "setup"):
                node.call = above.call
        if node.role == "llm" and node.call is not None:
            node.call.inner.append(node)
    return strange


def _managed(node: Node, above: Node) -> str | None:
    """A member of a smolagents team, named in the manager's span and in the task that it is given."""
    if not node.span.name.endswith("Agent.run"):
        return None
    manager: Node | None = above
    while manager is not None and manager.role != "agent":
        manager = manager.parent
    if manager is None:
        return None
    team = [
        name
        for key, name in manager.span.attributes.items()
        if key.startswith("smolagents.managed_agents.") and key.endswith(".name")
    ]
    task = as_text(text_in(node.span))[:400]
    named = [name for name in team if isinstance(name, str) and name in task]
    return named[0] if named else team[0] if len(team) == 1 else None


def _question(nodes: list[Node]) -> str:
    """What the run was asked: the input of the first span that has one, else the first prompt."""
    for node in nodes:
        if _is_frame(node):
            text = crew_tasks(node.span) or question(text_in(node.span))
            if text:
                return text.strip()
        elif node.role == "llm":
            text = asked(heard(node.span))
            if text:
                return text.strip()
    return ""


def _is_frame(node: Node) -> bool:
    """Whether the span's input and output can be those of the whole run."""
    return node.role in ("agent", "chain", "") and not runs_code(node.span)


def _outcome(nodes: list[Node], steps: list[Step]) -> Outcome:
    """The outermost output as answer; a root that failed is a failed run, anything else unknown."""
    answered = _answer(nodes)
    if answered is None and steps:
        last = steps[-1]
        if last.kind in ("final", "message") and not last.tools and "error" not in last.extra:
            answered = last.content or None
    roots = [n for n in nodes if n.span.parent is None and n.role != "noise"]
    if len(roots) == 1 and roots[0].span.failed and roots[0].role in ("agent", "chain", "llm", ""):
        error = error_of(roots[0].span)
        return Outcome("failure", answer=answered, reason=error, by="status of the root span")
    return Outcome(answer=answered)


def _answer(nodes: list[Node]) -> str | None:
    """The output of the outermost agents and chains that have one, the last of them to end."""
    covered: set[int] = set()
    best: tuple[float, int, str] | None = None
    for node in nodes:
        if node.parent is not None and id(node.parent) in covered:
            covered.add(id(node))
            continue
        text = answer(text_out(node.span)) if _is_frame(node) else ""
        if text and not text.startswith("<generator object"):
            covered.add(id(node))
            found = (node.ends, node.leave, text)
            best = found if best is None or found > best else best
        elif node.role in ("tool", "retriever", "llm"):
            covered.add(id(node))
    return best[2] if best is not None else None


_FRAMEWORKS = (
    ("smolagents", "smolagents"), ("gcp.vertex.agent", "google-adk"), ("google_adk", "google-adk"),
    ("langgraph", "langgraph"), ("crewai", "crewai"), ("autogen", "autogen"), ("ag2", "ag2"),
    ("openai_agents", "openai-agents"), ("openai-agents", "openai-agents"),
    ("pydantic-ai", "pydantic-ai"), ("pydantic_ai", "pydantic-ai"), ("strands", "strands"),
    ("llama_index", "llama-index"), ("any_agent", "any-agent"), ("agno", "agno"),
    ("semantic_kernel", "semantic-kernel"), ("haystack", "haystack"), ("mastra", "mastra"),
    ("langchain", "langchain"), ("dspy", "dspy"),
)  # fmt: skip


def _framework(nodes: list[Node]) -> str | None:
    """The agent framework, by instrumentation scope or by the attributes of its own."""
    scopes = " ".join({node.span.scope for node in nodes if node.span.scope}).lower()
    listed = {mark for node in nodes[:200] for mark in node.span.shape[_marked]}
    for mark, name in _FRAMEWORKS:
        if mark in scopes or mark in listed:
            return name
    stated = {
        as_text(node.span.attributes.get(key)).removeprefix("agent.")
        for node in nodes[:200]
        for key in ("gen_ai.system", "entity.1.type")
    }
    return next((name for mark, name in _FRAMEWORKS if mark in stated), None)


def _marked(names: tuple[str, ...]) -> list[str]:
    """The frameworks' own beginnings of names that there are."""
    return [mark for mark, _ in _FRAMEWORKS if any(name.startswith(mark) for name in names)]


def _version(nodes: list[Node]) -> str | None:
    """The version of the conventions that the log states."""
    for node in nodes:
        url = node.span.resource.get("schema_url")
        if isinstance(url, str) and "/schemas/" in url:
            return url.rsplit("/", 1)[-1] or None
    return None


def _common(nodes: list[Node]) -> dict[str, Any]:
    """Resource attributes: what all spans of one process share, once for the trace."""
    found: list[dict[str, Any]] = []
    for node in nodes:
        resource = node.span.resource
        if resource and resource not in found and len(found) < 20:
            found.append(resource)
    if not found:
        return {}
    return {"resource": found[0] if len(found) == 1 else found}
