"""Value models on language models: no look-ahead, one pass for all prefixes, training, LoRA."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from tracekit.context import Context  # noqa: E402
from tracekit.errors import InputError, UsageError  # noqa: E402
from tracekit.protocols import Doubting, Fitted, Storable, ValueFunction  # noqa: E402
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace  # noqa: E402
from tracekit_models.prm.bodies import plain, reads_of  # noqa: E402
from tracekit_models.prm.calibration import Platt  # noqa: E402
from tracekit_models.prm.data import Example  # noqa: E402
from tracekit_models.prm.language import model_of, trainable  # noqa: E402
from tracekit_models.prm.language_fit import (  # noqa: E402
    CURVED,
    Case,
    Wanted,
    curve_of,
    held_out,
    judged,
)
from tracekit_models.prm.language_settings import (  # noqa: E402
    Backbone,
    Language,
    Lora,
    Settings,
)
from tracekit_models.prm.language_train import Recipe, score, train  # noqa: E402
from tracekit_models.prm.losses import Loss  # noqa: E402
from tracekit_models.prm.stored import LanguageValues, shards  # noqa: E402
from tracekit_models.prm.windows import Reader  # noqa: E402

WORDS = [
    "[PAD]",
    "[END]",
    "Task",
    ":",
    "how",
    "many",
    "boats",
    "right",
    "wrong",
    "so",
    "the",
    "sum",
    "is",
    "3",
    "4",
    "7",
    "(",
    ")",
    "message",
    "A",
    "B",
]


@pytest.fixture(scope="module")
def tokenizer():
    core = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[PAD]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="[END]", pad_token="[PAD]"
    )


def body(kind):
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "intermediate_size": 32, "pad_token_id": 0}
    if kind == "bert":
        config = transformers.BertConfig(**sizes, **heads)
    elif kind == "llama":
        config = transformers.LlamaConfig(**sizes, **heads, num_key_value_heads=2)
    else:
        config = transformers.Qwen3Config(**sizes, **heads, num_key_value_heads=1, head_dim=8)
    return transformers.AutoModel.from_config(config)


def run(n, good, steps=3):
    word = "right" if good else "wrong"
    return Trace(
        id=f"r{n}",
        source=Source(format="x"),
        task=Task(question=f"how many boats {3 + n % 2}"),
        agents=(Agent("A", "A"), Agent("B", "B")),
        steps=tuple(
            Step(index=i, agent="AB"[i % 2], content=f"so the sum is 7 {word if i else ''}")
            for i in range(steps)
        ),
        outcome=Outcome(status="success" if good else "failure"),
    )


def prefix(trace, size):
    return Trace(trace.id, trace.source, trace.task, trace.agents, trace.steps[:size])


RUNS = [run(n, good=n % 2 == 0) for n in range(12)]
HOW = Recipe(epochs=8, rate=5e-3, batch=4, gather=1)


@pytest.fixture(scope="module", params=["qwen3", "llama", "bert"])
def fitted(request, tokenizer):
    reads = "message" if request.param == "bert" else "run"
    backbone = Backbone(reads=reads, length=64, longest=16, lora=Lora(rank=4, alpha=8))
    model = train(body(request.param), tokenizer, RUNS, backbone=backbone, recipe=HOW, device="cpu")
    return model, backbone


def test_nothing_that_follows_changes_a_value(fitted, tokenizer):
    model, backbone = fitted
    whole = run(0, good=True, steps=12)
    found = score(model, tokenizer, whole, backbone)
    assert len(found) == 13, "windows are shorter than the run; every step has a value"
    for size in range(13):
        part = score(model, tokenizer, prefix(whole, size), backbone)
        np.testing.assert_allclose(part, found[: size + 1], atol=1e-5)


def test_outcomes_alone_teach_it(fitted, tokenizer):
    model, backbone = fitted
    ends = [score(model, tokenizer, trace, backbone)[-1] for trace in RUNS]
    assert min(ends[0::2]) > max(ends[1::2])


def test_adapters_and_head_are_all_that_is_trained(fitted):
    names = list(trainable(fitted[0]))
    assert any("lora" in name for name in names)
    assert all("lora" in name or name.startswith("value") for name in names)


def test_the_same_seed_gives_the_same_weights(tokenizer):
    backbone = Backbone(length=64, longest=16, lora=None)
    once, again = (
        train(body("llama"), tokenizer, RUNS, backbone=backbone, recipe=HOW, seed=3, device="cpu")
        for _ in range(2)
    )
    for name, value in once.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_texts_cannot_speak_as_the_separator(tokenizer):
    reader = Reader(tokenizer, 64, 16)
    ids = reader.message(Step(index=0, agent="A", content="so [END] is [END] 7"))
    assert ids.count(reader.separator) == 1
    assert ids[-1] == reader.separator


def test_windows_value_every_message_once(tokenizer):
    reader = Reader(tokenizer, 40, 16)
    windows = list(reader.windows(run(0, good=True, steps=20)))
    assert len(windows) > 1
    rows = [window.first + n for window in windows for n in range(len(window.ends))]
    assert rows == list(range(21))
    assert all(len(window.ids) <= 40 for window in windows)
    assert all(w.ids[end] == reader.separator for w in windows for end in w.ends)


def test_messages_must_fit_windows(tokenizer):
    with pytest.raises(ValueError, match="do not fit"):
        Reader(tokenizer, 20, 16)


def values_of(model, tokenizer, backbone):
    return LanguageValues(Language(model, tokenizer, Settings(backbone=backbone)))


def test_a_run_that_goes_on_has_the_values_of_one_pass(fitted, tokenizer):
    values = values_of(*fitted[:1], tokenizer, fitted[1])
    whole = run(0, good=True, steps=12)
    running = values.begin(whole)
    found = [running.value, *(running.push(step) for step in whole.steps)]
    at_once = score(fitted[0], tokenizer, whole, fitted[1])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-at_once)), atol=1e-5)


def counted(model):
    """How many tokens the backbone is given, call by call."""
    read = []
    model.body.register_forward_pre_hook(
        lambda _module, _args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    return read


@pytest.mark.parametrize("kind", ["qwen3", "bert"])
def test_a_message_costs_its_own_tokens(tokenizer, kind):
    torch.manual_seed(0)
    how = Backbone(reads="message" if kind == "bert" else "run", length=64, longest=16, lora=None)
    model = model_of(body(kind), how).eval()
    running = values_of(model, tokenizer, how).begin(run(0, good=True))
    reader, read, used = Reader(tokenizer, 64, 16), counted(model), 0
    full = [len(window.ids) for window in reader.windows(run(0, good=True, steps=40))]
    for step in run(0, good=True, steps=40).steps:
        read.clear()
        running.push(step)
        own = len(reader.message(step))
        used += sum(read) > own
        assert sum(read) == own or (kind != "bert" and sum(read) <= 32 + own)
    assert used == (0 if kind == "bert" else len(full) - 1), "once for each window that was full"


def test_forks_share_nothing_that_changes(fitted, tokenizer):
    values = values_of(*fitted[:1], tokenizer, fitted[1])
    good, bad = run(0, good=True, steps=9).steps, run(1, good=False, steps=9).steps
    running = values.begin(run(0, good=True))
    for step in good[:3]:
        running.push(step)
    fork = running.fork()
    again = fork.fork()
    assert fork.value == again.value == running.value
    mixed = [each.push(step) for step in bad[3:6] for each in (fork, running)]
    assert mixed[0::2] == mixed[1::2], "one of them changed the other"
    straight = values.begin(run(0, good=True))
    for step in (*good[:3], *good[3:6]):
        straight.push(step)
    for step in good[3:6]:
        again.push(step)
    assert again.value == pytest.approx(straight.value, abs=1e-6)


def test_backbones_are_tried_for_how_they_read():
    assert [reads_of(body(kind)) for kind in ("qwen3", "llama", "bert")] == [
        "run",
        "run",
        "message",
    ]


def test_a_configuration_cannot_name_code():
    evil = {"auto_map": {"AutoModel": "x.Y"}, "attn_implementation": "eve/kernel", "_x": 1}
    assert plain({"hidden_size": 8, "inner": evil, **evil}) == {"hidden_size": 8, "inner": {}}


def test_weights_are_split_between_arrays():
    weights = {name: torch.zeros(size) for name, size in (("a", 2), ("b", 3), ("c", 9), ("d", 1))}
    found = [list(part) for part in shards(weights, size=20)]
    assert found == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize("kind", ["qwen3", "bert"])
@pytest.mark.parametrize("lora", [Lora(rank=4, alpha=8), None])
def test_saved_and_loaded_it_values_runs_as_before(tokenizer, tmp_path, kind, lora):
    how = Backbone(reads=reads_of(body(kind)), length=64, longest=16, lora=lora)
    model = model_of(body(kind), how).eval()
    for weight in trainable(model).values():
        torch.nn.init.normal_(weight, std=0.05)
    values = values_of(model, tokenizer, how)
    values.save(tmp_path / "prm")
    again = LanguageValues.load(tmp_path / "prm")
    for protocol in (ValueFunction, Storable, Fitted, Doubting):
        assert isinstance(again, protocol)
    whole = run(0, good=True, steps=8)
    np.testing.assert_allclose(again.values(whole), values.values(whole), atol=1e-6)
    again.save(tmp_path / "again")
    for path in (tmp_path / "prm").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    how = Backbone(length=64, longest=16, lora=None)
    folder = tmp_path_factory.mktemp("prm")
    values_of(model_of(body("qwen3"), how), tokenizer, how).save(folder)
    return folder


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("backbone.json", {"num_hidden_layers": 10**9}, "more than 1000 layers"),
        ("backbone.json", {"vocab_size": 10**11}, "another backbone"),
        ("backbone.json", {"model_type": "evil"}, "no configuration"),
        ("prm-language.json", {"base": "eve/evil"}, "not pinned"),
        ("prm-language.json", {"base": "../../x"}, "not pinned"),
        ("prm-language.json", {"backbone": {"length": 20}}, "do not fit"),
        ("prm-language.json", {"parts": 2}, "weights-2"),
        ("prm-language.json", {"more": 1}, "more"),
        ("tokenizer.json", {"model": {}}, "no value model"),
        ("weights-1.safetensors", None, "no value model"),
    ],
)
def test_hostile_folders_are_refused(folder, tmp_path, file, changes, said):
    shutil.copytree(folder, tmp_path / "prm")
    path = tmp_path / "prm" / file
    if changes is None:
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=said):
        LanguageValues.load(tmp_path / "prm")


def test_weights_that_are_not_finite_are_refused(tokenizer, tmp_path):
    how = Backbone(length=64, longest=16, lora=None)
    model = model_of(body("qwen3"), how)
    torch.nn.init.constant_(model.value.bias, float("nan"))
    values_of(model, tokenizer, how).save(tmp_path)
    with pytest.raises(InputError, match="not finite"):
        LanguageValues.load(tmp_path)


def test_without_weights_it_says_so():
    with pytest.raises(UsageError, match="--model"):
        LanguageValues().values(RUNS[0])


def test_a_backbone_that_was_changed_is_not_fitted_anew(folder):
    with pytest.raises(UsageError, match="--backbone DIR"):
        LanguageValues.load(folder).fit(RUNS, Context())


def test_a_run_that_reads_its_pairs_together(tokenizer):
    how = Backbone(length=64, longest=16, lora=None)
    recipe = Recipe(loss=Loss(name="pairwise"), epochs=8, rate=5e-3, gather=1)
    model = train(body("qwen3"), tokenizer, RUNS, backbone=how, recipe=recipe, device="cpu")
    ends = [score(model, tokenizer, trace, how)[-1] for trace in RUNS]
    assert min(ends[0::2]) > max(ends[1::2])


def case(problem, good, places=3):
    """A run of two steps and what is known of it, for figures that look at nothing else."""
    rows, value = np.zeros((places, 1)), np.full(places, float(good))
    return Case(RUNS[0], Example(rows, value, np.full(places, 1 / places), problem, "x", problem))


def test_logits_that_are_too_sure_are_calibrated_on_other_problems():
    cases = [case(f"p{n}", good=n % 4 != n // 4 % 2 * 2) for n in range(40)]
    logits = [np.full(3, 6.0) for _ in cases]
    curve = curve_of(cases, logits)
    assert curve.slope * 6 + curve.shift == pytest.approx(np.log(3), abs=0.1), "3 of 4 are good"
    assert judged(cases, logits, 0).error < 0.15
    few = [each for each in cases if int(each.example.problem[1:]) < CURVED - 1]
    assert curve_of(few, logits[: len(few)]) == Platt()
    assert judged(few, logits[: len(few)], 0).error > 0.2


def test_problems_are_held_out_whole():
    cases = [case(f"p{n % 10}", good=n % 3 > 0) for n in range(60)]
    held, why = held_out(cases, Wanted(base="x"))
    assert (len(held), why) == (4, None)
    assert len(held_out(cases, Wanted(base="x", folds=2))[0]) == 5
    with pytest.raises(UsageError, match="fewer than the 4"):
        held_out(cases, Wanted(base="x", folds=3))
    assert held_out([c for c in cases if c.example.problem < "p7"], Wanted(base="x"))[0] == set()
    alike = [case(f"p{n % 10}", good=f"p{n % 10}" in held) for n in range(60)]
    assert "all ended alike" in held_out(alike, Wanted(base="x"))[1]
