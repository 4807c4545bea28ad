"""Calls against a real server: answers, streams, tries, and every way to fail."""

import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import pytest

from tracekit.errors import BackendError, UsageError
from tracekit.llm import errors
from tracekit.llm.endpoint import Endpoint, Retry
from tracekit.llm.request import Message, Request, ToolCall, Usage
from tracekit.testing.chat_server import Reply

HELLO = Request("m", (Message("user", "Hi"),))
LONG = "The step that broke the run is step four — naïveté, ☃ and all.\n" * 20
WEATHER = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Bergen"}'},
}


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param


def answer(client, request=HELLO):
    return client.wait(client.complete(request))


def test_an_answer(serve, client, stream, asking):
    server = serve([Reply(text=LONG, usage=(7, 9))])
    caller = client(server, stream=stream)
    done = answer(caller, asking("Who?", temperature=0, max_tokens=50))
    assert (done.text, done.finish, done.model, done.tries) == (LONG, "stop", "m", 1)
    assert done.usage == Usage(7, 9)
    assert done.key == asking("Who?", temperature=0, max_tokens=50).key
    (call,) = server.calls
    assert call.prompt == "Who?"
    assert call.body["temperature"] == 0
    assert call.body.get("stream", False) is stream


def test_tool_calls(serve, client, stream):
    server = serve([Reply(text=None, tool_calls=[WEATHER], finish="tool_calls")])
    done = answer(client(server, stream=stream))
    assert done.tool_calls == (ToolCall(id="c1", name="weather", arguments='{"city": "Bergen"}'),)
    assert (done.text, done.finish) == ("", "tool_calls")


def test_arguments_of_a_tool_call_come_in_pieces(client, serve):
    deltas = [
        '{"index": 1, "id": "b", "function": {"name": "two", "arguments": "{"}}',
        '{"index": 0, "id": "a", "function": {"name": "one", "arguments": "[1"}}',
        '{"index": 0, "function": {"arguments": "]"}}, {"index": 1, "function": {"arguments": "}"}}',
    ]
    frames = [f'{{"choices": [{{"delta": {{"tool_calls": [{delta}]}}}}]}}' for delta in deltas]
    frames += ['{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}', "[DONE]"]
    body = "".join(f"data: {frame}\n\n" for frame in frames).encode()
    server = serve([Reply(body=body, headers={"X-Accel-Buffering": "no"})])
    done = answer(client(server, stream=True))
    assert [(call.id, call.name, call.arguments) for call in done.tool_calls] == [
        ("a", "one", "[1]"),
        ("b", "two", "{}"),
    ]


# --- trying again -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_failures_are_tried_again(serve, client, stream, status):
    server = serve([Reply(status=status), Reply(status=status), Reply(text="at last")])
    caller = client(server, stream=stream)
    done = answer(caller)
    assert (done.text, done.tries, len(server.calls)) == ("at last", 3, 3)
    assert (caller.spent().tries, caller.spent().tokens) == (3, 15)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.RequestRefused),
        (401, errors.KeyRefused),
        (403, errors.KeyRefused),
        (404, errors.RequestRefused),
        (409, errors.RequestRefused),
        (413, errors.RequestRefused),
        (422, errors.RequestRefused),
    ],
)
def test_other_refusals_are_final(serve, client, stream, status, error):
    server = serve([Reply(status=status, text="not like this")])
    with pytest.raises(error, match="not like this") as caught:
        answer(client(server, stream=stream))
    assert len(server.calls) == 1
    assert isinstance(caught.value, BackendError)
    assert str(caught.value).startswith(
        f"{server.url.removesuffix('/v1')}: "
    )  # a path may be a key
    assert "not like this" in caught.value.raw


@pytest.mark.parametrize(("status", "error"), [(429, "RateLimited"), (500, "ServerFailed")])
def test_tries_are_bounded(serve, client, status, error):
    server = serve([Reply(status=status)])
    caller = client(server)
    with pytest.raises(getattr(errors, error)):
        answer(caller)
    assert len(server.calls) == caller.endpoint.retry.tries
    assert (caller.spent().failed, caller.spent().tokens) == (1, 0)


