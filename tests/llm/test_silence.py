"""A program whose stdout is data must hear nothing of retries there."""

import pytest
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from tracekit.analyzers.baselines import Random
from tracekit.llm.retry import silence
from tracekit_cli.commands import attribute
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


@pytest.mark.parametrize(("needs", "hooks"), [("llm", 0), ("trace", 1)])
def test_the_command_line_does_so_for_methods_that_ask_a_model(tmp_path, monkeypatch, needs, hooks):
    class Asking(Random):
        pass

    Asking.needs = frozenset({needs})
    monkeypatch.setattr(attribute, "choose", lambda method, model: (Asking(), {}))
    log = tmp_path / "run.json"
    log.write_text('[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}]')
    nobody = "http://127.0.0.1:9/v1"  # it is never called
    assert main(["attribute", str(log), "--json", "-q", "--llm", nobody]) == 0
    assert len(get_on_retry_hooks()) == hooks
