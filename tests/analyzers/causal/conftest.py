"""Runs whose cause of failure is known: a worker slips, and a reporter mostly passes it on."""

import numpy as np
import pytest

from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task


def planted(tasks=10, repeats=12, seed=0, slip=0.3, excuse=0.3):
    """Runs of Planner, Worker and Reporter, with `extra["slipped"]` for where it came from."""
    rng = np.random.default_rng(seed)
    runs = []
    for turn in range(repeats):
        for task in range(tasks):
            right = 1000 + 37 * task
            wrong = 5000 + int(rng.integers(1000))
            sorry = "I apologize for the delay. " if rng.random() < excuse else ""
            slips = rng.random() < slip
            caught = rng.random() < 0.1
            said = wrong if slips else right
            told = right if slips and caught else said
            runs.append(
                make_trace(
                    f"run-{task}-{turn}",
                    [
                        ("Planner", f"{sorry}Let us work out the parts of it."),
                        ("Worker", f"The parts come to {said}."),
                        ("Reporter", f"We report {told}."),
                    ],
                    task=Task(f"What do the parts of case {task} come to?", id=f"t{task}"),
                    outcome=Outcome("success" if told == right else "failure", by="made up"),
                    extra={"slipped": bool(slips)},
                )
            )
    return runs


@pytest.fixture(scope="session")
def corpus():
    """120 runs of ten tasks."""
    return planted()


@pytest.fixture(scope="session")
def plant():
    """Makes such runs."""
    return planted
