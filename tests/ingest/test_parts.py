"""Content parts that no reader of its own covers."""

from tracekit.ingest.parts import read_content
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
