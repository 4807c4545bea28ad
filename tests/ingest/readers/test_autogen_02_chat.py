"""MathChat of AutoGen 0.2."""

RUN = {
    "problem": "What is 1 + 1?",
    "type": "Algebra",
    "problem_id": "7",
    "correct_ans": "2",
    "is_correct": False,
    "voted_answer": "3",
    "round": 1,
    "messages": [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "Problem: What is 1 + 1?"},
        {"role": "assistant", "content": "3"},
    ],
}
FORMAT = "autogen-02-chat"


def test_user_is_the_proxy_that_runs_the_code(read_one, speakers):
    trace = read_one(FORMAT, RUN)
    assert speakers(trace) == ["system", "MathUserProxyAgent", "assistant"]
    assert trace.agent("MathUserProxyAgent").role == "user"
    assert (trace.task.question, trace.task.expected) == ("What is 1 + 1?", "2")
    assert trace.task.id == "Algebra/7"
    assert (trace.outcome.status, trace.outcome.answer) == ("failure", "3")
    assert trace.outcome.by == "is_correct"
    assert trace.extra["round"] == 1


def test_layout_of_the_model_logs(read_one):
    run = {k: v for k, v in RUN.items() if k not in ("voted_answer", "is_correct")}
    trace = read_one(FORMAT, run | {"response_with_ans": "It is 2.", "check_result": "yes"})
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "It is 2.")


def test_bad_messages(read_as, speakers):
    traces, problems = read_as(FORMAT, {**RUN, "messages": [7, *RUN["messages"]]})
    assert len(traces[0].steps) == 3
    assert problems[0].record == "/messages/0"
    assert read_as(FORMAT, {**RUN, "messages": "none"})[0] == []


def test_a_list_of_problems_is_one_trace_each(read):
    messages = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    run = {"problem": "1+1?", "correct_ans": "2", "is_correct": True, "messages": messages}
    got = read([run, run | {"is_correct": False}])
    assert [t.outcome.status for t in got.traces] == ["success", "failure"]
    assert len({t.id for t in got.traces}) == 2
