"""Training of the compact value model: twins in torch and numpy, losses, calibration, folds."""

import math
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tracekit.errors import InputError, UsageError  # noqa: E402
from tracekit.prm.model import COLUMNS as FEATURES  # noqa: E402
from tracekit.prm.model import FINAL  # noqa: E402
from tracekit.prm.network import Shape, advance, start  # noqa: E402
from tracekit.prm.targets import COLUMNS, Target, read_targets, write_targets  # noqa: E402
from tracekit.replay.sandbox.system import Sandbox  # noqa: E402
from tracekit.stats import Estimate, auroc  # noqa: E402
from tracekit_models.prm.calibration import Held, Platt, calibrate, held, platt  # noqa: E402
from tracekit_models.prm.crossfit import at_share, deal, networks, out_of_fold  # noqa: E402
from tracekit_models.prm.data import examples, scale_of, state_of  # noqa: E402
from tracekit_models.prm.evaluation import UNPROVEN, Figures, told  # noqa: E402
from tracekit_models.prm.losses import Loss, loss_of  # noqa: E402
from tracekit_models.prm.network import ValueNetwork  # noqa: E402
from tracekit_models.prm.train import Recipe, fit, fit_model, fit_network  # noqa: E402

SMALL = Recipe(bag=1, folds=0, width=16, epochs=2)


@pytest.fixture(scope="module")
def runs():
    sandbox = Sandbox("arithmetic", "chain", skill=0.8)
    tasks = sandbox.tasks(seed=9)
    return [
        sandbox.run(task, seed=n)
        for task, _ in zip(tasks, range(12), strict=False)
        for n in range(5)
    ]


@pytest.fixture(scope="module")
def found(runs):
    return examples(runs)


