"""AppWorld transcripts."""

FORMAT = "appworld-text"
RUN = """\

******************** Task 3/25 (b1_2)  ********************
Play the next song.
Response from Supervisor Agent
    # ask send_message(now)
    send_message(app_name='music', message='What (now)?')
    
Code Execution Output

    reply = ...
    Message to music Agent
Entering music Agent message loop
    Message to music Agent
        What (now)?
    Response from music Agent
        print(apis.music.show(id=1))
    Message to music Agent
        {"song": "Response from music Agent"}
    Reply from music Agent to Supervisor
        A song
Exiting Music Agent message loop
Response from send_message API
    A song
Message to Supervisor Agent
    A song
Response from Supervisor Agent
    apis.supervisor.complete_task()
"""  # noqa: W293
PASSED = 'Evaluation\n{"success": true, "failures": []}\n'
FAILED = 'Evaluation\n{"passes": [], "failures": [{"requirement": "songs match"}]}\n'


def test_nested_loops(read, speakers):
    got = read(RUN + PASSED, "x.txt")
    trace = got.trace
    assert got.report.format == FORMAT
    assert speakers(trace) == [
        "Supervisor Agent", "environment", "Supervisor Agent", "music Agent", "environment",
        "music Agent", "environment", "environment", "Supervisor Agent",
    ]  # fmt: skip
    assert (trace.task.question, trace.task.id) == ("Play the next song.", "b1_2")
    (call,) = trace.steps[0].tools
    assert (call.name, call.arguments) == (
        "send_message",
        "app_name='music', message='What (now)?'",
    )
    assert trace.steps[1].content == "reply = ...\nMessage to music Agent"
    assert trace.steps[1].parent == 0
    assert trace.steps[2].to == "music Agent"
    assert (trace.steps[3].tool.name, trace.steps[3].tool.arguments) == ("music.show", "id=1")
    assert (trace.steps[4].kind, trace.steps[4].parent) == ("tool_result", 3)
    assert trace.steps[5].to == "Supervisor Agent"
    assert trace.steps[8].kind == "final"
    assert trace.agent("music Agent").parent == "Supervisor Agent"
    assert (trace.outcome.status, trace.outcome.by) == ("success", "Evaluation")
    assert {problem.severity for problem in got.problems} == {"skip"}


def test_several_tasks_in_a_file(read):
    got = read(RUN + FAILED + RUN.replace("b1_2", "b1_3") + 'Evaluation\n{"success": fal', "x.txt")
    first, second = got.traces
    assert (first.outcome.status, first.outcome.reason) == ("failure", "songs match")
    assert (second.task.id, second.outcome.status) == ("b1_3", "unknown")
    assert first.id != second.id