def test_time_is_bounded(serve, client):
    server = serve([Reply(status=500, delay=0.1)])
    start = monotonic()
    with pytest.raises(errors.ServerFailed):
        answer(client(server, retry=Retry(tries=1000, first=0.01, longest=0.02, total=0.5)))
    assert monotonic() - start < 5
    assert 2 <= len(server.calls) <= 6


def test_the_server_says_how_long_to_wait(serve, client):
    server = serve([Reply(status=429, headers={"Retry-After": "0.4"}), Reply()])
    start = monotonic()
    answer(client(server))
    assert monotonic() - start >= 0.4


def test_the_server_says_until_when_to_wait(serve, client):
    then = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server = serve([Reply(status=429, headers={"Retry-After": then}), Reply()])
    with pytest.raises(errors.RateLimited) as caught:
        answer(client(server))
    assert 3500 < caught.value.after <= 3600
    assert len(server.calls) == 1, "an hour is longer than the longest wait"


def test_a_used_up_quota_is_final(serve, client):
    server = serve([Reply(status=429, text="pay first", code="insufficient_quota")])
    with pytest.raises(errors.RequestRefused, match="pay first"):
        answer(client(server))
    assert len(server.calls) == 1


def test_slow_answers_are_given_up(serve, client, stream):
    server = serve([Reply(delay=5.0), Reply(text="quick")])
    done = answer(client(server, stream=stream, timeout=0.4))
    assert (done.text, done.tries) == ("quick", 2)


def test_a_drip_does_not_defeat_the_timeout(serve, client, stream):
    """Each byte comes in good time, the whole does not."""
    server = serve([Reply(text="x" * 400, drip=0.05)])
    start = monotonic()
    with pytest.raises(errors.TimedOut):
        answer(client(server, stream=stream, timeout=0.3, retry=Retry(tries=2, first=0.01)))
    assert monotonic() - start < 4
    assert len(server.calls) == 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_listens(client, stream):
    caller = client(f"http://127.0.0.1:{free_port()}/v1", stream=stream)
    with pytest.raises(errors.Unreachable, match="is the server running"):
        answer(caller)
    assert (caller.spent().tries, caller.spent().tokens) == (caller.endpoint.retry.tries, 0)


# --- answers that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 60, 200])
def test_a_broken_connection_is_tried_again(serve, client, stream, cut):
    server = serve([Reply(text=LONG, cut=cut), Reply(text=LONG)])
    done = answer(client(server, stream=stream))
    assert (done.text, done.tries) == (LONG, 2)


def test_a_broken_connection_is_an_error_in_the_end(serve, client, stream, asking):
    server = serve([Reply(text=LONG, cut=200)])
    caller = client(server, stream=stream)
    with pytest.raises(errors.ConnectionLost):
        answer(caller, asking(max_tokens=100))
    assert len(server.calls) == caller.endpoint.retry.tries
    assert caller.spent().assumed > caller.endpoint.retry.tries * 100, (
        "each try may have been charged"
    )


def test_a_stream_that_just_ends_is_no_answer(serve, client):
    """No broken connection, no error: the pieces stop."""
    server = serve([Reply(text="The culprit is", finish=None)])
    with pytest.raises(errors.ConnectionLost, match="ended before") as caught:
        answer(client(server, stream=True))
    assert caught.value.raw == "The culprit is"


