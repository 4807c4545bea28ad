"""The network at run time: the numbers of its torch twin, and files that are no networks."""

import numpy as np
import pytest

from tracekit.analyzers.compact.analyzer import shipped
from tracekit.analyzers.compact.features import TEXT, WIDE
from tracekit.analyzers.compact.graph import Graph
from tracekit.analyzers.compact.network import scores
from tracekit.analyzers.compact.networks import Networks
from tracekit.encoder.tensors import write
from tracekit.errors import InputError

MODES = 14


def made_up(rng, steps):
    """A random run: some steps cannot be blamed, some are used by later ones."""
    agents = int(rng.integers(1, min(steps, 4) + 1))
    blamable = rng.random(steps) < 0.8
    step = int(rng.integers(steps))
    blamable[step] = True
    agent = np.concatenate([np.arange(agents), rng.integers(agents, size=steps - agents)])
    uses = np.tril(rng.random((steps, steps)) * (rng.random((steps, steps)) < 0.3), -1)
    return Graph(
        x=rng.normal(size=(steps, len(WIDE))),
        e=rng.normal(size=(steps, TEXT)),
        agent=agent,
        blamable=blamable,
        uses=uses,
        step=step,
        who=int(agent[step]),
        modes=(rng.random(MODES) < 0.2).astype(float),
    )


@pytest.fixture(scope="module")
def twins():
    """A fitted torch network, its arrays, and runs of 1 to 30 steps."""
    pytest.importorskip("torch")
    from tracekit_models.compact import trainer
    from tracekit_models.compact.fitting import Recipe, fit

    rng = np.random.default_rng(0)
    runs = [made_up(rng, steps) for steps in (1, 2, 3, 5, 8, 12, 20, 30)]
    network = fit(runs, trainer.shape(), Recipe(epochs=5), seed=0)
    return network, trainer.arrays_of(network), runs


def test_numpy_says_what_torch_says(twins):
    import torch

    from tracekit_models.compact.network import batch

    network, arrays, runs = twins
    with torch.no_grad():
        together = network(batch(runs))
    starts = np.cumsum([0, *(len(run.x) for run in runs)])
    firsts = np.cumsum([0, *(run.agent.max() + 1 for run in runs)])
    for number, run in enumerate(runs):
        mine = scores(arrays, run)
        theirs = np.exp(together.step[starts[number] : starts[number + 1]].numpy())
        np.testing.assert_allclose(np.exp(mine.step), theirs, atol=1e-5)
        assert np.exp(mine.step)[~run.blamable].max(initial=0.0) == 0.0
        agents = np.exp(together.agent[firsts[number] : firsts[number + 1]].numpy())
        np.testing.assert_allclose(np.exp(mine.agent), agents, atol=1e-5)
        np.testing.assert_allclose(mine.mode, together.mode[number].numpy(), atol=1e-5)


def test_a_run_says_the_same_alone_and_in_company(twins):
    import torch

    from tracekit_models.compact.network import batch

    network, _, runs = twins
    with torch.no_grad():
        alone, company = network(batch(runs[3:4])), network(batch(runs[2:5]))
    n = len(runs[2].x)
    np.testing.assert_allclose(alone.step, company.step[n : n + len(runs[3].x)], atol=1e-5)


def test_the_fit_is_the_same_every_time(twins):
    from tracekit_models.compact import trainer
    from tracekit_models.compact.fitting import Recipe, fit

    _, arrays, runs = twins
    again = trainer.arrays_of(fit(runs, trainer.shape(), Recipe(epochs=5), seed=0))
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_networks_are_averaged_as_probabilities(twins):
    _, arrays, runs = twins
    other = {name: 0.5 * array for name, array in arrays.items()}
    both = Networks(np.zeros(len(WIDE)), np.ones(len(WIDE)), (arrays, other))
    run = runs[4]
    mean = (np.exp(scores(arrays, run).step) + np.exp(scores(other, run).step)) / 2
    np.testing.assert_allclose(np.exp(both.log_chances(run)), mean * run.blamable, atol=1e-9)


def test_a_file_gives_the_networks_back(tmp_path):
    shipped().networks.save(tmp_path / "n.safetensors")
    again = Networks.load(tmp_path / "n.safetensors")
    assert again.id == shipped().networks.id == shipped().weights.networks
    again.save(tmp_path / "m.safetensors")
    first, second = tmp_path / "n.safetensors", tmp_path / "m.safetensors"
    assert first.read_bytes() == second.read_bytes()


def dropped(name):
    return lambda arrays: arrays.pop(name)


def put(name, value):
    return lambda arrays: arrays.update({name: np.asarray(value, dtype=np.float32)})


def poisoned(arrays):
    found = arrays["1.step.weight"].copy()
    found[0, 0] = np.nan
    arrays["1.step.weight"] = found


def renumbered(arrays):
    for name in [name for name in arrays if name.startswith("0.layers.1.")]:
        arrays[name.replace("layers.1", "layers.7")] = arrays.pop(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dropped("mean"), "without 'mean'"),
        (dropped("0.leave.bias"), r"without 'leave\.bias'"),
        (dropped("2.layers.0.norm.weight"), "without"),
        (put("scale", np.zeros(len(WIDE))), "other features"),
        (put("scale", np.full(len(WIDE), np.nan)), "other features"),
        (put("mean", [0.0]), "other features"),
        (put("0.enter.weight", np.zeros((64, 7))), "other features"),
        (put("0.enter.weight", np.zeros((0, len(WIDE)))), "other features"),
        (put("0.enter.weight", 1.0), "odd shapes"),
        (put("0.mode.bias", 1.0), "odd shapes"),
        (poisoned, "not finite"),
        (renumbered, "other features"),
        (lambda arrays: [arrays.pop(name) for name in list(arrays) if "." in name], "other"),
    ],
)
def test_files_that_are_no_networks_are_refused(tmp_path, change, said):
    path = tmp_path / "n.safetensors"
    arrays = dict(shipped().networks.arrays())
    change(arrays)
    write(path, arrays, {})
    with pytest.raises(ValueError, match=said):
        Networks.load(path)


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\xff" * 64, b"PK\x03\x04" + b"\x00" * 60])
def test_files_that_are_no_safetensors_are_refused(tmp_path, data):
    (tmp_path / "n.safetensors").write_bytes(data)
    with pytest.raises(InputError):
        Networks.load(tmp_path / "n.safetensors")


def test_no_run_shouts_the_others_down():
    run = made_up(np.random.default_rng(1), 6)
    far = shipped().networks.scaled(run._replace(x=1e12 * run.x)).x
    assert np.abs(far).max() <= 6.0


def test_pretrained_start_fits_the_shipped_networks():
    pytest.importorskip("torch")
    from tracekit_models.compact import trainer

    start, there = trainer.pretrained(), shipped().networks
    assert len(start.members) == len(there.members) == trainer.BAG
    np.testing.assert_array_equal(start.mean, there.mean)
    assert {k: v.shape for k, v in start.members[0].items()} == {
        k: v.shape for k, v in there.members[0].items()
    }
