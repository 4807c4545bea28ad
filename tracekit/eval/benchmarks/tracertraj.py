"""TracerTraj, the code part: 127 failed MetaGPT runs, many by injection (arXiv 2509.03312).

Public at bingreeky/AgenTracer; steps count from 0. In more than half of the runs the labelled turn
is a prompt that waits for an answer, and the wrong content stands in the next turn, mostly of the
same agent. A method can be right by finding that prompt without understanding anything; `content`
gives credit for the turn that holds the content as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, exact
from tracekit.folds import question_key
from tracekit.metrics import gold
from tracekit.trace import Definition, Step, Trace

PLACES = Places(
    "TracerTraj",
    ("tracertraj",),
    ("tracertraj-code-test", "tracertraj"),
    ("tracertraj*.jsonl", "tracertraj*.json"),
)
"""Where the benchmark is looked for."""

_SCAFFOLD = re.compile(r"thinking:\s*#\s*Past Experience\b")


class TracerTraj:
    """The labelled runs, with a column that forgives the scaffold."""

    name: ClassVar[str] = "tracertraj"
    definition: ClassVar[Definition] = "decisive"
    base: ClassVar[int] = 0
    columns: ClassVar[dict[str, str]] = {"content": "content step %", "scaffold": "scaffold %"}
    notes: ClassVar[tuple[str, ...]] = (
        (
            "`content step`: the step is the label's, or the turn after a labelled turn that is a"
            " prompt waiting for an answer. `scaffold`: the step named is such a prompt."
        ),
        "No scorer of the source is known; the official figures are the strict ones.",
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`, a folder or a file of rows; raises `InputError` without any."""
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """There is one part."""
        return ""

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right), strictly."""
        return exact(trace, self.definition, attribution)

    def also(self, trace: Trace, attribution: Attribution) -> dict[str, float]:
        """Whether the step holds the content, and whether it is a scaffold."""
        label, top = gold(trace, self.definition), attribution.top
        if label is None or label.step is None or top is None or attribution.abstained is not None:
            return {"content": 0.0, "scaffold": 0.0}
        right = {label.step}
        if waits(trace.steps[label.step]):
            right.add(label.step + 1)
        return {
            "content": float(top.step in right),
            "scaffold": float(waits(trace.steps[top.step])),
        }


def waits(step: Step) -> bool:
    """Whether a turn is the frame of a prompt that nobody has answered yet.

    >>> waits(Step(0, "Engineer", content="Engineer thinking: \\n# Past Experience\\n..."))
    True
    """
    return _SCAFFOLD.search(step.content[:200]) is not None
