"""The benchmark of training on rewards runs at toy size, and counts what it says it counts."""

import json

import pytest

pytest.importorskip("trl")


@pytest.fixture(scope="module")
def script(benchmark_script):
    return benchmark_script("tracer_gpu")


def test_flops_by_hand(script):
    """Two for each weight and token, the head for answers alone, half a square of attention."""
    shape = script.TOY
    block = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 64  # q, k and v, o; gate, up and down
    found = script.flops(shape, read=10, written=4, squares=14.0**2)
    assert found == 2 * 2 * block * 14 + 2 * 32 * 600 * 4 + 2 * 2 * 32 * 14**2


def test_the_realistic_size_has_the_weights_of_its_name(script):
    shape = script.SHAPES["qwen3-0.6b"]
    blocks = script.flops(shape, read=1, written=0, squares=0.0) / 2
    assert blocks + shape.hidden * shape.vocabulary == pytest.approx(0.596e9, rel=0.01)


def test_every_variant_is_of_a_known_size_and_comes_out_even(script):
    for gpus in (1, 2):
        for variant in script.variants(gpus):
            shape = script.SHAPES[variant.shape]
            answers = round(shape.runs * gpus * variant.share) * shape.group
            assert answers % (gpus * min(shape.micro, answers // gpus)) == 0


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed in v6:FutureWarning")
def test_it_trains_and_writes_one_object(script, tmp_path):
    out = tmp_path / "speed.json"
    script.main(["--tiny", "--steps", "1", "--only", "toy: tracekit", "--out", str(out)])
    rows = json.loads(out.read_bytes())["variants"]
    assert [row["name"] for row in rows] == ["tracekit", "tracekit, adapter, by graph"]
    for row in rows:
        assert "failed" not in row
        assert row["answers_per_step"] == 4
        assert row["update_mfu"] is None, "there is no such figure without a GPU"
        parts = row["generation"] + row["rewards"] + row["other_preparation"] + row["update"]
        assert parts == pytest.approx(row["seconds_per_step"], abs=0.001)
