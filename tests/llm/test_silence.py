"""A program whose stdout is data must hear nothing of retries there."""

import pytest
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from tracekit.analyzers.baselines import Random
from tracekit.llm.retry import silence
from tracekit_cli import judging
from tracekit_cli.entry import main


@pytest.fixture(autouse=True)
def talkative():
    """Hooks as structlog would have them, and as they were afterwards."""
    before = get_on_retry_hooks()
    set_on_retry_hooks([lambda details: print("retrying", details)])
    yield
    set_on_retry_hooks(before)


def test_retries_are_silenced():
    assert get_on_retry_hooks()
    silence()
    assert get_on_retry_hooks() == ()


class Asking(Random):
    """A method that could ask a model."""

    needs = frozenset({"llm"})


@pytest.mark.parametrize("command", ["attribute", "gate"])
@pytest.mark.parametrize(("method", "hooks"), [(Asking(), 0), (Random(), 1)])
def test_the_command_line_does_so_where_a_model_is_asked(
    tmp_path, monkeypatch, command, method, hooks
):
    monkeypatch.setattr(judging, "choose", lambda _method, _model: (method, {}))
    log = tmp_path / "run.json"
    log.write_text('[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}]')
    nobody = ["--llm", "http://127.0.0.1:9/v1"] if hooks == 0 else []  # it is never called
    assert main([command, str(log), "--json", "-q", *nobody]) in (0, 3)  # 3: unknown outcome
    assert len(get_on_retry_hooks()) == hooks
