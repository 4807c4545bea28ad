"""MetaGPT's logs."""

FORMAT = "metagpt-log"
LOG = """\
2025-01-12 14:37:42.009 | INFO     | metagpt.roles.role:_act:391 - Alice(SimpleCoder): to do Write(Write)
```python
x = 1
```
2025-01-12 14:37:43.009 | DEBUG    | metagpt.roles.role:_observe:1 - Bob(Tester) observed: ['Alice: code']
2025-01-12 14:37:44.009 | INFO     | metagpt.utils.cost_manager:update_cost:57 - Total running cost: $0.1
2025-01-12 14:37:45.009 | WARNING  | metagpt.utils.repair:x:1 - could not repair
2025-01-12 14:37:46.009 | INFO     | __main__:_act:85 - Bob(Tester): to do Test(Test)
2025-01-12 14:37:47.009 | INFO     | metagpt.roles.di.role_zero:_act:3 - Commands:
[1]
"""


def check(trace, speakers):
    assert speakers(trace) == ["Alice", "system", "Bob", "unknown"]
    assert trace.steps[0].content == "```python\nx = 1\n```"
    assert trace.steps[0].extra["action"] == "to do Write(Write)"
    assert trace.agent("Alice").role == "SimpleCoder"
    assert trace.steps[2].content == "to do Test(Test)"
    assert trace.steps[3].content == "Commands:\n[1]"
    assert trace.steps[2].time.start - trace.steps[0].time.start == 4


def test_text(read, speakers):
    got = read(LOG, "1.txt")
    assert got.report.format == FORMAT
    check(got.trace, speakers)
    assert [problem.line for problem in got.problems] == [5, 6]


def test_content_of_a_collected_run(read, speakers):
    run = {"run_id": "7", "prompt": "write x", "content": LOG, "log_file": "7.txt", "cost": "0.1"}
    got = read(run, "run_7.json")
    assert got.report.format == FORMAT
    check(got.trace, speakers)
    assert (got.trace.task.question, got.trace.task.id) == ("write x", "7")
    assert got.trace.steps[0].raw[0].record == "/content#1"
    assert got.trace.extra == {"log_file": "7.txt", "cost": "0.1"}
    assert read({"content": 3, "prompt": "x"}, format=FORMAT).problems[0].severity == "error"


def test_errors_are_nobodys_words_and_announcements_no_answer(read):
    log = (
        "2025-01-01 10:00:00.000 | INFO     | metagpt.roles.role:_act:1 - Ann(Coder): to do Write(Write)\n"
        "owls = 3\n"
        "2025-01-01 10:00:01.000 | ERROR    | metagpt.utils.common:log_it:1 - Finished after 1s\n"
        "Traceback (most recent call last):\nValueError: no owls\n"
        "2025-01-01 10:00:02.000 | INFO     | metagpt.roles.role:_act:1 - Bob(Tester): to do Test(Test)\n"
    )
    got = read(log, "log.txt")
    assert [(s.agent, s.kind) for s in got.trace.steps] == [
        ("Ann", "message"), ("system", "system"), ("Bob", "message"),
    ]  # fmt: skip
    assert got.trace.outcome.answer == "owls = 3"
