"""Influence of messages: who rests on whom, what was ignored, who is lazy, how far a run got."""

import numpy as np
import pytest

from tracekit.analyzers.influence.analyzer import HARM, InfluenceAnalyzer
from tracekit.analyzers.influence.credit import credit_of, grid, rounds
from tracekit.analyzers.influence.measures import Influence, heard, influence_of, said
from tracekit.analyzers.influence.milestones import SubGoal, milestones, read_goals
from tracekit.analyzers.influence.report import handed, report_of
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Agent, Inputs, Message, Step, Task, ToolCall

KILN = [
    ("Planner", "Look up the kiln and the oven."),
    ("Reader", "The kiln takes 36 vases."),
    ("Cook", "The oven takes 81 pies."),
    ("Writer", "The kiln takes 36 vases, so we order 36 vases."),
]


class Remembering:
    """A scorer to whom a target costs a nat for each word that it was not told."""

    name = "remembering"

    def __init__(self, blind=0):
        self.blind = blind  # the oldest so many items lie outside its window

    def score(self, history, target, without):
        def nats(items):
            known = set(" ".join(items).split())
            return -float(sum(word not in known for word in target.split()))

        rest = [nats([*history[:k], *history[k + 1 :]]) for k in without]
        lost = [float("nan") if k < self.blind else x for k, x in zip(without, rest, strict=True)]
        return [nats(history), *lost]


def test_words_belong_to_whoever_said_them_first():
    steps = [("A", "the vase is cobalt"), ("B", "cobalt it is"), ("C", "cobalt vase")]
    share = influence_of(make_trace("t", steps, task=Task())).share
    assert share[2].tolist() == [1.0, 0.0, 0.0]
    assert share[1, 0] > 0
    assert (np.triu(share) == 0).all()


def test_numbers_weigh_more_than_words():
    steps = [("A", "cobalt"), ("B", "4711"), ("C", "cobalt 4711")]
    share = influence_of(make_trace("t", steps, task=Task())).share
    assert share[2, 1] == pytest.approx(3 * share[2, 0])


def test_the_task_belongs_to_nobody():
    steps = [("A", "cobalt vases"), ("B", "cobalt vases")]
    asked = make_trace("t", steps, task=Task("How many cobalt vases?"))
    assert influence_of(asked).share.sum() == 0
    assert influence_of(make_trace("t", steps, task=Task())).share[1, 0] == 1.0


def test_only_what_an_agent_was_given_counts():
    told = Inputs(steps=(1,), messages=(Message("user", "umber"),))
    steps = [
        ("A", "cobalt vases"),
        ("B", "ochre vases"),
        Step(2, "C", content="cobalt ochre umber vases", inputs=told),
    ]
    share = influence_of(make_trace("t", steps, task=Task())).share
    assert share[2, 0] == 0
    # of what is not the user's, `cobalt` comes from nowhere, the rest from step 1
    assert 0 < share[2, 1] < 1


def test_calls_count_as_what_is_said():
    call = ToolCall("find", {"colour": "cobalt"}, result="shelf nine")
    assert said(Step(0, "A", content="Look.", tools=(call,))).split("\n") == [
        "Look.",
        "{'colour': 'cobalt'}",
        "shelf nine",
    ]


@pytest.mark.parametrize("measure", ["overlap", "embedding"])
def test_a_copied_message_is_found(measure):
    found = influence_of(make_trace("t", KILN, task=Task()), measure)
    assert int(found.share[3].argmax()) == 1
    assert (found.share.sum(axis=1) <= 1 + 1e-9).all()
    assert (found.own >= 0).all()


def test_the_model_measures_what_a_message_makes_likelier():
    trace = make_trace("t", KILN, task=Task("Vases?"))
    found = influence_of(trace, "model", Remembering())
    told, target = heard(trace, trace.steps[3])
    assert told[0] == "task: Vases?\n"
    assert target.startswith("Writer: The kiln")
    # `36`, `vases` and so on are lost without step 1; `kiln` was said by the planner as well
    assert found.raw[3, 1] > 0
    assert found.raw[3, 2] == 0
    unexplained = -Remembering().score(told, target, [])[0]
    helped = np.maximum(found.raw[3], 0).sum()
    assert found.share[3, 1] == pytest.approx(found.raw[3, 1] / (helped + unexplained))


