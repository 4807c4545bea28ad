"""Which questions a `prm` was trained on: only the others say how it does on new ones.

Tasks with other numbers may ask the same. Lookups of the sandbox's `retrieval` have few different
questions, so that half of the test tasks of `prm_search.py` ask what a training task asked.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tracekit.folds import question_key
from tracekit.replay.sandbox.system import SOURCE
from tracekit.trace import Task, Trace

FILE = "questions.json"
"""Beside the weights of a folder that `prm_search.py train` wrote: what was asked in training."""


def question(task: Task) -> str:
    """The key of what a task asks."""
    return question_key(Trace(id=task.id or "", source=SOURCE, task=task))


def note(traces: Iterable[Trace], folder: Path) -> None:
    """Write the questions of training runs down beside the weights."""
    found = sorted({question_key(trace) for trace in traces})
    (folder / FILE).write_text(json.dumps(found, indent=0) + "\n")


def questions(model: str) -> frozenset[str]:
    """Of a folder, or of the sandbox runs of the weights that ship (`shipped`)."""
    if model == "shipped":
        from tracekit_models.prm.ship import teams

        return frozenset(question(task) for _, task, _ in teams())
    file = Path(model) / FILE
    if not file.exists():
        sys.exit(f"{file}: not there, so nobody can tell which test tasks are new; train again")
    return frozenset(json.loads(file.read_text()))


def unseen(tasks: Iterable[Task], seen: frozenset[str]) -> list[Task]:
    """The tasks whose questions were not trained on."""
    kept = [task for task in tasks if question(task) not in seen]
    assert not seen & {question(task) for task in kept}
    return kept
