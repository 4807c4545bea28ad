"""Best-of-n and votes by hand."""

import pytest

from tracekit.errors import UsageError
from tracekit.prm.rank import EDGE, Candidate, log_odds, odds, rank, ranking
from tracekit.trace import Agent, Outcome, Source, Step, Trace

FOUR = [
    Candidate("a", "7", 0.3),
    Candidate("b", "8", 0.75),
    Candidate("c", "7", 0.3),
    Candidate("d", None, 0.9),
]


def made(id, answer, steps=2):
    said = tuple(Step(n, "A", content="thinking") for n in range(steps))
    outcome = Outcome("unknown", answer=answer)
    return Trace(
        id=id, source=Source(format="x"), agents=(Agent("A", "A"),), steps=said, outcome=outcome
    )


class ByName:
    """A run is worth what its id says."""

    name = "by name"

    def values(self, trace):
        return [0.5] * (len(trace.steps) - 1) + [int(trace.id) / 10]


def test_the_best_is_the_one_of_the_highest_value():
    assert [run.id for run in ranking(FOUR).runs] == ["d", "b", "a", "c"]
    assert ranking(FOUR).best.id == "d"


@pytest.mark.parametrize(
    ("weight", "sums"),
    [
        ("one", {"7": 2, "8": 1}),
        ("value", {"8": 0.75, "7": 0.6}),
        ("odds", {"8": 3, "7": 6 / 7}),
    ],
)
def test_votes_by_hand(weight, sums):
    found = ranking(FOUR, weight)
    assert {vote.answer: pytest.approx(vote.weight) for vote in found.votes} == sums
    assert found.answer == max(sums, key=sums.get)
    assert sum(vote.share for vote in found.votes) == pytest.approx(1)
    assert found.votes[0].share == pytest.approx(max(sums.values()) / sum(sums.values()))
    assert {vote.answer: vote.runs for vote in found.votes} == {"7": ("a", "c"), "8": ("b",)}


def test_no_vote_outweighs_all_others():
    assert odds(1.0) == pytest.approx((1 - EDGE) / EDGE)
    assert odds(0.0) == pytest.approx(EDGE / (1 - EDGE))
    assert log_odds(1.0) == pytest.approx(-log_odds(0.0))


def test_runs_are_ranked_by_their_last_value():
    found = rank(
        [made("2", "1,200.00"), made("4", "$1200"), made("9", "7"), made("1", None)], ByName()
    )
    assert [(run.id, run.value) for run in found.runs] == [
        ("9", 0.9),
        ("4", 0.4),
        ("2", 0.2),
        ("1", 0.1),
    ]
    assert {vote.answer for vote in found.votes} == {"1200", "7"}
    assert found.answer == "7"
    plain = rank([made("2", "1,200.00"), made("4", "$1200"), made("9", "7")], ByName(), "one")
    assert plain.answer == "1200"


def test_without_an_answer_there_is_no_vote():
    found = ranking([Candidate("a", None, 0.5)])
    assert (found.answer, found.votes, found.best.id) == (None, (), "a")


def test_what_cannot_be_ranked_is_said():
    with pytest.raises(UsageError):
        ranking([])
    with pytest.raises(UsageError, match="has no steps"):
        rank([made("3", "7", steps=0)], ByName())
    with pytest.raises(UsageError, match="by value, odds or one"):
        ranking(FOUR, "luck")
