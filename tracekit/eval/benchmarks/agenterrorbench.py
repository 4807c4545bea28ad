"""AgentErrorBench, the GAIA part: 50 failed single-agent runs (arXiv 2509.25370).

Public at ulab-uiuc/AgentDebug. The label is the critical error: the earliest step from which the
run was lost, counted from 1 over the answers of the agent, with one of five modules. One critical
error a run; the public labels annotate no other step. Kappa between annotators is 0.55.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, exact
from tracekit.eval.benchmarks.vocabulary import Names
from tracekit.folds import question_key
from tracekit.trace import Definition, Trace

PLACES = Places(
    "AgentErrorBench",
    ("agenterrorbench",),
    ("agenterrorbench-gaia", "agenterrorbench", "AgentErrorBench"),
    ("GAIA",),
)
"""Where the benchmark is looked for; the labels, `*labels*.json`, lie beside the folder GAIA."""

MODULES = Names(
    {"memory": (), "reflection": (), "planning": (), "action": (), "system": (), "others": ()}
)
"""Where in the agent the error arose."""


class AgentErrorBench:
    """The critical errors of the GAIA part."""

    name: ClassVar[str] = "agenterrorbench"
    definition: ClassVar[Definition] = "decisive"
    base: ClassVar[int] = 1
    modes: ClassVar[tuple[str, ...]] = MODULES.all
    notes: ClassVar[tuple[str, ...]] = (
        "One agent acts in each run: its name is right whenever an answer of its is named.",
        "The official agent accuracy does not exist; the official step is the exact step.",
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when they are not there."""
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question: three models answered each."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """There is one part."""
        return ""

    def mode(self, name: str) -> str | None:
        """One of the modules; types of failure within them are not scored."""
        return MODULES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[None, bool]:
        """(nothing, step right)."""
        return None, exact(trace, self.definition, attribution)[1]
