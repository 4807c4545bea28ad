"""Answers drawn by tracekit's own loop are those that transformers draws."""

import copy
import functools

import pytest

pytest.importorskip("peft")

import torch
from peft import LoraConfig, get_peft_model
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

from tracekit.errors import UsageError
from tracekit_models.tracer import draw

PAD, END = 0, 7


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    config = Qwen3Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, initializer_range=0.4,
        eos_token_id=END, pad_token_id=PAD, bos_token_id=None,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval()


def prompts():
    """Two groups of four answers and one of two; the second prompt is shorter."""
    ids = torch.tensor([[11, 12, 13, 14, 15], [PAD, PAD, 21, 22, 23], [31, 32, 33, 34, 35]])
    ids = ids[[0, 0, 0, 0, 1, 1, 1, 1, 2, 2]]
    return ids, (ids != PAD).long()


def config(**more):
    plain = {"top_k": 0, "top_p": 1.0, "do_sample": True, "temperature": 0.8, "max_new_tokens": 12}
    return GenerationConfig(**{**plain, "eos_token_id": [END], "pad_token_id": PAD, **more})


def both(model, how):
    ids, mask = prompts()
    torch.manual_seed(0)
    theirs = model.generate(input_ids=ids, attention_mask=mask, generation_config=how)
    torch.manual_seed(0)
    ours = draw.generate(model, input_ids=ids, attention_mask=mask, generation_config=how)
    return theirs, ours


@pytest.mark.parametrize(
    "more", [{}, {"min_new_tokens": 12}, {"do_sample": False}, {"temperature": 2.0}]
)
def test_the_same_seed_draws_the_same_answers(model, more):
    theirs, ours = both(model, config(**more))
    assert ours[:, : theirs.shape[1]].tolist() == theirs.tolist()
    assert (ours[:, theirs.shape[1] :] == PAD).all()


def test_under_autocast_keys_and_values_may_differ_in_precision(model):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs, ours = both(model, config(do_sample=False))
    assert ours[:, : theirs.shape[1]].tolist() == theirs.tolist()


def test_an_answer_ends_with_its_end_mark_and_is_padded(model):
    _, ours = both(model, config(max_new_tokens=40, temperature=3.0))
    ended = [row[5:].tolist() for row in ours if END in row[5:]]
    assert ended, "some answers end"
    for row in ended:
        assert set(row[row.index(END) + 1 :]) <= {PAD}


def test_a_prompt_is_read_once_for_its_group(model, monkeypatch):
    read = []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda **kw: read.append(kw["input_ids"].shape) or forward(**kw)
    )
    both_ids, mask = prompts()
    draw.generate(model, input_ids=both_ids, attention_mask=mask, generation_config=config())
    assert read[0] == (3, 5)
    assert set(read[1:]) == {(10, 1)}


def test_a_cut_distribution_is_refused_not_ignored(model):
    ids, mask = prompts()
    with pytest.raises(UsageError, match="top_p="):
        draw.generate(model, ids, mask, config(top_p=0.9))


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed in v6:FutureWarning")
def test_a_model_with_an_adapter_draws_with_it(model):
    torch.manual_seed(5)
    worn = get_peft_model(
        copy.deepcopy(model), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    )
    ids, mask = prompts()
    how = config(do_sample=False)
    given = {"input_ids": ids, "attention_mask": mask, "generation_config": how}
    theirs = worn.generate(**given)
    draw.by_graph(worn)
    assert isinstance(worn.get_base_model().generate, functools.partial)
    assert worn.generate(**given)[:, : theirs.shape[1]].tolist() == theirs.tolist()
    assert theirs.tolist() != model.generate(**given).tolist()


def test_a_model_of_short_sight_is_refused():
    with torch.device("meta"):
        model = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=50,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=8,
                sliding_window=4,
                use_sliding_window=True,
                max_window_layers=1,
            )
        )
    with pytest.raises(UsageError, match="full attention"):
        draw.by_graph(model)
