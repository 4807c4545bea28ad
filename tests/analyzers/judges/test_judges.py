"""Judges before a server that knows the truth, or lies, or breaks: what they say and what it costs."""

import json

import pytest

from tracekit import registry
from tracekit.analyzers.judges.judge import COMMON
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.eval.benchmarks.who_and_when import released
from tracekit.llm.budget import Budget, Price
from tracekit.llm.cache import Store
from tracekit.llm.tokens import estimate
from tracekit.metrics import score
from tracekit.testing.analyzers import check_analyzer
from tracekit.testing.chat_server import Reply
from tracekit.testing.judges import Oracle, kind, outside, planted_run, steps_in
from tracekit.trace import Agent

JUDGES = sorted(name for name in registry.BUILT_IN["analyzers"] if name.startswith("judge:"))
T = 7
RUNS = [planted_run(number, gold) for number, gold in enumerate(range(T), 101)]


def judged(run, context, name, **settings):
    return attribute(run, registry.get("analyzers", name), context=context, **settings)


def sent(call):
    return "".join(message["content"] for message in call.body["messages"])


@pytest.mark.parametrize("name", JUDGES)
def test_one_that_knows_the_truth_scores_everything(serve, asking, name):
    context = asking(serve(Oracle(RUNS)), **WIDE.get(name, {}))
    for run in RUNS:
        found = judged(run, context, name)
        if name == "judge:fusion" and found.top.step != run.labels[0].step:
            continue  # it weighs the judge against a prior; test_fusion.py knows by how much
        worth = score(found, run.labels[0], T)
        assert (worth.step, worth.agent, worth.joint) == (1.0, 1.0, 1.0), found


WIDE = {
    "judge:shortlist": {"coverage": 1.0, "share": 1.0},  # every step is among the suspects
    "judge:fusion": {"trust": 0.99},
}


@pytest.mark.parametrize("name", JUDGES)
def test_every_digit_at_once_is_no_answer(serve, asking, name):
    """The released scorer of Who&When takes it for right on every run; ours for what it is."""
    digits = "0123456789"
    server = serve([Reply(text=json.dumps({"reason": "", "agent": "Coder", "step": digits}))])
    context = asking(server)
    for run in RUNS[1:3]:
        label = run.labels[0]
        found = judged(run, context, name)
        assert found.failed
        assert "InvalidAnswer" in found.abstained
        assert score(found, label, T).step == 0.0
        assert released(f"Agent Name: Coder\nStep Number: {digits}", label)[1] is True


def test_a_number_of_all_digits_is_no_step(serve, asking):
    server = serve([Reply(text='{"reason": "", "agent": "Coder", "step": 123456789}')])
    found = judged(RUNS[1], asking(server), "judge:all-at-once")
    assert found.failed
    assert len(server.calls) == 2  # one chance to mend it
    assert "from 0 to 6" in server.calls[1].prompt


def halvings(gold, low=0, high=T - 1):
    """(low, middle, high) of each question of a binary search."""
    while low < high:
        middle = low + (high - low) // 2
        yield low, middle, high
        low, high = (low, middle) if gold <= middle else (middle + 1, high)


def prompts(name, run):
    """For each call that the paper's algorithm makes, the steps that it shows."""
    gold, every = run.labels[0].step, list(range(T))
    prefixes = [list(range(i + 1)) for i in range(gold + 1)]
    own = [p for p in prefixes if run.steps[p[-1]].agent == run.labels[0].agent]
    return {
        "judge:all-at-once": [every],
        "judge:step-by-step": prefixes,
        "judge:binary-search": [list(range(a, m + 1)) for a, m, _ in halvings(gold)],
        "judge:binary-search-code": [list(range(a, b + 1)) for a, _, b in halvings(gold)],
        "judge:hybrid": [every, *own],
        "judge:a2p": [every],
        "judge:aig-raw": [every],
        "judge:aig-structured": [every],
        "judge:aig-graph": [every, every],
        "judge:raffles": [every] * 4,
        "judge:echo": [every] * 6,
        "judge:mast": [every],
        "judge:trail": [every],
        "judge:fusion": [every],
        "judge:aig": [[], every, []],
    }[name]