def test_a_refusal_that_breaks_off(serve, client, stream):
    server = serve([Reply(status=500, cut=3), Reply(text="ok")])
    assert answer(client(server, stream=stream)).tries == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{not json",
        b"null",
        b"[]",
        b"<html>502</html>",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"choices": []}',
        b'{"choices": "many"}',
        b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "Hi"}}]}',
        b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "eos_token_id"}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}]}',
        (
            b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],'
            b' "usage": {"prompt_tokens": -5, "completion_tokens": 0}}'
        ),
        (
            b'{"choices": [{"message": {"content": null, "tool_calls": [{"function": {}}]},'
            b' "finish_reason": "tool_calls"}]}'
        ),
        b'{"error": {"message": "upstream is down"}}',
    ],
)
def test_malformed_answers_are_errors(serve, client, body):
    server = serve([Reply(body=body)])
    caller = client(server)
    with pytest.raises(errors.MalformedAnswer) as caught:
        answer(caller)
    assert len(server.calls) == 1
    assert (caller.spent().failed, caller.spent().answered) == (1, 0)
    if body.startswith(b'{"error"'):
        assert "upstream is down" in caught.value.raw


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (b"data: {not json\n\n", errors.MalformedAnswer),
        (b"data: 5\n\n", errors.MalformedAnswer),
        (b"data: \xff\n\n", errors.MalformedAnswer),
        (b'data: {"choices": [{"delta": []}]}\n\n', errors.MalformedAnswer),
        (b'data: {"choices": [{"delta": {"content": "\\ud800"}, "finish_reason": "stop"}]}\n\n',
         errors.MalformedAnswer),
        (b'data: {"error": {"message": "out of memory"}}\n\n', errors.ConnectionLost),
        (b"data: [DONE]\n\n", errors.ConnectionLost),
        (b"", errors.ConnectionLost),
    ],
)  # fmt: skip
def test_malformed_streams_are_errors(serve, client, frames, error):
    server = serve([Reply(body=frames)])
    with pytest.raises(error):
        answer(client(server, stream=True))


def test_the_limit_of_tokens_is_an_error(serve, client, stream):
    server = serve([Reply(text="The culprit is the", finish="length", usage=(10, 4))])
    caller = client(server, stream=stream)
    with pytest.raises(errors.TruncatedAnswer, match="max_tokens") as caught:
        answer(caller)
    assert caught.value.raw == "The culprit is the"
    assert len(server.calls) == 1
    assert caller.spent().tokens == 14, "it was charged all the same"


def test_a_filter_is_an_error(serve, client, stream):
    server = serve([Reply(text="I cannot", finish="content_filter")])
    with pytest.raises(errors.RefusedAnswer):
        answer(client(server, stream=stream))
    refusal = b'{"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]}'
    with pytest.raises(errors.RefusedAnswer) as caught:
        answer(client(serve([Reply(body=refusal)])))
    assert caught.value.raw == "No."


def test_redirects_are_not_followed(serve, client):
    elsewhere = serve()
    server = serve([Reply(status=307, headers={"Location": f"{elsewhere.url}/chat/completions"})])
    with pytest.raises(errors.RequestRefused, match="moved to"):
        answer(client(server))
    assert elsewhere.calls == []


# --- many calls ---------------------------------------------------------------------------------


def test_the_bound_on_concurrency_holds(serve, client, asking):
    server = serve(lambda call: Reply(text=call.prompt, delay=0.02))
    caller = client(server, concurrency=5)
    requests = [asking(f"q{n}") for n in range(60)]
    done = caller.wait(caller.complete_all(requests, concurrency=40))
    assert [one.text for one in done] == [f"q{n}" for n in range(60)]
    assert server.peak == 5


def test_a_batch_can_be_narrower_than_the_endpoint(serve, client, asking):
    server = serve(lambda call: Reply(delay=0.02))
    caller = client(server, concurrency=16)
    caller.wait(caller.complete_all((asking(f"q{n}") for n in range(20)), concurrency=2))
    assert server.peak == 2


def test_a_batch_needs_room_for_one(client, asking):
    caller = client("http://127.0.0.1:1/v1")
    with pytest.raises(UsageError, match="at least 1"):
        caller.wait(caller.complete_all([asking()], concurrency=0))


def test_failures_of_a_batch_are_data(serve, client, asking):
    server = serve(
        lambda call: Reply(status=400) if call.prompt in ("q2", "q4") else Reply(text=call.prompt)
    )
    caller = client(server)
    done = caller.wait(caller.complete_all([asking(f"q{n}") for n in range(6)]))
    kinds = [type(one).__name__ for one in done]
    assert kinds == ["Completion"] * 2 + ["RequestRefused", "Completion"] * 2
    assert (caller.spent().answered, caller.spent().failed) == (4, 2)


