"""Models as agents of the sandbox: functions, servers on loopback, a tiny transformers model."""

import pytest

from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint, Retry
from tracekit.llm.errors import CallError
from tracekit.replay.sandbox.agents import act
from tracekit.replay.sandbox.policies import endpoint, spoken
from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import encode
from tracekit.testing.chat_server import ChatServer, Reply


def run(policies, family="arithmetic", topology="chain"):
    sandbox = Sandbox(family, topology, policies=policies)
    return sandbox, sandbox.run(next(sandbox.tasks(seed=3)), seed=0)


def test_a_function_speaks_in_every_turn_with_the_kind_of_the_turn():
    heard = []
    _, trace = run({"*": spoken(lambda chat: heard.append(chat) or f"word {len(heard)}")})
    assert [step.kind for step in trace.steps] == ["plan", "message", "message", "final"]
    assert trace.steps[0].content == "word 1"
    assert heard[0][0].role == "system"
    assert trace.task.question in [message.content for message in heard[0]]


def test_what_is_right_is_read_whoever_says_it():
    right = {}

    def remembering(view):
        action = act(view)
        right[view.turn.duty] = action.content
        return action

    sandbox = Sandbox("arithmetic", "chain", skill=1.0, policies={"*": remembering})
    task = next(sandbox.tasks(seed=3))
    assert sandbox.run(task, seed=0).failed is False
    order = iter(list(right.values()))
    again = Sandbox("arithmetic", "chain", policies={"*": spoken(lambda chat: next(order))})
    assert again.run(task, seed=0).failed is False


def test_a_model_calls_the_tool_with_a_line_and_broken_lines_are_words():
    def caller(chat):
        asked = any("call" in m.content and m.role == "system" for m in chat)
        return 'I look.\ncall ledger {"row": "x"}' if asked else "no tool for me"

    sandbox = Sandbox("tables", "chain")
    tool = next(agent.id for agent in run({}, "tables")[1].agents if agent.role == "tool")
    said = iter([f'I look.\ncall {tool} {{"row": "x"}}', f"call {tool} {{broken}}"])
    sandbox = Sandbox("tables", "chain", policies={"worker": spoken(lambda chat: next(said, "ok"))})
    trace = sandbox.run(next(sandbox.tasks(seed=3)), seed=0)
    calls = [step for step in trace.steps if step.kind == "tool_call"]
    assert [step.tool.arguments for step in calls] == [{"row": "x"}]
    assert any(step.content.endswith("{broken}") for step in trace.steps if step.kind == "message")


def test_a_server_answers_for_an_agent_and_replays_are_exact():
    with (
        ChatServer([Reply(text="I approve of that.")]) as server,
        Client(Endpoint(url=server.url)) as client,
    ):
        sandbox, trace = run({"verifier": endpoint(client, "tiny", temperature=0)})
        assert "I approve of that." in [step.content for step in trace.steps]
        assert server.calls[0].body["model"] == "tiny"
        assert server.calls[0].body["temperature"] == 0
        for checkpoint in sandbox.checkpoints(trace):
            assert encode(sandbox.resume(checkpoint, None, seed=0)) == encode(trace)


def test_a_server_that_fails_ends_the_run():
    with (
        ChatServer([Reply(status=400, text="no")]) as server,
        Client(Endpoint(url=server.url, retry=Retry(tries=1))) as client,
        pytest.raises(CallError),
    ):
        run({"*": endpoint(client, "tiny")})


def test_a_transformers_model_speaks_greedily():
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    from tracekit_models.policies import transformers_policy

    words = {"<unk>": 0, "<end>": 1} | {word: n + 2 for n, word in enumerate("abcdefgh")}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="<end>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    policy = transformers_policy(Qwen3ForCausalLM(config).eval(), tokenizer, longest=4)
    sandbox, trace = run({"reporter": policy})
    again = sandbox.resume(sandbox.checkpoints(trace)[-1], None, seed=0)
    assert encode(again) == encode(trace)
    assert set(trace.steps[-1].content.split()) <= set(words)
