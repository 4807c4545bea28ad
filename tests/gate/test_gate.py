"""The gate's rules, its baseline, and what it tells people and GitHub."""

import hashlib
import itertools
import json
import random

import msgspec
import pytest

from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.errors import InputError, SchemaError, UsageError
from tracekit.export.verdicts.judged import judged
from tracekit.gate import baseline, github, words
from tracekit.gate.chance import more_by_chance
from tracekit.gate.decision import decide
from tracekit.gate.rules import NEED_BASELINE, PLAIN
from tracekit.testing.traces import HOSTILE, make_trace
from tracekit.trace import Outcome, Raw, Step, Task

STATUS = {"f": "failure", "s": "success", "?": "unknown"}


def runs(*ends, blame="A", modes=()):
    """Runs with verdicts; each is the task's name, a colon, and f, s or ? for every run of it."""
    pairs = []
    for end in ends:
        task, _, outcomes = end.partition(":")
        for outcome in outcomes:
            trace = make_trace(
                f"{task}-{len(pairs)}",
                [("A", "one"), ("B", "two")],
                task=Task(id=task),
                outcome=Outcome(STATUS[outcome]),
            )
            if outcome == "s":
                verdict = attribute(trace, "first-speaker")
            else:
                top = Suspect(blame, 0, 0.5, modes=modes)
                verdict = Attribution(trace.id, Method("m", "1"), (top,))
            pairs.append((trace, verdict))
    return list(judged(pairs))


def hit(now, *rules, base=None):
    """What the rules say."""
    before = None if base is None else baseline.tally(base)
    return [found.says for found in decide(now, before, rules).hits]


def test_any_failure():
    assert hit(runs("a:s", "b:ff"), "any-failure") == ["2 of 3 runs failed"]
    assert hit(runs("a:s", "b:s?"), "any-failure") == []


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        ("a:s", "a:f", ["a: 1 of 1 run failed; 0 of 1 run in the baseline"]),
        ("a:f", "a:f", []),
        ("a:f", "a:s", []),
        ("a:s", "b:f", ["b: 1 of 1 run failed; it is not in the baseline"]),
        ("a:fs", "a:ff", ["a: 2 of 2 runs failed; 1 of 2 runs in the baseline"]),
        ("a:fs", "a:ffss", []),  # the same rate
        ("a:fs", "a:fffs", ["a: 3 of 4 runs failed; 1 of 2 runs in the baseline"]),
        ("a:?", "a:f", ["a: 1 of 1 run failed; it is not in the baseline"]),
    ],
)
def test_new_failures(before, now, says):
    assert hit(runs(now), "new-failures", base=runs(before)) == says


def test_more_failures():
    base = runs("a:f", "b:s")
    assert hit(runs("a:s", "b:f"), "more-failures", base=base) == []
    assert hit(runs("a:f", "b:f"), "more-failures", base=base) == [
        "2 of 2 runs (100%) failed; baseline 1 of 2 runs (50%)"
    ]


