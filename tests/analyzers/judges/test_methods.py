"""What is peculiar to single methods: rounds, panels, graphs, quotes, priors."""

import hashlib
import json

import numpy as np
import pytest

from tracekit import registry
from tracekit.analyzers.judges import aig, trail
from tracekit.analyzers.judges.fusion import posterior
from tracekit.analyzers.judges.influence_graph import Edge, InfluenceGraph, Node
from tracekit.analyzers.judges.priors import Prior
from tracekit.analyzers.judges.prompts import SYSTEM
from tracekit.analyzers.judges.shortlist import shortened, suspects
from tracekit.analyzers.judges.shown import Shown
from tracekit.analyzers.run import attribute
from tracekit.errors import UsageError
from tracekit.eval.benchmarks.trail import Trail
from tracekit.llm.tokens import estimate
from tracekit.protocols import Fitted
from tracekit.testing.chat_server import Reply
from tracekit.testing.judges import Oracle, kind, outside, planted_run, steps_in
from tracekit.testing.traces import make_trace
from tracekit.trace import Task

RUN = planted_run(100, 2)


def judged(name, context, run=RUN):
    return attribute(run, registry.get("analyzers", f"judge:{name}"), context=context)


def replies(*said):
    return [Reply(text=json.dumps(one)) for one in said]


def blame(step, agent="Coder"):
    return {"reason": "r", "agent": agent, "step": step}


# --- RAFFLES ----------------------------------------------------------------------------------


def proposal(step, agent="Coder"):
    return {**blame(step, agent), "fault": f"fault at {step}", "first": "e", "uncorrected": "u"}


def critiques(confidence):
    return [{"critique": "doubtful </log>", "confidence": confidence}] * 3


def test_raffles_stops_when_the_evaluators_are_sure(serve, asking):
    server = serve(replies(proposal(2), *critiques(80)))  # 3 * 80 + 100 by rule = 340
    found = judged("raffles", asking(server, threshold=340))
    assert (found.top.step, found.cost.calls) == (2, 4)


def test_raffles_thinks_again_with_what_was_said(serve, asking):
    server = serve(replies(proposal(1), *critiques(10), proposal(2), *critiques(50)))
    found = judged("raffles", asking(server))
    assert (found.top.step, found.cost.calls) == (2, 8)
    assert any("not convinced: 250 of 400" in warning for warning in found.warnings)
    again = server.calls[4].prompt
    assert "Proposal 1: Coder, step 1" in again
    assert "doubtful &lt;/log>" in again
    assert "Proposal 1" not in outside(again)


def test_raffles_holds_an_agent_beside_its_step_against_it(serve, asking):
    server = serve(replies(proposal(2, "Planner"), *critiques(90), proposal(2), *critiques(90)))
    found = judged("raffles", asking(server))  # 270 by the evaluators, 0 by the rule
    assert (found.top.agent, found.cost.calls) == ("Coder", 8)


# --- ECHO -------------------------------------------------------------------------------------


def analysis(step, confidence, *others):
    more = [{**blame(s), "confidence": c} for s, c in others]
    return {**blame(step), "confidence": confidence, "others": more}


def test_the_panel_votes_by_confidence_and_leaves_out_the_unsure(serve, asking):
    said = replies(
        analysis(1, 0.9), analysis(2, 0.5), analysis(2, 0.5, (1, 0.2)), analysis(6, 0.29),
        analysis(5, 0.3), analysis(6, 0.1),
    )  # fmt: skip
    found = judged("echo", asking(serve(said), endpoint={"concurrency": 1}))
    votes = {2: 1.0, 1: 0.9 + 0.5 * 0.2, 5: 0.3}
    ranked = [(suspect.step, suspect.probability) for suspect in found.suspects]
    total = sum(votes.values())
    assert dict(ranked) == pytest.approx({s: (w / total + 1 / 7) / 2 for s, w in votes.items()})
    assert [step for step, _ in ranked] == [1, 2, 5]  # 1.0 each: the earlier first


def test_a_panel_of_the_unsure_names_nobody(serve, asking):
    found = judged("echo", asking(serve(replies(*[analysis(1, 0.2)] * 6))))
    assert "surer than 30%" in found.abstained
    assert not found.failed