def test_threads_and_loops_share_a_client(serve, client, asking):
    server = serve(lambda call: Reply(text=call.prompt, delay=0.02))
    caller = client(server, concurrency=3)
    found = {}

    def sync(n):
        found[n] = answer(caller, asking(f"q{n}")).text

    def with_loop(n):
        found[n] = asyncio.run(caller.complete(asking(f"q{n}"))).text

    threads = [threading.Thread(target=(sync, with_loop)[n % 2], args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"q{n}" for n in range(20)}
    assert server.peak == 3


def test_a_cancelled_call_gives_its_place_back(serve, client, asking):
    server = serve(lambda call: Reply(delay=30.0 if call.prompt == "slow" else 0.0))
    caller = client(server, concurrency=1)

    async def impatient():
        async with asyncio.timeout(0.2):
            await caller.complete(asking("slow"))

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert answer(caller, asking("next")).text == "ok"


def test_closing_ends_what_is_under_way(serve, client):
    server = serve([Reply(delay=30.0)])
    caller = client(server)
    ended = threading.Event()

    def ask():
        try:
            answer(caller)
        except BaseException:
            ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    while not server.calls:
        thread.join(0.01)
    caller.close()
    thread.join(10)
    assert ended.is_set()
    with pytest.raises(UsageError, match="closed"):
        answer(caller)
    caller.close()


def fault(call, tries):
    """One failure for every tenth question, of a kind that changes with the question."""
    number = int(call.prompt.removeprefix("q"))
    first = tries.setdefault(call.prompt, call.index) == call.index
    if number % 10 or not first:
        return Reply(text=call.prompt, usage=(10, 2))
    kinds = [
        Reply(status=429, headers={"Retry-After": "0.05"}),
        Reply(status=500),
        Reply(delay=60.0),
        Reply(body=b'{"choices": [{"mess'),
    ]
    return kinds[number // 10 % 4]


def test_every_one_of_many_calls_is_accounted_for(serve, client, asking):
    """A tenth of the calls goes wrong; the malformed ones are errors, all others are answered."""
    tries = {}
    server = serve(lambda call: fault(call, tries))
    caller = client(server, concurrency=16, timeout=2.0)
    requests = [asking(f"q{n}", max_tokens=20) for n in range(400)]
    done = caller.wait(caller.complete_all(requests))
    failed = [n for n, one in enumerate(done) if isinstance(one, errors.MalformedAnswer)]
    assert failed == list(range(30, 400, 40))
    assert all(one.text == f"q{n}" for n, one in enumerate(done) if n not in failed)
    spent = caller.spent()
    assert (spent.answered, spent.failed) == (390, 10)
    assert spent.tries == len(server.calls)
    assert spent.tries >= 430  # a busy machine may need more: an answer in time is not promised
    assert spent.tokens - spent.assumed == 390 * 12


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"url": "localhost:8000/v1"},
        {"url": "ftp://localhost/v1"},
        {"url": "http://localhost:8000/v1/chat/completions"},
        {"url": "http://ann:sk-123@localhost:8000/v1"},
        {"url": "http://localhost:8000/v1?key=sk-123"},
        {"url": "http://localhost:8000/v1", "concurrency": 0},
        {"url": "http://localhost:8000/v1", "timeout": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError) as caught:
        Endpoint(**options)
    assert "sk-123" not in str(caught.value)


@pytest.mark.parametrize("options", [{"tries": 0}, {"total": 0.0}, {"first": -1.0}])
def test_policies_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError):
        Retry(**options)


def test_a_missing_key_is_named_before_any_call(serve, client, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    server = serve()
    with pytest.raises(UsageError, match="MY_KEY"):
        answer(client(server, key_env="MY_KEY"))
    assert server.calls == []
