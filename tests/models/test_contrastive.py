"""The contrastive learner: attention, loss, learning, and the same answers in numpy as in torch."""

import numpy as np
import pytest
import torch

from tracekit.analyzers.compact.modes import EVIDENCE, ModeModel
from tracekit.signals import columns
from tracekit.testing.traces import make_trace
from tracekit.trace import Label
from tracekit_models.compact.contrastive import Bag, Contrastive, Recipe, _contrast, _loudest, loss
from tracekit_models.compact.contrastive import verdicts as judge
from tracekit_models.compact.mode_check import frequent as by_name
from tracekit_models.compact.mode_check import line, sets, split
from tracekit_models.compact.mode_data import MODES, Seen, seen
from tracekit_models.compact.modes import (
    NEVER,
    PRECISION,
    Chances,
    bags,
    chances,
    export,
    failures,
    familiar,
    kinds,
    scale,
    thresholds,
    train,
)

SMALL = Recipe(width=16, epochs=30, rate=1e-2, bags=64)
WIDE, TEXT = len(columns.names()), 256


def runs(n=60, seed=0):
    """Twins of three agents; in the faulty one, one turn of one agent bears the mark of a mode."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        x = rng.normal(size=(12, WIDE)).astype(np.float32)
        e = rng.normal(size=(12, TEXT)).astype(np.float32) / TEXT**0.5
        agents, turns = ("Ann", "Bob", "Cid"), tuple(np.arange(k, 12, 3) for k in range(3))
        clean = Seen(f"r{number}", f"q{number}", "f", "t", agents, turns, x, e, np.zeros((3, 14)))
        who, mode, marked = int(rng.integers(3)), int(rng.integers(3)), x.copy()
        marked[rng.choice(turns[who]), mode] += 12.0
        modes = np.zeros((3, 14))
        modes[who, mode] = 1.0
        found += [clean, clean._replace(trace=f"r{number}~1", x=marked, modes=modes)]
    return found


@pytest.fixture(scope="module")
def fitted():
    return train(runs(150), SMALL)


def test_attention_keeps_the_loudest_turns_of_each_bag():
    scores = torch.tensor([1.0, 5.0, 2.0, 3.0, 4.0, 0.0])
    weight = _loudest(scores, torch.tensor([0, 1, 0, 0, 0, 1]), 2)
    assert weight[0] == 0.0  # the fourth of its bag
    assert (weight[[2, 3, 4]] > 0).all()
    torch.testing.assert_close(weight[[0, 2, 3, 4]].sum(), torch.tensor(1.0))
    torch.testing.assert_close(weight[[1, 5]], torch.tensor([5.0, 0.0]).softmax(0))


def test_planted_faults_of_new_runs_are_found(fitted):
    new = failures(runs(n=30, seed=1))
    said = chances(fitted, new)
    right = [
        np.unravel_index(each.pair.argmax(), each.pair.shape) == tuple(np.argwhere(run.modes)[0])
        for each, run in zip(said, new, strict=True)
    ]
    assert np.mean(right) > 0.75  # by chance 0.02


def test_the_same_seed_gives_the_same_bytes(fitted, tmp_path):
    again = train(runs(150), SMALL)
    for name, model in (("a", fitted), ("b", again)):
        export(model, np.full(14, 0.5), kinds(runs()), 0.1, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numpy_and_torch_agree(fitted, tmp_path):
    export(fitted, np.full(14, 0.5), kinds(runs()), 0.1, tmp_path / "m.safetensors")
    model = ModeModel.load(tmp_path / "m.safetensors")
    for run in runs(n=5, seed=2):
        trace = make_trace("run", [(run.agents[k % 3], "said") for k in range(12)])
        mine = model.verdicts(trace, run.x, run.e)
        said = chances(fitted, [run])[0]
        pair = np.array([list(mine[agent].modes.values()) for agent in run.agents])
        failed = np.array([mine[agent].failed for agent in run.agents])
        np.testing.assert_allclose(pair, said.pair, atol=1e-5)
        np.testing.assert_allclose(failed, said.failed, atol=1e-5)


def test_the_evidence_holds_the_marked_turn(fitted, tmp_path):
    export(fitted, np.full(14, 0.5), kinds(runs()), 0.1, tmp_path / "m.safetensors")
    model, found = ModeModel.load(tmp_path / "m.safetensors"), []
    for run in failures(runs(n=20, seed=3)):
        trace = make_trace("run", [(run.agents[k % 3], "said") for k in range(12)])
        marked = int(run.x[:, :3].max(axis=1).argmax())
        said = model.verdicts(trace, run.x, run.e)[trace.steps[marked].agent]
        assert len(said.evidence) == EVIDENCE
        found.append(marked in said.evidence)
    assert np.mean(found) > 0.9


def test_twins_are_the_same_agent_of_the_clean_run():
    some = runs(n=2)
    found = bags(some, scale(some))
    assert [bag.twin for bag in found] == [None, None, None, 0, 1, 2, None, None, None, 6, 7, 8]


def test_a_pair_likelier_than_its_mode_costs():
    torch.manual_seed(0)
    model = Contrastive(inputs=4, text=4, modes=2, width=8)
    bag = [Bag(np.ones((3, 4)), np.array([1.0, 0.0])), Bag(-np.ones((3, 4)), np.zeros(2))]
    with torch.no_grad():
        model.gate.bias.fill_(20.0)
        free = loss(model, bag, Recipe(hierarchy=0.0, contrast=0.0))
        bound = loss(model, bag, Recipe(hierarchy=1.0, contrast=0.0))
        said = judge(model, bag)
        least = torch.minimum(said.agent.sigmoid()[:, None], said.mode.sigmoid())
        excess = (said.pair.sigmoid() - least).square().mean() * 2
    torch.testing.assert_close(bound - free, excess, rtol=1e-3, atol=1e-4)
    assert excess > 0.1


def test_contrast_by_hand():
    """One faulty bag on its prototype, the other prototype across, the twin across or alike."""
    model = Contrastive(inputs=4, text=4, modes=2, width=2)
    model.prototypes.data = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    modes = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    apart, alike = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    e = np.exp(1.0)
    with torch.no_grad():
        found = [_contrast(model, evidence, modes, 1.0).item() for evidence in (apart, alike)]
        assert _contrast(model, apart, torch.zeros(2, 2), 1.0).item() == 0.0
    assert found == pytest.approx([np.log((e + 2) / e), np.log((2 * e + 1) / e)], abs=1e-5)


def test_thresholds_are_the_least_that_are_right_often_enough():
    pair = np.linspace(1, 0, 40)[:, None] * np.array([[1.0, 1.0]])
    modes = np.zeros((40, 2))
    modes[:12, 0] = (
        1.0  # right down to rank 12, so in PRECISION of the cases down to 12 / PRECISION
    )
    run = runs(n=1)[1]._replace(modes=modes)
    least, never = thresholds([Chances(pair[:, 0], pair, pair)], [run])
    assert least == pytest.approx(pair[round(12 / PRECISION) - 1, 0])
    assert never == NEVER


def test_most_held_out_runs_are_familiar():
    assert familiar(kinds(runs()), runs(seed=5)) <= 1.0
    run = runs(n=1)[0]
    alike = [run] * 5
    assert familiar(kinds([run]), alike) == pytest.approx(1.0)


def test_targets_are_the_injected_modes_of_each_agent():
    labels = (
        Label("injected", "B", 1, modes=("FM-1.3",)),
        Label("decisive", "A", 0, modes=("FM-2.1",)),
    )
    trace = make_trace("t~1", [("A", "one"), ("B", "two"), ("A", "three")], labels=labels)
    (found,) = seen([trace])
    assert found.agents == ("A", "B")
    assert found.clean == "t"
    assert [MODES[m] for m in np.flatnonzero(found.modes[1])] == ["FM-1.3"]
    assert not found.modes[0].any()


def test_parts_share_no_task():
    parts = split(runs(), (0.6, 0.2, 0.2))
    tasks = [{run.group for run in part} for part in parts]
    assert sum(map(len, tasks)) == len(set().union(*tasks)) == 60
    assert [len(found) for found in tasks] == [36, 12, 12]


def test_sets_name_agents_modes_and_pairs():
    run = runs(n=1)[1]._replace(modes=np.eye(3, 14))
    said = Chances(np.array([0.9, 0.1, 0.6]), np.eye(3, 14), np.eye(3, 14) * 0.4)
    assert sets([said], [run], "agent", 0.5)[0][1] == {"Ann", "Cid"}
    assert sets([said], [run], "mode", 0.5)[0][1] == set(MODES[:3])
    assert sets([said], [run], "pair", 0.5)[0] == (
        {("Ann", MODES[0]), ("Bob", MODES[1]), ("Cid", MODES[2])},
        frozenset(),
    )


def test_a_row_scores_the_test_part_at_the_threshold_of_the_other():
    from tracekit_models.compact.mode_check import Parts

    known, tune, test = (failures(part) for part in split(runs(), (0.6, 0.2, 0.2)))

    def oracle(_, asked):
        return [Chances(r.modes.max(axis=1) * 0.3, r.modes * 0.3, r.modes * 0.3) for r in asked]

    assert line("all", oracle, Parts(known, tune, test)).count("100.0 (100-100) / 100.0") == 3
    assert "100.0" not in line("names", by_name, Parts(known, tune, test))
