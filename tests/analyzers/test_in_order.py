"""Work that waits, several items at once: order, reading ahead, and how it ends."""

import threading
import time

import pytest

from tracekit.analyzers.run import attribute_all, in_order
from tracekit.testing.traces import make_trace


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_results_keep_the_order_of_the_items(workers):
    def slow_at_first(n):
        time.sleep(0.02 if n < 3 else 0)
        return n * n

    assert list(in_order(slow_at_first, range(20), workers)) == [n * n for n in range(20)]


def test_several_are_under_way_and_few_are_read_ahead():
    together = threading.Barrier(4, timeout=20)
    read = []

    def items():
        for n in range(100):
            read.append(n)
            yield n

    def meet(n):
        if n < 4:
            together.wait()  # breaks unless four are under way at once
        return n

    results = in_order(meet, items(), 4)
    assert next(results) == 0
    assert len(read) <= 8
    results.close()


def test_an_error_comes_in_its_turn_and_ends_it():
    done = []

    def fails(n):
        if n == 2:
            raise ValueError("two")
        return n

    with pytest.raises(ValueError, match="two"):
        done += in_order(fails, iter(range(1000)), 4)
    seen = in_order(fails, range(1000), 4)
    assert [next(seen), next(seen)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(seen)


def test_a_consumer_that_stops_does_not_wait():
    hold = threading.Event()
    results = in_order(lambda n: n if n == 0 else hold.wait(20), range(10), 2)
    assert next(results) == 0
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 10
    hold.set()


def test_verdicts_of_many_are_those_of_each():
    runs = [
        make_trace(f"r{n}", [("A", "one"), ("B", f"error {n}"), ("A", "two")]) for n in range(9)
    ]
    one, many = (list(attribute_all(runs, "compact", concurrency=n)) for n in (1, 4))
    assert [trace.id for trace, _ in many] == [run.id for run in runs]
    assert [v.suspects for _, v in one] == [v.suspects for _, v in many]
