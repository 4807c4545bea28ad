"""A tracer at work in this process: constrained answers, invalid ones, and who is asked what."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

import torch

from tracekit.analyzers.run import attribute
from tracekit.analyzers.tracer.analyzer import DEFAULTS, Tracer
from tracekit.analyzers.tracer.answer import choices, parse, write
from tracekit.analyzers.tracer.trained import FILE
from tracekit.analyzers.tracer.trained import write as put
from tracekit.analyzers.tracer.writing import Written
from tracekit.context import Context
from tracekit.errors import InputError, UsageError
from tracekit.testing.traces import make_trace
from tracekit_models.tracer import base, local
from tracekit_models.tracer.constrain import AnswerLine, trie
from tracekit_models.tracer.local import Local, load
from tracekit_models.tracer.recipe import Grpo, Prompt, Recipe, Scratch, asked

TINY = Scratch(
    vocabulary=400, hidden=32, layers=1, heads=2, kv_heads=1, feed_forward=64, context=1024,
    steps=1, tokens=1024,
)  # fmt: skip
RUN = make_trace("r", [("Ada", "Two and two are five."), ("Ben | 1", "So it is five.")])


@pytest.fixture(scope="module")
def words():
    return base.tokenizer([RUN.steps[0].content, "Ada Ben | 0 1"], 400)


@pytest.fixture(scope="module")
def model(words):
    return base.decoder(TINY, words, seed=3)


def walk(words, prompt, said):
    """The tokens allowed after each token of an answer, as the processor gives them."""
    rows = AnswerLine([trie(choices(RUN), words, words.eos_token_id)], words, len(prompt))
    ids = list(prompt)
    found = []
    for token in [*said, None]:
        scores = rows(torch.tensor([ids]), torch.zeros(1, 500))
        allowed = torch.isfinite(scores[0]).nonzero().flatten().tolist()
        found.append(allowed if len(allowed) < 500 else None)
        if token is not None:
            ids.append(token)
    return found


def test_reasoning_is_free_and_the_last_line_is_not(words):
    text = write("Ben | 1", 0, "why")
    said = words(text, add_special_tokens=False)["input_ids"] + [words.eos_token_id]
    allowed = walk(words, [5, 6, 7], said)
    close = said.index(words.convert_tokens_to_ids("</think>"))
    assert allowed[: close + 1] == [None] * (close + 1)
    for place in range(close + 1, len(said)):
        assert said[place] in allowed[place]
        assert len(allowed[place]) <= 2
    assert allowed[close + 1] == words("\n", add_special_tokens=False)["input_ids"]


def test_whatever_is_written_after_the_close_is_a_choice(model, words):
    """A random model writes nonsense; once its reasoning is closed, its last line is a choice."""
    prompt = words("x<think>y</think>", return_tensors="pt", add_special_tokens=False)
    start = prompt["input_ids"].shape[1] - 1  # the closing tag counts as written by the model
    rows = AnswerLine([trie(choices(RUN), words, words.eos_token_id)], words, start)
    done = model.generate(
        **prompt, do_sample=True, max_new_tokens=60, logits_processor=[rows],
        pad_token_id=words.pad_token_id,
    )  # fmt: skip
    text = words.decode(done[0, start + 1 :])
    assert text.split("<|im_end|>")[0].strip("\n") in set(choices(RUN))
    assert "<|im_end|>" in text


def test_a_random_model_gives_invalid_answers_that_are_counted(model, words):
    settings = {**DEFAULTS, "max_tokens": 12}
    tracer = Tracer(Local(model, words, settings, "tiny"))
    verdict = attribute(RUN, tracer, context=Context(settings={"max_tokens": 12, "samples": 2}))
    assert verdict.failed
    assert verdict.abstained is not None
    assert "12 tokens" in verdict.abstained
    assert verdict.cost.calls == 2
    assert verdict.method.model == "tiny"


class Says:
    """A writer that says what a test wants, and keeps what it was asked."""

    id = "says"
    trained = room = None

    def __init__(self, *texts):
        self.texts = list(texts)
        self.asked = []

    def count(self, text):
        return len(text) // 4

    def write(self, wanted):
        self.asked += wanted
        return [Written(self.texts.pop(0), 10) for _ in wanted]


def test_reasoning_is_the_evidence_and_samples_vote():
    says = Says(write("Ada", 0, "five is wrong"), write("Ben | 1", 1, "it agrees"), "nothing",
                write("Ada", 0, "the sum"))  # fmt: skip
    verdict = attribute(RUN, Tracer(says), context=Context(settings={"samples": 4}))
    assert (verdict.top.agent, verdict.top.step) == ("Ada", 0)
    assert {e.shows for e in verdict.top.evidence} == {"five is wrong", "the sum"}
    assert (verdict.votes.asked, verdict.votes.step) == (4, 2)
    assert any("1 of 4 judgements failed" in warning for warning in verdict.warnings)
    assert [wanted.seed for wanted in says.asked] == [0, 1, 2, 3]


def test_a_long_run_is_read_in_windows_and_then_once_more():
    said = [("Ada", f"{i} " + "word " * 120) for i in range(40)]
    long = make_trace("long", said)
    texts = [write("Ada", 3, "early")] * 60
    says = Says(*texts)
    verdict = attribute(long, Tracer(says), context=Context(settings={"budget": 900}))
    windows, again = says.asked[:-1], says.asked[-1]
    assert len(windows) > 1
    assert {step for wanted in windows for step in wanted.page.steps} == set(range(40))
    assert again.page.steps == (1, 2, 3, 4, 5)
    assert verdict.top.step == 3
    assert verdict.cost.calls == len(says.asked)
    assert all(says.count(text) < 1000 for w in says.asked for _, text in w.page.messages)


def test_without_a_model_it_says_so():
    with pytest.raises(UsageError, match="--model"):
        attribute(RUN, "tracer")


def test_a_folder_is_loaded_and_named_by_its_weights(model, words, tmp_path):
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    one, two = (load(str(tmp_path), {**DEFAULTS, "max_tokens": 9}) for _ in range(2))
    assert one.id == two.id
    assert len(one.id) == 12
    assert one.count("Two and two") == len(words("Two and two")["input_ids"])
    assert not list(Path(tmp_path).glob("*.bin"))


def test_what_the_folder_says_of_its_training_holds(model, words, tmp_path):
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    trained = asked(Recipe(name="r", base=TINY, prompt=Prompt(budget=700), grpo=Grpo(completion=9)))
    put(trained, tmp_path)
    one = load(str(tmp_path), DEFAULTS)
    assert one.trained == trained
    assert (one.settings["budget"], one.settings["max_tokens"]) == (700, 9)
    assert 900 < one.room < TINY.context  # the marks of the chat take the rest
    verdict = attribute(RUN, Tracer(one))
    assert "longer than 9 tokens" in verdict.abstained
    with pytest.raises(UsageError, match="do not fit"):
        attribute(RUN, Tracer(one), context=Context(settings={"budget": 1020}))
    (tmp_path / FILE).write_text('{"budget": 700}')
    with pytest.raises(InputError, match=FILE):
        load(str(tmp_path), DEFAULTS)


def test_batches_change_nothing(model, words):
    """Rows of different length in one batch give the texts that they give alone."""
    runs = [RUN, make_trace("s", [("Ada", "One."), ("Cid", "No, and no again, it is two.")])]
    context = Context(settings={"max_tokens": 8})
    tracer = Tracer(Local(model, words, {**DEFAULTS, "max_tokens": 8}, "tiny"))
    together = tracer.attribute_many(runs, context)
    assert together == [tracer.attribute(run, context) for run in runs]


def test_what_is_written_for_training_is_read_back():
    for agent in ("Ada", "Ben | 1"):
        assert parse(write(agent, 1, "x </think> y"), RUN).agent == agent


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    from huggingface_hub import errors

    def gone(*_, **__):
        raise errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", gone)
    with pytest.warns(UserWarning, match="ada/model: the Hub cannot be reached"):
        assert local._on_hub("ada/model", "main") is None
