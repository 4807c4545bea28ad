"""Labels and injection speak of the same modes."""

from tracekit.inject import modes as injected
from tracekit.labels.modes import MODES, mode_code


def test_the_vocabularies_are_one():
    assert {code: mode.name.lower() for code, mode in injected.MODES.items()} == MODES


def test_every_code_and_name_is_understood():
    for code, name in MODES.items():
        assert mode_code(code) == mode_code(name.title()) == mode_code(f" {code.lower()} ") == code
    assert mode_code("1.6") is None
    assert mode_code("") is None
