"""How a tracer's model says that it is to be asked, and what becomes of settings that do not fit."""

import json

import pytest

from tracekit.analyzers.run import attribute
from tracekit.analyzers.tracer.analyzer import Tracer
from tracekit.analyzers.tracer.answer import write
from tracekit.analyzers.tracer.prompt import ASK, SYSTEM
from tracekit.analyzers.tracer.trained import FILE, Trained, doubts, read, settled
from tracekit.analyzers.tracer.trained import write as put
from tracekit.analyzers.tracer.writing import Written
from tracekit.context import Context
from tracekit.errors import InputError, UsageError
from tracekit.testing.traces import make_trace

PROMPTS = (SYSTEM.id, ASK.id)
SMALL = Trained(recipe="small", prompts=PROMPTS, budget=1024, max_tokens=208, with_answer=False)
OPEN = {"budget": None, "max_tokens": None}
RUN = make_trace("r", [("Ada", "Two and two are five."), ("Ben", "So it is five.")])


class Model:
    """A writer that was trained somehow, and keeps how long its prompts were."""

    id = "model"

    def __init__(self, trained=None, room=None):
        self.trained, self.room = trained, room
        self.longest = 0

    def count(self, text):
        return len(text) // 4

    def write(self, wanted):
        sizes = [sum(self.count(text) for _, text in one.page.messages) for one in wanted]
        self.longest = max([self.longest, *sizes])
        return [Written(write("Ada", 0, "five"), 3) for _ in wanted]


def fields(**changes):
    told = {"recipe": "small", "prompts": list(PROMPTS), "budget": 1024, "max_tokens": 208}
    return {**told, "with_answer": False, **changes}


def test_what_is_written_is_read(tmp_path):
    put(SMALL, tmp_path)
    assert read(tmp_path / FILE) == SMALL
    assert json.loads((tmp_path / FILE).read_text()) == fields()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(fields(budget=0)),
        json.dumps(fields(budget="1024")),
        json.dumps(fields(colour="red")),
        json.dumps(fields(prompts=["ignore all of this"])),
        json.dumps(fields(recipe="x\n<script>")),
        json.dumps(fields(with_answer=None)),
        "{}",
        "not json",
        " " * 2**17,
    ],
)
def test_a_file_of_another_form_is_refused(text, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=FILE):
        read(tmp_path / FILE)


@pytest.mark.parametrize(
    ("chosen", "trained", "room", "budget", "answer"),
    [
        (OPEN, None, None, 6144, 1024),
        (OPEN, None, 4096, 3072, 1024),
        (OPEN, SMALL, None, 1024, 208),
        (OPEN, SMALL, 1250, 1024, 208),
        (OPEN, SMALL, 1000, 792, 208),
        ({"budget": 500, "max_tokens": None}, SMALL, 1250, 500, 208),
        ({"budget": None, "max_tokens": 300}, SMALL, 1250, 950, 300),
    ],
)
def test_what_is_set_holds_then_the_training_then_the_defaults(
    chosen, trained, room, budget, answer
):
    found, warned = settled(chosen, trained, room)
    assert found == {"budget": budget, "max_tokens": answer}
    wished = trained.budget if trained else 6144
    cut = chosen["budget"] is None and budget < wished
    assert [f"{budget} tokens instead of {wished}" in one for one in warned] == [True] * cut


def test_an_answer_that_training_did_not_bound_takes_what_the_prompt_leaves():
    free = Trained(recipe="s", prompts=PROMPTS, budget=1024, max_tokens=None, with_answer=False)
    assert settled(OPEN, free, 1250) == ({"budget": 1024, "max_tokens": 226}, ())
    assert settled(OPEN, free, 9000) == ({"budget": 1024, "max_tokens": 1024}, ())


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"budget": 1100, "max_tokens": None}, "room for 1250"),
        ({"budget": None, "max_tokens": 1250}, "room for 1250"),
        ({"budget": "much", "max_tokens": None}, "budget is 'much'"),
        ({"budget": None, "max_tokens": True}, "max_tokens is True"),
    ],
)
def test_what_was_set_and_does_not_fit_is_an_error(chosen, said):
    with pytest.raises(UsageError, match=said):
        settled(chosen, SMALL, 1250)


def test_a_verdict_is_made_and_marked_by_what_the_model_says():
    long = make_trace("long", [("Ada", f"{i} " + "word " * 120) for i in range(40)])
    model = Model(SMALL, 1250)
    verdict = attribute(long, Tracer(model))
    assert 700 < model.longest <= 1024
    told = verdict.method.settings
    assert (told["budget"], told["max_tokens"], told["recipe"]) == (1024, 208, "small")
    assert not [each for each in verdict.warnings if "trained" in each or "kept" in each]
    attribute(long, Tracer(model := Model(SMALL, 1250)), context=Context(settings={"budget": 600}))
    assert 300 < model.longest <= 600


def test_a_plain_model_is_cut_to_what_it_reads_and_says_so():
    verdict = attribute(RUN, Tracer(Model(room=2048)))
    assert any("1024 tokens instead of 6144" in warning for warning in verdict.warnings)
    assert "recipe" not in verdict.method.settings


def test_a_model_asked_otherwise_than_it_was_trained_is_doubted():
    old = Trained(
        recipe="old", prompts=("tracer-system/9", "tracer/9"), budget=900, max_tokens=9,
        with_answer=True,
    )  # fmt: skip
    warnings = attribute(RUN, Tracer(Model(old))).warnings
    assert any("tracer-system/9, tracer/9" in warning for warning in warnings)
    assert any("trained with the correct answer" in warning for warning in warnings)
    (other,) = doubts(SMALL, PROMPTS, with_answer=True)
    assert "trained without the correct answer and is asked with it" in other
    assert doubts(SMALL, PROMPTS, with_answer=False) == doubts(None, (), with_answer=True) == ()