@pytest.mark.parametrize("name", sorted(set(JUDGES) - {"judge:shortlist"}))
@pytest.mark.parametrize(
    "run", [RUNS[0], RUNS[3], RUNS[6]], ids=lambda run: f"gold{run.labels[0].step}"
)
def test_calls_and_tokens_are_those_of_the_algorithm(serve, asking, name, run):
    server = serve(Oracle(RUNS))
    found = judged(run, asking(server), name)
    assert [steps_in(call) for call in server.calls] == prompts(name, run)
    assert found.cost.calls == len(server.calls)
    spent = sum(estimate(sent(call)) for call in server.calls)
    said = sum(Oracle(RUNS)(call).usage[1] for call in server.calls)
    assert found.cost.tokens == spent + said


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("with_answer", [False, True])
def test_the_answer_is_shown_only_when_asked(serve, asking, name, with_answer):
    server = serve(Oracle(RUNS))
    found = judged(RUNS[2], asking(server, with_answer=with_answer), name)
    assert any("EXPECTED-7f3" in sent(call) for call in server.calls) is with_answer
    assert found.method.settings["with_answer"] is with_answer
    if with_answer:  # it is part of what is fenced
        assert all("EXPECTED-7f3" not in outside(sent(call)) for call in server.calls)


def test_with_the_answer_a_run_without_one_is_not_judged(serve, asking):
    server = serve(Oracle(RUNS))
    run = planted_run(5, 1, task=RUNS[0].task.__class__("Who knows?"))
    found = judged(run, asking(server, with_answer=True), "judge:a2p")
    assert "not known" in found.abstained
    assert not found.failed
    assert server.calls == []


@pytest.mark.parametrize("name", JUDGES)
def test_labels_and_outcome_are_not_shown(serve, asking, name):
    label = RUNS[3].labels[0].__class__("decisive", "Checker", 3, reason="REMARK-9c")
    run = planted_run(104, 3, labels=(label,), extra={"note": "REMARK-9c"})
    server = serve(Oracle([run]))
    judged(run, asking(server), name)
    assert server.calls
    assert all("REMARK-9c" not in sent(call) for call in server.calls)


@pytest.mark.parametrize("name", JUDGES)
def test_names_of_agents_stay_within_the_fence(serve, asking, name):
    """A name is part of the log as well: no question outside repeats it."""
    server = serve(Oracle(RUNS))
    judged(RUNS[2], asking(server), name)
    for call in server.calls:
        told = [m["content"] for m in call.body["messages"] if m["role"] != "assistant"]
        assert not any(agent in outside(text) for text in told for agent in ("Planner", "Checker"))


def test_repeats_vote_and_failures_count(serve, asking):
    said = [
        {"reason": "a", "agent": "Coder", "step": 1},
        {"reason": "b", "agent": "Coder", "step": 2},
        {"reason": "c", "agent": "coder ", "step": 1},
        {"reason": "", "agent": "Nobody", "step": 1},
        {"reason": "", "agent": "Nobody", "step": 1},  # the repair of the fourth
    ]
    server = serve([Reply(text=json.dumps(one)) for one in said])
    context = asking(server, endpoint={"concurrency": 1}, repeat=4)
    found = judged(RUNS[1], context, "judge:all-at-once")
    votes = found.votes
    assert (votes.asked, votes.step, votes.agent, votes.abstained, votes.failed) == (4, 2, 3, 0, 1)
    assert votes.agreement == 0.5
    assert (found.top.step, found.top.agent) == (1, "Coder")
    assert found.top.probability == pytest.approx((2 + 1 / T) / 5)
    assert found.agents == {"Coder": pytest.approx(3 / 5)}
    assert any("1 of 4 judgements failed: InvalidAnswer" in warning for warning in found.warnings)
    assert found.cost.calls == 5
    assert [call.body["seed"] for call in server.calls[:4]] == [0, 1, 2, 3]


def test_silence_of_most_is_an_abstention(serve, asking):
    none = Reply(text='{"errors": []}')
    one = {"step": 1, "category": "timeout", "evidence": "", "description": "", "impact": "LOW"}
    server = serve([none, none, Reply(text=json.dumps({"errors": [one]}))])
    context = asking(server, endpoint={"concurrency": 1}, repeat=3)
    found = judged(RUNS[1], context, "judge:trail")
    assert "finds no error" in found.abstained
    assert (found.votes.abstained, found.votes.failed, found.failed) == (2, 0, False)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=400, text="context too long"), "RequestRefused"),
        (Reply(status=401, text="no"), "KeyRefused"),
        (Reply(text="half", finish="length"), "TruncatedAnswer"),
        (Reply(text="no", finish="content_filter"), "RefusedAnswer"),
        (Reply(body=b"<html>"), "MalformedAnswer"),
        (Reply(text="The Coder did it, in step 1."), "InvalidAnswer"),
    ],
)
def test_a_failed_judgement_stays_one(serve, asking, reply, why):
    found = judged(RUNS[1], asking(serve([reply])), "judge:all-at-once")
    assert found.failed
    assert found.suspects == ()
    assert why in found.abstained


