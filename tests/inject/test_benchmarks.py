"""The two checks by other means can fail, and do not fail where nothing is wrong."""

import random
from pathlib import Path

import pytest

from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import decode_trace


@pytest.fixture(scope="module")
def oracle(benchmark_script):
    return benchmark_script("oracle_check")


@pytest.fixture(scope="module")
def verified(oracle, folder):
    rows = list(oracle.rows(folder, [*oracle.COLUMNS, "trace"]))
    return [row for row in rows if row["kind"] == "failure" and row["verified"]]


def test_the_oracle_is_independent(oracle):
    text = Path(oracle.__file__).read_text()
    assert "from tracekit.inject" not in text
    assert "replay.effect" not in text
    assert ".outcome(" not in text


def test_the_oracle_agrees_with_good_labels(oracle, verified):
    checked = [oracle.checked(row, 48, 5) for row in verified[:8]]
    assert sum(case["passes"] for case in checked) >= 7


def test_the_oracle_refuses_bad_labels(oracle, verified):
    """A step that was right is no cause: to say the same in other words changes nothing."""
    tried = 0
    for row in verified:
        sandbox, trace = Sandbox(), decode_trace(row["trace"].encode())
        points = {point.step: point for point in sandbox.checkpoints(trace)}
        wrong = oracle.wrong_before(sandbox, trace, points, len(trace.steps))
        for step in sorted(points.keys() - set(wrong))[:1]:
            tried += 1
            assert not oracle.checked({**row, "decisive_step": step}, 24, 5)["passes"]
    assert tried >= 8


def test_intervals_are_those_of_the_papers(oracle):
    """Worked out by hand: (30 - 2) / 62 with half a case added to each of the four cells."""
    low, high = oracle.paired(30, 2, 60)
    assert (low + high) / 2 == pytest.approx(28 / 62)
    assert high - low == pytest.approx(2 * 1.959964 * (33 - 28**2 / 62) ** 0.5 / 62)
    assert oracle.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


class Drifting(Sandbox):
    """Replays with other draws than it is asked to."""

    def resume(self, checkpoint, intervention, seed):
        return super().resume(checkpoint, intervention, seed + 1)


def test_replays_that_drift_are_counted(benchmark_script):
    exact = benchmark_script("replay_exact")
    system = Sandbox("arithmetic", "star", skill=0.7)
    same = exact.resumed(system, Sandbox(), "arithmetic", 25, random.Random(1))
    assert (same.resumes, same.different) == (25, 0)
    drift = exact.resumed(system, Drifting(), "arithmetic", 25, random.Random(1))
    assert drift.different > 10


def test_shares_add_up(benchmark_script):
    shares = benchmark_script("replay_exact").shares(10_000, 500)
    assert sum(shares.values()) == 10_000
    assert sum(count for (family, _), count in shares.items() if family == "programs") == 500
    assert len(shares) == 25
    assert min(shares.values()) >= 100
