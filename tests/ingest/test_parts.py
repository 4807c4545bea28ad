"""Content parts that no reader of its own covers."""

from tracekit.ingest.parts import read_call, read_content
from tracekit.trace import ToolCall


def test_bedrock_converse_parts_ask_and_answer():
    asked = read_content(
        [{"text": "Let me look"}, {"toolUse": {"toolUseId": "t", "name": "w", "input": {"c": 1}}}]
    )
    assert (asked.text, asked.tools) == ("Let me look", (ToolCall("w", {"c": 1}, call_id="t"),))
    answer = {"toolUseId": "t", "status": "error", "content": [{"text": "no such town"}]}
    answered = read_content([{"toolResult": answer}])
    assert answered.tools == (ToolCall("", None, "no such town", "no such town", "t"),)
    assert answered.text == "no such town"


def test_calls_of_the_ai_sdk_and_of_pydantic_ai():
    asked = {"type": "tool-call", "toolCallId": "c", "toolName": "look", "input": '{"up": 1}'}
    native = {"part_kind": "tool-call", "tool_name": "look", "args": {"up": 1}, "tool_call_id": "c"}
    for part in (asked, native):
        assert read_content([part]).tools == (ToolCall("look", {"up": 1}, call_id="c"),)
    answer = {"type": "tool-result", "toolCallId": "c", "toolName": "look", "output": "sky"}
    assert read_content([answer]).tools == (ToolCall("look", result="sky", call_id="c"),)
    assert read_call({"toolName": "look", "toolCallId": "c", "args": "{}"}).name == "look"
