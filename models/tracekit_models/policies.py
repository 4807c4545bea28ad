"""A model of the transformers library as the policy of a sandbox agent."""

from __future__ import annotations

from typing import Any

import torch

from tracekit.replay.sandbox.policies import spoken
from tracekit.replay.sandbox.view import Policy
from tracekit.trace import Message


def transformers_policy(model: Any, tokenizer: Any, *, longest: int = 200) -> Policy:
    """A policy that lets a causal language model speak, greedily, so that replays are exact.

    `tokenizer` must have a chat template; names of colleagues stand before their messages. A reply
    ends at the end-of-sequence token or after `longest` tokens. Raises what the model raises.
    """

    def reply(chat: list[Message]) -> str:
        turns = [{"role": each.role, "content": _named(each)} for each in chat]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False).to(model.device)
        with torch.inference_mode():
            made = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        said: str = tokenizer.decode(
            made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return said

    return spoken(reply)


def _named(message: Message) -> str:
    """What is said, with who says it unless that is the agent itself."""
    if message.name is None or message.role == "assistant":
        return message.content
    return f"{message.name}: {message.content}"
