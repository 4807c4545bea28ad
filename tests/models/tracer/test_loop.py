"""What both trainings share: how many processes there are, and what is written at the end."""

import copy

import msgspec
import pytest

pytest.importorskip("peft")

import torch
from peft import LoraConfig, get_peft_model
from transformers import GenerationConfig

from tracekit.analyzers.tracer.trained import FILE
from tracekit.errors import UsageError
from tracekit_models.tracer import loop
from tracekit_models.tracer.base import decoder, tokenizer
from tracekit_models.tracer.draw import by_graph
from tracekit_models.tracer.recipe import Recipe, Scratch

RECIPE = Recipe(name="r", base="b")


def settings(batch, micro):
    found = loop.common(RECIPE, batch, micro, 10)
    return found["per_device_train_batch_size"], found["gradient_accumulation_steps"]


def test_the_launcher_says_how_many_share_a_batch_not_the_number_of_gpus(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert settings(32, 4) == (4, 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert settings(32, 4) == (4, 4)
    with pytest.raises(UsageError, match="12 at a step do not divide into 4 in each of 2"):
        settings(12, 4)


@pytest.mark.parametrize("world", [None, "1"])
def test_one_process_that_sees_several_gpus_is_told_how_to_start(monkeypatch, world):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world:
        monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(UsageError, match="accelerate launch --num_processes 2") as told:
        settings(32, 4)
    assert "CUDA_VISIBLE_DEVICES=0" in str(told.value)


class Trained:
    """As much of a trainer as is needed to write what it came to."""

    is_fsdp_enabled = False

    def __init__(self):
        self.model = torch.nn.Linear(2, 2)
        self.accelerator = self.state = self

    def save_model(self, out):
        torch.save(self.model.weight.dtype, f"{out}/training_args.bin")
        self.saved = self.model.weight.dtype

    def is_world_process_zero(self):
        return True

    def save_to_json(self, path):
        pass

    def save_pretrained(self, path):
        pass

    def wait_for_everyone(self):
        pass


@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_weights_are_written_in_the_precision_of_the_recipe(tmp_path, precision, kind):
    trainer = Trained()
    recipe = msgspec.structs.replace(RECIPE, precision=precision)
    (tmp_path / "work").mkdir()
    loop.finish(trainer, recipe, trainer, tmp_path)
    assert trainer.saved == kind
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {loop.DONE, FILE}, "no pickle, no checkpoints"


@pytest.fixture(scope="module")
def model():
    words = tokenizer(["Ada adds eight and eight."], 300)
    size = Scratch(hidden=32, layers=2, heads=2, kv_heads=1, feed_forward=64, context=64)
    return decoder(size, words, 0)


def test_padding_on_the_right_needs_no_mask(model):
    ids = torch.arange(10, 40).reshape(3, 10)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    given = {"input_ids": ids, "attention_mask": mask, "labels": ids.where(mask == 1, -100)}
    masks = []
    watch = model.register_forward_hook(
        lambda _, __, named, ___: masks.append(named["attention_mask"]), with_kwargs=True
    )
    with_mask = model(**given).loss
    with loop.unmasked(model):
        without = model(**given).loss
    again = model(**given).loss
    with pytest.raises(RuntimeError, match="stop"), loop.unmasked(model):
        raise RuntimeError("stop")
    model(**given)
    watch.remove()
    assert [mask is None for mask in masks] == [False, True, False, False]
    assert with_mask.item() == pytest.approx(without.item(), rel=1e-6)
    assert again.item() == with_mask.item()


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed in v6:FutureWarning")
def test_the_mask_of_a_model_with_an_adapter_goes_too(model):
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=2, target_modules=["q_proj"]))
    masks = []
    inner = adapted.get_base_model()
    inner.register_forward_hook(
        lambda _, __, named, ___: masks.append(named["attention_mask"]), with_kwargs=True
    )
    ids = torch.arange(10, 20)[None]
    with loop.unmasked(adapted):
        adapted(input_ids=ids, attention_mask=torch.ones_like(ids))
    assert masks == [None]


def test_nothing_is_compiled_without_a_gpu(model, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: pytest.fail("compiled"))
    loop.compile_layers(model)


@pytest.mark.parametrize("graph", [False, True])
def test_layers_are_compiled_for_training_and_not_for_drawing(model, monkeypatch, graph):
    compiled, real = [], torch.nn.Module.compile

    def counted(layer, *, dynamic):
        assert dynamic
        real(layer, backend=lambda graph, _: compiled.append(graph) or graph.forward)

    own = copy.deepcopy(model).eval()
    if graph:
        by_graph(own)
    monkeypatch.setattr(torch.nn.Module, "compile", counted)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    loop.compile_layers(own)
    monkeypatch.undo()
    ids = torch.arange(10, 20)[None]
    plain = GenerationConfig(
        max_new_tokens=4, do_sample=False, eos_token_id=1, pad_token_id=0, use_cache=True
    )
    asked = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "generation_config": plain}
    assert own.generate(**asked).tolist() == model.eval().generate(**asked).tolist()
    assert compiled == []
    with torch.no_grad():
        own(input_ids=ids, use_cache=False)
    assert compiled, "what is not drawn is computed by compiled layers"


def test_attention_that_may_come_to_no_numbers_is_off_inside_and_as_before_outside():
    before = torch.backends.cuda.cudnn_sdp_enabled()
    with loop.without_cudnn():
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.cudnn_sdp_enabled() == before
