"""Options that belong together: one struct, as many options as it has fields."""

import inspect
from typing import Annotated

import msgspec
import pytest
import typer

from tracekit_cli.grouped import grouped
from tracekit_cli.reference import _context


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    far: Annotated[int, typer.Option(help="How far.")] = 3


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    near: Annotated[str, typer.Option("--nearby")] = "here"
    inner: Inner = Inner()


@pytest.fixture
def command():
    given = []

    @grouped
    def command(
        word: Annotated[str, typer.Argument()], loud: bool = False, *, outer: Outer
    ) -> None:
        """Says a word."""
        given.append((word, loud, outer))

    app = typer.Typer(add_completion=False)
    app.command()(command)
    return command, typer.main.get_command(app), given


def test_structs_are_taken_apart_in_place(command):
    made, _, _ = command
    assert list(inspect.signature(made).parameters) == ["word", "loud", "near", "far"]
    assert made.__doc__ == "Says a word."


@pytest.mark.parametrize(
    ("args", "outer"),
    [
        (["x"], Outer()),
        (["x", "--nearby", "there"], Outer(near="there")),
        (["x", "--far", "5"], Outer(inner=Inner(far=5))),
    ],
)
def test_and_put_together_again(command, args, outer):
    _, called, given = command
    with called.make_context("say", args) as context:
        called.invoke(context)
    assert given == [("x", False, outer)]


def test_a_wrong_value_is_told_as_that_of_any_option(command):
    _, called, given = command
    with pytest.raises(typer.BadParameter, match="valid integer"):
        called.make_context("say", ["x", "--far", "five"])
    assert not given


JUDGING = ("attribute", "gate", "export verdicts", "eval")
CALLING = (*JUDGING, "debug", "retry")


def said(words):
    return {option.name: option.help for option in _context(*words.split()).command.params}


@pytest.mark.parametrize("words", CALLING)
def test_who_asks_a_model_has_every_option_for_that(words):
    """Each with one wording, for there is one place that says it."""
    shared = "llm key_env concurrency timeout retries max_tokens_total max_cost price cache record replay"
    wanted = shared.split() + ["repeat"] * (words in JUDGING)
    usual, here = said("attribute"), said(words)
    for name in wanted:
        assert here[name] == usual[name], name