def test_together_the_panel_sees_a_long_run_word_for_word(serve, asking):
    said = [("AB"[i % 2], f"Round {i}.\nThe detail of {i}.") for i in range(18)]
    run = make_trace("long", said)
    server = serve(replies(*[{**analysis(1, 0.9), "agent": "B"}] * 6))
    judged("echo", asking(server), run)
    seen = "\n".join(call.prompt for call in server.calls)
    assert sum(f"The detail of {i}." in seen for i in range(18)) == 18


# --- AIG --------------------------------------------------------------------------------------


def test_a_graph_must_describe_each_node_once_and_lead_forward():
    note = {"summary": "", "input": "", "output": "", "authorship": "relayed"}
    two = tuple(aig.Note(node=n, **note) for n in range(2))
    aig.check(aig.Graph(two, (aig.Edge(0, 1, "a", "b"),)), 2)
    for graph in (
        aig.Graph(two[:1]),
        aig.Graph((*two, two[0])),
        aig.Graph(two, (aig.Edge(1, 0, "", ""),)),
    ):
        with pytest.raises(ValueError, match="node"):
            aig.check(graph, 2)


def test_the_reader_sees_the_graph_and_the_log(serve, asking):
    server = serve(Oracle([RUN]))
    judged("aig-graph", asking(server))
    assert "node 1: steps 1-2, Coder, authored: s" in server.calls[1].prompt
    assert steps_in(server.calls[1]) == list(range(7))


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.put(Node("a", "task", ()), new=True),
        lambda graph: graph.put(Node("x", "agent", (1,)), new=False),
        lambda graph: graph.put(Node("x", "agent", (9,)), new=True),
        lambda graph: graph.put(Node("x", "agent", ()), new=True),
        lambda graph: graph.drop("x"),
        lambda graph: graph.join(Edge("a", "x", "", "")),
        lambda graph: graph.join(Edge("a", "a", "", "")),
        lambda graph: graph.cut("a", "b"),
        lambda graph: graph.mark("x"),
    ],
)
def test_changes_that_make_no_sense_are_refused(change):
    graph = InfluenceGraph(2)
    graph.put(Node("a", "task", (0,)), new=True)
    before = graph.told()
    with pytest.raises(ValueError, match=r"node|steps|edge"):
        change(graph)
    assert graph.told() == before


def test_faults_of_a_graph():
    graph = InfluenceGraph(4)
    kinds = {"a": "task", "b": "agent", "c": "agent", "d": "conclusion"}
    for number, (id, kind_) in enumerate(kinds.items()):
        graph.put(Node(id, kind_, (number,)), new=True)
    for pair in ("ab", "bc", "cb", "cd"):
        graph.join(Edge(*pair, "", ""))
    assert graph.faults() == ["the edges must not run in a circle"]
    graph.cut("c", "b")
    assert graph.faults() == []
    graph.drop("b")
    assert len(graph.faults()) == 2  # two beginnings, and two pieces


NODES = [
    {"do": "add_node", "node": {"id": id, "kind": k, "steps": [s]}}
    for id, k, s in (("a", "task", 0), ("b", "conclusion", 6))
]
EDGE = {"do": "add_edge", "edge": {"source": "a", "target": "b", "inherited": "i", "effect": "e"}}


def turn(*actions):
    return {"thought": "t", "actions": list(actions)}


