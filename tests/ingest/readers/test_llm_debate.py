"""Debates between language models."""

FORMAT = "llm-debate"


def player(*said, prompt="You debate."):
    history = [{"role": "system", "content": prompt}]
    for text in said:
        history += [
            {"role": "user", "content": f"before {text}"},
            {"role": "assistant", "content": text},
        ]
    return history


RUN = {
    "source": "Bonjour",
    "correct reference": "Hello",
    "debate translation": "Hi",
    "reason": "closer",
    "players": {
        "Affirmative side": player("a0", "a1", "a2"),
        "Negative side": player("n1", "n2"),
        "Moderator": player("m1", "m2"),
        "Judge": player("j1", "j2"),
    },
}


def test_order_is_rebuilt(read_one, speakers):
    trace = read_one(FORMAT, RUN)
    said = [step.content for step in trace.steps]
    assert said == ["a0", "a1", "n1", "m1", "a2", "n2", "m2", "j1", "j2"]
    assert speakers(trace)[2] == "Negative side"
    assert [m.content for m in trace.steps[0].inputs.messages] == ["You debate.", "before a0"]
    assert len(trace.steps[0].raw) == 3
    assert trace.agent("Judge").system_prompt == "You debate."
    assert trace.agent("Judge").role == "judge"
    assert (trace.task.question, trace.task.expected) == ("Bonjour", "Hello")
    assert (trace.outcome.answer, trace.outcome.reason) == ("Hi", "closer")
    assert trace.steps[-1].kind == "final"


def test_a_judge_who_was_not_needed_and_odd_players(read, speakers):
    players = {"Affirmative side": player("a0"), "Negative side": [3], "Judge": player()}
    got = read({"num_players": 3, "players": players, "debate translation": ""})
    assert speakers(got.trace) == ["Affirmative side"]
    assert got.trace.outcome.answer is None
    assert sorted(problem.severity for problem in got.problems) == ["error", "skip"]
    assert {agent.id for agent in got.trace.agents} >= {"Judge", "Negative side"}


def test_contexts_by_question(read, speakers):
    log = {"What is 1 + 1?": [[player("2", "3")[1:], player("2", "2")[1:]], "2"], "odd": 3}
    got = read(log)
    assert got.report.format == FORMAT
    assert speakers(got.trace) == ["Agent 1", "Agent 2", "Agent 1", "Agent 2"]
    assert (got.trace.task.question, got.trace.task.expected) == ("What is 1 + 1?", "2")
    assert len(got.problems) == 1
