"""Every shipped recipe from end to end, with a tiny model in place of its own and a few steps."""

import json
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("trl")

from tracekit.errors import UsageError
from tracekit.ingest.pipeline import load
from tracekit.store import encode
from tracekit.testing.traces import make_trace
from tracekit_models.tracer import base, grpo, train
from tracekit_models.tracer.loop import DONE
from tracekit_models.tracer.recipe import Grpo, Scratch, read
from tracekit_models.tracer.train import make, transcript

pytestmark = (
    pytest.mark.filterwarnings(  # peft's and trl's own, with a transformers newer than they
        "ignore:.*deprecated and will be removed in v6:FutureWarning"
    )
)

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "models" / "recipes").glob("*.yaml"))
TINY = Scratch(
    vocabulary=600, hidden=32, layers=2, heads=2, kv_heads=1, feed_forward=64, context=4096,
    steps=2, tokens=4096,
)  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    """A few injected failures of the shipped sample, of several questions."""
    found = [t for t in load(ROOT / "datasets" / "injected-sample") if t.failed and t.labels]
    return sorted(found, key=lambda t: len(t.steps))[:8]


@pytest.fixture(scope="module")
def tiny(runs, tmp_path_factory):
    """A base with the architecture of Qwen3 and next to no weights."""
    out = tmp_path_factory.mktemp("base") / "base"
    texts = [text for run in runs for text in transcript(run)]
    words = base.tokenizer(texts, TINY.vocabulary)
    found = base.blocks(texts, words, TINY.context)
    return base.pretrain(TINY, found, words, out, precision="fp32", seed=0, use_cpu=True)


def shortened(path, tiny):
    """The recipe with the base and the number of steps replaced, and all else as it is."""
    recipe = read(path, precision="fp32", held_out=0.3)
    return msgspec.structs.replace(
        recipe,
        base=TINY if isinstance(recipe.base, Scratch) else str(tiny),
        prompt=msgspec.structs.replace(recipe.prompt, budget=2500),
        sft=msgspec.structs.replace(recipe.sft, max_steps=1, batch=2, micro=1),
        grpo=msgspec.structs.replace(recipe.grpo, steps=1, batch=1, group=2, micro=2, completion=8),
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_from_end_to_end(path, tiny, runs, tmp_path):
    recipe = shortened(path, tiny)
    told = []
    made = make(recipe, runs, tmp_path, stage=told.append, use_cpu=True)
    assert told[-2:] == ["supervised fine-tuning", "training on rewards"]
    assert made.stages[-2:] == ("sft", "grpo")
    assert made.train + made.held_out == 8
    final = tmp_path / "grpo"
    weights = {file.name for file in final.glob("*.safetensors")}
    assert weights == ({"adapter_model.safetensors"} if recipe.lora else {"model.safetensors"})
    assert not list(tmp_path.rglob("*.bin"))
    assert json.loads((final / "curves.json").read_text())["global_step"] == 1
    assert json.loads((tmp_path / "made.json").read_text())["recipe"]["name"] == recipe.name
    # Once more: what is finished is kept, byte for byte, and nothing is trained again.
    before = {file: file.stat().st_mtime_ns for file in final.iterdir()}
    make(recipe, runs, tmp_path, use_cpu=True)
    assert {file: file.stat().st_mtime_ns for file in final.iterdir()} == before
    assert (final / DONE).exists()


def test_answers_drawn_at_once_divide_a_step_or_are_refused():
    recipe = read(ROOT / "models" / "recipes" / "qwen3-0.6b-lora.yaml")

    def parts(**changes):
        how = msgspec.structs.replace(recipe.grpo, batch=16, group=8, micro=8, **changes)
        return grpo._settings(recipe, how)["steps_per_generation"]

    assert [parts(at_once=n) for n in (0, 8, 32, 128, 1024)] == [16, 1, 4, 16, 16]
    for uneven in (12, 24):
        with pytest.raises(UsageError, match="at once do not divide a step"):
            parts(at_once=uneven)


def test_a_part_for_the_pair_is_of_the_combined_reward():
    found = make_trace("t", [("Ada", "one"), ("Ben", "two")])
    run, said = (
        encode(found).decode(),
        [[{"role": "assistant", "content": "<think>x</think>\nAda | 1"}]],
    )

    def earned(**changes):
        (named, _), *_ = grpo.reward_functions(Grpo(**changes))
        return named(said, trace=[run], agent=["Ben"], step=[1], completion_ids=[[1]])

    assert earned() == [0.5]
    assert earned(pair=0.5) == [0.25]
    with pytest.raises(UsageError, match="combined"):
        earned(pair=0.5, rewards="separate")


def test_a_base_that_is_there_is_not_made_again(runs, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "tokenizer", lambda *_: pytest.fail("fitted again"))
    (tmp_path / "base").symlink_to(tiny)
    recipe = read(ROOT / "models" / "recipes" / "scratch.yaml")
    assert train._base(recipe, runs, tmp_path, pytest.fail) == tmp_path / "base"
