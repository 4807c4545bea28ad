"""Value models on language models: no look-ahead, one pass for all prefixes, training, LoRA."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from tracekit.errors import InputError  # noqa: E402
from tracekit.protocols import ValueFunction  # noqa: E402
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace  # noqa: E402
from tracekit_models.prm.language import trainable
from tracekit_models.prm.language_settings import Backbone, Lora  # noqa: E402
from tracekit_models.prm.language_train import Recipe, score, train  # noqa: E402
from tracekit_models.prm.stored import LanguageValues, Settings  # noqa: E402
from tracekit_models.prm.windows import Reader  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft

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


def test_saved_and_loaded_it_values_runs_as_before(tokenizer, tmp_path):
    base = tmp_path / "base"
    body("qwen3").save_pretrained(base)
    backbone = Backbone(length=64, longest=16, lora=Lora(rank=4, alpha=8))
    model = train(
        transformers.AutoModel.from_pretrained(base), tokenizer, RUNS[:4], backbone=backbone,
        recipe=Recipe(epochs=2, rate=5e-3, gather=1), device="cpu",
    )  # fmt: skip
    values = LanguageValues(model, tokenizer, Settings(base=str(base), backbone=backbone))
    values.save(tmp_path / "prm")
    again = LanguageValues.load(tmp_path / "prm")
    assert isinstance(again, ValueFunction)
    whole = run(0, good=True, steps=8)
    np.testing.assert_allclose(again.values(whole), values.values(whole), atol=1e-6)
    running = again.begin(whole)
    pushed = [running.push(step) for step in whole.steps]
    np.testing.assert_allclose(pushed, again.values(whole), atol=1e-5)
    (tmp_path / "prm" / "prm-language.json").write_text("{}")
    with pytest.raises(InputError):
        LanguageValues.load(tmp_path / "prm")
