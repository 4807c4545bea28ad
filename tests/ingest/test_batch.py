"""Batches: the same output whatever the number of processes, after a crash, and from parts."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tracekit.errors import UsageError
from tracekit.ingest import batch
from tracekit.ingest.batch import Options, ingest_to
from tracekit.ingest.join import join
from tracekit.store import read_traces, write_traces
from tracekit.trace import Agent, Inputs, Outcome, Raw, Source, Step, Task, Time, Trace

CHILD = """
import sys
from tracekit.ingest.batch import ingest_to
if __name__ == "__main__":
    ingest_to([sys.argv[1]], sys.argv[2], resume=True)
"""


def make_logs(folder, files=4, traces=300):
    folder.mkdir()
    for number in range(files):
        write_traces(
            (make_trace(f"f{number}-t{i}") for i in range(traces)), folder / f"{number}.jsonl"
        )


def make_trace(name):
    steps = tuple(
        Step(index=i, agent="Coder", content=f"{name} says {i} " * 20, raw=(Raw(record=i),))
        for i in range(5)
    )
    agents = (Agent("Coder", "Coder"),)
    return Trace(id=name, source=Source(format="demo"), agents=agents, steps=steps)


def test_output_does_not_depend_on_the_number_of_processes(tmp_path):
    make_logs(tmp_path / "logs")
    one = ingest_to([tmp_path / "logs"], tmp_path / "one.jsonl", jobs=1)
    two = ingest_to([tmp_path / "logs"], tmp_path / "two.jsonl", jobs=2)
    assert one.sha256 == two.sha256
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert one.totals["traces"] == 1200
    assert sorted(os.listdir(tmp_path)) == ["logs", "one.jsonl", "two.jsonl"]


def test_output_among_the_inputs_is_not_read(tmp_path):
    make_logs(tmp_path / "logs", files=1, traces=3)
    first = ingest_to([tmp_path / "logs"], tmp_path / "logs" / "all.jsonl")
    second = ingest_to([tmp_path / "logs"], tmp_path / "logs" / "all.jsonl")
    assert first.sha256 == second.sha256


def test_killed_run_leaves_no_output_and_resumes_to_the_same_bytes(tmp_path):
    make_logs(tmp_path / "logs")
    want = ingest_to([tmp_path / "logs"], tmp_path / "want.jsonl").sha256
    out = tmp_path / "out.jsonl"
    rng = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "logs"), str(out)])
        time.sleep(rng.uniform(0.15, 0.6))
        child.send_signal(signal.SIGKILL)
        child.wait()
        if out.exists():  # it was faster than the kill: then it is whole
            assert sum(1 for _ in read_traces(out)) == 1200
            out.unlink()
    assert ingest_to([tmp_path / "logs"], out, resume=True).sha256 == want


def test_resume_goes_on_behind_the_last_whole_line(tmp_path):
    make_logs(tmp_path / "logs", files=1, traces=50)
    out = tmp_path / "out.jsonl"
    want = ingest_to([tmp_path / "logs"], tmp_path / "want.jsonl").sha256
    child = [
        sys.executable,
        "-c",
        CHILD.replace("ingest_to(", "stop_early("),
        str(tmp_path / "logs"),
    ]
    stop = (
        "import tracekit.ingest.batch as batch\n"
        "def stop_early(*a, **k):\n"
        "    write, seen = batch.encode, []\n"
        "    def encode(value):\n"
        "        seen.append(value)\n"
        "        if len(seen) > 20: import os; os._exit(9)\n"
        "        return write(value)\n"
        "    batch.encode = encode\n"
        "    batch.ingest_to(*a, **k)\n"
    )
    child[2] = stop + child[2]
    assert subprocess.run([*child, str(out)], check=False).returncode == 9
    (part,) = (tmp_path / ".out.jsonl.parts").glob("*.jsonl")
    whole = part.read_bytes()
    assert 10 < whole.count(b"\n") < 50
    part.write_bytes(whole + b'{"schema":"tracekit/trace/1","id":"ha')  # cut off in a write
    assert ingest_to([tmp_path / "logs"], out, resume=True).sha256 == want


def test_changed_input_is_read_again_on_resume(tmp_path):
    make_logs(tmp_path / "logs", files=1, traces=3)
    parts = tmp_path / ".out.jsonl.parts"
    parts.mkdir()
    (parts / "000000-0123456789abcdef.jsonl").write_text("stale\n")
    manifest = ingest_to([tmp_path / "logs"], tmp_path / "out.jsonl", resume=True)
    assert manifest.totals["traces"] == 3


def test_duplicates_are_dropped_and_named_unless_kept(tmp_path):
    make_logs(tmp_path / "logs", files=1, traces=2)
    copy = (tmp_path / "logs" / "0.jsonl").read_bytes()
    (tmp_path / "logs" / "copy.jsonl").write_bytes(copy)
    manifest = ingest_to([tmp_path / "logs"], tmp_path / "out.jsonl")
    assert [id for _, id in manifest.duplicates] == ["f0-t0", "f0-t1"]
    assert len(list(read_traces(tmp_path / "out.jsonl"))) == 2
    kept = ingest_to(
        [tmp_path / "logs"], tmp_path / "all.jsonl", options=Options(keep_duplicates=True)
    )
    assert kept.duplicates == []
    assert len(list(read_traces(tmp_path / "all.jsonl"))) == 4


def test_two_runs_over_one_output_do_not_mix(tmp_path):
    import fcntl

    make_logs(tmp_path / "logs", files=1, traces=1)
    with (tmp_path / ".out.jsonl.parts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another run"):
            ingest_to([tmp_path / "logs"], tmp_path / "out.jsonl")


def test_manifest_is_the_same_every_time_and_json(tmp_path):
    import msgspec

    make_logs(tmp_path / "logs", files=2, traces=2)
    (tmp_path / "logs" / "broken.jsonl").write_bytes(b'{"schema":"tracekit/trace/1","id":')
    (tmp_path / "logs" / "empty.json").write_bytes(b"")
    runs = [ingest_to([tmp_path / "logs"], tmp_path / "o.jsonl", jobs=j) for j in (1, 2)]
    first, second = map(msgspec.json.encode, runs)
    assert first == second
    shown = json.loads(first)
    assert shown["schema"] == "tracekit/manifest/1"
    assert shown["totals"]["problems"] == {"error": 1, "warning": 0, "skip": 1}


def span(index, agent, start, span_id, **more):
    return Step(
        index=index,
        agent=agent,
        time=Time(start, start + 1),
        raw=(Raw(record=span_id, span=span_id),),
        **more,
    )


def test_parts_of_one_run_are_joined_by_time():
    first = Trace(
        id="run",
        source=Source(format="otlp-json", path="a.json"),
        agents=(Agent("Planner", "Planner"),),
        steps=(span(0, "Planner", 1.0, "s1"), span(1, "Planner", 5.0, "s3", parent=0)),
    )
    second = Trace(
        id="run",
        source=Source(format="otlp-json", path="b.json"),
        task=Task(question="why?"),
        agents=(Agent("Coder", "Coder"),),
        steps=(span(0, "Coder", 3.0, "s2"), span(1, "Coder", 6.0, "s4", inputs=Inputs(steps=(0,)))),
        outcome=Outcome(status="failure", by="b"),
    )
    whole = join([first, second, second])
    assert [step.raw[0].span for step in whole.steps] == ["s1", "s2", "s3", "s4"]
    assert [step.index for step in whole.steps] == [0, 1, 2, 3]
    assert whole.steps[2].parent == 0
    assert whole.steps[3].inputs == Inputs(steps=(1,))
    assert whole.steps[1].raw[0].path == "b.json"
    assert whole.task.question == "why?"
    assert whole.failed
    assert [agent.id for agent in whole.agents] == ["Planner", "Coder"]


def test_a_part_read_without_redaction_is_not_resumed_with_it(tmp_path):
    text = "write to ann@example.org"
    step = Step(0, "A", content=text)
    trace = Trace(id="a", source=Source("x"), agents=(Agent("A", "A"),), steps=(step,))
    log, out = tmp_path / "log.jsonl", tmp_path / "out.jsonl"
    write_traces([trace], log)
    plain = batch.Task(0, str(log), log.stat().st_size, log.stat().st_mtime_ns)
    work = tmp_path / ".out.jsonl.parts"
    work.mkdir()
    batch._read_part(plain, str(work), Options())
    manifest = ingest_to([log], out, resume=True, options=Options(redact="secrets"))
    assert manifest.redacted == {"email": 1}
    assert text not in out.read_text()


def otlp_span(span_id, parent, start, **attributes):
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": span_id,
        "parentSpanId": parent,
        "name": "span",
        "startTimeUnixNano": str(start * 10**9),
        "endTimeUnixNano": str((start + 1) * 10**9),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
    }


def test_an_agent_span_in_another_file_owns_what_hangs_from_it(tmp_path):
    agent = {"openinference.span.kind": "AGENT", "agent.name": "Planner", "output.value": "Done."}
    model = {"openinference.span.kind": "LLM", "output.value": "I will look it up."}
    logs = tmp_path / "logs"
    logs.mkdir()
    spans = [
        otlp_span("aaaaaaaaaaaaaaa1", "", 10, **agent),
        otlp_span("aaaaaaaaaaaaaaa2", "aaaaaaaaaaaaaaa1", 11, **model),
    ]
    for number, span in enumerate(spans):
        document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        (logs / f"{number}.json").write_text(json.dumps(document))
    manifest = ingest_to([logs], tmp_path / "out.jsonl")
    assert manifest.joined == ["5b8efff798038103d269b633813fc60c"]
    (trace,) = read_traces(tmp_path / "out.jsonl")
    assert {step.content: step.agent for step in trace.steps} == {
        "Done.": "Planner",
        "I will look it up.": "Planner",
    }
    assert [agent.id for agent in trace.agents] == ["Planner"]