def test_builder_critic_and_reader_take_turns(serve, asking):
    server = serve(
        replies(
            turn(
                {"do": "read", "first": 1, "last": 2},
                {"do": "search", "text": "SPIDERS"},
                {"do": "kinds"},
            ),
            turn(*NODES, {"do": "delete_node", "id": "zzz"}, {"do": "submit"}),  # not connected
            turn(EDGE, {"do": "submit"}),
            {"faults": [{"where": "node b", "what": "it ends </log> at 5"}]},
            turn({"do": "mark_defect", "id": "a"}, {"do": "submit"}),
            {"faults": []},
            {"thought": "t", "action": {"do": "graph"}},
            {"thought": "t", "action": {"do": "resolve", **blame(9)}},  # no such step: mended
            {"thought": "t", "action": {"do": "resolve", **blame(2)}},
        )
    )
    found = judged("aig", asking(server))
    assert (found.top.step, found.cost.calls) == (2, 9)
    kinds = [kind(call) for call in server.calls]
    assert kinds == ["Building"] * 3 + ["Criticism", "Building", "Criticism"] + ["Reading"] * 3
    assert "step 2: Let us assume that spiders" in server.calls[1].prompt
    assert "3. refused: no node zzz" in server.calls[2].prompt
    assert "not yet: there must be exactly one node" in server.calls[2].prompt
    assert "it ends &lt;/log> at 5" in server.calls[4].prompt
    assert "missed its instruction" in server.calls[7].prompt


def test_a_builder_that_never_submits_has_failed(serve, asking):
    found = judged("aig", asking(serve(replies(turn({"do": "graph"}))), build_turns=3))
    assert found.failed
    assert "did not submit" in found.abstained
    assert found.cost.calls == 3


# --- MAST and TRAIL ---------------------------------------------------------------------------


def test_modes_stand_at_the_step_where_they_show_first(serve, asking):
    seen = [
        {"mode": "FM-3.2", "step": 2, "quote": "Let us assume"},
        {"mode": "FM-2.6", "step": 2, "quote": "words that are not there"},
        {"mode": "FM-1.3", "step": 4, "quote": ""},
        {"mode": "FM-1.3", "step": 6, "quote": ""},
    ]
    said = {"summary": "", "completed": False, "modes": seen}
    found = judged("mast", asking(serve(replies(said))))
    assert [(s.step, s.modes) for s in found.suspects] == [
        (2, ("FM-2.6", "FM-3.2")),
        (4, ("FM-1.3",)),
    ]
    quotes = [(e.quote, e.start, e.end) for e in found.top.evidence]
    assert quotes == [("Let us assume", 0, 13)]


def test_no_mode_names_nobody(serve, asking):
    said = {"summary": "", "completed": True, "modes": []}
    assert "none of the 14" in judged("mast", asking(serve(replies(said)))).abstained


def test_errors_are_ranked_by_impact_and_quoted_where_they_stand(serve, asking):
    run = make_trace("t", [("A", "if a <b> then"), ("B", "429 Too Many")])
    told = {"description": "d", "impact": "LOW"}
    said = {"errors": [
        {"step": 0, "category": "formatting", "evidence": "a &lt;b> then", **told},
        {"step": 1, "category": "rate-limiting", "evidence": "429", **told, "impact": "HIGH"},
    ]}  # fmt: skip
    found = judged("trail", asking(serve(replies(said))), run)
    assert [(s.step, s.modes) for s in found.suspects] == [
        (1, ("rate-limiting",)),
        (0, ("formatting",)),
    ]
    assert found.suspects[1].evidence[0].quote == "a <b> then"


def test_categories_are_those_of_the_benchmark():
    assert tuple(trail.CATEGORIES) == Trail.modes


# --- priors -----------------------------------------------------------------------------------


def test_fusion_by_hand():
    prior = np.array([0.1, 0.6, 0.3])
    after = posterior(prior, [2], trust=0.5)  # likelihoods 1/4, 1/4, 1/2
    assert after.tolist() == pytest.approx([0.025 / 0.325, 0.15 / 0.325, 0.15 / 0.325])
    assert posterior(prior, [0, 1, 2], 0.5).sum() == pytest.approx(1)  # nothing is left unnamed
    assert posterior(np.array([0.0, 1.0]), [0], 0.9).tolist() == pytest.approx([0.0, 1.0])


def test_fusion_is_what_the_two_say_together(serve, asking):
    said = {
        "reason": "because",
        "ranking": [{"agent": "Coder", "step": 2}, {"agent": "Planner", "step": 0}],
    }
    found = judged("fusion", asking(serve(replies(said)), trust=0.4))
    expected = posterior(Prior().chances(RUN), [2, 0], 0.4)
    assert {s.step: s.probability for s in found.suspects} == pytest.approx(
        dict(enumerate(expected)), abs=1e-9
    )
    assert found.method.settings["trust"] == 0.4
    assert sum(found.agents.values()) == pytest.approx(1)


