"""What both trainings share: how many processes there are, and what is written at the end."""

import msgspec
import pytest

pytest.importorskip("peft")

import torch

from tracekit.analyzers.tracer.trained import FILE
from tracekit.errors import UsageError
from tracekit_models.tracer import loop
from tracekit_models.tracer.recipe import Recipe

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
