"""What a project says once: found from below, refused when misspelt, and second to the command line."""

import json

import pytest

from tracekit.config import Config, find, parse, read
from tracekit.errors import UsageError
from tracekit_cli import defaults, entry


def toml(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nearest_file_wins_and_its_own_goes_before_pyproject(tmp_path, monkeypatch):
    toml(tmp_path / "pyproject.toml", '[tool.tracekit]\nmethod = "a"\n')
    inner = tmp_path / "x" / "y"
    toml(inner / "pyproject.toml", '[project]\nname = "other"\n')
    monkeypatch.chdir(inner)
    assert find().config.method == "a"
    assert find().path == "../../pyproject.toml"
    toml(tmp_path / "x" / "tracekit.toml", 'method = "b"\n')
    toml(tmp_path / "x" / "pyproject.toml", '[tool.tracekit]\nmethod = "c"\n')
    assert find().config.method == "b"
    (inner / ".git").mkdir()
    assert find().config == Config()


def test_paths_are_those_of_the_file(tmp_path, monkeypatch):
    toml(
        tmp_path / "tracekit.toml",
        'logs = ["runs"]\noutcome-from = "team:check"\nmodel = "weights"\n'
        '[gate]\nbaseline = "base.json"\n',
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    config = find().config
    assert config.logs == ("../runs",)
    assert config.gate.baseline == "../base.json"
    assert (config.model, config.outcome_from) == ("../weights", "team:check")
    monkeypatch.chdir(tmp_path)
    assert find().config.logs == ("runs",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metod = 'x'", "no key is named 'metod'; did you mean 'method'?"),
        ("outcome_from = 'x'", "did you mean 'outcome-from'?"),
        ("[gate]\nfail_on = ['x']", "no key is named 'gate.fail_on'; did you mean 'gate.fail-on'?"),
        ("[zzz]\nq = 1", "no key is named 'zzz'; known: logs, format,"),
        ("seed = 'one'", r"Expected `int | null`, got `str` - at `$.seed`"),
        ("gate = 3", "at `$.gate`"),
        ("a = ", "not TOML"),
    ],
)
def test_mistakes_are_told(tmp_path, text, says):
    with pytest.raises(UsageError) as raised:
        read(toml(tmp_path / "tracekit.toml", text))
    assert "tracekit.toml: " in str(raised.value)
    assert says in str(raised.value)


def test_a_named_pyproject_must_have_the_table(tmp_path):
    with pytest.raises(UsageError, match=r"no table \[tool\.tracekit\]"):
        read(toml(tmp_path / "pyproject.toml", "[project]\n"))


def test_options_of_methods_are_free():
    assert parse({"settings": {"least": 0.5, "any": [1]}}, "x").settings == {
        "least": 0.5,
        "any": [1],
    }


def test_every_key_reaches_a_command_that_has_the_option():
    """A default that no option takes would be dropped without a word."""
    from tracekit_cli.reference import _context

    said = parse(
        {
            "logs": ["a"], "format": "b", "outcome-from": "c", "with-answer": True, "method": "d",
            "model": "e", "seed": 1, "settings": {"k": 1}, "corpus": ["f"], "system": "g",
            "llm": "h", "key-env": "i", "redact": False, "pii": True,
            "gate": {"baseline": "j", "fail-on": ["k"], "sarif": "l", "junit": "m"},
            "eval": {"data": "n", "method": ["o"], "folds": 2, "seeds": [1], "protocol": "lodo",
                     "scorer": "strict"},
        },
        "x",
    )  # fmt: skip
    mapped = defaults.default_map(said)
    named = {name for values in mapped.values() for name in values}
    fields = set(Config.__struct_fields__) - {"gate", "eval", "logs", "settings"}
    assert fields | {"paths", "set"} <= named
    for command, values in mapped.items():
        inner = values if command == "export" else {"": values}
        for member, options in inner.items():
            words = [command, member] if member else [command]
            known = {option.name for option in _context(*words).command.params}
            assert set(options) <= known, words


@pytest.fixture
def project(tmp_path, monkeypatch, logs):
    toml(
        tmp_path / "pyproject.toml",
        '[tool.tracekit]\nlogs = ["logs/ag2"]\nmethod = "constant"\nsettings = { step = 2 }\n',
    )
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def logs(tmp_path):
    from shutil import copytree

    examples = __import__("pathlib").Path(__file__).parents[1] / "datasets" / "examples" / "logs"
    return copytree(examples, tmp_path / "logs")


def lines(capfd, *args):
    assert entry.main([*args, "--json", "-q"]) == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


@pytest.mark.usefixtures("project")
def test_the_command_line_goes_before(capfd):
    told = lines(capfd, "attribute")
    assert {line["method"]["name"] for line in told} == {"constant"}
    assert {line["suspects"][0]["step"] for line in told if "suspects" in line} == {2}
    told = lines(capfd, "attribute", "logs/openai", "--set", "step=0")
    assert {line["suspects"][0]["step"] for line in told if "suspects" in line} == {0}
    assert all("openai" in line["source"]["path"] for line in told)


@pytest.mark.usefixtures("project")
def test_another_file_can_be_named(tmp_path, capfd):
    other = toml(tmp_path / "other.toml", 'logs = ["logs/ag2"]\nmethod = "last-speaker"\n')
    assert entry.main(["--config", str(other), "attribute", "--json", "-q"]) == 0
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {line["method"]["name"] for line in told} == {"last-speaker"}


@pytest.mark.usefixtures("project")
def test_a_misspelt_key_stops_the_command(tmp_path, capfd):
    toml(tmp_path / "tracekit.toml", "gates = {}\n")
    assert entry.main(["gate"]) == 2
    assert "did you mean 'gate'?" in capfd.readouterr().err
