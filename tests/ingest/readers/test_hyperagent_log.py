"""Raw logs of HyperAgent."""

LOG = """\
HyperAgent_repo-9 - INFO - Initialized tools
HyperAgent_repo-9 - INFO - Planner's Response: Thought: look

Intern Name: Codebase Editor
Subgoal: find it
HyperAgent_repo-9 - INFO - Inner-Editor-Assistant's Response: Action:
```python
result = open_file._run(path="a.py")
print(result)
```
HyperAgent_repo-9 - WARNING - Editor->Planner: It is in a.py
HyperAgent_repo-9 - INFO - Planner's Response: Final Answer: fixed
"""


def test_log(read_one, speakers):
    trace = read_one("hyperagent-log", LOG, "repo-9.log")
    assert speakers(trace) == ["system", "Planner", "Inner-Editor-Assistant", "Editor", "Planner"]
    assert [step.kind for step in trace.steps] == [
        "system", "handoff", "tool_call", "message", "final",
    ]  # fmt: skip
    assert [step.to for step in trace.steps[1:4]] == ["Editor", None, "Planner"]
    assert trace.steps[2].tool.arguments == 'path="a.py"'
    assert trace.steps[3].extra == {"level": "WARNING"}
    assert [step.raw[0].line for step in trace.steps] == [1, 2, 6, 11, 12]
    assert LOG.encode()[trace.steps[3].raw[0].start :].startswith(b"HyperAgent_repo-9 - WARNING")
    assert trace.task.id == "repo-9"
    assert trace.outcome.answer == "Final Answer: fixed"


def test_text_before_the_first_record_is_kept(read_as, speakers):
    traces, problems = read_as("hyperagent-log", "warning: x\n" + LOG.replace("\n", "\r\n"))
    assert problems == []
    assert speakers(traces[0])[0] == "unknown"
    assert traces[0].steps[1].content == "Initialized tools"


def test_what_stands_before_the_first_record_is_nobodys(read):
    log = "\ufeffLoading ...\nHyperAgent_a__b-1 - INFO - Planner's Response: Look\n"
    got = read(log.encode(), "run.log")
    assert got.report.format == "hyperagent-log"
    assert [(s.agent, s.content) for s in got.trace.steps] == [
        ("unknown", "Loading ..."), ("Planner", "Look"),
    ]  # fmt: skip
