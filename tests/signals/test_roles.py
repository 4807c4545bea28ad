"""Who counts as what in a team."""

from tracekit.signals.roles import candidates, charged, executors, hub, people, reports
from tracekit.testing.traces import make_trace
from tracekit.trace import Agent, Step


def test_people_by_role_or_by_their_usual_name_when_no_role_is_given():
    agents = (Agent("boss", "boss", role="user"), Agent("human", "human"), Agent("A", "A"))
    trace = make_trace("t", [("boss", "x"), ("human", "y"), ("A", "z")], agents=agents)
    assert people(trace) == {"boss", "human"}
    assert candidates(trace) == (2,)


def test_system_prompts_are_not_blamed():
    trace = make_trace("t", [Step(0, "A", kind="system", content="be good"), ("A", "x")])
    assert candidates(trace) == (1,)


def test_everything_can_be_blamed_where_only_people_speak():
    assert candidates(make_trace("t", [("user", "x"), ("user", "y")])) == (0, 1)


def test_executor_only_reports():
    trace = make_trace(
        "t",
        [
            ("A", "```python\nprint(1)\n```"),
            ("T", "exitcode: 0 (execution succeeded)\n1"),
            ("A", "exitcode: 0 is what it said"),
            ("T", "There is no code from the last message to run"),
        ],
    )
    assert executors(trace) == {"T"}
    assert reports(Step(0, "X", kind="tool_result"))


def test_hub_sends_most_of_the_hand_offs():
    def to(sender, receiver):
        return Step(0, sender, to=receiver)

    sent = [to("O", "W"), to("O", "V"), to("O", "W")]
    assert hub(make_trace("t", [*sent, ("W", "done")])) == "O"
    assert hub(make_trace("t", [*sent, to("W", "O"), to("V", "O")])) is None
    assert hub(make_trace("t", sent[:2])) is None
    assert hub(make_trace("t", [to("user", "W")] * 5)) is None


def test_logged_orchestrator_is_the_hub():
    agents = (Agent("L", "L", role="orchestrator"), Agent("W", "W"))
    assert hub(make_trace("t", [("L", "go"), ("W", "done")], agents=agents)) == "L"


def test_an_output_is_charged_to_the_step_that_asked_for_it():
    trace = make_trace(
        "t",
        [
            ("A", "```run```"),
            ("B", "a remark"),
            Step(0, "T", kind="tool_result", content="exitcode: 1", parent=0),
            Step(0, "T", kind="tool_result", content="exitcode: 1"),
            ("B", "KeyError: x"),
        ],
    )
    assert charged(trace) == [0, 1, 0, 1, 4]


def test_an_output_that_nobody_asked_for_is_charged_to_itself():
    assert charged(make_trace("t", [("T", "exitcode: 1"), ("A", "so?")])) == [0, 1]
