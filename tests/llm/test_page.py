"""The programs of docs/llm.md run as they stand, against a scripted server in place of a model."""

import re
from pathlib import Path

import pytest

from tracekit.testing.chat_server import Reply

PAGE = Path(__file__).parents[2] / "docs" / "llm.md"
ADDRESS = "http://localhost:8000/v1"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def model(call):
    """Answers in JSON when asked for it."""
    text = '{"agent": "Coder", "step": 4}' if "response_format" in call.body else "Hello!"
    return Reply(text=text, usage=(100, 150))


def test_the_page_holds_programs():
    assert len(PROGRAMS) == 6
    assert sum(ADDRESS in program for program in PROGRAMS) == 5


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs(serve, program, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    server = serve(model)
    exec(compile(program.replace(ADDRESS, server.url), "llm.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert printed
    if "Verdict" in program:
        assert "Verdict(agent='Coder', step=4)" in printed
    if "BudgetExceeded" in program:
        refused = int(printed.split()[0])
        assert 0 < refused < 20
        assert len(server.calls) == 20 - refused
