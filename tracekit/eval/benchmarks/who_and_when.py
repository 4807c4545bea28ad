"""Who&When: 184 failed runs, the earliest decisive error labelled by hand (arXiv 2505.00212).

Public at ag2ai/Agents_Failure_Attribution; the labels count steps from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places
from tracekit.folds import question_key
from tracekit.metrics import gold
from tracekit.trace import Definition, Label, Trace

FOLDERS = ("Algorithm-Generated", "Hand-Crafted")
"""The two parts, as the public repository names their folders."""

SUBSETS = {"ag2": "algorithm-generated", "magentic-one": "hand-crafted"}
"""Framework of a run to the part it belongs to: each part ran on one framework."""

PLACES = Places("Who&When", ("who-and-when",), ("who-and-when", "Who&When"), FOLDERS)
"""Where the benchmark is looked for."""

_AGENT = re.compile(r"Agent Name:\s*(\w+)")
_STEP = re.compile(r"Step Number:\s*(\d+)")


class WhoAndWhen:
    """Both parts of the benchmark, strictly by its own definition of the decisive error."""

    name: ClassVar[str] = "who-and-when"
    definition: ClassVar[Definition] = "decisive"
    base: ClassVar[int] = 0
    notes: ClassVar[tuple[str, ...]] = (
        "In 6 of the whole set's 184 runs the labelled agent did not take the labelled step.",
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when neither part is found there.

        `path` is `$TRACEKIT_DATA`, its benchmark folder, a checkout of the public repository, the
        folder of one part, or a file of rows.
        """
        if path.name in FOLDERS and path.is_dir():
            return PLACES.read([path])
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question: 45 of them occur in both parts, and more in other sets."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """`algorithm-generated` or `hand-crafted`; empty for a run of another system."""
        return SUBSETS.get(trace.source.framework or "", "")

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right) by the released scorer, which is lenient: see `released`."""
        label, top = gold(trace, self.definition), attribution.top
        if label is None or top is None or attribution.abstained is not None:
            return False, False
        return released(f"Agent Name: {top.agent}\nStep Number: {top.step}\n", label)


def released(answer: str, label: Label) -> tuple[bool, bool]:
    """What the benchmark's released scorer makes of an answer in words.

    It looks for word characters after "Agent Name:" and digits after "Step Number:", and counts a
    hit when the label's string is contained in what it found. So an agent named with a hyphen can
    never be found, and step 1 is found in 10, in 12, and in every digit at once:

    >>> released("Agent Name: Coder\\nStep Number: 0123456789", Label("decisive", "Coder", 7))
    (True, True)
    >>> released("Agent Name: Web-Surfer\\nStep Number: 1", Label("decisive", "Web-Surfer", 1))
    (False, True)
    """
    agent, step = _AGENT.search(answer), _STEP.search(answer)
    if agent is None or step is None:
        return False, False
    return (
        label.agent is not None and label.agent in agent[1],
        label.step is not None and str(label.step) in step[1],
    )
