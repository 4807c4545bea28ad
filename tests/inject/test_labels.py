"""Labels by definition, on a system whose chances are known by hand."""

import importlib.util
from pathlib import Path

import pytest

from tracekit.inject.labels import BOUND, ENDLESS, LOOKS, TEXTS, label
from tracekit.inject.replays import Replays
from tracekit.inject.types import Injected
from tracekit.replay.types import Intervention

spec = importlib.util.spec_from_file_location("coins", Path(__file__).with_name("coins.py"))
coins = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coins)
Coins, Knowing, say, struck = coins.Coins, coins.Knowing, coins.say, coins.struck


def definitions(found):
    return {label.definition: label for label in found.trace.labels}


def test_the_decisive_step_is_the_earliest_whose_correction_raises_the_chance():
    """Tails, tails, heads: from the first tails on, two heads are still possible."""
    system = Knowing()
    trace = say(system, "tails tails heads no")
    found = label(system, struck(say(system, "heads tails heads yes", "clean"), trace, 0, "tails"))
    labels = definitions(found)
    assert set(labels) == {"injected", "decisive", "first-unrecoverable"}
    assert (labels["decisive"].agent, labels["decisive"].step) == ("a", 0)
    assert labels["decisive"].modes == ("FM-2.6",)
    # Two tails leave one throw: two heads are out of reach after the second.
    assert labels["first-unrecoverable"].step == 1
    assert labels["injected"].step == 0
    assert found.replays > 0


def test_the_numbers_stand_behind_the_label():
    system = Knowing()
    found = label(
        system,
        struck(
            say(system, "heads heads tails yes", "c"),
            say(system, "tails tails tails no"),
            0,
            "tails",
        ),
    )
    extra = definitions(found)["decisive"].extra
    assert extra["text"] == TEXTS["decisive"]
    assert extra["n"] in LOOKS
    assert extra["low"] > 0
    assert extra["difference"] == pytest.approx(extra["rate_with"] - extra["rate_without"])
    assert extra["gained"] - extra["lost"] == round(extra["difference"] * extra["n"])
    lost = definitions(found)["first-unrecoverable"].extra
    assert (lost["n"], lost["bound"]) == (ENDLESS, BOUND)
    assert 0.95**1 > (1 - BOUND) ** ENDLESS == pytest.approx(0.05, abs=0.002)


def test_an_effect_that_is_there_is_found_at_its_size():
    """With heads first the chance is 3/4, with tails 1/4."""
    system = Knowing()
    sizes = []
    for number in range(40):
        trace = say(system, "tails tails heads no", f"run-{number}")
        found = label(system, struck(say(system, "heads tails heads yes", "c"), trace, 0, "tails"))
        assert found.decisive is not None
        assert found.decisive.step in (0, 1)
        if found.decisive.step == 0:
            sizes.append(found.decisive.difference)
    assert len(sizes) >= 36
    assert (
        0.4 < sum(sizes) / len(sizes) < 0.75
    )  # adaptive looks stop at lucky draws: a bit above 1/2


def test_a_mistake_without_effect_is_not_blamed():
    """One who says what is wrong where nobody listens: correcting it changes no chance."""

    class Deaf(Knowing):
        """The counter takes no notice of the first thrower, and wants two of two."""

        def verdict(self, words):
            return "yes" if words[1:3] == ["heads", "heads"] else "no"

    system = Deaf()
    blamed = []
    for number in range(30):
        trace = say(Coins(), "tails tails heads no", f"run-{number}")
        injected = struck(say(Coins(), "heads heads heads yes", "c"), trace, 0, "tails")
        found = label(system, injected)
        blamed.append(None if found.decisive is None else found.decisive.step)
    assert 0 not in blamed
    assert blamed.count(1) >= 25


def test_a_success_keeps_the_injection_alone():
    system = Knowing()
    trace = say(system, "tails heads heads yes")
    found = label(system, struck(say(system, "heads heads heads yes", "c"), trace, 0, "tails"))
    assert [one.definition for one in found.trace.labels] == ["injected"]
    assert (found.decisive, found.unrecoverable, found.replays) == (None, None, 0)


def test_a_failure_that_no_step_explains_says_so():
    """Everybody did what is right and the run failed: there is nothing to correct."""
    system = Knowing(fair=0.0)
    trace = say(system, "tails tails tails no")

    class Content(Knowing):
        def is_correct(self, checkpoint, action):
            return True

    natural = Injected(
        clean=trace, trace=trace, faults=(), interventions=(), manipulator="", seed=0
    )
    found = label(Content(fair=0.0), natural)
    assert found.decisive is None
    assert found.trace.labels == ()
    assert found.unrecoverable is None  # it never had a chance
    assert found.trace.extra["labels"]["decisive"] is None


def test_taking_the_fault_back_is_measured_where_no_step_explains():
    class Content(Knowing):
        def correct(self, checkpoint):
            step = checkpoint.step
            return Intervention(step=step, actions=(coins.Action("tails"),), by="no help")

    system = Content()
    trace = say(system, "tails tails heads no")
    found = label(system, struck(say(system, "heads tails heads yes", "c"), trace, 0, "tails"))
    assert found.decisive is None
    assert found.undone is not None
    assert found.undone.difference > 0


def test_without_corrections_the_clean_run_is_the_model():
    system = Coins()
    trace = say(system, "heads tails tails no")
    found = label(system, struck(say(system, "heads heads tails yes", "c"), trace, 1, "tails"))
    assert found.decisive is not None
    assert [one.step for one in found.tested] == [1]


def test_labels_are_the_same_every_time_and_follow_the_seed():
    system = Knowing()
    injected = struck(
        say(system, "heads tails heads yes", "c"), say(system, "tails tails heads no"), 0, "tails"
    )
    assert label(system, injected) == label(system, injected)
    first, second = (label(system, injected, seed).decisive.first_seed for seed in (0, 1))
    assert first != second


def test_replays_are_remembered():
    system = Knowing()
    replays = Replays(system, say(system, "tails heads tails no"))
    ends = [replays.after(0, k) for k in range(10)]
    assert replays.made == 10
    assert [replays.after(0, k) for k in range(10)] == ends
    assert replays.made == 10
    assert replays.after(3, 0) is False
    assert replays.made == 10, "after the last step nothing is left to replay"
