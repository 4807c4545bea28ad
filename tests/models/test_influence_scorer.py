"""A language model as the scorer of influence: exact log-probabilities, windows, training."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tracekit.analyzers.influence.analyzer import scorer_of  # noqa: E402
from tracekit.analyzers.influence.measures import Scorer, influence_of  # noqa: E402
from tracekit.analyzers.run import attribute  # noqa: E402
from tracekit.testing.traces import make_trace  # noqa: E402
from tracekit.trace import Task  # noqa: E402
from tracekit_models.influence import train as training  # noqa: E402
from tracekit_models.influence.scorer import CausalScorer, load  # noqa: E402

HISTORY = ["Planner: divide the apples\n", "Solver: 12 divided by 4 is 3\n", "Tool: ok\n"]
TARGET = "Checker: we have it that 3 is right\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Trained for three steps: a folder like any other, and as good as random."""
    folder = tmp_path_factory.mktemp("model")
    training.train(folder, steps=3, runs=20)
    return folder


@pytest.fixture(scope="module")
def scorer(tiny):
    return load(str(tiny))


def by_hand(scorer, history, target):
    """The log-probability, token after token, one forward pass each."""
    ids = [scorer._start, *(i for text in history for i in scorer._ids(text))]
    total = 0.0
    for token in scorer._ids(target):
        with torch.inference_mode():
            logits = scorer._model(torch.tensor([ids])).logits[0, -1]
        total += float(logits.log_softmax(-1)[token])
        ids.append(token)
    return total


def test_log_probabilities_are_exact(scorer):
    found = scorer.score(HISTORY, TARGET, [0, 2])
    assert isinstance(scorer, Scorer)
    assert found == pytest.approx(
        [
            by_hand(scorer, HISTORY, TARGET),
            by_hand(scorer, HISTORY[1:], TARGET),
            by_hand(scorer, HISTORY[:2], TARGET),
        ],
        rel=1e-4,
    )


def test_batches_do_not_matter(scorer, monkeypatch):
    whole = scorer.score(HISTORY, TARGET, [0, 1, 2])
    monkeypatch.setattr("tracekit_models.influence.scorer.BATCH", 1)
    assert scorer.score(HISTORY, TARGET, [0, 1, 2]) == pytest.approx(whole, rel=1e-5)


def test_what_does_not_fit_the_window_is_not_known(scorer):
    last = len(scorer._ids(HISTORY[2])) + len(scorer._ids(TARGET))
    small = CausalScorer(scorer._model, scorer._tokenizer, "small", room=last + 3)
    found = small.score(HISTORY, TARGET, [0, 1, 2])
    assert math.isnan(found[1])
    assert not math.isnan(found[2])  # two of its tokens are in
    assert not math.isnan(found[3])


def test_a_target_longer_than_the_window_is_cut(scorer):
    small = CausalScorer(scorer._model, scorer._tokenizer, "small", room=40)
    found = small.score(["a: b\n"], "word " * 500, [0])
    assert all(math.isfinite(x) for x in found)


def test_the_folder_serves_the_method(tiny):
    steps = [("A", "12 divided by 4 is 3"), ("B", "so 3"), ("C", "the answer is 3")]
    trace = make_trace("t", steps, task=Task("Apples?"))
    verdict = attribute(trace, "influence", model=str(tiny))
    assert verdict.method.settings == {"measure": "model"}
    assert verdict.method.model == str(tiny)
    assert sum(s.probability for s in verdict.suspects) == pytest.approx(1)
    found = influence_of(trace, "model", scorer_of(str(tiny)))
    assert found.known.all()


def test_training_is_deterministic(tmp_path, tiny):
    training.train(tmp_path / "again", steps=3, runs=20)
    one, other = ((f / "model.safetensors").read_bytes() for f in (tiny, tmp_path / "again"))
    assert one == other


def test_training_texts_are_those_that_are_scored():
    text = next(training.sandbox_texts(0, 1))
    assert text.count("\n") >= 1
    assert ": " in text.splitlines()[0]
