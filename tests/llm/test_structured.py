"""Answers of a type: validated, repaired once, or an error with the text."""

from typing import Annotated, Literal

import msgspec
import pytest

from tracekit.llm import errors
from tracekit.llm.structured import ask, schema_of
from tracekit.testing.chat_server import Reply


class Suspect(msgspec.Struct, forbid_unknown_fields=True):
    agent: str
    step: Annotated[int, msgspec.Meta(ge=0)]
    sure: Literal["yes", "no"] = "no"


class Panel(msgspec.Struct):
    suspects: list[Suspect]


class Tree(msgspec.Struct):
    name: str
    parts: list["Tree"] = []


GOOD = '{"agent": "Coder", "step": 4}'
VALUE = Suspect("Coder", 4)


def run(caller, request, type=Suspect, **options):
    return caller.wait(ask(caller, request, type, **options))


@pytest.mark.parametrize("text", [GOOD, f"\n {GOOD}\n", f"```json\n{GOOD}\n```", f"```\n{GOOD}```"])
def test_a_valid_answer(serve, client, asking, text):
    server = serve([Reply(text=text)])
    found = run(client(server), asking("Who?"))
    assert found.value == VALUE
    assert (len(found.completions), len(server.calls)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("It was the Coder, in step 4.", "malformed"),
        (f"Here you are: {GOOD}", "malformed"),
        (f"{GOOD} {GOOD}", "malformed"),
        ('{"agent": "Coder"}', "`step`"),
        ('{"agent": "Coder", "step": -1}', "`int` >= 0"),
        ('{"agent": "Coder", "step": "4"}', "`int`"),
        ('{"agent": "Coder", "step": 4, "extra": 1}', "unknown field"),
        ("", "truncated"),
        ("[" * 50_000, "expected `object`"),
        ('{"agent": ' + "[" * 50_000, "expected `str`"),
    ],
)
def test_one_repair_shows_the_reason(serve, client, asking, text, reason):
    server = serve([Reply(text=text), Reply(text=GOOD)])
    found = run(client(server), asking("Who?"))
    assert found.value == VALUE
    assert len(found.completions) == len(server.calls) == 2
    question, first, repair = server.calls[1].body["messages"]
    assert (question["content"], first["role"], first["content"]) == ("Who?", "assistant", text)
    assert reason in repair["content"].lower()
    assert '"properties"' in repair["content"], "the schema is shown"


def test_a_second_failure_is_an_error_with_the_text(serve, client, asking):
    server = serve([Reply(text="first"), Reply(text="second"), Reply(text=GOOD)])
    caller = client(server)
    with pytest.raises(errors.InvalidAnswer, match="not even after a repair") as caught:
        run(caller, asking())
    assert caught.value.raw == "second"
    assert len(server.calls) == 2
    assert isinstance(caught.value, errors.CallError)


def test_a_check_counts_like_the_type(serve, client, asking):
    def in_trace(suspect):
        if suspect.step > 3:
            raise ValueError(f"the trace has no step {suspect.step}; its last is 3")

    server = serve([Reply(text=GOOD), Reply(text='{"agent": "Coder", "step": 3}')])
    found = run(client(server), asking(), check=in_trace)
    assert found.value.step == 3
    assert "its last is 3" in server.calls[1].prompt


def test_other_failures_pass(serve, client, asking):
    for reply, error in [
        (Reply(text=GOOD[:9], finish="length"), errors.TruncatedAnswer),
        (Reply(status=400), errors.RequestRefused),
    ]:
        server = serve([reply])
        with pytest.raises(error):
            run(client(server), asking())
        assert len(server.calls) == 1, "a repair would not help"


@pytest.mark.parametrize(
    ("form", "sent"), [("schema", "json_schema"), ("object", "json_object"), ("prompt", None)]
)
def test_the_server_is_told_the_form(serve, client, asking, form, sent):
    server = serve([Reply(text=GOOD)])
    run(client(server), asking(seed=1), form=form)
    told = server.calls[0].body.get("response_format")
    assert (told and told["type"]) == sent
    assert server.calls[0].body["seed"] == 1
    if form == "schema":
        schema = told["json_schema"]["schema"]
        assert told["json_schema"]["name"] == "Suspect"
        assert schema["required"] == ["agent", "step"]
        assert schema["additionalProperties"] is False


def test_a_nest_is_no_value(serve, client, asking):
    server = serve([Reply(text='{"name": "a", "parts": [' * 50_000), Reply(text='{"name": "b"}')])
    assert run(client(server), asking(), Tree).value == Tree("b")


def test_schemas_have_their_type_at_the_root():
    assert schema_of(Panel)["properties"]["suspects"]["items"] == {"$ref": "#/$defs/Suspect"}
    assert list(schema_of(Panel)["$defs"]) == ["Suspect"]
    assert list(schema_of(Tree)["$defs"]) == ["Tree"], "which refers to itself"
    assert schema_of(dict[str, int])["type"] == "object"
