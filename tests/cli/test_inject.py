"""`tracekit inject`: a data set from the command line."""

import json

import pytest

from tracekit.inject.dataset import read_rows
from tracekit.testing.chat_server import ChatServer, Reply

SMALL = ("--n", "4", "--family", "arithmetic", "--topology", "chain", "--no-leaks")

SYSTEM = '''
from tracekit.replay.sandbox.system import Sandbox

class Plain:
    """A system of somebody else's: replayable, and nothing more."""

    def __init__(self):
        self._inner = Sandbox("arithmetic", "chain")

    def run(self, task, seed):
        return self._inner.run(task, seed)

    def checkpoints(self, trace):
        return self._inner.checkpoints(trace)

    def resume(self, checkpoint, intervention, seed):
        return self._inner.resume(checkpoint, intervention, seed)

    def check(self, trace):
        return self._inner.check(trace)


class Broken(Plain):
    def run(self, task, seed):
        raise RuntimeError("the server is on fire")
'''


def test_a_set_is_built_counted_and_read_again(run, tmp_path):
    out = tmp_path / "set"
    done = run("inject", *SMALL, "-o", out, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["verified"], told["wanted"], told["leaks"]) == (4, 4, [])
    assert {path.name for path in out.iterdir()} == {"README.md", "data", "manifest.json"}
    again = run("ingest", str(out / "data"), "-o", str(tmp_path / "traces.jsonl"), "--json")
    assert again.code == 0, again.err
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run("inject", *SMALL, "-o", out, "--quiet").code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert run("inject", *SMALL, "-o", out, "--fresh").code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_another_set_in_the_way_is_a_usage_error(run, tmp_path):
    assert run("inject", *SMALL, "-o", tmp_path).code == 0
    done = run("inject", *SMALL, "--seed", "1", "-o", tmp_path)
    assert done.code == 2
    assert "belongs to another data set" in done.err
    assert run("inject", *SMALL, "--seed", "1", "--fresh", "-o", tmp_path).code == 0


def test_the_report_tells_people(run, tmp_path):
    done = run("inject", *SMALL, "--modes", "FM-2.6,FM-3.1", "-o", tmp_path)
    assert done.code == 0, done.err
    assert "4 with a decisive step" in done.out


def test_recorded_successes_are_changed_offline(run, tmp_path):
    logs, out = tmp_path / "logs.jsonl", tmp_path / "out"
    assert run("sandbox", "run", "--skill", "0.95", "--n", "20", "-o", logs).code == 0
    done = run("inject", "--offline", logs, "--n", "6", "--no-leaks", "-o", out)
    assert done.code == 0, done.err
    assert "nothing was replayed" in done.out
    card = (out / "README.md").read_text()
    assert "**Nothing was replayed**" in card
    for word in ("sandbox", "replays confirm", "hard negative", "`undo_effect` says", "apache-2.0"):
        assert word not in card
    for kept in ("| `offline` | 6 |", "| `injected_steps` |", "| FM-"):
        assert kept in card
    kinds = [row["kind"] for row in read_rows(out)]
    assert kinds.count("offline") == 6
    assert set(kinds) == {"offline", "clean"}
    for row in read_rows(out, ["kind", "verified", "decisive_step", "replays"]):
        assert (row["verified"], row["decisive_step"], row["replays"]) == (False, None, 0)


def test_logs_without_a_known_success_are_refused(run, tmp_path):
    logs = tmp_path / "logs.jsonl"
    run("sandbox", "run", "--skill", "0", "--n", "3", "-o", logs)
    done = run("inject", "--offline", logs, "--no-leaks", "-o", tmp_path / "out")
    assert done.code == 3
    assert "succeeded" in done.err


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A system in a module of its own, and tasks for it."""
    from tracekit.replay.sandbox.system import Sandbox

    (tmp_path / "somebody.py").write_text(SYSTEM)
    tasks = [task for task, _ in zip(Sandbox("arithmetic").tasks(5), range(20), strict=False)]
    lines = [
        json.dumps({"question": t.question, "expected": t.expected, "id": t.id}) for t in tasks
    ]
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plain")
def test_a_system_of_ones_own(run, tmp_path):
    own = ("--system", "somebody:Plain", "--tasks", "tasks.jsonl", "--no-leaks")
    done = run("inject", *own, "--n", "3", "--workers", "1", "-o", "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["verified"] == 3
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["spec"]["system"] == "somebody:Plain"
    assert manifest["spec"]["manipulator"] == "rules"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license:" not in card
    assert "Licence: not stated" in card
    args = (*own, "--n", "3", "-o", "out", "--license", "mit", "--quiet")
    assert run("inject", *args).code == 0
    assert "\nlicense: mit\n" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.usefixtures("plain")
def test_a_system_that_breaks_is_named(run):
    own = ("--system", "somebody:Broken", "--tasks", "tasks.jsonl", "--no-leaks")
    done = run("inject", *own, "--n", "3", "--workers", "1", "-o", "out")
    assert done.code == 4
    assert "somebody:Broken" in done.err
    assert "on fire" in done.err


@pytest.mark.usefixtures("plain")
def test_a_system_without_tasks_is_told_how_to_give_some(run):
    done = run("inject", "--system", "somebody:Plain", "--n", "3", "--no-leaks", "-o", "out")
    assert done.code == 2
    assert "--tasks FILE" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--family", "cooking"), "no family is named 'cooking'"),
        (("--modes", "FM-7.7"), "no mode 'FM-7.7'"),
        (
            ("--modes", "AT-1", "--strategies", "role-swap"),
            "no mode asked for can be brought about",
        ),
        (("--manipulator", "nobody"), "no manipulator is named"),
    ],
)
def test_what_cannot_be_done_is_said(run, tmp_path, args, says):
    done = run("inject", "--n", "2", "--no-leaks", "-o", tmp_path / "x", *args)
    assert done.code == 2
    assert says in done.err


def test_faults_without_an_occasion_are_not_said_to_be_harmless(run, tmp_path):
    """Where no tool is called, no result of a tool can carry an order."""
    no_tools = ("--family", "arithmetic", "--topology", "chain", "--modes", "AT-1")
    done = run("inject", "--n", "1", "--no-leaks", "-q", "-o", tmp_path / "x", *no_tools)
    assert done.code == 1
    assert "no fault found an occasion" in done.out


def test_a_model_behind_an_endpoint_writes_the_faults(run, tmp_path, monkeypatch):
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    wrong = Reply(text=json.dumps({"content": "Done. The final answer is 1."}))
    out = tmp_path / "set"
    modes = ("--modes", "FM-2.6", "--strategies", "response-corruption", "--workers", "1")
    with ChatServer([wrong]) as server:
        asked = ("--manipulator", "llm", "--llm", server.url, "--model", "tiny")
        made = run("inject", *SMALL, *modes, *asked, "-o", out, "--json")
        assert made.code == 0, made.err
        assert server.calls
        assert server.calls[0].body["model"] == "tiny"
    rows = [each for each in read_rows(out) if each["kind"] != "clean"]
    assert {each["manipulator"] for each in rows} == {"llm"}


def test_a_model_needs_an_address_and_tasks_a_system(run, tmp_path):
    alone = run("inject", *SMALL, "--manipulator", "llm", "-o", tmp_path / "set")
    assert alone.code == 2
    assert "endpoint" in alone.err
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"question": "How many?"}\n', encoding="utf-8")
    lost = run("inject", *SMALL, "--tasks", tasks, "-o", tmp_path / "set")
    assert lost.code == 2
    assert "--system" in lost.err
