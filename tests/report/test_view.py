import json
from pathlib import Path

import msgspec
import pytest

from tracekit.attribution import Attribution, Evidence, Method, Suspect
from tracekit.report.facts import arguments, duration, pointer
from tracekit.report.view import COLOURS, Shown, run_view, state
from tracekit.trace import Agent, Outcome, Raw, Source, Step, Trace

GOLDEN = Path(__file__).with_name("golden") / "bridge.json"


def test_the_view_of_a_run_is_as_reviewed(failed):
    view = json.loads(msgspec.json.encode(run_view(1, *failed)))
    assert view == json.loads(GOLDEN.read_text())


def test_states(failed, unknown, succeeded):
    trace, verdict = failed
    silent = msgspec.structs.replace(verdict, suspects=(), abstained="too long")
    good = msgspec.structs.replace(trace, outcome=Outcome("success"))
    states = [
        state(*pair) for pair in (failed, unknown, succeeded, (trace, silent), (good, verdict))
    ]
    assert states == ["explained", "conditional", "success", "none", "asked"]


def test_only_shown_suspects_have_a_rank_and_quotes_but_all_have_their_share(failed):
    steps = run_view(1, *failed, Shown(top=1)).steps
    assert [step.rank for step in steps] == [None, None, 1, None]
    assert [step.probability for step in steps] == [0, 0.25, 0.6125, 0]
    trace, verdict = failed
    turned = msgspec.structs.replace(verdict, suspects=verdict.suspects[::-1])
    steps = run_view(1, trace, turned, Shown(top=1)).steps
    assert not any(span.evidence for step in steps for span in step.text)


def test_colours_follow_the_roster_and_start_again():
    agents = tuple(Agent(f"a{n}", f"A{n}") for n in range(COLOURS + 2))
    trace = Trace("t", Source("demo"), agents=agents)
    view = run_view(1, trace, Attribution("t", Method("m"), abstained="no steps"))
    assert [agent.colour for agent in view.agents] == [*range(COLOURS), 0, 1]


def test_a_verdict_that_does_not_fit_its_trace_is_still_shown():
    trace = Trace("t", Source("demo"), steps=(Step(0, "ghost", content="boo"),))
    suspect = Suspect("nobody", 7, 0.5, evidence=(Evidence(9, "boo", 0, 3),))
    view = run_view(1, trace, Attribution("t", Method("m"), (suspect,)))
    assert [agent.name for agent in view.agents] == ["ghost", "nobody"]
    assert view.blamed.name == "nobody"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (Raw(7, 7), "a.jsonl:7"),
        (Raw(7), "a.jsonl:7"),
        (Raw("/history/3"), "a.jsonl#/history/3"),
        (Raw("span", path="b\x1b.json"), "b␛.json#span"),
    ],
)
def test_pointers_are_what_editors_open(raw, shown):
    assert pointer(Trace("t", Source("demo", "a.jsonl")), raw) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.25, "250 ms"), (59.94, "59.9 s"), (119.6, "2 m 0 s"), (-90, "-1 m 30 s")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_arguments_of_any_kind_become_text():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert arguments([deep]) == "(nested too deeply to be shown)"
    assert arguments({"a": "é\u202e\ud800"}) == '{"a": "é⟨U+202E⟩⟨U+D800⟩"}'
    assert arguments("x\x1b") == "x␛"
    while deep:
        deep = deep.pop()