def test_what_lies_outside_the_window_is_not_known_rather_than_ignored():
    trace = make_trace("t", KILN, task=Task("Vases?"))
    found = influence_of(trace, "model", Remembering(blind=2))
    assert not found.known[3, 0]
    assert found.known[3, 1]
    assert found.share[3, 0] == 0


def test_a_scorer_goes_with_its_measure_alone():
    trace = make_trace("t", KILN)
    with pytest.raises(UsageError, match="give both or none"):
        influence_of(trace, "model")
    with pytest.raises(UsageError, match="give both or none"):
        influence_of(trace, "overlap", Remembering())
    with pytest.raises(UsageError, match="there are overlap, embedding, model"):
        influence_of(trace, "telepathy")


def test_single_readers_are_measured_as_in_the_whole():
    trace = make_trace("t", KILN, task=Task())
    whole, one = influence_of(trace), influence_of(trace, readers={3})
    assert (whole.share[3] == one.share[3]).all()
    assert one.share[:3].sum() == 0


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_credit_is_all_of_the_answer(trace):
    credit = credit_of(trace, influence_of(trace))
    assert credit.kept.sum() == pytest.approx(1)
    assert (credit.kept >= 0).all()
    assert sum(map(sum, grid(trace, credit.kept).values())) == pytest.approx(1, abs=1e-4)


def test_credit_flows_back_through_relays():
    """C rests on B by half, B on A wholly: A has half of the answer, B nothing, C the rest."""
    trace = make_trace("t", [("A", "one two three")] * 3)
    share = np.array([[0, 0, 0], [1, 0, 0], [0, 0.5, 0]])
    given = ((), (0,), (1,))
    made = Influence("overlap", given, share, share, np.ones((3, 3), dtype=bool))
    credit = credit_of(trace, made)
    assert credit.kept.tolist() == [0.5, 0.0, 0.5]
    assert credit.passed.tolist() == [0.5, 0.5, 1.0]


def test_a_tool_does_not_begin_a_round():
    steps = [("A", "go"), Step(1, "tool", kind="tool_result", content="9"), ("A", "so"), ("B", "x")]
    assert rounds(make_trace("t", [*steps, ("A", "y")])) == [0, 0, 0, 0, 1]


def relay(said_by_b):
    """A hands a number over to B, who passes something on to C, who answers."""
    steps = [
        Step(0, "A", content="the vault code is 8153 and the shelf is amber", to="B"),
        Step(1, "B", content=said_by_b, to="C"),
        Step(2, "C", kind="final", content=f"Final answer: {said_by_b}"),
    ]
    return make_trace("relay", steps, task=Task("What opens it?"))


def test_a_message_without_a_trace_is_ignored():
    heard_it, passed_over = (
        relay("vault code 8153, amber shelf"),
        relay("nothing came my way today"),
    )
    assert report_of(heard_it, influence_of(heard_it)).ignored == ()
    (found,) = report_of(passed_over, influence_of(passed_over)).ignored
    assert (found.step, found.agent, found.reader, found.read_by) == (0, "A", 1, "B")
    assert found.share == found.anywhere == 0


def test_who_was_handed_what():
    steps = [Step(0, "A", to="B"), ("C", "x"), Step(2, "B", to="A"), ("B", "y"), ("A", "z")]
    assert list(handed(make_trace("t", steps))) == [(0, 2), (2, 4)]


