"""Interleaved traces come back whole and in order, from memory or from disk."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.store import SpanStore
from tracekit.trace import Raw


def make(number, trace):
    big = {"id": 2**127 + number, "text": "é" * (number % 7), "n": [1, None, {"a": "b"}]}
    return Span(id=f"s{number}", trace=trace, attributes=big, raw=Raw(record=number, line=number))


@pytest.mark.parametrize("in_memory", [3, 10, 10_000])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 60))
def test_every_span_comes_back_once_with_its_trace(in_memory, seed, count):
    rng = random.Random(seed)
    spans = [make(i, f"t{rng.randrange(6)}") for i in range(count)]
    store = SpanStore(in_memory)
    assert not store
    for span in spans:
        store.add(span)
    assert bool(store) is (count > 0)
    found = list(store.groups())
    order = list(dict.fromkeys(span.trace for span in spans))
    assert [trace for trace, _ in found] == order
    for trace, members in found:
        assert members == [span for span in spans if span.trace == trace]
