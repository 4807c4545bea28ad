"""Several benchmarks together: which are there, what they share, what is left to train on.

Benchmarks draw on the same runs and the same questions: the Magentic-One runs of AgentRx are runs of
Who&When, and four sets ask questions of GAIA. What is trained on one set and scored on another must
know of neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import msgspec

from tracekit import registry
from tracekit.errors import InputError
from tracekit.eval.dataset import Dataset, read
from tracekit.folds import fingerprint, question_key
from tracekit.trace import Trace


class Pool(msgspec.Struct, frozen=True):
    """Labelled runs of other benchmarks, to fit a method on."""

    names: tuple[str, ...] = ()
    """The benchmarks that they come from."""
    traces: tuple[Trace, ...] = ()
    """One of each run."""
    dropped: int = 0
    """Runs left out: copies, and runs of a question that is scored."""


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """What two benchmarks have in common."""

    first: str
    """Name of the one."""
    second: str
    """Name of the other."""
    runs: int
    """Runs with the same history in both (`tracekit.folds.fingerprint`)."""
    questions: int
    """Questions asked in both (`tracekit.folds.question_key`)."""
    same_step: int
    """Of the common runs labelled in both, those whose first labels name the same step."""
    labelled: int
    """Common runs labelled with a step in both."""


def read_all(path: Path, *, with_answer: bool = False) -> dict[str, Dataset]:
    """Every registered benchmark that is found under `path`, by name.

    Raises `InputError` when there is none.
    """
    found: dict[str, Dataset] = {}
    for name in registry.plugins("benchmarks"):
        try:
            found[name] = read(registry.get("benchmarks", name), path, with_answer=with_answer)
        except InputError:
            continue
    if not found:
        known = ", ".join(registry.plugins("benchmarks"))
        raise InputError(f"{path}: none of the known benchmarks is here: {known}; see docs/data.md")
    return found


def outside(name: str, datasets: Mapping[str, Dataset], target: Dataset) -> Pool:
    """The labelled runs of every benchmark but `name`, once each.

    Left out is whatever has the history or the question of a run that is scored. Labels of
    different definitions meet here, each with its own definition; a benchmark is taken before
    those that come after it in `datasets`.
    """
    questions = {question_key(item.trace) for item in target.items}
    histories = {fingerprint(item.trace) for item in target.items}
    traces: list[Trace] = []
    names: list[str] = []
    dropped = 0
    for other, dataset in datasets.items():
        before = len(traces)
        for item in dataset.items if other != name else ():
            history = fingerprint(item.trace)
            if history in histories or question_key(item.trace) in questions:
                dropped += 1
                continue
            histories.add(history)
            traces.append(item.labelled)
        names += [other] if len(traces) > before else []
    return Pool(tuple(names), tuple(traces), dropped)


def overlaps(datasets: Mapping[str, Dataset]) -> list[Overlap]:
    """What each pair of benchmarks shares; pairs that share nothing are left out."""
    found = []
    for first, second in combinations(datasets, 2):
        one, two = ({fingerprint(i.trace): i for i in datasets[n].items} for n in (first, second))
        asked = [{question_key(i.trace) for i in datasets[n].items} for n in (first, second)]
        both = [(one[key].label.step, two[key].label.step) for key in one.keys() & two.keys()]
        known = [pair for pair in both if None not in pair]
        if both or asked[0] & asked[1]:
            found.append(
                Overlap(
                    first=first,
                    second=second,
                    runs=len(both),
                    questions=len(asked[0] & asked[1]),
                    same_step=sum(a == b for a, b in known),
                    labelled=len(known),
                )
            )
    return found
