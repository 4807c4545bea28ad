"""Caps are never passed, whatever happens to the calls."""

import threading

import pytest

from tracekit.errors import UsageError
from tracekit.llm import errors
from tracekit.llm.budget import NANOS, Budget, Price, at_most
from tracekit.llm.cache import Store
from tracekit.llm.request import Message, Request, Usage
from tracekit.testing.chat_server import Reply

PRICES = {"m": Price(input=2.0, output=10.0)}


def in_tokens(text):
    """Tokens of a prompt for a tokenizer that makes the most of them: one per byte."""
    return len(text.encode())


class Meter:
    """Answers with as many tokens as allowed, and adds up what a provider would charge."""

    def __init__(self, written, faults=()):
        self.written = written
        self.faults = list(faults)
        self.charged = 0
        self.highest = 0
        self._lock = threading.Lock()

    def __call__(self, call):
        read = sum(in_tokens(message["content"]) for message in call.body["messages"])
        with self._lock:
            self.charged += read + self.written
        usage = (read, self.written)
        fault = self.faults[call.index % len(self.faults)] if self.faults else None
        return fault(usage) if fault else Reply(text="x" * 8, usage=usage, delay=0.01)


def ask_all(caller, requests):
    return caller.wait(caller.complete_all(requests))


def kinds(done):
    return [type(one).__name__ for one in done]


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_cap_on_tokens_holds(serve, client, asking, concurrency):
    meter = Meter(written=50)
    server = serve(meter)
    caller = client(server, budget=Budget(tokens=5000), concurrency=concurrency)
    done = ask_all(caller, [asking("x" * 200 + str(n), max_tokens=50) for n in range(60)])
    assert set(kinds(done)) == {"Completion", "BudgetExceeded"}
    assert meter.charged == caller.spent().tokens <= 5000
    assert meter.charged > 5000 - 900, "what others gave back was used"
    assert kinds(done).count("Completion") == len(server.calls) == caller.spent().answered


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_cap_on_money_holds(serve, client, asking, concurrency):
    server = serve(Meter(written=100))
    budget = Budget(money=0.02, prices=PRICES)
    caller = client(server, budget=budget, concurrency=concurrency)
    done = ask_all(caller, [asking("x" * 100 + str(n % 10), max_tokens=100) for n in range(60)])
    paid = sum(one.money for one in done if not isinstance(one, errors.CallError))
    assert 0.0 < paid <= 0.02
    assert caller.spent().money == pytest.approx(paid)
    each = (101 * 2.0 + 100 * 10.0) / 1e6
    assert paid == pytest.approx(each * kinds(done).count("Completion"))


def test_a_cap_holds_when_answers_are_lost(serve, client, asking):
    """The provider charges for every try; the client sees a report for a quarter of them."""
    meter = Meter(
        written=50,
        faults=[
            lambda usage: Reply(usage=usage, delay=2.0),
            lambda usage: Reply(usage=usage, cut=40),
            lambda usage: Reply(body=b"{"),
            lambda usage: Reply(usage=None),
            None,
        ],
    )
    caller = client(serve(meter), budget=Budget(tokens=8000), concurrency=8, timeout=0.5)
    done = ask_all(caller, [asking("x" * 200 + str(n), max_tokens=50) for n in range(60)])
    assert "BudgetExceeded" in kinds(done)
    assert meter.charged <= caller.spent().tokens <= 8000
    assert caller.spent().assumed > 0


def test_refused_tries_cost_nothing(serve, client, asking):
    server = serve([Reply(status=500), Reply(status=429), Reply(usage=(5, 5))])
    caller = client(server, budget=Budget(tokens=1000))
    ask_all(caller, [asking(max_tokens=50)])
    assert (caller.spent().tokens, caller.spent().assumed) == (10, 0)


def test_nothing_is_sent_beyond_the_cap(serve, client, asking):
    server = serve()
    caller = client(server, budget=Budget(tokens=300))
    with pytest.raises(errors.BudgetExceeded, match=r"0 of 300 tokens are spent.*Raise the cap"):
        caller.wait(caller.complete(asking(max_tokens=100)))
    assert server.calls == []


