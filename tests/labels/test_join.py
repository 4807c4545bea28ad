"""Labels on their traces: what fits is put on, what does not is said, several become one."""

import pytest

from tracekit.labels.join import Labels
from tracekit.trace import Agent, Label, Source, Step, Trace


def trace(id="t", speakers="abab", labels=()):
    return Trace(
        id=id,
        source=Source(format="toy"),
        agents=tuple(Agent(name, f"Agent {name.upper()}") for name in sorted(set(speakers))),
        steps=tuple(Step(i, name) for i, name in enumerate(speakers)),
        labels=labels,
    )


@pytest.fixture
def labels(tmp_path):
    def make(*rows, **options):
        file = tmp_path / "labels.csv"
        file.write_text("trace,agent,step,modes,definition,annotator\n" + "\n".join(rows) + "\n")
        return Labels([file], **options)

    return make


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("t,,4,,decisive,me", "step 4 is not in the trace, which has 4 steps"),
        ("t,c,1,,decisive,me", "has no agent 'c'"),
        ("t,a,1,,decisive,me", "step 1 was taken by 'b', not by 'a'"),
    ],
)
def test_what_does_not_fit_is_said(labels, row, what):
    found = labels(row)
    assert found.apply(trace()).labels == ()
    (problem,) = found.problems
    assert what in problem.what
    assert (problem.line, problem.severity) == (2, "error")
    assert (found.rows, found.applied) == (1, 0)


def test_an_unknown_trace_is_said_with_the_nearest(labels):
    found = labels("run-1,,0,,decisive,me", "run-zwei,,0,,decisive,me")
    found.apply(trace("run-1"))
    (problem,) = found.unmatched()
    assert problem.what == "no trace has this id"
    assert "run-1" in problem.do or "show" in problem.do
    assert problem.line == 3


def test_agents_go_by_any_of_their_names(labels):
    found = labels("t,Agent B,1,,decisive,me", "u,AGENT_A,,,decisive,me")
    assert found.apply(trace()).labels[0].agent == "b"
    assert found.apply(trace("u")).labels[0] == Label("decisive", agent="a", base=0, annotator="me")


def test_labels_of_the_same_definition_give_way_and_others_stay(labels):
    old = (Label("decisive", "a", 0), Label("outcome-only", modes=("x",)))
    found = labels("t,,1,,decisive,me").apply(trace(labels=old))
    assert [(label.definition, label.step) for label in found.labels] == [
        ("outcome-only", None),
        ("decisive", 1),
    ]


def test_one_label_per_annotator_trace_and_definition(labels):
    found = labels(
        "t,,1,,decisive,me", "t,,2,,decisive,me", "t,,2,,decisive,you", "t,,2,,outcome-only,me",
        "t,,1,,span-error,me", "t,,2,,span-error,me", resolve="keep",
    )  # fmt: skip
    steps = [label.step for label in found.apply(trace()).labels]
    (problem,) = found.problems
    assert (steps, problem.line) == ([1, 2, 2, 1, 2], 3)
    assert "labels.csv:2 already" in problem.what


def test_a_row_that_does_not_fit_is_put_right_by_a_later_one(labels):
    found = labels("t,,9,,decisive,me", "t,,1,,decisive,me", "t,,2,,decisive,me")
    assert [label.step for label in found.apply(trace()).labels] == [1]
    assert [problem.line for problem in found.problems] == [2, 4]
    assert "labels.csv:3 already" in found.problems[1].what


def test_a_file_named_twice_is_read_once(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("trace,step,definition\nt,1,decisive\n")
    found = Labels([file, str(file)])
    assert len(found.apply(trace()).labels) == 1
    assert (found.rows, found.applied, found.problems) == (1, 1, [])


def test_a_trace_without_rows_is_the_same_object(labels):
    other = trace("other")
    assert labels("t,,1,,decisive,me").apply(other) is other


def test_two_traces_of_one_id_are_doubtful(labels):
    found = labels("t,,1,,decisive,me")
    assert found.apply(trace()).labels
    assert not found.apply(trace()).labels
    assert "two traces" in found.problems[0].what


def test_the_majority_of_three(labels):
    found = labels(
        "t,,1,FM-1.1,decisive,x", "t,,1,FM-1.1;FM-1.3,decisive,y", "t,,2,FM-1.3,decisive,z"
    )
    (label,) = found.apply(trace()).labels
    assert (label.agent, label.step, label.modes) == ("b", 1, ("FM-1.1", "FM-1.3"))
    assert label.annotator == "majority of x, y, z"
    assert label.extra == {"votes": 2, "of": 3}


def test_a_tie_of_steps_leaves_the_agent_and_a_full_tie_nothing(labels):
    found = labels("t,,1,,decisive,x", "t,,3,,decisive,y", "u,,0,,decisive,x", "u,,1,,decisive,y")
    (label,) = found.apply(trace()).labels
    assert (label.agent, label.step) == ("b", None)
    assert found.apply(trace("u")).labels == ()
    (problem,) = found.problems
    assert problem.severity == "warning"
    assert "tied" in problem.what


def test_all_labels_are_kept_when_told(labels):
    found = labels("t,,1,,decisive,x", "t,,3,,decisive,y", resolve="keep")
    assert [label.step for label in found.apply(trace()).labels] == [1, 3]
    assert found.problems == []


def test_agreement_of_two_by_hand(labels):
    rows, traces = [], []
    for number, (first, second) in enumerate([(0, 0), (1, 1), (0, 2), (0, 1), (1, 2)]):
        rows += [f"t{number},,{first},,decisive,x", f"t{number},,{second},,decisive,y"]
        traces.append(trace(f"t{number}"))
    found = labels(*rows)
    for each in traces:
        found.apply(each)
    (agreement,) = found.report().agreement
    assert (agreement.traces, agreement.annotators, agreement.statistic) == (5, ("x", "y"), "cohen")
    assert agreement.step.value == 2 / 5
    assert agreement.near.value == 4 / 5
    # agents abaab against abaBA: 3 of 5 agree; x says a 3/5, y says a 3/5: chance 13/25
    assert agreement.agent.value == pytest.approx((3 / 5 - 13 / 25) / (1 - 13 / 25))
    differ = found.report().disagreements
    assert [item.trace for item in differ] == ["t2", "t3", "t4"]
    assert differ[0].differ == ("step",)
    assert differ[1].said["y"] == {"agent": "b", "step": 1, "modes": []}


def test_three_annotators_and_modes(labels):
    found = labels(
        "t,,0,FM-1.1,decisive,x", "t,,0,FM-1.1,decisive,y", "t,,0,,decisive,z",
        "u,,1,,decisive,x", "u,,1,,decisive,y",
    )  # fmt: skip
    for id in "tu":
        found.apply(trace(id))
    (agreement,) = found.report().agreement
    assert agreement.statistic == "fleiss"
    assert agreement.agent.value == 1.0
    # FM-1.1: yes yes no, no no. Observed (1/3 + 1) / 2; chance (2/5)^2 + (3/5)^2
    assert agreement.modes["FM-1.1"].value == pytest.approx((2 / 3 - 0.52) / 0.48)


def test_one_annotator_has_nobody_to_agree_with(labels):
    found = labels("t,,0,,decisive,x")
    found.apply(trace())
    assert (found.report().agreement, found.report().disagreements) == ((), ())
