"""CrewAI's text logger."""

FORMAT = "crewai-log"


def record(time, task, agent, output=None, name="None"):
    head = f'{time}: task_name="{name}", task="{task}", agent="{agent}", '
    return head + (
        'status="started"\n' if output is None else f'status="completed", output="{output}"\n'
    )


FIRST = (
    record("2025-01-01 10:00:00", 'Say "hi"', "Greeter")
    + record(
        "2025-01-01 10:00:05", 'Say "hi"', "Greeter", 'He said: "hi"\n\n2025-01-01 was fine."\n'
    )
    + record("2025-01-01 10:00:05", "Check\nit", "Senior (SEO)\nEditor\n")
)


def test_records(read_one, speakers):
    trace = read_one(FORMAT, FIRST, "log.txt")
    assert speakers(trace) == ["Greeter", "Greeter", "Senior (SEO) Editor"]
    assert trace.steps[0].content == 'Say "hi"'
    assert trace.steps[1].content == 'He said: "hi"\n\n2025-01-01 was fine."\n'
    assert trace.steps[1].parent == 0
    assert trace.steps[1].time.seconds == 5
    assert trace.task.question == 'Say "hi"'
    assert trace.outcome.status == "unknown"
    assert trace.outcome.reason == "started and never completed: step 2"


def test_kickoffs(read):
    again = FIRST.replace("10:00", "10:01")
    other = record("2025-01-01 10:05:00", "Say bye", "Greeter")
    same_kickoff = record("2025-01-01 10:05:20", "Say bye again", "Greeter")
    got = read(FIRST + again + other + same_kickoff, "log.txt")
    assert [len(trace.steps) for trace in got.traces] == [3, 3, 2]
    assert len({trace.id for trace in got.traces}) == 3


def test_json_file(read_one, speakers):
    log = [
        {"timestamp": "2025-01-01 10:00:00", "task_name": "t", "task": "Do", "agent": "A", "status": "started"},
        {"timestamp": "2025-01-01 10:00:02", "task_name": "t", "task": "Do", "agent": "A",
         "status": "completed", "output": "Done"},
    ]  # fmt: skip
    trace = read_one(FORMAT, log, "log.json")
    assert speakers(trace) == ["A", "A"]
    assert trace.outcome.answer == "Done"


def test_broken_records(read):
    got = read(FIRST + '2025-01-01 11:00:00: task_name="x", task="cut', "log.txt")
    assert len(got.trace.steps) == 3
    assert [problem.severity for problem in got.problems] == ["error"]
    assert read([{"timestamp": 1, "task": 2, "agent": None, "status": 4}], "x.json").problems


def test_older_records_name_the_agent_first(read_one):
    log = (
        '2024-05-01 10:00:00: agent="Cook", task="Boil", status="started"\n'
        '2024-05-01 10:00:09: agent="Cook", task="It "boils"", status="completed"\n'
    )
    steps = read_one("crewai-log", log, "log.txt").steps
    assert [(step.agent, step.content) for step in steps] == [
        ("Cook", "Boil"),
        ("Cook", 'It "boils"'),
    ]
    assert steps[1].parent == 0


def test_a_log_may_begin_within_a_record(read):
    record = '2025-05-01 10:00:00: task_name="t", task="Boil", agent="Cook", status="started"\n'
    got = read('of a text before"\n' + record, "log.txt")
    assert got.report.format == "crewai-log"
    assert [s.agent for s in got.trace.steps] == ["Cook"]
    assert [p.severity for p in got.problems] == ["error"]