def test_a_silent_search_names_nobody(serve, asking):
    """No yes is no prediction, as in the paper; nothing is made up in its place."""
    server = serve([Reply(text='{"reason": "fine", "error": false}')])
    found = judged(RUNS[1], asking(server), "judge:step-by-step")
    assert "none of the steps" in found.abstained
    assert not found.failed
    assert found.cost.calls == T


def test_an_agent_beside_the_step_is_said_aloud(serve, asking):
    server = serve([Reply(text='{"reason": "", "agent": "Planner", "step": 1}')])
    found = judged(RUNS[1], asking(server), "judge:all-at-once")
    assert (found.top.agent, found.top.step) == ("Planner", 1)
    assert any("did not take the step" in warning for warning in found.warnings)


def test_what_is_asked_is_stated(serve, asking):
    server = serve(Oracle(RUNS))
    found = judged(RUNS[1], asking(server, temperature=0.5, params={"seed": None}), "judge:a2p")
    body = server.calls[0].body
    assert (body["temperature"], body["max_tokens"], "seed" in body) == (0.5, 2000, False)
    assert found.method.model == body["model"] == "m"
    assert found.method.settings["prompts"] == ["system/1", "a2p/1"]
    assert found.method.settings["temperature"] == 0.5


def test_fields_that_a_server_refuses_can_be_left_out(serve, asking):
    server = serve(Oracle(RUNS))
    limit = {"max_completion_tokens": 900}
    context = asking(server, temperature=None, max_tokens=None, params=limit)
    judged(RUNS[1], context, "judge:all-at-once")
    body = server.calls[0].body
    assert "temperature" not in body
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 900


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"model": ""}, "name it"),
        ({"repeat": 0}, "repeat"),
        ({"repeat": True}, "repeat"),
        ({"form": "xml"}, "form"),
        ({"params": [1]}, "params"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_impossible_settings(serve, asking, settings, why):
    with pytest.raises(UsageError, match=why):
        judged(RUNS[0], asking(serve([Reply()]), **settings), "judge:all-at-once")


def test_without_a_client():
    with pytest.raises(UsageError, match="--llm"):
        judged(RUNS[0], Context(settings={"model": "m"}), "judge:all-at-once")


def test_money_and_caps(serve, asking):
    server = serve(Oracle(RUNS))
    budget = Budget(tokens=30_000, prices={"m": Price(input=1.0, output=10.0)})
    context = asking(server, budget=budget)
    first = judged(RUNS[0], context, "judge:all-at-once")
    assert first.cost.money > 0
    rest = [judged(run, context, "judge:step-by-step") for run in RUNS * 3]
    stopped = [found for found in rest if found.failed]
    assert stopped
    assert all("BudgetExceeded" in found.abstained for found in stopped)
    assert context.llm.spent().tokens <= 30_000


def test_replay_gives_the_same_verdict(serve, asking, tmp_path):
    server = serve(Oracle(RUNS))
    once = judged(
        RUNS[2], asking(server, store=Store(tmp_path / "c.db", "record")), "judge:raffles"
    )
    asked = len(server.calls)
    again = judged(
        RUNS[2], asking(server, store=Store(tmp_path / "c.db", "replay")), "judge:raffles"
    )
    assert len(server.calls) == asked
    assert again.suspects == once.suspects
    assert again.cost.tokens == once.cost.tokens


class Blunt(Oracle):
    """Blames the first agent and the first step, whatever the run."""

    def __init__(self):
        super().__init__([])

    def run(self, call):
        text = sent(call)
        name = json.loads(text.split("\n1. ")[1].splitlines()[0].split('" (')[0].rstrip('",') + '"')
        run = planted_run(1, 0, agents=(Agent(name, name),))
        steps = tuple(step.__class__(step.index, name) for step in run.steps)
        return run.__class__(run.id, run.source, steps=steps, labels=run.labels)


@pytest.mark.parametrize(
    "name", [f"judge:{name}" for name in ("all-at-once", "aig", "echo", "fusion", "shortlist")]
)
def test_the_contract(serve, asking, name):
    context = asking(serve(Blunt()), **({"coverage": 1.0} if name == "judge:shortlist" else {}))
    check_analyzer(registry.get("analyzers", name), context=context)


def test_every_type_of_answer_is_met(serve, asking):
    """The oracle answers what the judges ask, and nothing else."""
    server = serve(Oracle(RUNS))
    context = asking(server)
    for name in JUDGES:
        judged(RUNS[1], context, name)
    assert {kind(call) for call in server.calls} == set(Oracle([])._answers)


def test_the_page_knows_every_setting_and_every_judge():
    page = (registry.__file__).replace("tracekit/registry.py", "docs/judges.md")
    with open(page, encoding="utf-8") as text:
        told = text.read()
    assert all(f"`{name}`" in told for name in [*COMMON, *JUDGES])