def test_who_only_repeats_is_lazy():
    steps = [
        ("A", "the kiln takes 36 vases of cobalt glaze"),
        ("Echo", "36 vases of cobalt glaze"),
        ("B", "Final answer: 36 vases of cobalt glaze in the kiln for 812 coins"),
    ]
    trace = make_trace("t", steps, task=Task())
    members = {m.agent: m for m in report_of(trace, influence_of(trace)).members}
    assert {name for name, m in members.items() if m.lazy} == {"Echo"}
    assert members["Echo"].adds == 0
    assert min(members["A"].credit, members["B"].credit) > members["Echo"].credit == 0


def test_one_agent_alone_is_not_lazy():
    trace = make_trace("t", [("A", "cobalt glaze"), ("A", "cobalt glaze")], task=Task())
    assert not any(m.lazy for m in report_of(trace, influence_of(trace)).members)


def test_blame_follows_the_answer():
    trace = make_trace("t", KILN, task=Task("What do we order?"))
    verdict = attribute(trace, "influence")
    assert verdict.top.step == 1
    assert verdict.warnings == (HARM,)
    evidence = verdict.top.evidence[0]
    assert "36" in evidence.quote
    assert "step 3 rests on it" in evidence.shows
    assert next(s for s in verdict.suspects if s.step == 2).probability == 0


def test_people_are_not_blamed():
    agents = (Agent("user", "user", role="user"), Agent("A", "A"))
    trace = make_trace("t", [("user", "cobalt 77"), ("A", "cobalt 77")], agents=agents, task=Task())
    assert attribute(trace, "influence").abstained == "nothing of the answer is the team's own"


def test_settings_are_checked():
    with pytest.raises(UsageError, match="no measure 'charm'"):
        attribute(make_trace("t", KILN), "influence", measure="charm")
    with pytest.raises(UsageError, match="its settings: measure, model"):
        InfluenceAnalyzer().attribute(make_trace("t", KILN), Context(settings={"depth": 2}))


GOALS = [
    SubGoal("key", r"(?i)key is \d+"),
    SubGoal("door", "door opens"),
    SubGoal("gold", "gold", task="cave"),
    SubGoal("sea", "sea", task="beach"),
]


def test_progress_stops_where_the_last_goal_was_reached():
    steps = [("A", "The key is 17"), ("B", "hm"), ("B", "with 17 the door opens"), ("C", "bye")]
    trace = make_trace("t", steps, task=Task("Get the gold", id="cave"))
    found = milestones(trace, GOALS, influence_of(trace))
    assert found.reached == {"key": 0, "door": 2}
    assert found.progress == pytest.approx((1 / 3, 1 / 3, 2 / 3, 2 / 3))
    assert found.stalled == 2
    assert found.kpi == {"A": 2 / 3, "B": 1 / 3, "C": 0}


def test_goals_of_other_tasks_are_left_out():
    trace = make_trace("t", KILN, task=Task("?", id="x"))
    assert milestones(trace, GOALS[2:], influence_of(trace)) is None
    assert milestones(trace, GOALS, influence_of(trace)).goals == 2


def test_all_goals_reached_is_no_stall():
    trace = make_trace("t", [("A", "key is 1, door opens")])
    assert milestones(trace, GOALS[:2], influence_of(trace)).stalled is None


def test_people_reach_no_goal():
    agents = (Agent("user", "user", role="user"), Agent("A", "A"))
    trace = make_trace("t", [("user", "the door opens"), ("A", "no")], agents=agents)
    found = milestones(trace, GOALS[1:2], influence_of(trace))
    assert (found.reached, found.stalled, found.kpi) == ({}, 0, {"A": 0})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"name": "a", "pattern": "("}]', "the pattern of 'a'"),
        ('[{"name": "a"}]', "wanted a JSON list"),
        ('{"a": "b"}', "wanted a JSON list"),
        ('[{"name": "a", "pattern": "b", "weight": 2}]', "wanted a JSON list"),
        ("[]", "no sub-goal in it"),
    ],
)
def test_files_of_goals_are_checked(tmp_path, text, why):
    path = tmp_path / "goals.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_goals(path)
    path.write_text('[{"name": "a", "pattern": "b+"}]')
    assert read_goals(path) == [SubGoal("a", "b+")]
