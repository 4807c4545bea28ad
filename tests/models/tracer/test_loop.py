"""What both trainings share: how many processes there are, and what is written at the end."""

import msgspec
import pytest

pytest.importorskip("peft")

import torch

from tracekit.analyzers.tracer.trained import FILE
from tracekit.errors import UsageError
from tracekit_models.tracer import loop
from tracekit_models.tracer.base import decoder, tokenizer
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
    masked = loop.unmasked(model)
    without = model(**given).loss
    masked()
    again = model(**given).loss
    watch.remove()
    assert [mask is None for mask in masks] == [False, True, False]
    assert with_mask.item() == pytest.approx(without.item(), rel=1e-6)
    assert again.item() == with_mask.item()


@pytest.mark.parametrize("gpu", [False, True])
def test_every_layer_is_compiled_where_there_is_a_gpu(model, monkeypatch, gpu):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda one, **how: compiled.append((one, how)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    loop.compile_layers(model)
    assert compiled == ([(layer, {"dynamic": True}) for layer in model.model.layers] if gpu else [])
