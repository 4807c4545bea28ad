"""Answers are stored once, found again, recorded and replayed; a kill loses none."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import traceback

import msgspec
import pytest

from tracekit.errors import InputError, UsageError
from tracekit.llm import errors
from tracekit.llm.budget import Budget
from tracekit.llm.cache import Store
from tracekit.testing.chat_server import Reply

SECRET = "sk-live-4f9d0c1b7a"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "calls.db"


def answer(client, request):
    return client.wait(client.complete(request))


def counting(call):
    """An answer that is another one every time."""
    return Reply(text=f"{call.prompt} {call.index}", usage=(call.index + 1, 2))


def test_a_cached_call_is_made_once(serve, client, asking, path):
    server = serve(counting)
    first = client(server, store=Store(path, "cache"))
    one = answer(first, asking())
    first.close()
    second = client(server, store=Store(path, "cache"))
    assert answer(second, asking()) == one
    assert answer(second, asking("other")).text == "other 1"
    assert (second.spent().stored, second.spent().answered, len(server.calls)) == (1, 1, 2)


def test_equal_calls_at_once_are_one_call(serve, client, asking, path):
    server = serve(lambda call: Reply(delay=0.1))
    caller = client(server, store=Store(path, "cache"), concurrency=8)
    done = caller.wait(caller.complete_all([asking("same")] * 8))
    assert len(set(map(str, done))) == 1
    assert len(server.calls) == 1


def test_repeats_are_calls_of_their_own(serve, client, asking, path):
    server = serve(counting)
    caller = client(server, store=Store(path, "cache"))
    texts = [
        answer(caller, msgspec.structs.replace(asking("q"), repeat=n)).text for n in (0, 1, 2, 1)
    ]
    assert texts == ["q 0", "q 1", "q 2", "q 1"]


def test_without_a_store_every_call_is_made(serve, client, asking):
    server = serve(counting)
    caller = client(server)
    assert [answer(caller, asking("q")).text for _ in range(2)] == ["q 0", "q 1"]


def test_failures_are_not_stored(serve, client, asking, path):
    server = serve([Reply(body=b"{"), Reply(text="better")])
    caller = client(server, store=Store(path, "cache"))
    with pytest.raises(errors.MalformedAnswer):
        answer(caller, asking())
    assert answer(caller, asking()).text == "better"


def test_replay_is_equal_to_the_byte_without_a_server(serve, client, asking, path, monkeypatch):
    requests = [asking(f"q{n}", temperature=0.5) for n in range(20)]
    server = serve(lambda call: Reply(status=500) if call.index == 3 else counting(call))
    recorder = client(server, store=Store(path, "record"), concurrency=4)
    recorded = recorder.wait(recorder.complete_all(requests))
    recorder.close()
    server.__exit__(None, None, None)

    def no_socket(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    monkeypatch.setattr(socket.socket, "connect_ex", no_socket)
    player = client(server.url, store=Store(path, "replay"), key_env="NOT_SET_ANYWHERE")
    replayed = player.wait(player.complete_all(requests))
    assert msgspec.json.encode(replayed) == msgspec.json.encode(recorded)
    assert (player.spent().stored, player.spent().tries) == (20, 0)
    with pytest.raises(errors.NotRecorded, match="record it first"):
        answer(player, asking("never asked"))


def test_recording_replaces_what_an_earlier_run_recorded(serve, client, asking, path):
    server = serve(counting)
    for _ in range(2):
        caller = client(server, store=Store(path, "record"))
        texts = [answer(caller, asking("q")).text for _ in range(2)]
        assert len(set(texts)) == 1, "equal requests of one run get equal answers"
        caller.close()
    player = client(server, store=Store(path, "replay"))
    assert answer(player, asking("q")).text == texts[0] == "q 1"


def test_a_recording_is_one_file_that_can_lie_where_nobody_writes(serve, client, asking, path):
    caller = client(serve(counting), store=Store(path, "record"))
    answer(caller, asking("q"))
    caller.close()
    assert os.listdir(path.parent) == ["calls.db"]
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        player = client("http://127.0.0.1:1/v1", store=Store(path, "replay"))
        assert answer(player, asking("q")).text == "q 0"
        player.close()
        assert os.listdir(path.parent) == ["calls.db"]
    finally:
        path.parent.chmod(0o755)


def test_replay_reads_what_is_being_recorded(serve, client, asking, path):
    recorder = client(serve(counting), store=Store(path, "record"))
    answer(recorder, asking("q"))
    player = client("http://127.0.0.1:1/v1", store=Store(path, "replay"))
    assert answer(player, asking("q")).text == "q 0"


# --- files that are no store --------------------------------------------------------------------


@pytest.mark.parametrize(("path", "mode"), [(None, "cache"), (None, "replay"), ("x.db", "off")])
def test_a_mode_without_a_path_is_refused(path, mode):
    with pytest.raises(UsageError):
        Store(path, mode)


def test_replay_needs_a_recording(path):
    with pytest.raises(InputError, match="no such file"):
        Store(path, "replay")
    assert not path.exists()


@pytest.mark.parametrize("mode", ["cache", "record", "replay"])
def test_other_files_are_left_alone(tmp_path, mode):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be taken for one\n" * 50)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine (x)")
    db.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(InputError, match="choose another file"):
            Store(path, mode)
        assert path.read_bytes() == before


def test_a_newer_store_is_refused(path):
    Store(path, "cache").close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(InputError, match="newer"):
        Store(path, "cache")


def test_a_damaged_row_is_an_error_not_an_answer(serve, client, asking, path):
    caller = client(serve(), store=Store(path, "record"))
    answer(caller, asking())
    caller.close()
    db = sqlite3.connect(path)
    db.execute("UPDATE calls SET completion = substr(completion, 1, 20)")
    db.commit()
    db.close()
    player = client("http://127.0.0.1:1/v1", store=Store(path, "replay"))
    with pytest.raises(InputError, match="cannot be used"):
        answer(player, asking())


# --- a kill -------------------------------------------------------------------------------------

BATCH = """
import sys
from tracekit.llm.budget import Budget
from tracekit.llm.cache import Store
from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint
from tracekit.llm.request import Message, Request

