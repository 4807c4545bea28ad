"""Rows of labels put on the traces they speak of; whatever does not fit is said, row by row."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import msgspec

from tracekit.errors import Problem
from tracekit.labels.compare import Report, compare, majority
from tracekit.labels.table import Row, read_rows
from tracekit.names import same
from tracekit.trace import Label, Trace

Resolve = Literal["majority", "keep"]
"""What becomes of several annotators: their majority as one label, or every label as it is."""


class Labels:
    """Labels from elsewhere, put on traces one by one; keeps the books of what did not fit.

    >>> import tempfile
    >>> from tracekit.trace import Agent, Source, Step
    >>> trace = Trace(id="t", source=Source(format="demo"), agents=(Agent("Ada", "Ada"),),
    ...               steps=(Step(index=0, agent="Ada"),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labels.csv")
    ...     _ = file.write_text("trace,step,definition,annotator\\nt,0,decisive,me\\nt,7,decisive,you")
    ...     labels = Labels([file])
    >>> labels.apply(trace).labels[0].agent
    'Ada'
    >>> [problem.what for problem in labels.problems]
    ['step 7 is not in the trace, which has 1 steps']
    """

    def __init__(
        self,
        files: Iterable[str | os.PathLike[str]],
        *,
        base: int = 0,
        resolve: Resolve = "majority",
    ) -> None:
        self.base = base
        self.resolve: Resolve = resolve
        self.problems: list[Problem] = []
        """Bad rows, rows that fit no trace, and votes without a winner."""
        self.rows = 0
        """Rows read, bad ones included."""
        self.applied = 0
        """Rows that were put on a trace."""
        self._by_trace: dict[str, list[Row]] = defaultdict(list)
        self._said: dict[str, list[Label]] = {}
        for file in dict.fromkeys(map(Path, files)):
            for row in read_rows(file, base):
                self.rows += 1
                if isinstance(row, Problem):
                    self.problems.append(row)
                else:
                    self._by_trace[row.trace].append(row)

    def apply(self, trace: Trace) -> Trace:
        """The trace with its labels; those it has of the same definitions give way to them."""
        rows = self._by_trace.get(trace.id)
        if not rows:
            return trace
        if trace.id in self._said:
            what = "two traces have this id, and the label may belong to either"
            self.problems.append(rows[0].problem(what, "label logs in which ids differ"))
            return trace
        labels = self._once(rows, trace)
        self._said[trace.id] = labels
        self.applied += len(labels)
        defined = {label.definition for label in labels}
        kept = [label for label in trace.labels if label.definition not in defined]
        put = labels if self.resolve == "keep" else self._voted(labels, rows[0], trace)
        return msgspec.structs.replace(trace, labels=(*kept, *put))

    def unmatched(self) -> list[Problem]:
        """Rows whose trace was not among those seen so far."""
        found = []
        for id, rows in self._by_trace.items():
            if id not in self._said:
                near = get_close_matches(id, self._said, 1)
                do = f"did you mean {near[0]!r}?" if near else "`tracekit show LOGS` lists the ids"
                found += [row.problem("no trace has this id", do) for row in rows]
        return found

    def report(self) -> Report:
        """How far annotators agree on the traces seen so far."""
        return compare(self._said)

    def _once(self, rows: Sequence[Row], trace: Trace) -> list[Label]:
        """What the rows say of the trace. An annotator labels a run once by each definition.

        Of wrong spans there may be many. A row that does not fit says nothing, so it does not stand
        in the way of one that puts it right.
        """
        labels: list[Label] = []
        first: dict[tuple[str, str], Row] = {}
        for row in rows:
            label = self._fitted(row, trace)
            if label is None:
                continue
            key = (row.annotator, row.definition)
            if row.definition == "span-error" or first.setdefault(key, row) is row:
                labels.append(label)
            else:
                who = repr(row.annotator) if row.annotator else "an annotator without a name"
                place = f"{first[key].path}:{first[key].line}"
                what = f"{who} labelled this trace in {place} already"
                self.problems.append(row.problem(what, "keep one of the two rows"))
        return labels

    def _fitted(self, row: Row, trace: Trace) -> Label | None:
        """The row as a label of the trace; None, and a problem, when it does not fit."""
        agent, problem = _agent(row, trace)
        if problem is not None:
            self.problems.append(problem)
            return None
        return Label(
            definition=row.definition,
            agent=agent,
            step=row.step,
            modes=row.modes,
            reason=row.reason,
            base=self.base,
            annotator=row.annotator or None,
        )

    def _voted(self, labels: Sequence[Label], row: Row, trace: Trace) -> list[Label]:
        """One label for each definition that several annotators used; none where they are tied."""
        found = []
        for definition in dict.fromkeys(label.definition for label in labels):
            votes = [label for label in labels if label.definition == definition]
            if len(votes) == 1 or definition == "span-error":
                found += votes
                continue
            winner = majority(votes, trace)
            if winner is None:
                tie = row.problem(
                    f"annotators of trace {trace.id!r} are tied on its {definition} step and agent",
                    "ask one more, or keep all labels (--resolve keep)",
                )
                self.problems.append(msgspec.structs.replace(tie, severity="warning"))
            else:
                found.append(winner)
        return found


def _agent(row: Row, trace: Trace) -> tuple[str | None, Problem | None]:
    """The blamed agent's id, or why the row does not fit."""
    if row.step is not None and row.step >= len(trace.steps):
        what = f"step {row.step} is not in the trace, which has {len(trace.steps)} steps"
        return None, row.problem(what, "count from 0, or say --base 1")
    if row.agent is None:
        return (None if row.step is None else trace.steps[row.step].agent), None
    named = [a.id for a in trace.agents if same(a.id, row.agent) or same(a.name, row.agent)]
    if not named:
        roster = ", ".join(agent.id for agent in trace.agents)[:200]
        return None, row.problem(f"the trace has no agent {row.agent[:60]!r}", f"it has {roster}")
    if row.step is not None and trace.steps[row.step].agent not in named:
        taken = trace.steps[row.step].agent
        what = f"step {row.step} was taken by {taken!r}, not by {row.agent[:60]!r}"
        return None, row.problem(what, "correct the step or the agent; is --base right?")
    return (named[0] if row.step is None else trace.steps[row.step].agent), None
