"""What a step claims, intends, doubts or asks: families of phrases, counted per step.

They complement `cues`, which tell errors, code and restarts. Every pattern is a plain alternation
over lower-case text, so that hostile text costs linear time.
"""

from __future__ import annotations

import re

import numpy as np

from tracekit.signals.text import ends, lowered
from tracekit.trace import Trace

PHRASES: dict[str, re.Pattern[str]] = {
    "checks": re.compile(r"\b(?:verif|validat|double-check|cross-check|confirm)"),
    "concludes": re.compile(
        r"\b(?:conclud|conclusion|therefore|thus|in summary|task is complete|final (?:result|answer)"
        r"|request satisfied)"
    ),
    "intends": re.compile(
        r"\b(?:i will|i'll|let's|let me|let us|we need to|next steps?|i need to)\b"
    ),
    "claims": re.compile(
        r"\b(?:based on|according to|known|typically|generally|historically|commonly|given that)\b"
    ),
    "hedges": re.compile(
        r"\b(?:appears?|seems?|likely|possibl[ey]|perhaps|might|approximately|plausib|presumabl)"
    ),
    "trouble": re.compile(
        r"\b(?:unfortunately|however|issues?|fail(?:ed|s|ure)?|incorrect(?:ly)?|wrong|mistakes?"
        r"|missing|invalid|unavailable|did not|didn't|does not|doesn't|not (?:available|found|contain"
        r"|yield|provide|able|yet))\b"
    ),
    "agrees": re.compile(
        r"\b(?:correct|accurate(?:ly)?|agree|concur|consistent|confirmed|great)\b"
    ),
    "by_hand": re.compile(r"\b(?:manual(?:ly)?|by hand|visual(?:ly)? inspect|recommend|suggest)"),
    "asks": re.compile(
        r"\?\s*$|\bplease (?:provide|share|confirm|upload|proceed|run|execute)|\b(?:could|would) you\b"
    ),
    "stops": re.compile(r"\bterminate\b"),
    "looks_up": re.compile(r"https?://|\bweb ?(?:site|page|search)|\bsearch|\bbrowse"),
    "soft_failure": re.compile(
        r"\bnot found\b|\bnone\b|\bnan\b|\bno (?:results?|data|matching|information|such|suitable)\b"
        r"|: 0(?:\.0+%?)?\s*$|\[\]|\{\}|\bunable\b|\bcould not\b|\bcannot\b|\binvalid\b|\bempty\b"
    ),
}
"""All families by name."""

MOST = 5
"""Matches counted per step and family: more say nothing new."""


def phrases(trace: Trace) -> dict[str, np.ndarray]:
    """How often each step shows each family, log(1 + count), count at most 5; arrays (n_steps,).

    >>> from tracekit.trace import Source, Step
    >>> steps = (Step(index=0, agent="A", content="It seems correct. Thus 12."),)
    >>> found = phrases(Trace(id="t", source=Source(format="x"), steps=steps))
    >>> [name for name, column in found.items() if column[0] > 0]
    ['concludes', 'hedges', 'agrees']
    """
    texts = [lowered(ends(step.content)) for step in trace.steps]
    return {
        name: np.array([_count(pattern, text) for text in texts])
        for name, pattern in PHRASES.items()
    }


def _count(pattern: re.Pattern[str], text: str) -> float:
    found = 0
    for _ in pattern.finditer(text):
        found += 1
        if found == MOST:
            break
    return float(np.log1p(found))
