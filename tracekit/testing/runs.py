"""Assertions about runs of agents: for tests with `pytest --tracekit`, or with nothing but Python.

    from tracekit.testing.runs import Runs

    runs = Runs(tk.load("runs/"), method="compact")
    runs.assert_never_blamed("Planner")

Every message names the runs, the verdicts and where they lie in the logs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from tracekit import registry
from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution
from tracekit.export.verdicts.judged import Judged, judged
from tracekit.gate import baseline as baselines
from tracekit.gate import words
from tracekit.gate.decision import decide
from tracekit.protocols import Analyzer, ValueFunction
from tracekit.report.visible import one_line
from tracekit.trace import Trace

Judge = Callable[[Trace], Attribution]
"""Gives the verdict on a run."""


class Runs:
    """Some runs, attributed when first asked about. Runs that succeeded are not blamed.

    >>> from tracekit.testing.traces import make_trace
    >>> from tracekit.trace import Outcome
    >>> import msgspec
    >>> failed = make_trace("r1", [("Ada", "2 + 2 = 5"), ("Bob", "Fine.")])
    >>> failed = msgspec.structs.replace(failed, outcome=Outcome("failure"))
    >>> runs = Runs([failed], method="first-speaker")
    >>> runs.assert_never_blamed("Bob")
    >>> runs.assert_never_blamed("Ada")
    Traceback (most recent call last):
        ...
    AssertionError: gate FAILED: agent:Ada...
    """

    def __init__(
        self,
        traces: Iterable[Trace],
        *,
        method: str | Analyzer | None = None,
        judge: Judge | None = None,
        baseline: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        self.traces: tuple[Trace, ...] = tuple(traces)
        """The runs, in the order of the logs."""
        self._judge = judge or (lambda trace: attribute(trace, method, **settings))
        self._baseline = baseline

    @cached_property
    def known(self) -> list[Judged]:
        """Every run with its verdict."""
        return list(judged((trace, self._judge(trace)) for trace in self.traces))

    @property
    def verdicts(self) -> list[Attribution]:
        """The verdicts; on runs that succeeded, an abstention."""
        return [one.verdict for one in self.known]

    def assert_rules(self, *rules: str) -> None:
        """Rules of `tracekit gate`, as on its command line; without any, its usual ones.

        Raises `AssertionError` with the reasons, and what `tracekit.gate.decision.decide` raises:
        where no outcome is known, nothing is shown to be right.
        """
        __tracebackhide__ = True
        base = None if self._baseline is None else baselines.read(self._baseline)
        decision = decide(self.known, base, rules)
        if not decision.passed:
            raise AssertionError("\n".join(words.lines(decision)))

    def assert_never_blamed(self, agent: str) -> None:
        """No failure is attributed to that agent (id or name)."""
        __tracebackhide__ = True
        self.assert_rules(f"agent:{agent}")

    def assert_no_new_failures(self) -> None:
        """No case fails more often than in the baseline, and none of its runs is missing."""
        __tracebackhide__ = True
        self.assert_rules("new-failures", "missing-runs")

    def assert_mode_rate(self, mode: str, at_most: float | None = None) -> None:
        """The share of runs whose verdict names a failure mode; None = that of the baseline.

        Runs of unknown outcome count nowhere. A method that names no modes shows nothing here.
        """
        __tracebackhide__ = True
        if at_most is None:
            return self.assert_rules(f"mode:{mode}")
        now = baselines.tally(self.known)
        found = now.modes(mode)
        if not now.runs:
            raise AssertionError(f"{mode}: how the {len(self.traces)} runs ended is not known")
        if found > at_most * now.runs:
            raise AssertionError(
                f"{mode} in {found} of {now.runs} runs ({found / now.runs:.1%}), "
                f"more than {at_most:.1%}"
            )
        return None

    def assert_value_at_least(
        self, least: float, values: str | ValueFunction = "prm", *, steps: Sequence[int] = ()
    ) -> None:
        """The probability of success never falls below `least`, from 0 to 1, in any run.

        `values` is a value function or its name (`tracekit plugins`), `steps` the steps to look
        at, all when empty. Where there is no value to look at, nothing is shown to be right.
        """
        __tracebackhide__ = True
        function: ValueFunction = (
            registry.get("values", values) if isinstance(values, str) else values
        )
        low, seen = [], 0
        for trace in self.traces:
            values_at = enumerate(function.values(trace))
            looked = [(step, value) for step, value in values_at if not steps or step in steps]
            seen += len(looked)
            below = next(((step, value) for step, value in looked if value < least), None)
            if below is not None:
                low.append(f"  {one_line(trace.id, 100)}: {below[1]:.3f} after step {below[0]}")
        if not seen:
            where = f" at step {' or '.join(map(str, steps))}" if steps else ""
            raise AssertionError(f"none of {len(self.traces)} runs has a value{where}")
        if low:
            raise AssertionError(
                "\n".join([f"the value falls below {least:g} in {len(low)} runs", *low[:10]])
            )
