"""Hypothesis strategies: any trace that is sound, with every field used and hostile text in it."""

from hypothesis import strategies as st

from tracekit.testing.traces import HOSTILE
from tracekit.trace import (
    Agent,
    Inputs,
    Label,
    Media,
    Message,
    Outcome,
    Raw,
    Source,
    Step,
    Task,
    Time,
    ToolCall,
    Trace,
    Usage,
)

texts = st.text(max_size=30) | st.sampled_from(["", " ", HOSTILE, "null", "{}", '{"a": 1}', "[1]"])
names = st.text(min_size=1, max_size=12) | st.sampled_from(["user", "Coder", "tool", "system"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**53 - 1)
times = st.floats(0, 4e9) | numbers
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
"""Any JSON value."""
extras = st.dictionaries(texts, values, max_size=3)


def maybe(strategy):
    return st.none() | strategy


def tuples(strategy, most=3):
    return st.lists(strategy, max_size=most).map(tuple)


usages = st.builds(Usage, maybe(counts), maybe(counts), maybe(numbers), maybe(texts))
clocks = st.builds(Time, maybe(times), maybe(times))
calls = st.builds(
    ToolCall,
    texts,
    values,
    maybe(texts),
    maybe(texts),
    maybe(texts | st.sampled_from(["c1", "c2"])),
)
media = st.builds(Media, counts, texts, maybe(texts), maybe(texts), maybe(counts))
raws = st.builds(Raw, texts | counts, maybe(counts), maybe(counts), maybe(counts), maybe(texts))
messages = st.builds(Message, texts, texts, maybe(texts))
outcomes = st.builds(
    Outcome,
    st.sampled_from(["success", "failure", "unknown"]),
    maybe(texts),
    maybe(numbers),
    maybe(texts),
    maybe(texts),
)
KINDS = [
    "message", "thought", "plan", "tool_call", "tool_result", "handoff", "system", "final"
]  # fmt: skip


@st.composite
def agents(draw, ids):
    """A roster with these ids, in this order."""
    return tuple(
        Agent(id, draw(texts), draw(maybe(texts)), draw(maybe(texts)), draw(tuples(texts)))
        for id in ids
    )


@st.composite
def steps(draw, index, count, ids):
    """Step `index` of `count`, by one of the agents."""
    indices = st.integers(0, count - 1)
    return Step(
        index=index,
        agent=draw(st.sampled_from(ids)),
        kind=draw(st.sampled_from(KINDS)),
        content=draw(texts),
        inputs=draw(maybe(st.builds(Inputs, tuples(indices), tuples(messages)))),
        to=draw(maybe(st.sampled_from(ids))),
        parent=draw(maybe(indices)),
        tools=draw(tuples(calls)),
        media=draw(tuples(media, 2)),
        time=draw(maybe(clocks)),
        usage=draw(maybe(usages)),
        raw=draw(tuples(raws, 2)),
        speaker=draw(maybe(texts)),
        extra=draw(extras),
    )


@st.composite
def traces(draw, most=4):
    """A sound trace of up to `most` steps."""
    ids = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    count = draw(st.integers(0, most))
    labels = st.builds(
        Label,
        st.sampled_from(["decisive", "injected", "span-error", "outcome-only"]),
        agent=maybe(texts),
        step=maybe(st.integers(0, count - 1)) if count else st.none(),
        modes=tuples(texts),
        reason=maybe(texts),
        base=maybe(st.integers(0, 1)),
        extra=extras,
    )
    return Trace(
        id=draw(texts),
        source=draw(st.builds(Source, texts, texts, maybe(texts), maybe(texts), maybe(texts))),
        task=draw(st.builds(Task, texts, maybe(texts), maybe(texts))),
        agents=draw(agents(ids)),
        steps=tuple(draw(steps(index, count, ids)) for index in range(count)),
        outcome=draw(outcomes),
        labels=draw(tuples(labels, 2)),
        extra=draw(extras),
    )
