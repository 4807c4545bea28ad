"""The scripted server speaks HTTP that a plain client understands."""

import http.client
import json
import threading
from time import monotonic

import pytest

from tracekit.testing.chat_server import ChatServer, Reply


def post(server, body=None, path="/v1/chat/completions", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **(body or {})}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_a_whole_answer():
    with ChatServer([Reply(text="Hello", usage=(3, 1))]) as server:
        status, headers, body = post(server)
    answer = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert (server.calls[0].prompt, server.calls[0].index, server.busy) == ("Hi", 0, 0)


def test_a_stream():
    with ChatServer([Reply(text="Hello, world, hello")]) as server:
        _, headers, body = post(server, {"stream": True, "stream_options": {"include_usage": True}})
    assert headers["Content-Type"] == "text/event-stream"
    frames = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]
    assert frames.pop() == b"[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    assert chunks.pop()["usage"]["total_tokens"] == 15
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(texts) == "Hello, world, hello"
    assert len(texts) > 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_breaks_the_connection(stream):
    script = [Reply(text="Hello, world", cut=20)]
    with ChatServer(script) as server, pytest.raises(http.client.IncompleteRead):
        post(server, {"stream": stream})


def test_replies_come_in_order_and_the_last_repeats():
    script = [Reply(status=429, headers={"Retry-After": "7"}, code="slow"), Reply()]
    with ChatServer(script) as server:
        status, headers, body = post(server)
        assert (status, headers["Retry-After"]) == (429, "7")
        assert json.loads(body)["error"]["code"] == "slow"
        assert [post(server)[0] for _ in range(3)] == [200, 200, 200]


def test_the_key_is_asked_for():
    with ChatServer(key="k1") as server:
        assert post(server)[0] == post(server, Authorization="Bearer k2")[0] == 401
        assert post(server, Authorization="Bearer k1")[0] == 200
        assert len(server.calls) == 3


def test_other_paths_are_not_there():
    with ChatServer() as server:
        assert post(server, path="/v1/completions")[0] == 404
        assert server.calls == []


def test_calls_at_once_are_counted():
    barrier = threading.Barrier(4)

    def together(call):
        barrier.wait(10)
        return Reply()

    with ChatServer(together) as server:
        threads = [threading.Thread(target=post, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.settled()
        assert (server.peak, server.busy) == (4, 0)


def test_closing_does_not_wait_for_slow_answers():
    start = monotonic()
    with ChatServer([Reply(delay=60)]) as server:
        thread = threading.Thread(target=post, args=(server,))
        thread.start()
        while not server.calls:
            thread.join(0.01)
        assert not server.settled(0)
    thread.join(5)
    assert monotonic() - start < 10
