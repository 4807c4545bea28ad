"""Alarms at the right step, live and afterwards alike; files that grow while they are read."""

import msgspec
import pytest

from tracekit.errors import InputError, Problem, UsageError
from tracekit.ingest.journal import JOURNAL, Instalment
from tracekit.prm.alarm import Follower, Rule, Watch, first_alarm, grown
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace

VALUES = [0.6, 0.9, 0.5, 0.15, 0.5, 0.1, 0.1]


class Given:
    """The value of a step stands in its content; counts how often it was begun and asked."""

    name = "given"

    def __init__(self):
        self.begun = self.pushed = 0

    def begin(self, trace):
        self.begun += 1
        return _Running(self)


class _Running:
    def __init__(self, owner):
        self.owner, self.value = owner, 0.5

    def push(self, step):
        self.owner.pushed += 1
        self.value = float(step.content)
        return self.value


def step(index, value=None, **more):
    return Step(
        index, "AB"[index % 2], content=str(VALUES[index] if value is None else value), **more
    )


def trace():
    steps = tuple(map(step, range(len(VALUES))))
    return Trace(id="r1", source=Source(format="x"), steps=steps)


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        (Rule(), 3),
        (Rule(below=0.12), 5),
        (Rule(below=0.2, patience=2), 6),
        (Rule(below=None, drop=0.4), 2),
        (Rule(below=None, drop=0.45), 3),
        (Rule(below=0.05, drop=0.9), None),
    ],
)
def test_alarms_by_hand(rule, at):
    alarm = first_alarm(trace(), Given(), rule)
    assert (alarm and alarm.step) == at
    if alarm:
        assert (alarm.trace_id, alarm.agent, alarm.value) == ("r1", "AB"[at % 2], VALUES[at])
        assert f"{VALUES[at]:.2f} is" in alarm.reason


def test_an_alarm_points_to_the_largest_fall():
    assert first_alarm(trace(), Given(), Rule(below=0.2)).worst == 2  # 0.9 to 0.5 in log-odds
    assert first_alarm(trace(), Given(), Rule(below=0.12)).worst == 2


def test_there_is_one_alarm_a_run():
    watch = Watch(Given(), Rule(), trace())
    assert [seen.step.index for seen in map(watch.take, trace().steps) if seen.alarm] == [3]
    assert watch.alarm.step == 3


@pytest.mark.parametrize("wrong", [{"below": None}, {"below": 1.5}, {"drop": 0.0}, {"patience": 0}])
def test_rules_that_cannot_hold(wrong):
    with pytest.raises(UsageError):
        Rule(**wrong)


def line(**fields):
    return msgspec.json.encode(Instalment(**fields))


HEAD = line(schema=JOURNAL, id="r1", source=Source(format="live"), task=Task("how many?"))


def fed(follower, *lines):
    return [seen for each in lines for seen in follower.take(each)]


def test_a_journal_gives_the_values_of_the_whole_run():
    values = Given()
    follower = Follower(values, Rule())
    seen = fed(follower, HEAD, *(line(steps=(step(n),)) for n in range(len(VALUES))))
    assert [each.value for each in seen] == VALUES
    assert follower.alarm == first_alarm(trace(), Given(), Rule())
    assert (values.begun, values.pushed) == (1, len(VALUES))  # every step costs only itself
    assert follower.trace.steps == trace().steps
    assert not follower.over
    assert fed(follower, line(outcome=Outcome("failure"))) == []
    assert follower.over


def test_a_step_is_scored_when_it_is_finished():
    follower = Follower(Given(), Rule())
    open = step(0, 0.9, extra={"unfinished": True})
    assert fed(follower, HEAD, line(steps=(open,)), line(steps=(step(1),))) == []
    assert [seen.value for seen in fed(follower, line(steps=(step(0),)))] == VALUES[:2]


def test_what_is_left_open_is_scored_when_the_run_ends():
    follower = Follower(Given(), Rule())
    open = step(0, 0.9, extra={"unfinished": True})
    fed(follower, HEAD, line(steps=(open,)))
    assert [seen.value for seen in fed(follower, line(outcome=Outcome("success")))] == [0.9]


def test_a_change_of_the_past_is_taken_in_and_not_shown_again():
    values = Given()
    follower = Follower(values, Rule())
    fed(follower, HEAD, *(line(steps=(step(n),)) for n in range(3)))
    assert fed(follower, line(steps=(step(0, 0.3),))) == []
    assert values.begun == 2
    assert fed(follower, line(agents=(Agent("C", "C"),))) == []
    assert values.begun == 3
    assert [seen.value for seen in fed(follower, line(steps=(step(3),)))] == [0.15]
    assert follower.trace.steps[0].content == "0.3"


def test_a_change_of_the_past_raises_the_alarm_once():
    follower = Follower(Given(), Rule())
    fed(follower, HEAD, line(steps=(step(0),)), line(steps=(step(1),)))
    (seen,) = fed(follower, line(steps=(step(0, 0.05),)))
    assert seen.alarm == follower.alarm
    assert (seen.step.index, seen.alarm.value) == (0, 0.05)
    more = fed(follower, line(steps=(step(0),)), *(line(steps=(step(n),)) for n in range(2, 6)))
    assert [each.alarm for each in more] == [None] * 4  # step 3 would have raised it
    assert follower.alarm == seen.alarm


def test_a_broken_line_is_a_problem_and_the_run_goes_on():
    follower = Follower(Given(), Rule())
    found = fed(
        follower, HEAD, b'{"steps": [', line(steps=(step(0),)), b"\xff", line(steps=(step(2),))
    )
    assert [type(each) is Problem for each in found] == [True, False, True, False]
    assert [each.value for each in found if not isinstance(each, Problem)] == [0.6, 0.5]


@pytest.mark.parametrize("first", [b"no json", b"{}", line(steps=(step(0),))])
def test_only_journals_are_followed(first):
    with pytest.raises(InputError, match=JOURNAL):
        fed(Follower(Given(), Rule()), first)


def test_a_file_that_grows(tmp_path):
    path, pieces = tmp_path / "run.jsonl", [b"", b"ee\nfour\nunfini", b"shed\n\n", b"rest"]
    path.write_bytes(b"one\ntwo\nthr")

    def wait():
        if not pieces:
            return False
        with path.open("ab") as stream:
            stream.write(pieces.pop(0))
        return True

    assert list(grown(path, wait)) == [b"one", b"two", b"three", b"four", b"unfinished", b"rest"]


def test_a_file_that_shrinks_or_is_not_there(tmp_path):
    path = tmp_path / "run.jsonl"
    with pytest.raises(InputError, match="cannot be read"):
        list(grown(path, lambda: False))
    path.write_bytes(b"one\ntwo\n")

    def wait():
        path.write_bytes(b"one\n")
        return True

    with pytest.raises(InputError, match="shorter"):
        list(grown(path, wait))
