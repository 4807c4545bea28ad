"""Where a run begins anew: trials, cut at plans that are made again (DoVer, arXiv 2512.06749).

The paper has a model find the plans. Here the log says it: a step of kind `plan` by an agent that
has planned before, or words of whoever directs the team that announce another start.
"""

from __future__ import annotations

from tracekit.analyzers.intervene.types import Trial
from tracekit.signals.cues import find
from tracekit.signals.roles import hub
from tracekit.signals.text import lowered, window
from tracekit.trace import Step, Trace


def trials(trace: Trace) -> tuple[Trial, ...]:
    """The trials of a run, in order; together they hold every step once.

    >>> from tracekit.trace import Source
    >>> steps = tuple(Step(i, "A", kind) for i, kind in enumerate(["plan", "message"] * 2))
    >>> [(t.first, t.last, t.why) for t in trials(Trace(id="t", source=Source("x"), steps=steps))]
    [(0, 1, 'start'), (2, 3, 'plan')]
    """
    if not trace.steps:
        return ()
    director = hub(trace)
    begins = [(0, "start")]
    planners = {trace.steps[0].agent} if trace.steps[0].kind == "plan" else set[str]()
    for step in trace.steps[1:]:
        why = _begins(step, planners, director)
        fresh = step.agent == trace.steps[step.index - 1].agent and begins[-1][0] == step.index - 1
        if why and not fresh:  # a plan told in two messages is one plan
            begins.append((step.index, why))
            planners = set()
        if step.kind == "plan":
            planners.add(step.agent)
    ends = [first - 1 for first, _ in begins[1:]] + [len(trace.steps) - 1]
    return tuple(Trial(first, last, why) for (first, why), last in zip(begins, ends, strict=True))


def _begins(step: Step, planners: set[str], director: str | None) -> str:
    """Why a trial begins with a step; empty when none does."""
    if step.kind == "plan":
        return "plan" if step.agent in planners else ""
    if director not in (None, step.agent) or step.kind in ("tool_result", "system"):
        return ""
    return "restart" if find("restart", lowered(window(step.content))) is not None else ""