def test_more_than_chance():
    base = runs("a:ssssssss", "b:fsss")
    assert hit(runs("a:s", "b:fs", "c:ss"), "more-than-chance", base=base) == []
    assert hit(runs("a:f"), "more-than-chance", base=base) == []  # one of nine: by chance 0.11
    (says,) = hit(runs("a:ffss", "b:ffff"), "more-than-chance", base=base)
    # 6 of 66 deals for a, 4 of 56 for b
    assert says == (
        "6 of 8 runs (75%) failed in the cases of the baseline, 1 of 12 runs (8%) there;"
        " by chance: 0.0065"
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_test_is_that_of_all_deals(seed):
    """Every way to deal the failures of each case onto its runs, counted one by one."""
    rng = random.Random(seed)
    cases = [(rng.randint(0, 2), 2, rng.randint(0, 3), 3) for _ in range(3)]
    decks = [[1] * (b + n) + [0] * (rb + rn - b - n) for b, rb, n, rn in cases]
    deals = [[sum(hand) for hand in itertools.combinations(deck, 3)] for deck in decks]
    sums = [sum(deal) for deal in itertools.product(*deals)]
    found = sum(now for _, _, now, _ in cases)
    expected = sum(total >= found for total in sums) / len(sums)
    assert more_by_chance(cases) == pytest.approx(expected)


def test_cases_that_cannot_be_compared_are_not_let_through():
    """Chance knows nothing of a case without a baseline, so its failures stop."""
    new = [f"n{i}:f" for i in range(20)]
    (says,) = hit(runs("a:s", *new), "more-than-chance", base=runs("a:s"))
    assert says.startswith("20 of 20 runs (100%) failed in cases that the baseline does not have: ")
    assert says.endswith(" and 15 more; --accept takes them in")
    decision = decide(runs("a:f", "n:fs"), baseline.tally(runs("a:f")), ["more-than-chance"])
    (only,) = decision.hits
    assert only.says.startswith("1 of 2 runs (50%) failed in cases")
    assert [run.id for run in decision.runs] == ["n-1"]


GONE = "1 of 1 cases of the baseline have fewer runs of known outcome than there: "


@pytest.mark.parametrize(
    ("before", "now", "rule", "says"),
    [
        ("a:sss", "a:s??", "missing-runs", [GONE + "a (1 of 3, 2 of unknown outcome)"]),
        ("a:sss", "a:s", "missing-runs", [GONE + "a (1 of 3)"]),
        ("a:f", "a:?", "missing-runs", [GONE + "a (0 of 1, 1 of unknown outcome)"]),
        ("a:f", "b:s", "missing-runs", [GONE + "a (0 of 1)"]),
        ("a:s?", "a:sf?", "missing-runs", []),
        ("a:sss", "a:ss", "missing-runs:1/3", []),
        ("a:sss", "a:s", "missing-runs:1/3", [GONE + "a (1 of 3)"]),
        ("a:" + "s" * 100, "a:" + "s" * 71, "missing-runs:0.29", []),  # exact, not 28.99…
        ("a:" + "s" * 100, "a:" + "s" * 70, "missing-runs:0.29", [GONE + "a (70 of 100)"]),
        ("a:s", "b:s", "missing-runs:0.99", [GONE + "a (0 of 1)"]),
    ],
)
def test_missing_runs(before, now, rule, says):
    beside = "z:s"  # or there may be nothing to judge by
    assert hit(runs(now, beside), rule, base=runs(before)) == says


@pytest.mark.parametrize("share", ["1", "-0.1", "1/0", "nan", "many"])
def test_a_share_of_missing_runs_is_below_one(share):
    with pytest.raises(UsageError, match="a share of a case's runs"):
        decide(runs("a:f"), baseline.tally(runs("a:f")), [f"missing-runs:{share}"])


@pytest.mark.parametrize(
    ("blame", "modes", "says"),
    [
        ("A", ("FM-1.3",), []),
        ("A", (), []),
        ("B", ("FM-1.3",), ["a: B; in the baseline A, FM-1.3"]),
        ("A", ("FM-3.2",), ["a: FM-3.2; in the baseline A, FM-1.3"]),
        ("B", ("FM-3.2",), ["a: B, FM-3.2; in the baseline A, FM-1.3"]),
    ],
)
def test_a_changed_culprit(blame, modes, says):
    base = runs("a:f", "b:s", modes=("FM-1.3",))
    now = runs("a:f", "b:s", blame=blame, modes=modes)
    assert hit(now, "changed-culprit", base=base) == says
    told = [note for note in decide(now, baseline.tally(base)).notes if "by others" in note]
    assert len(told) == len(says)
    assert not any("by others" in n for n in decide(now, baseline.tally(base),
                                                    ["changed-culprit"]).notes)  # fmt: skip


def test_who_never_failed_or_was_never_blamed_has_no_culprit_to_change():
    assert hit(runs("a:f"), "changed-culprit", base=runs("a:s")) == []
    trace = make_trace("r", [("A", "all well")], task=Task(id="a"))
    silent = list(judged([(trace, attribute(trace, "first-error"))]))
    assert hit(runs("a:f"), "changed-culprit", base=silent) == []
    assert hit(silent, "changed-culprit", base=runs("a:f")) == []


def noted(now, *rules, base=None):
    """What is told besides."""
    return decide(now, None if base is None else baseline.tally(base), rules).notes


def test_what_no_rule_has_seen_is_told():
    base = runs("a:sss", "b:f")
    notes = noted(runs("a:s??", "b:f", "new:fs", "odd:?", blame="B"), "more-failures", base=base)
    assert notes == (
        "left out: 3 of unknown outcome (--outcome-from says who knows)",
        "fewer runs of known outcome than in the baseline: a (1 of 3, 2 of unknown outcome)",
        "not in the baseline: new; 1 of 2 runs failed",
        "neither in the baseline nor of known outcome: odd",
        "known to fail, but by others than in the baseline: b (B)",
    )
    assert noted(runs("a:sss", "b:f"), base=base) == ()
    assert noted(runs("a:ss", "b:f"), "missing-runs", base=base) == ()  # the rule says it


def test_a_rule_that_can_hit_on_nothing_is_told():
    now = runs("a:f")
    assert noted(now, "agent:A", "agent:B") == ()
    assert noted(now, "agent:Z") == ("agent:Z: nobody in these runs is called so",)
    assert noted(now, "mode:FM-9.9") == ("mode:FM-9.9: no failure mode of that code is known",)
    assert noted(now, "mode:FM-3.2") == (
        "mode:FM-3.2: no verdict names any failure mode; not every method does",
    )
    assert noted(runs("a:f", modes=("FM-1.3",)), "mode:FM-3.2") == ()
    assert noted(runs("a:f", modes=("MY-1",)), "mode:MY-1") == ()


def test_unknown_outcomes():
    assert hit(runs("a:s?", "b:?"), "unknown-outcomes") == ["nobody knows how 2 of 3 runs ended"]


def test_an_agent():
    assert hit(runs("a:fs", "b:f"), "agent:A") == ["2 of 2 failures are attributed to A"]
    assert hit(runs("a:f"), "agent:B") == []
    assert hit(runs("a:?s"), "agent:A") == []


def test_a_mode():
    now = runs("a:fs", modes=("FM-3.2", "FM-3.2"))
    assert hit(now, "mode:FM-3.2") == ["FM-3.2 in 1 of 2 runs (50%)"]
    assert hit(now, "mode:FM-3.2", base=now) == []
    assert hit(now, "mode:FM-1.1") == []
    base = runs("a:fsss", modes=("FM-3.2",))
    assert hit(now, "mode:FM-3.2", base=base) == [
        "FM-3.2 in 1 of 2 runs (50%); baseline 1 of 4 runs (25%)"
    ]


def test_the_usual_rules():
    assert decide(runs("a:f"), None).rules == ("any-failure",)
    base = baseline.tally(runs("a:f"))
    assert decide(runs("a:f"), base).rules == ("new-failures", "missing-runs")


def test_nothing_to_judge_by_is_not_green():
    for nothing in ([], runs("a:??")):
        with pytest.raises(InputError, match="--outcome-from"):
            decide(nothing, None)


@pytest.mark.parametrize("rule", sorted(NEED_BASELINE))
def test_some_rules_need_a_baseline(rule):
    assert rule in PLAIN
    with pytest.raises(UsageError, match="--baseline FILE"):
        decide(runs("a:f"), None, [rule])


@pytest.mark.parametrize("rule", ["new-failure", "agents:A", "agent:", "mode", ""])
def test_a_rule_that_does_not_exist_is_named(rule):
    with pytest.raises(UsageError, match="no such rule"):
        decide(runs("a:f"), None, [rule])


def test_a_baseline_is_the_same_after_a_round_trip(tmp_path):
    base = baseline.tally(runs("a:fs", "b:s?", modes=("FM-1.3",)), {"method": "m"})
    for name in ("one.json", "two.json"):
        baseline.write(tmp_path / name, base)
    assert baseline.read(tmp_path / "one.json") == base
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert (base.runs, base.failures, base.modes("FM-1.3")) == (3, 1, 1)


def test_a_baseline_does_not_depend_on_the_order_of_runs():
    known = runs("a:f", "b:s", "c:f")
    assert baseline.tally(known).cases == baseline.tally(known[::-1]).cases


def test_what_is_no_baseline_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--accept"):
        baseline.read(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"schema": "tracekit/baseline/2", "cases": {}}')
    with pytest.raises(SchemaError, match="tracekit/baseline/1"):
        baseline.read(tmp_path / "other.json")


def test_tightening_never_allows_more():
    old = baseline.tally(runs("a:f", "b:s", "c:ff", "gone:f"))
    now = baseline.tally(runs("a:s", "b:f", "c:fs", "new:s", "newly:f"))
    cases = baseline.tightened(old, now).cases.values()
    tight = {case.name: (case.failures, case.runs) for case in cases}
    assert tight == {"a": (0, 1), "b": (0, 1), "c": (1, 2), "gone": (1, 1), "new": (0, 1)}


def test_tightening_forgets_no_runs():
    """One success in place of three runs with a failure is not a fix, nor is it all there was."""
    old = baseline.tally(runs("a:fss", "b:sss"))
    assert baseline.tightened(old, baseline.tally(runs("a:s", "b:s"))).cases == old.cases
    more = baseline.tally(runs("a:ssss", "b:ssss"))
    assert baseline.tightened(old, more).cases == more.cases


def test_a_reader_learns_who_and_where_and_what_is_fixed():
    steps = [Step(0, "A", content="one", raw=(Raw(3, line=3),)), ("B", "two")]
    trace = make_trace("r", steps, task=Task(id="a"))
    (one,) = judged([(trace, attribute(trace, "first-speaker"))])
    base = baseline.tally(runs("b:f"))
    text = "\n".join(words.lines(decide([one, *runs("b:s", "c:?")], base)))
    assert "new-failures: a: 1 of 1 run failed; it is not in the baseline" in text
    assert "- r: A at step 0 most likely broke the run" in text
    assert "made-up.json:3" in text
    assert "fixed since the baseline: b" in text
    assert "left out: 1 of unknown outcome" in text
    assert "agents and modes are not to be compared" in text  # another method made the baseline


def test_failures_without_a_verdict_are_told():
    trace = make_trace("r", [("A", "all well")])
    broken = Attribution("r", Method("judge"), abstained="the call failed", failed=True)
    (said,) = decide(list(judged([(trace, broken)])), None).notes
    assert said.startswith("no verdict on 1 failures (1 because the judgement failed): ")
    (one,) = judged([(trace, attribute(trace, "first-error"))])
    assert one.verdict.top is None
    decision = decide([one], None, ["agent:A"])
    assert decision.passed
    assert decision.notes == ("no verdict on 1 failures: rules on agents and modes pass them over",)


def hostile():
    """A failure whose every word wants to be a command of the runner, or markup."""
    evil = f"x\n::set-output name=a::b\n##[add-mask]y | [x](http://z) <img src=q> {HOSTILE}"
    trace = make_trace(evil, [(evil, evil), ("B", "two")], task=Task(id=evil))
    return list(judged([(trace, attribute(trace, "first-speaker"))]))


def test_nothing_in_a_log_commands_the_runner():
    text = "\n".join(words.lines(decide(hostile(), None))) + "\n"
    first, *shown, last = github.quiet(text).splitlines()
    token = hashlib.sha256(text.encode()).hexdigest()
    assert first == f"::stop-commands::{token}"
    assert last == f"::{token}::"
    assert shown == text.splitlines()
    for line in github.commands(decide(hostile(), None)):
        assert line.startswith("::error file=made-up.json,line=1,title=tracekit%3A any-failure::")
        assert "\n" not in line
        assert "\r" not in line


def test_nothing_in_a_log_is_markup_in_the_summary():
    text = words.markdown(decide(hostile(), None))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert all(line.replace(r"\|", "").count("|") == 6 for line in rows)
    assert "<img" not in text
    assert "<script" not in text
    assert "http://" not in text


def test_annotations_keep_within_what_github_shows():
    decision = decide(runs("a:" + "f" * 30), None)
    lines = list(github.commands(decision))
    assert len(lines) == 10
    assert lines[-1] == "::error title=tracekit::21 more runs: see the summary of this job"
    assert len(list(github.commands(decide(runs("a:" + "f" * 10), None)))) == 10
    base = baseline.tally(runs("a:s"))
    (only,) = github.commands(decide(runs("b:s"), base))
    assert only.startswith("::error title=tracekit%3A missing-runs::1 of 1 cases")


@pytest.mark.parametrize(
    ("path", "root", "place"),
    [
        ("runs/a.json", None, "file=runs/a.json,line=7,"),
        ("/w/runs/a,b.json", "/w", "file=runs/a%2Cb.json,line=7,"),
        ("/elsewhere/a.json", "/w", ""),
        ("a.zip!/b.json", None, ""),
        ("", None, ""),
    ],
)
def test_files_are_named_as_the_checkout_knows_them(path, root, place):
    assert github._place(path, 7, root) == place


def test_a_summary_is_added_and_cut(tmp_path):
    path = tmp_path / "summary.md"
    github.append_summary(path, "one\n")
    github.append_summary(path, "ü" * 600_000)
    text = path.read_bytes().decode()
    assert text.startswith("one\nü")
    assert text.endswith("ü\n\n(cut)\n")
    assert len(text.encode()) < 1024 * 1024


def test_the_decision_as_json_is_whole_and_steady():
    decision = decide(runs("a:f", "b:s"), baseline.tally(runs("a:s", "b:s")), (), {"k": 1})
    document = json.loads(words.as_json(decision))
    assert document["schema"] == "tracekit/gate/1"
    assert document["config"] == {"k": 1}
    assert msgspec.convert(document, type(decision)) == decision
    assert words.as_json(decision) == words.as_json(msgspec.convert(document, type(decision)))