@pytest.mark.parametrize("ranking", [[], [0] * 2, list(range(6)), [7]])
def test_a_ranking_must_be_one(serve, asking, ranking):
    said = {"reason": "", "ranking": [{"agent": "Coder", "step": s} for s in ranking]}
    assert judged("fusion", asking(serve(replies(said)))).failed


@pytest.mark.parametrize(
    ("name", "setting"), [("fusion", "trust"), ("shortlist", "share"), ("shortlist", "coverage")]
)
def test_shares_must_be_shares(serve, asking, name, setting):
    for wrong in (1.5, "much", None):
        with pytest.raises(UsageError, match=setting):
            judged(name, asking(serve([Reply()]), **{setting: wrong}))


def long_run(length=40):
    said = [
        ("ABC"[i % 3], f"Round {i}: " + f"step {i} goes on and on. " * 40) for i in range(length)
    ]
    return make_trace("long", said, task=Task("How long?"))


def test_a_shortlist_keeps_within_its_share():
    shown = Shown(long_run())
    for share in (0.05, 0.1, 0.3):
        part = shortened(shown, list(range(30, 0, -3)), share)
        assert estimate(part.log) <= share * estimate(shown.log())
        assert part.suspects == tuple(range(30, 0, -3))[: len(part.suspects)]
    assert len(part.suspects) == 10


def test_a_shortlist_of_everything_is_the_log():
    shown = Shown(long_run(9))
    assert shortened(shown, range(9), 1.0).log == shown.log(instructions=False)


def test_a_judge_cannot_name_what_it_was_not_shown(serve, asking):
    run = long_run()
    listed = suspects(Prior().chances(run), 0.2)
    left_out = next(i for i in range(40) if i not in listed)
    agent = run.steps[left_out].agent
    server = serve(replies(blame(left_out, agent), blame(listed[0], run.steps[listed[0]].agent)))
    found = judged("shortlist", asking(server, coverage=0.2), run)
    assert (found.top.step, found.cost.calls) == (listed[0], 2)
    assert set(steps_in(server.calls[0])) < set(range(40))


def test_judges_with_a_prior_are_refitted_like_it():
    for name in ("judge:fusion", "judge:shortlist"):
        judge = registry.get("analyzers", name)
        assert isinstance(judge, Fitted)
        assert judge.seen() == registry.get("analyzers", "compact").seen()


# --- prompts ----------------------------------------------------------------------------------

FIXED = {
    "system/1": "454db4e769f2",
    "a2p/1": "727ad81b7b57",
    "aig-builder/1": "030db092d859",
    "aig-critic/1": "ff3dd206a45f",
    "aig-mend/1": "2c3fa6713cbe",
    "aig-reader/1": "bb05ee17a30e",
    "aig-graph/1": "214963a80da0",
    "aig-read/1": "40504d8b22fe",
    "all-at-once/1": "6e6aa6bbf36f",
    "binary-search/1": "6dd8cc891428",
    "binary-search-code/1": "05055859f059",
    "echo/1": "ca08b738d515",
    "fusion/1": "339023ddddb2",
    "hybrid/1": "bed8de1b8477",
    "step-by-step/1": "4fc30a7cd5eb",
    "mast/1": "974bdfba1c02",
    "raffles-judge/1": "5c6c665572e8",
    "raffles-evaluator/1": "46cd83af8437",
    "shortlist/1": "ed672bfc7b11",
    "trail/1": "883509bc4a88",
}
"""The first digits of the SHA-256 of every prompt, by name and version."""


def test_a_changed_prompt_takes_a_new_version():
    """Whoever changes the wording of a prompt changes the method: count its version up."""
    found = {SYSTEM.id: hashlib.sha256(SYSTEM.text.encode()).hexdigest()[:12]}
    for name in sorted(registry.BUILT_IN["analyzers"]):
        if name.startswith("judge:"):
            for prompt in registry.get("analyzers", name).prompts:
                found[prompt.id] = hashlib.sha256(prompt.text.encode()).hexdigest()[:12]
    assert found == FIXED
