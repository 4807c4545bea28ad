"""What options and configurations say of a server, as a client."""

import pytest

from tracekit.errors import UsageError
from tracekit.llm.terms import ACCOUNT, Terms


def test_the_client_keeps_to_the_terms(tmp_path):
    terms = Terms(
        llm="http://localhost:9/v1", key_env="KEY", concurrency=3, timeout=4.0, retries=2,
        max_tokens_total=50, max_cost=1.5, price="2.50, 10", store=tmp_path / "c.db", mode="cache",
    )  # fmt: skip
    with terms.client("m") as client:
        found = client.endpoint
        assert (found.url, found.key_env) == ("http://localhost:9/v1", "KEY")
        assert (found.concurrency, found.timeout, found.retry.tries) == (3, 4.0, 3)
        budget = client._purse.budget
        assert (budget.tokens, budget.money, budget.account) == (50, 1.5, ACCOUNT)
        assert (budget.prices["m"].input, budget.prices["m"].output) == (2.5, 10.0)
        assert (client.store.path, client.store.mode) == (tmp_path / "c.db", "cache")


def test_without_a_cap_or_a_store_nothing_is_kept(tmp_path):
    with Terms(llm="http://localhost:9/v1", max_tokens_total=5).client("m") as client:
        assert (client._purse.budget.account, client.store.mode) == ("", "off")
    with Terms(llm="http://localhost:9/v1", store=tmp_path / "c", mode="cache").client("m") as one:
        assert one._purse.budget.account == ""


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"max_cost": 1.0}, "--max-cost needs the price"),
        ({"price": "two"}, "not two numbers"),
        ({"price": "1,2,3"}, "not two numbers"),
        ({"price": "nan,1"}, "not two amounts"),
        ({"price": "-3,1"}, "not two amounts"),
        ({"price": "1,inf"}, "not two amounts"),
    ],
)
def test_what_does_not_go_together_is_told_at_once(said, says):
    with pytest.raises(UsageError, match=says):
        Terms(**said)
