"""Tasks from a file of the user's."""

import pytest

from tracekit.errors import InputError, UsageError
from tracekit.inject.tasks import MOST, own_tasks, read_tasks


def test_tasks_without_an_id_get_one(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"question": "2 + 2?", "expected": "4"}\n\n{"question": "?", "id": "mine"}\n')
    first, second = read_tasks(path)
    assert (first.question, first.expected, first.id) == ("2 + 2?", "4", "tasks/1")
    assert second.id == "mine"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"question": "a"}\n{broken', ":2: not a task"),
        ('{"question": 5}', ":1: not a task"),
        ('{"expected": "4"}', "needs a question"),
        ("", "no task"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, says):
    path = tmp_path / "tasks.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        list(read_tasks(path))


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(read_tasks(tmp_path / "none.jsonl"))


def test_a_system_that_has_tasks_is_asked_those():
    found = list(own_tasks("tracekit.replay.sandbox.system:Sandbox"))
    assert len({task.id for task in found}) == len(found) == MOST


def test_a_system_without_tasks_says_how_to_give_some(monkeypatch, tmp_path):
    (tmp_path / "mute.py").write_text(
        "class Mute:\n    run = checkpoints = resume = check = print\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="--tasks FILE"):
        list(own_tasks("mute:Mute"))