url, path, cap = sys.argv[1:]
requests = [Request("m", (Message("user", f"q{n}"),), {"max_tokens": 5}) for n in range(200)]
budget = Budget(tokens=int(cap), account="batch")
with Client(Endpoint(url=url, concurrency=8), budget=budget, store=Store(path, "cache")) as client:
    done = client.wait(client.complete_all(requests))
    print(sum(one.text == f"q{n}" for n, one in enumerate(done)), client.spent().stored)
"""


def test_kill_and_resume_makes_no_stored_call_twice(serve, path):
    server = serve(lambda call: Reply(text=call.prompt, usage=(3, 5), delay=0.01))
    arguments = [sys.executable, "-c", BATCH, server.url, str(path), "100000"]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    while len(server.calls) < 90 and running.poll() is None:
        server.pause(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    running.stdout.close()
    db = sqlite3.connect(path)
    stored = {row[0] for row in db.execute("SELECT json_extract(completion, '$.text') FROM calls")}
    (reserved,) = db.execute("SELECT tokens FROM accounts WHERE name = 'batch'").fetchone()
    db.close()
    before = len(server.calls)
    assert 80 <= len(stored) < 200
    assert before - 8 <= len(stored) <= before, "what was under way may be lost, nothing else"
    assert reserved >= before * 8, "calls of unknown end stay reserved"

    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200", str(len(stored))]
    again = [call.prompt for call in server.calls[before:]]
    assert stored.isdisjoint(again)
    assert len(again) == 200 - len(stored)


def test_the_cap_holds_over_a_kill(serve, client, path, asking):
    """What was reserved by a process that is no more counts as spent."""
    server = serve(lambda call: Reply(delay=60))
    arguments = [sys.executable, "-c", BATCH, server.url, str(path), "2500"]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    while len(server.calls) < 7 and running.poll() is None:
        server.pause(0.005)
    running.kill()
    running.wait()
    running.stdout.close()
    rest = client(serve(), store=Store(path, "cache"), budget=Budget(tokens=2500, account="batch"))
    with pytest.raises(errors.BudgetExceeded):
        answer(rest, asking("x" * 300, max_tokens=200))


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_the_key_is_sent_and_nowhere_else(
    serve, client, asking, path, monkeypatch, caplog, capfd, stream
):
    """Not even when the server repeats it, in an answer or in an error."""
    caplog.set_level(0)
    monkeypatch.setenv("MY_KEY", SECRET)
    server = serve(
        lambda call: (
            Reply(status=400, text=f"bad key {SECRET}")
            if call.prompt == "bad"
            else Reply(
                text=f"your key is {SECRET}", finish="length" if call.prompt == "long" else "stop"
            )
        ),
        key=SECRET,
    )
    caller = client(server, store=Store(path, "record"), key_env="MY_KEY", stream=stream)
    assert answer(caller, asking("hi")).text == "your key is [key]"
    seen = [repr(caller), repr(caller.endpoint), repr(caller.spent())]
    for prompt in ("bad", "long"):
        with pytest.raises(errors.CallError) as caught:
            answer(caller, asking(prompt))
        seen += [*traceback.format_exception(caught.value), repr(vars(caught.value))]
        assert "[key]" in seen[-1]
    wrong = client(server, stream=stream)
    with pytest.raises(errors.KeyRefused, match="key_env"):
        answer(wrong, asking("hi"))
    caller.close()
    out, err = capfd.readouterr()
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert SECRET.encode() not in files
    assert SECRET not in out + err + caplog.text + "".join(seen)
    assert server.calls[0].headers["authorization"] == f"Bearer {SECRET}"


def test_nothing_of_the_environment_is_sent(serve, client, asking, monkeypatch):
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", f"ambient-{name}")
    custom = "Authorization: Bearer ambient-header\nX-Team: ambient-team"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", custom)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/ambient")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = serve()
    answer(client(server), asking())
    headers = server.calls[0].headers
    assert "ambient" not in str(headers)
    assert not any("stainless" in name for name in headers), "nor what machine this is"
    assert headers["authorization"] == "Bearer none"


def test_the_room_costs_nothing_until_it_is_used():
    code = (
        "import sys, tracekit.llm.client, tracekit.llm.structured;"
        "print({'openai', 'stamina', 'httpx', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
