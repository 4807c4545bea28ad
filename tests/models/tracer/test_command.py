"""`tracekit train tracer` and what it leaves behind, used as a user would."""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl")

from tracekit_cli import entry

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated and will be removed in v6:FutureWarning"
)

SAMPLE = Path(__file__).parents[3] / "datasets" / "injected-sample"
RECIPE = """
name: tiny
base: {vocabulary: 600, hidden: 32, layers: 1, heads: 2, kv_heads: 1, feed_forward: 64, steps: 1,
  tokens: 4096}
prompt: {budget: 2000}
sft: {max_steps: 1, batch: 4, micro: 4}
grpo: {steps: 1, group: 2, batch: 2, micro: 4, completion: 8}
precision: fp32
checkpointing: false
held_out: 0.05
"""


def run(capfd, *args):
    capfd.readouterr()
    return entry.main([str(arg) for arg in args]), *capfd.readouterr()


def test_from_recipe_to_verdict(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)
    out = Path("out")
    code, said, told = run(
        capfd, "train", "tracer", SAMPLE, "--recipe", "tiny.yaml", "-o", out, "--license", "mit",
        "--json", "--quiet",
    )  # fmt: skip
    assert code == 0, told
    document = json.loads(said)
    assert document["evaluation"]["valid"]["value"] == 0.0  # eight tokens hold no answer
    final = out / "final"
    assert {"model.safetensors", "README.md", "fingerprints.txt"} <= {
        path.name for path in final.iterdir()
    }
    card = (final / "README.md").read_text()
    assert "license: mit" in card
    assert "tracer/1" in card
    assert "| answer can be read | 0.0 (0 to" in card
    assert json.loads((final / ".eval_results" / "tracekit.json").read_text())["n"] > 0
    code, said, told = run(
        capfd, "attribute", SAMPLE, "--method", "tracer", "--model", final, "--json", "--quiet",
        "--set", "max_tokens=4", "--set", "budget=2000",
    )  # fmt: skip
    verdicts = [json.loads(line) for line in said.splitlines()]
    failed = [verdict for verdict in verdicts if verdict.get("failed")]
    assert failed
    assert all("4 tokens" in verdict["abstained"] for verdict in failed)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["tracer", SAMPLE, "-o", "x"], "--recipe"),
        (["linear", SAMPLE, "--recipe", "tiny.yaml", "-o", "x"], "--recipe"),
        (["tracer", SAMPLE, "--recipe", "bad.yaml", "-o", "x"], "unknown field"),
        (["tracer", SAMPLE, "--recipe", "none.yaml", "-o", "x"], "none.yaml"),
    ],
)
def test_what_makes_no_sense_is_said(args, said, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)
    Path("bad.yaml").write_text(RECIPE + "colour: red\n")
    code, out, told = run(capfd, "train", *args)
    assert code != 0
    assert said in told
    assert not out
