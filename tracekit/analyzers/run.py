"""Attributing one trace or many: which runs are explained, and how verdicts are checked."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from tracekit import registry
from tracekit.analyzers.models import load_model
from tracekit.analyzers.together import paired
from tracekit.attribution import Attribution, Method
from tracekit.context import Context
from tracekit.errors import ContractError, Problem, UsageError, boundary
from tracekit.protocols import Analyzer, Storable
from tracekit.trace import Trace

T = TypeVar("T")
R = TypeVar("R")

DEFAULT = "compact"
"""The method used when none is named."""


def attribute(
    trace: Trace,
    method: str | Analyzer | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    context: Context | None = None,
    **settings: Any,
) -> Attribution:
    """Say which agent and step broke a run.

    `method` is a name from `tracekit methods` or an analyzer, `compact` when none is given. `model`
    names its weights: a folder or a Hub repository (`tracekit.analyzers.models.load_model`), which
    then says the method, or, for a method that asks a model, that model's name. The trace is taken
    to have failed; when its outcome is unknown the verdict is marked `conditional`, and a successful
    run gets an abstention unless `even_success=True`. Raises `UnknownName` and `ContractError`, and
    what `load_model` raises.
    """
    even_success = bool(settings.pop("even_success", False))
    analyzer, chosen = choose(method, model)
    settings = {**chosen, **settings}
    given = context or Context()
    if settings:
        given = msgspec.structs.replace(given, settings={**given.settings, **settings})
    if trace.failed is False and not even_success:
        return abstain(trace, Method(name=analyzer.name), "the run succeeded")
    if not trace.steps:
        return abstain(trace, Method(name=analyzer.name), "the trace has no steps")
    started = time.perf_counter()
    verdict = analyzer.attribute(trace, given)
    took = verdict.cost.seconds or time.perf_counter() - started
    cost = msgspec.structs.replace(verdict.cost, seconds=took)
    verdict = msgspec.structs.replace(verdict, cost=cost, conditional=trace.failed is None)
    return checked(verdict, trace)


def judged(
    trace: Trace, method: Analyzer, context: Context, *, even_success: bool = False
) -> tuple[Attribution, Problem | None]:
    """The verdict of `attribute`, and what went wrong with it: a failed judgement is a `Problem`.

    A method that breaks on one run fails there, so that the others get their verdicts. Raises what
    `attribute` raises on purpose.
    """
    what, path = f"{method.name} failed on {trace.id}", trace.source.path
    with boundary(what, path) as failure:
        verdict = attribute(trace, method, context=context, even_success=even_success)
        if not verdict.failed:
            return verdict, None
        return verdict, Problem(what=f"{method.name}, {trace.id}: {verdict.abstained}", path=path)
    assert failure.problem is not None
    broken = abstain(trace, Method(name=method.name), failure.problem.what)
    return msgspec.structs.replace(broken, failed=True), failure.problem


def choose(
    method: str | Analyzer | None, model: str | os.PathLike[str] | None = None
) -> tuple[Analyzer, dict[str, Any]]:
    """The analyzer that is meant by a method and a model, and the settings that follow from them.

    A method with weights of its own is loaded from `model`, which must then be of that kind; for
    any other, `model` is its setting of that name.
    """
    named: Analyzer | None = (
        registry.get("analyzers", method) if isinstance(method, str) else method
    )
    if model is None:
        return named or registry.get("analyzers", DEFAULT), {}
    if named is not None and not isinstance(named, Storable):
        return named, {"model": os.fspath(model)}
    loaded = load_model(model)
    if named is not None and loaded.name != named.name:
        raise UsageError(f"{os.fspath(model)} is a model of {loaded.name}, not of {named.name}")
    return loaded, {}


def attribute_all(
    traces: Iterable[Trace],
    method: str | Analyzer | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    concurrency: int = 1,
    even_success: bool = False,
    **options: Any,
) -> Iterator[tuple[Trace, Attribution]]:
    """`attribute` over many traces, lazily and in order, up to `concurrency` of them at once.

    Only methods that wait for others, such as those that ask a model, gain by `concurrency`; those
    for which several runs are cheaper together get them together.
    """
    analyzer, chosen = choose(method, model)
    options = {**chosen, **options, "even_success": even_success}
    pairs = paired(analyzer, traces, even_success=even_success)
    yield from in_order(lambda pair: (pair[0], attribute(*pair, **options)), pairs, concurrency)


def in_order(work: Callable[[T], R], items: Iterable[T], concurrency: int = 1) -> Iterator[R]:
    """`map`, with several items under way in threads; results keep the order of the items.

    At most twice as many items as there are threads are read ahead. An error, or a consumer that
    stops, ends it without waiting for what is under way.

    >>> list(in_order(lambda n: n * n, range(4), concurrency=2))
    [0, 1, 4, 9]
    """
    if concurrency == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="tracekit")
    ahead: deque[Future[R]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= 2 * concurrency:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def abstain(trace: Trace, method: Method, reason: str, *warnings: str) -> Attribution:
    """A verdict that says why there is none."""
    return Attribution(trace_id=trace.id, method=method, abstained=reason, warnings=warnings)


def checked(verdict: Attribution, trace: Trace) -> Attribution:
    """The verdict itself, or `ContractError` when it does not fit the trace."""
    roster = {agent.id for agent in trace.agents}
    name = verdict.method.name
    if not verdict.suspects and verdict.abstained is None:
        raise ContractError(f"{name}: no suspects and no reason in `abstained`")
    for suspect in verdict.suspects:
        if not 0 <= suspect.step < len(trace.steps):
            raise ContractError(f"{name}: step {suspect.step} is not in trace {trace.id}")
        if suspect.agent not in roster:
            raise ContractError(f"{name}: agent {suspect.agent!r} is not in trace {trace.id}")
        if not 0.0 <= suspect.probability <= 1.0:
            raise ContractError(f"{name}: probability {suspect.probability} is not within 0 and 1")
    return verdict
