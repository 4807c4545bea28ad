"""Words that a model says it found in the log, found again, or not."""

from __future__ import annotations

from tracekit.analyzers.judges.shown import escaped
from tracekit.attribution import Evidence
from tracekit.trace import Trace

LONGEST = 400
"""Characters of a quote that are kept."""


def evidence(trace: Trace, step: int, quote: str, shows: str = "") -> tuple[Evidence, ...]:
    """The quote as evidence where the step has it; nothing for words that it does not have.

    The model saw the text escaped (`shown.escaped`), so it may quote it either way.
    """
    content = trace.steps[step].content
    wanted = quote.strip()
    for words in (wanted, wanted.replace("&lt;", "<"), wanted.removeprefix("| ")):
        at = content.find(words) if words else -1
        if at >= 0:
            kept = words[:LONGEST]
            return (Evidence(step, kept, at, at + len(kept), shows=escaped(shows)[:LONGEST]),)
    return ()
