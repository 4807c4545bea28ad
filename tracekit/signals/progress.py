"""What an orchestrator thinks of the progress, and whether it has to ask again.

Magentic-One keeps a ledger in JSON (`is_progress_being_made`, `is_in_loop`,
`is_request_satisfied`); other directed teams only show it by asking the same thing again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tracekit.signals.reading import Reading
from tracekit.signals.text import ends, words
from tracekit.trace import Trace

LEDGER = 8000
"""Characters of a step within which a ledger is looked for."""
_ENTRY = re.compile(
    r"\"(is_progress_being_made|is_in_loop|is_request_satisfied)\"\s*:\s*\{[^{}]{0,2000}?"
    r"\"answer\"\s*:\s*(true|false)",
)


def directed(trace: Trace, reading: Reading) -> Reading:
    """The same reading with the writer of the ledgers as the hub, where no hub was found.

    Short runs hold too few hand-offs to tell a hub by; a ledger gives it away.
    """
    writers = {step.agent for step in trace.steps if _ENTRY.search(step.content[:LEDGER])}
    if reading.directed or len(writers) != 1:
        return reading
    by_writer = np.array([step.agent in writers for step in trace.steps])
    hub, deed = reading.acts & by_writer, reading.acts & ~by_writer
    return replace(reading, hub=hub, deed=deed, deeds_before=np.cumsum(deed) - deed)


def progress(trace: Trace, reading: Reading) -> dict[str, np.ndarray]:
    """Columns about the orchestrator's judgement of each step, (n_steps,); zeros without one."""
    ledgers = [dict(_ENTRY.findall(step.content[:LEDGER])) for step in trace.steps]
    stalls = np.array([ledger.get("is_progress_being_made") == "false" for ledger in ledgers])
    loops = np.array([ledger.get("is_in_loop") == "true" for ledger in ledgers])
    done = np.array([ledger.get("is_request_satisfied") == "true" for ledger in ledgers])
    judged = np.array([bool(ledger) for ledger in ledgers])
    return {
        "ledger": judged,
        "says_stalled": stalls,
        "says_loop": loops,
        "says_done": done,
        "judged_stalled": _upcoming(stalls, judged) * reading.deed,
        "judged_loop": _upcoming(loops, judged) * reading.deed,
        "judged_done": _upcoming(done, judged) * reading.deed,
        "stalls_after": np.log1p(np.cumsum(stalls[::-1])[::-1] - stalls),
        "stalls_before": np.log1p(np.cumsum(stalls) - stalls),
        "first_stalled": _first_deed(_upcoming(stalls, judged), reading.deed),
        **_instructions(trace, reading),
        "hands_over": np.array([bool(step.to) for step in trace.steps]) & reading.hub,
    }


def _upcoming(values: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The verdict of the next ledger after each step, 0 when none follows."""
    found, current = np.zeros(len(values)), 0.0
    for i in range(len(values) - 1, -1, -1):
        found[i] = current
        if judged[i]:
            current = float(values[i])
    return found


def _first_deed(values: np.ndarray, deed: np.ndarray) -> np.ndarray:
    hit = (values > 0) & deed
    return np.asarray(hit & (np.cumsum(hit) == 1))


def _instructions(trace: Trace, reading: Reading) -> dict[str, np.ndarray]:
    """How alike an instruction is to the one before and to the one after, (n_steps,) 0 to 1.

    A deed carries the likeness of the instruction it answers with the next one: asked again means
    that the deed did not do it.
    """
    n = reading.n
    orders = [step.index for step in trace.steps if reading.hub[step.index] and step.to]
    said = {i: words(ends(trace.steps[i].content)) for i in orders}
    asked_again, repeats, answered = np.zeros(n), np.zeros(n), np.zeros(n)
    for one, two in pairwise(orders):
        union = len(said[one] | said[two])
        alike = len(said[one] & said[two]) / union if union else 0.0
        repeats[two] = alike
        deeds = [i for i in range(one + 1, two) if reading.deed[i]]
        asked_again[deeds] = alike
        asked_again[one] = alike
        answered[one] = float(bool(deeds))
    return {"asked_again": asked_again, "repeats_order": repeats, "answered": answered}
