"""`tracekit train tracer` and what it leaves behind, used as a user would."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("trl")

from tracekit_cli import entry
from tracekit_models.tracer import local

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated and will be removed in v6:FutureWarning"
)

load, write = local.load, local.Local.write
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
    logs = {path.name for path in (out / "logs").iterdir()}
    assert logs == ({"base", "sft", "grpo"} if find_spec("tensorboard") else set())
    assert not list(final.rglob("*tfevents*"))
    told = json.loads((final / "tracer.json").read_text())
    assert (told["recipe"], told["budget"], told["max_tokens"]) == ("tiny", 2000, 8)
    used_without_a_setting(final, capfd, monkeypatch)


def used_without_a_setting(final, capfd, monkeypatch):
    """The model says how it is to be asked; it is loaded once, and asked about many runs at once."""
    loaded, asked = [], []
    monkeypatch.setattr(local, "load", lambda *args: loaded.append(load(*args)) or loaded[-1])
    monkeypatch.setattr(
        local.Local, "write", lambda self, wanted: asked.append(len(wanted)) or write(self, wanted)
    )
    code, said, told = run(
        capfd, "attribute", SAMPLE, "--method", "tracer", "--model", final, "--json", "--quiet"
    )
    assert code == 3, told  # none of them is an answer
    verdicts = [json.loads(line) for line in said.splitlines()]
    failed = [verdict for verdict in verdicts if verdict.get("failed")]
    assert failed
    assert all("longer than 8 tokens" in verdict["abstained"] for verdict in failed)
    made = failed[0]["method"]["settings"]
    assert (made["budget"], made["max_tokens"], made["recipe"]) == (2000, 8, "tiny")
    assert len(loaded) == 1
    assert asked[0] > len(failed) // 2  # 64 runs are read at once, some of them no failures
    assert len(asked) <= 4  # first and second passes

    for name in ("one", "two", "three"):
        history = [{"content": f"{name} {i}", "role": role} for i, role in enumerate("AB")]
        case = {
            "question": name, "question_ID": name, "ground_truth": "7", "is_correct": False,
            "history": history, "mistake_agent": "A", "mistake_step": "0", "mistake_reason": "x",
        }  # fmt: skip
        file = Path("data/Hand-Crafted") / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(case))
    asked.clear()
    code, said, told = run(
        capfd, "eval", "who-and-when", "--data", "data", "-m", "tracer", "--model", final,
        "--folds", "2", "--cases", "cases.jsonl", "--json", "--quiet",
    )  # fmt: skip
    assert code == 0, told
    cases = [json.loads(line) for line in Path("cases.jsonl").read_text().splitlines()]
    mine = [case for case in cases if case["method"] == "tracer"]
    assert len(mine) >= 3, told
    assert all("longer than 8 tokens" in case["failed"] for case in mine)
    assert (len(loaded), asked[0]) == (1, 3)  # a process keeps the model


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
