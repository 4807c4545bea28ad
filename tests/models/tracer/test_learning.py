"""What is learned from and how it is judged: samples, splits, curricula, scores, rejection."""

import msgspec
import pytest

pytest.importorskip("transformers")

from tracekit.analyzers.tracer.answer import write
from tracekit.analyzers.tracer.writing import Written
from tracekit.llm.errors import TruncatedAnswer
from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Task
from tracekit_models.tracer.data import chosen, ordered, rationale, samples, split
from tracekit_models.tracer.evaluate import figures, score
from tracekit_models.tracer.recipe import Grpo
from tracekit_models.tracer.rejection import accepted


def count(text):
    return len(text) // 4


def run(name, step, *, question="q", made=False, steps=4, reason=None, words=3):
    said = [("Ada", "Ben")[i % 2] for i in range(steps)]
    by = "tracekit:replay" if made else None
    labels = [Label("decisive", said[step], step, (), reason, annotator=by)]
    if made:
        labels.append(Label("injected", said[step], step, ("FM-2.6",)))
    spoken = [(who, f"{name} says {i} " + "word " * words) for i, who in enumerate(said)]
    return make_trace(name, spoken, labels=tuple(labels), task=Task(question=question))


def test_a_sample_shows_no_label_and_its_answer_is_the_label():
    (found,) = samples([run("a", 2, reason="The sum is off.")], 4000, count)
    assert found.trace.labels == ()
    assert (found.agent, found.step) == ("Ada", 2)
    assert "The sum is off." in found.answer
    assert found.answer.endswith("\nAda | 2")
    assert "The sum is off." not in str(found.page.messages)
    assert not found.generated


def test_runs_without_a_step_are_left_out_and_better_labels_come_first():
    bare = make_trace("b", [("Ada", "x")])
    assert list(samples([bare], 4000, count)) == []
    both = run("a", 2, made=True)
    later = msgspec.structs.replace(both, labels=(Label("injected", "Ben", 1), *both.labels))
    assert chosen(later).definition == "decisive"


def test_the_rationale_of_an_injected_failure_says_what_one_sees():
    trace = run("a", 1, made=True)
    told = rationale(trace, trace.labels[0])
    assert told.startswith('Step 1 is by Ben, who says "a says 1')
    assert "FM-2.6" in told


def test_a_long_run_becomes_a_window_and_a_second_pass_with_the_step_in_both():
    long = run("long", 31, steps=60, words=150)
    found = list(samples([long], 1200, count))
    assert len(found) == 2
    assert all(31 in sample.page.steps and len(sample.page.steps) < 60 for sample in found)
    assert all(sum(count(text) for _, text in s.page.messages) <= 1200 for s in found)


def test_questions_are_on_one_side_and_generated_labels_come_first():
    found = list(
        samples(
            [run(f"r{i}", 1, question=f"q{i % 5}", made=i % 2 == 0) for i in range(20)],
            4000,
            count,
        )
    )
    train, held = split(found, 0.2, seed=1)
    assert {s.question for s in train}.isdisjoint(s.question for s in held)
    assert len({s.question for s in held}) == 1
    assert split(found, 0.2, seed=1) == (train, held)
    made = [sample.generated for sample in ordered(train, seed=0)]
    assert made == sorted(made, reverse=True)
    assert {*made} == {True, False}
    with pytest.raises(ValueError, match="one question"):
        split(found[:1], 0.5, seed=0)


def test_a_short_training_sees_either_kind_and_a_long_one_all_runs_again():
    found = list(samples([run(f"r{i}", 1, made=i % 2 == 0) for i in range(40)], 4000, count))
    few = ordered(found, 0, 20)
    assert 5 < sum(sample.generated for sample in few) < 15
    many = ordered(found, 0, 100)
    counts = sorted([sample.trace.id for sample in many].count(f"r{i}") for i in range(40))
    assert counts == [2] * 20 + [3] * 20
    made = [sample.generated for sample in many]
    assert made == sorted(made, reverse=True)


def test_labels_by_replays_are_generated():
    found = run("a", 1)
    label = msgspec.structs.replace(found.labels[0], annotator="tracekit:replay")
    replayed = msgspec.structs.replace(found, labels=(label,))
    injected = Label("injected", "Ben", 1)  # what training goes by is the label of a person
    mixed = msgspec.structs.replace(found, labels=(injected, *found.labels))
    told = [one.generated for one in samples([found, replayed, mixed], 4000, count)]
    assert told == [False, True, False]


def test_nothing_cannot_be_put_in_order():
    with pytest.raises(ValueError, match="no runs"):
        ordered([], 0, 3)


class Says:
    """Writes the texts it is given, one after another."""

    id = "says"

    def __init__(self, *texts):
        self.texts = list(texts)

    def count(self, text):
        return count(text)

    def write(self, wanted):
        return [self.texts.pop(0) for _ in wanted]


def test_scores_by_hand():
    found = list(samples([run(f"r{i}", 1) for i in range(4)], 4000, count))
    says = Says(
        Written(write("Ben", 1, "x"), 5),
        Written(write("Ben", 3, "x"), 5),
        Written("Ben | 1", 5),
        Written(write("Ben", 1, "x"), 5, TruncatedAnswer("cut")),
    )
    shares = figures(score(says, found))
    assert shares.n == 4
    assert (shares.agent.value, shares.step.value, shares.joint.value) == (0.5, 0.25, 0.25)
    assert shares.valid.value == 0.5
    with pytest.raises(ValueError, match="no answer"):
        figures([])


def test_only_right_answers_are_kept_each_once():
    found = list(samples([run("a", 1), run("b", 2)], 4000, count))
    right = Written(write("Ben", 1, "mine"))
    wrong = Written(write("Ada", 0, "mine"))
    kept, drawn = accepted(Says(right, right, wrong, wrong, wrong, wrong), found, Grpo(group=3))
    assert drawn == 6
    assert [(s.trace.id, s.answer) for s in kept] == [("a", right.text)]
