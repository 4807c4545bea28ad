"""Runs that are explained together, by a method for which that is cheaper, and asked for one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar, cast

import msgspec

from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.errors import InputError, MissingExtra, UsageError
from tracekit.protocols import Analyzer, Batched
from tracekit.trace import Trace

T = TypeVar("T")

AT_ONCE = 64
"""Runs that are read ahead for a method that explains several together."""
REQUEST = (UsageError, InputError, MissingExtra)
"""What is wrong with the request itself, whichever run it is asked of."""


class Together:
    """An analyzer that explains all of its runs when it is first asked about one of them.

    However many threads ask, they are explained once. A run that it does not know is explained by
    itself. When explaining them together fails, each is explained by itself, so that a run on which
    the method breaks costs no other its verdict, and the verdicts warn of it. What is wrong with
    the request (`REQUEST`) is raised at once.
    """

    def __init__(self, method: Analyzer, traces: Sequence[Trace]) -> None:
        self.name = method.name
        self.needs = method.needs
        self._method = method
        self._traces = traces
        self._first = threading.Lock()
        self._found: dict[int, Attribution] | None = None
        self._refused: Exception | None = None
        self._warnings: tuple[str, ...] = ()

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict; its cost is an equal share of what all of them took."""
        with self._first:  # one thread asks, the others wait for what it finds
            if self._found is None:
                self._found = self._all(context)
        if self._refused is not None:
            raise self._refused
        known = self._found.get(id(trace))
        if known is not None:
            return known
        alone = self._method.attribute(trace, context)
        return msgspec.structs.replace(alone, warnings=(*alone.warnings, *self._warnings))

    def _all(self, context: Context) -> dict[int, Attribution]:
        """The verdicts by the identity of their runs; none when that fails, and why is kept."""
        assert isinstance(self._method, Batched)
        started = time.perf_counter()
        try:
            said = self._method.attribute_many(self._traces, context)
        except REQUEST as error:
            self._refused = error
            return {}
        except Exception as error:  # a run may be at fault: asked about by itself, it says so
            cause = f"{type(error).__name__}: {str(error)[:200]}"
            why = (
                f"{len(self._traces)} runs together failed ({cause}), what that took is in no cost"
            )
            self._warnings = (f"explained by itself: {why}",)
            return {}
        share = (time.perf_counter() - started) / max(1, len(said))
        return {
            id(trace): msgspec.structs.replace(
                one, cost=msgspec.structs.replace(one.cost, seconds=share)
            )
            for trace, one in zip(self._traces, said, strict=True)
        }


def together(method: Analyzer, traces: Sequence[Trace]) -> Analyzer:
    """The method itself, or what explains these runs together where it can."""
    if not (isinstance(method, Batched) and traces):
        return method
    return cast("Analyzer", Together(method, traces))  # a name of its own, not of its class


def paired(
    method: Analyzer, traces: Iterable[Trace], *, even_success: bool = False
) -> Iterator[tuple[Trace, Analyzer]]:
    """Every run, lazily and in order, with what explains it and may explain its neighbours too.

    Only runs that are to be explained take part: no successes unless `even_success`, none without
    a step.
    """
    if not isinstance(method, Batched):
        yield from ((trace, method) for trace in traces)
        return
    for some in chunks(traces, AT_ONCE):
        asked = [t for t in some if t.steps and (even_success or t.failed is not False)]
        one = together(method, asked)
        yield from ((trace, one) for trace in some)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter.

    >>> list(chunks(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