def test_what_is_stored_needs_no_budget(serve, client, asking, tmp_path):
    server = serve()
    first = client(server, store=Store(tmp_path / "calls.db", "cache"))
    first.wait(first.complete(asking(max_tokens=5)))
    poor = client(server, budget=Budget(tokens=0), store=Store(tmp_path / "calls.db", "cache"))
    assert poor.wait(poor.complete(asking(max_tokens=5))).text == "ok"
    assert (poor.spent().stored, poor.spent().tokens, len(server.calls)) == (1, 0, 1)


def test_an_account_outlives_the_client(serve, client, asking, tmp_path):
    meter = Meter(written=50)
    server = serve(meter)
    for batch in range(3):
        store = Store(tmp_path / "calls.db", "cache")
        caller = client(server, store=store, budget=Budget(tokens=3000, account="night"))
        ask_all(caller, [asking(f"{batch} {n} " + "x" * 50, max_tokens=50) for n in range(40)])
        caller.close()
    assert 1500 < meter.charged <= 3000
    other = client(
        server,
        store=Store(tmp_path / "calls.db", "cache"),
        budget=Budget(tokens=3000, account="day"),
    )
    assert kinds(ask_all(other, [asking("fresh", max_tokens=50)])) == ["Completion"]


def test_two_clients_of_one_account_share_the_cap(serve, client, asking, tmp_path):
    """As two processes would: each sees the other only through the file."""
    meter = Meter(written=50)
    server = serve(meter)
    callers = [
        client(
            server,
            store=Store(tmp_path / "calls.db", "cache"),
            budget=Budget(tokens=4000, account="night"),
        )
        for _ in range(2)
    ]

    def work(caller, name):
        ask_all(caller, [asking(f"{name}{n} " + "x" * 50, max_tokens=50) for n in range(40)])

    threads = [threading.Thread(target=work, args=pair) for pair in zip(callers, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1500 < meter.charged <= 4000


@pytest.mark.parametrize("mode", ["off", "replay"])
def test_an_account_needs_a_store(client, tmp_path, mode):
    Store(tmp_path / "calls.db", "record").close()
    store = Store(None if mode == "off" else tmp_path / "calls.db", mode)
    with pytest.raises(UsageError, match="account"):
        client("http://127.0.0.1:1/v1", store=store, budget=Budget(tokens=5, account="a"))
    store.close()


def test_a_cap_on_money_needs_a_price(serve, client, asking):
    server = serve()
    caller = client(server, budget=Budget(money=1.0, prices=PRICES))
    with pytest.raises(UsageError, match=r"price of 'other'; known: m"):
        caller.wait(caller.complete(asking(model="other", max_tokens=5)))
    assert server.calls == []


def test_a_cap_needs_a_limit_of_tokens(serve, client, asking):
    server = serve()
    caller = client(server, budget=Budget(tokens=1000))
    with pytest.raises(UsageError, match="max_tokens"):
        caller.wait(caller.complete(asking()))
    with pytest.raises(UsageError, match="max_tokens"):
        ask_all(caller, [asking()])
    assert server.calls == []


def test_without_a_price_money_is_unknown(serve, client, asking):
    caller = client(serve(), budget=Budget(prices=PRICES))
    assert caller.wait(caller.complete(asking(model="other"))).money is None
    assert caller.wait(caller.complete(asking())).money == (10 * 2 + 5 * 10) / 1e6


@pytest.mark.parametrize("options", [{"tokens": -1}, {"money": float("nan")}, {"money": -0.5}])
def test_caps_that_are_none_are_refused(options):
    with pytest.raises(UsageError):
        Budget(**options)


def test_prices_are_exact():
    assert Price(0.1, 0.0).nanos(Usage(10**6, 0)) == NANOS // 10
    assert Price(3.0, 15.0).nanos(Usage(1, 1)) == 18_000
    assert Price(0.00015, 0.0).nanos(Usage(1, 0)) == 1, "rounded up"


@pytest.mark.parametrize("text", ["a", "é☃𝄞" * 30, '\x00\\"\n' * 20, ""])
def test_a_prompt_never_has_more_tokens_than_its_bound(text):
    request = Request("m", (Message("system", text), Message("user", text)), {"max_tokens": 7})
    assert at_most(request).prompt >= 2 * in_tokens(text) + 2
    assert at_most(request).completion == 7
