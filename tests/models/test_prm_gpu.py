"""The GPU benchmark runs, tiny, on a CPU, and counts what it says it counts."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def script(benchmark_script):
    return benchmark_script("prm_gpu")


def test_flops_by_hand(script):
    """6 for each weight; causal attention 6 * layers * width * length, half of the full matrix."""
    sizes = script.TINY
    weights = script.multiplied(script.Values(sizes))
    each = 3 * 32 * 32 + 32 * 32 + 32 * 128 + 64 * 32
    assert weights == 2 * each + 32
    assert script.flops(sizes, weights) == 6 * weights + 6 * 2 * 32 * 64


def test_the_default_has_about_100_million_weights(script):
    import torch

    with torch.device("meta"):
        weights = script.multiplied(script.Values(script.Sizes()))
    assert 95e6 < weights < 105e6
    assert script.Sizes().length == 4096


def test_it_trains_and_prints_one_object(script):
    done = subprocess.run(
        [sys.executable, script.__file__, "--tiny", "--mode", "none", "--steps", "3", "--warmup", "1"],
        capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["mfu"] is None, "there is no such figure without a GPU"
    assert said["tokens_per_second"] > 0
    first, last = said["loss_first_last"]
    assert last < first