@pytest.mark.parametrize("window", [4, 256])
def test_numpy_and_torch_say_the_same(window):
    torch.manual_seed(0)
    shape = Shape(features=7, width=16, layers=2, window=window)
    network = ValueNetwork(shape).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    x = torch.randn(1, 20, 7)
    weights = {name: value.astype(np.float64) for name, value in state_of(network).items()}
    ours, _ = advance(weights, shape, start(shape), x[0].double().numpy())
    with torch.no_grad():
        theirs = network.double().logits(x.double())[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_in_torch_too_nothing_that_follows_changes_a_value():
    torch.manual_seed(0)
    network = ValueNetwork(Shape(features=7, width=16)).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    x = torch.randn(1, 12, 7)
    other = x.clone()
    other[:, 6:] = torch.randn(1, 6, 7)
    with torch.no_grad():
        torch.testing.assert_close(network.logits(x)[:, :6], network.logits(other)[:, :6])
        assert not torch.allclose(network.logits(x)[:, 6:], network.logits(other)[:, 6:])


def test_losses_by_hand():
    """tanh(z) is the value: z = 1 is log-odds 2; a target of 1 is cut at a value of 0.95."""
    logits, sure, weight = torch.tensor([[2.0]]), torch.tensor([[1.0]]), torch.ones(1, 1)
    edge = math.atanh(0.95)
    want = {
        "bce": math.log1p(math.exp(-2)),
        "mse": (edge - 1) ** 2,
        "huber": (edge - 1) - 0.05,  # beta 0.1: |d| - beta / 2
    }
    for name, value in want.items():
        assert float(loss_of(Loss(name=name), logits, sure, weight, None)) == pytest.approx(value)


def test_pairs_compare_runs_of_one_task_only():
    logits = torch.tensor([[1.0, 2.0], [0.0, -1.0], [5.0, 5.0]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    weights, problem = torch.full((3, 2), 0.5), torch.tensor([0, 0, 1])
    whole = float(loss_of(Loss(name="pairwise"), logits, targets, weights, problem))
    half = 0.5 * float(loss_of(Loss(), logits, targets, weights, None))
    gaps = [1.0, 1.0, 3.0, 3.0]  # at 25, 50, 75 and 100 % of two steps
    assert whole - half == pytest.approx(np.mean([math.log1p(math.exp(-g)) for g in gaps]))


def test_an_outcome_reward_model_looks_at_the_last_step():
    logits, targets = torch.tensor([[9.0, 9.0, 1.0, 9.0]]), torch.zeros(1, 4)
    weights = torch.tensor([[0.3, 0.3, 0.3, 0.0]])  # the last place is padding
    found = loss_of(Loss(outcome_only=True), logits, targets, weights, None)
    assert float(found) == pytest.approx(math.log1p(math.exp(1.0)))


def test_runs_weigh_alike_and_prefixes_share_their_weight(found):
    assert all(one.weight.sum() == pytest.approx(1.0) for one in found)
    assert {len(one.rows) for one in found} != {len(found[0].rows)}
    assert all(len(one.rows) == len(one.target) == len(one.weight) for one in found)


def test_targets_decide_when_they_are_given(runs):
    rows = [Target(trace=runs[0].id, step=1, value=0.25, weight=4, source="mc", problem="p")]
    (one,) = examples(runs, rows)
    assert (one.target[2], one.weight[2], one.weight.sum(), one.problem) == (0.25, 1.0, 1.0, "p")


def test_targets_go_to_disk_and_back(tmp_path):
    pytest.importorskip("pyarrow")
    rows = [
        Target(trace="a", step=n, value=n / 4, weight=n + 1, source="mcts", problem="p", system="s")
        for n in range(4)
    ]
    for name in ("t.jsonl", "t.parquet"):
        assert write_targets(rows, tmp_path / name) == 4
        assert list(read_targets(tmp_path / name)) == rows
    assert COLUMNS == ("trace", "step", "value", "weight", "source", "problem", "system", "seed")


@pytest.mark.parametrize("line", ['{"trace": "a", "step": 0, "value": 2}', "{", '{"x": 1}', "[]"])
def test_what_is_no_target_is_refused(tmp_path, line):
    (tmp_path / "t.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=r"t\.jsonl:1"):
        list(read_targets(tmp_path / "t.jsonl"))


def test_the_same_seed_gives_the_same_weights(found):
    once, again = (fit_model(found, SMALL, seed=4) for _ in range(2))
    assert once.id == again.id
    assert fit_model(found, SMALL, seed=5).id != once.id


def test_it_learns_what_is_there(runs):
    values = fit(runs, recipe=SMALL)
    good = [not run.failed for run in runs]
    assert auroc([values.values(run)[-1] for run in runs], good) > 0.8


@pytest.mark.parametrize("name", ["huber", "mse", "pairwise"])
def test_every_loss_learns(found, name):
    recipe = Recipe(bag=1, folds=0, width=16, epochs=12, ridge=0.0, loss=Loss(name=name))
    model = fit_model(found, recipe)
    scaled = [model.scaled(one.rows) for one in found]
    shape = model.settings.shape
    ends = [advance(model.members[0], shape, start(shape), x)[0][-1] for x in scaled]
    assert auroc(ends, [one.target[-1] > 0.5 for one in found]) > 0.7


def test_too_few_runs_and_one_kind_of_end_are_refused(found):
    with pytest.raises(UsageError, match="at least 20"):
        fit_model(found[:5], SMALL)
    with pytest.raises(UsageError, match="kinds of outcome"):
        fit_model([one for one in found if one.target[-1] > 0.5], SMALL)


def test_runs_of_a_problem_share_a_fold(found):
    fold = deal(found, 4, seed=0)
    for problem in {one.problem for one in found}:
        assert (
            len({int(k) for k, one in zip(fold, found, strict=True) if one.problem == problem}) == 1
        )


def test_out_of_fold_nobody_is_judged_by_a_model_that_saw_its_problem(found):
    asked = []

    def predict(train, test):
        asked.append(({one.problem for one in train}, {one.problem for one in test}))
        return [np.zeros(len(one.rows)) for one in test]

    held = out_of_fold(found, predict, 4, 0)
    assert all(not (train & test) for train, test in asked)
    assert [len(v) for v in held.values] == [len(one.rows) for one in found]
    real = out_of_fold(found, networks(SMALL), 2, 0)
    assert all(0 < p < 1 for v in real.values for p in v)


def test_calibration_finds_the_slope_that_made_the_outcomes():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=20_000)
    truth = 1 / (1 + np.exp(-(0.5 * logits + 1.0)))
    curve = platt(logits, (rng.random(20_000) < truth).astype(float), np.ones(20_000))
    assert curve.slope == pytest.approx(0.5, abs=0.05)
    assert curve.shift == pytest.approx(1.0, abs=0.05)


def forecasts(slope: float, shift: float, *, alike: bool = False, seed: int = 0) -> Held:
    """Of 60 problems, 20 prefixes each, half of them final; `slope` and `shift` hold for these."""
    rng = np.random.default_rng(seed)
    problem, final = np.repeat(np.arange(60), 20), np.tile([False, True], 600)
    logits = rng.normal(size=1200)
    odds = np.where(final, slope * logits + shift, logits)
    draw = rng.random(60)[problem] if alike else rng.random(1200)
    return Held(
        logits, (draw < 1 / (1 + np.exp(-odds))).astype(float), np.ones(1200), final, problem
    )


def test_final_steps_get_a_curve_of_their_own_where_it_helps():
    found = calibrate(forecasts(4.0, 0.5)._replace(weights=np.tile([1.0, 0.05], 600)))
    assert found.all == Platt()
    assert found.final is not None
    assert found.final.slope == pytest.approx(4.0, abs=1.0)
    rows = np.zeros((2, len(FEATURES)))
    rows[1, FINAL] = 1.0
    odds = found.odds(np.array([1.0, 1.0]), rows)
    assert odds.tolist() == [1.0, pytest.approx(found.final.slope + found.final.shift)]


def test_what_is_honest_already_is_left_alone():
    assert calibrate(forecasts(1.0, 0.0)) == (Platt(), None)


def test_runs_that_stand_or_fall_together_move_no_curve():
    """Few independent problems: their luck is no reason to bend all values."""
    kept = [
        calibrate(forecasts(1.0, 0.0, alike=True, seed=n)) == (Platt(), None) for n in range(10)
    ]
    assert sum(kept) >= 8


def test_few_problems_move_no_curve():
    known = forecasts(4.0, 0.5)
    assert calibrate(known.where(known.problem < 15)) == (Platt(), None)


def test_prefixes_without_a_target_do_not_count(runs):
    rows = [Target(trace=runs[0].id, step=1, value=0.25, weight=4, source="mc", problem="p")]
    found = examples(runs, rows)
    known = held(found, [np.arange(len(one.rows), dtype=float) for one in found])
    assert (known.logits.tolist(), known.targets.tolist()) == ([2.0], [0.25])


def test_the_calibration_lies_in_the_weights():
    """A ridge for thousands of runs makes the values of eighty far too timid."""
    sandbox = Sandbox("arithmetic", "chain", skill=0.8)
    tasks = list(islice(sandbox.tasks(seed=9), 20))
    found = examples(sandbox.run(task, seed=n) for task in tasks for n in range(4))
    settings = fit_model(found, Recipe(bag=1, folds=2, width=16, epochs=0)).settings
    assert settings.final is not None
    assert settings.final.slope > 1.5


def test_shares_of_the_way():
    values = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    assert [at_share(values, share) for share in (0.25, 0.3, 1.0)] == [0.1, 0.2, 0.4]


def test_a_linear_term_is_kept_while_the_rest_is_fitted(found):
    alone = fit_network(found, scale_of(found), Recipe(epochs=0, width=16), 0)
    more = fit_network(found, scale_of(found), Recipe(epochs=2, width=16), 0)
    np.testing.assert_array_equal(alone["skip.weight"], more["skip.weight"])
    assert not np.array_equal(alone["value.weight"], more["value.weight"])


@pytest.mark.parametrize("low", [0.44, 0.5, 0.51])
def test_figures_that_reach_chance_say_so(low):
    whole = Estimate(0.6, low, 0.7)
    some = Figures(
        auroc=(Estimate(0.6, 0.4, 0.7),) * 3 + (whole,), length=(0.5,) * 4, error=0.1, expected=0.1
    )
    assert (UNPROVEN in told(some, None)) == (low <= 0.5)
