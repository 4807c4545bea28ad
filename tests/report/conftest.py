"""Invented runs with verdicts made by hand: one of each outcome, and one that attacks its reader."""

import pytest

from tracekit.attribution import (
    AgentSet,
    Attribution,
    Cost,
    Evidence,
    Method,
    Suspect,
    SuspectSet,
)
from tracekit.trace import (
    Agent,
    Label,
    Outcome,
    Raw,
    Source,
    Step,
    Task,
    Time,
    ToolCall,
    Trace,
    Usage,
)

METHOD = Method("linear", "1", model="c0ffee")
CLAIM = "The bridge opened in 1937, so the answer is 1937."


def attack(number):
    """A string with everything that has ever escaped from a log viewer; `number` tells them apart."""
    return (
        f"</script><script>window.__pwned={number}</script><img src=x onerror=window.__pwned={number}>"
        f"\"><svg onload=window.__pwned={number}>' onclick=window.__pwned={number} "
        "</style></textarea></title><!-- ]]> {{ 7 * 7 }} {% raw %} ${window.__pwned=1} "
        "[link](javascript:window.__pwned=1) [bold red]loud[/bold red] :bomb: "
        "\x1b[31mred\x1b[0m\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07\x9b2J\x00\x08 "
        "\u202egnp.exe\u2066 \u200b\u2028\u2029\ufeff \ud800"
    )


@pytest.fixture
def failed():
    """A failed run of three agents with two suspects, and its verdict."""
    trace = Trace(
        id="bridge-1",
        source=Source("demo", "logs/bridge.jsonl", framework="toy"),
        task=Task("When was the old bridge opened?", expected="1933"),
        agents=(
            Agent("user", "User", role="user"),
            Agent("searcher", "Searcher"),
            Agent("writer", "Writer"),
        ),
        steps=(
            Step(
                0,
                "user",
                content="When was the old bridge opened?",
                to="searcher",
                raw=(Raw(1, 1),),
            ),
            Step(
                1,
                "searcher",
                "tool_call",
                tools=(ToolCall("search", {"q": "old bridge"}, "no result", "timeout", "c1"),),
                time=Time(100.0, 102.5),
                usage=Usage(1200, 40, 0.002, "toy-model"),
                raw=(Raw("/steps/1"),),
            ),
            Step(2, "searcher", content=CLAIM, to="writer", raw=(Raw(3, 3),)),
            Step(3, "writer", "final", content="1937", time=Time(110.0)),
        ),
        outcome=Outcome("failure", "1937", 0.0, "wrong year", "checker"),
        labels=(Label("decisive", "searcher", 2, ("FM-3.2",), "It made up the year."),),
    )
    claim = Evidence(2, "opened in 1937", 11, 25, 2.5, "a claim without a source")
    silence = Evidence(1, "", weight=0.5, shows="the tool failed")
    suspects = (
        Suspect("searcher", 2, 0.6125, ("FM-3.2",), (silence, claim)),
        Suspect("searcher", 1, 0.25),
    )
    verdict = Attribution(
        "bridge-1",
        METHOD,
        suspects,
        {"searcher": 0.8625, "writer": 0.1, "user": 0.0375},
        SuspectSet((2, 1), 0.8),
        AgentSet(("searcher",), 0.75),
        cost=Cost(seconds=0.25),
        warnings=("the log names no model for step 3",),
    )
    return trace, verdict


@pytest.fixture
def succeeded():
    """A run that nobody is blamed for."""
    trace = Trace("ok-1", Source("demo"), steps=(), outcome=Outcome("success"))
    return trace, Attribution("ok-1", METHOD, abstained="the run succeeded")


@pytest.fixture
def unknown():
    """A run of unknown outcome with a verdict that is conditional on failure."""
    agents = (Agent("a", "Ann"), Agent("b", "Bob"))
    steps = (Step(0, "a", content="hello"), Step(1, "b", content="bye"))
    trace = Trace("maybe-1", Source("demo"), agents=agents, steps=steps)
    suspects = (Suspect("b", 1, 0.5), Suspect("a", 0, 0.4))
    return trace, Attribution("maybe-1", METHOD, suspects, {"b": 0.5, "a": 0.4}, conditional=True)


@pytest.fixture
def hostile():
    """A run in which every string that comes from a log, or from a plug-in, is an attack."""
    agents = tuple(
        Agent(f"a{n}", attack(n), role=attack(n + 10), system_prompt=attack(n)) for n in range(2)
    )
    steps = tuple(
        Step(
            n,
            f"a{n % 2}",
            "tool_call",
            content=attack(100 + n),
            to="a0",
            tools=(ToolCall(attack(n), {attack(n): attack(n)}, attack(n), attack(n)),),
            usage=Usage(model=attack(n)),
            raw=(Raw(attack(n), path=attack(n)),),
        )
        for n in range(3)
    )
    trace = Trace(
        attack(200),
        Source(attack(201), attack(202), framework=attack(203)),
        Task(attack(204), attack(205)),
        agents,
        steps,
        Outcome("failure", attack(206), reason=attack(207), by=attack(208)),
        (Label("decisive", attack(209), 1, (attack(210),), attack(211)),),
    )
    quotes = tuple(
        Evidence(n, attack(n), 3, 3 + 60 * (n + 1), 1.0, attack(300 + n)) for n in range(3)
    )
    verdict = Attribution(
        attack(200),
        Method(attack(400), attack(401), attack(402), {"x": attack(403)}),
        (Suspect("a1", 1, 0.7, (attack(404),), quotes), Suspect("a0", 0, 0.2)),
        {"a1": 0.7, "a0": 0.3},
        warnings=(attack(405),),
    )
    return trace, verdict
