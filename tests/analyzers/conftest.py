"""Made-up runs with a planted cause, and `compact` fitted on them."""

import numpy as np
import pytest

from tracekit.analyzers.compact.analyzer import Compact
from tracekit.context import Context
from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Task

DULL = "The next part of the work was done as it was agreed before, part number"


def planted_runs(n=40, seed=0, sure=0.9):
    """Runs of 6 to 12 steps in which the step that assumes something is labelled, `sure` times."""
    rng = np.random.default_rng(seed)
    traces = []
    for number in range(n):
        length, words = int(rng.integers(6, 13)), rng.integers(1000, 9999, size=12)
        guilty = int(rng.integers(1, length))
        said = [("ABC"[i % 3], f"{DULL} {words[i]}") for i in range(length)]
        said[guilty] = (said[guilty][0], f"Let us assume {words[guilty]} and go on from there.")
        blamed = guilty if rng.random() < sure else int(rng.integers(length))
        traces.append(
            make_trace(
                f"run-{seed}-{number}",
                said,
                task=Task(f"Question {seed} {number}?", id=f"q{seed}-{number}"),
                labels=(Label("decisive", said[blamed][0], blamed),),
            )
        )
    return traces


@pytest.fixture(scope="session")
def planted():
    """Makes such runs."""
    return planted_runs


@pytest.fixture(scope="session")
def fitted(planted):
    """`compact` fitted on forty of them; ten seconds."""
    pytest.importorskip("torch")
    return Compact().fit(planted(), Context())
