"""What a project says once: found from below, refused when misspelt, and second to the command line."""

import json
from typing import get_origin, get_type_hints

import msgspec
import pytest

from tracekit.config import Config, Found, find, parse, read
from tracekit.errors import UsageError
from tracekit.version import __version__
from tracekit_cli import defaults, entry
from tracekit_cli.app import COMMANDS
from tracekit_cli.reference import _context, _members


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


EVERYTHING = {
    "logs": ["a"], "format": "b", "outcome-from": "c", "with-answer": True, "method": "d",
    "model": "e", "seed": 1, "settings": {"k": 1}, "corpus": ["f"], "system": "g", "llm": "h",
    "key-env": "i", "redact": False, "pii": True, "repeat": 2, "concurrency": 3, "timeout": 4.0,
    "retries": 5, "max-tokens-total": 6, "max-cost": 7.0, "price": "1,2", "cache": "o",
    "values": "p", "values-model": "q",
    "gate": {"baseline": "j", "fail-on": ["k"], "sarif": "l", "junit": "m"},
    "eval": {"data": "n", "method": ["o"], "folds": 2, "seeds": [1], "protocol": "lodo",
             "scorer": "strict"},
}  # fmt: skip
TABLES = {name for name, hint in get_type_hints(Config).items() if get_origin(hint) is dict} - {
    "settings"
}


def plain(name):
    """Every command that one can call, by its words."""
    for words in ([name], *([name, member] for member in _members(name))):
        if words == [name] and _members(name):
            continue
        yield words, _context(*words).command


ALL = [each for name in COMMANDS for each in plain(name)]


def test_every_key_is_there():
    keys = {field.encode_name for field in msgspec.structs.fields(Config)}
    assert keys == EVERYTHING.keys() | TABLES


def test_every_key_reaches_a_command_that_has_the_option():
    """A default that no option takes would be dropped without a word."""
    found = Found(config=parse(EVERYTHING, "x"))
    named = {
        said.key for words, one in ALL for said in defaults.defaults(words[0], one, found).values()
    }
    inner = {f"{table}.{key}" for table in ("gate", "eval") for key in EVERYTHING[table]}
    assert named == (EVERYTHING.keys() - {"gate", "eval"}) | inner


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_every_command_obeys_the_keys_that_it_has_options_for(words, command):
    """Methods, models, seeds and everything of a judge; what means something else is listed."""
    found = Found(config=parse(EVERYTHING, "x"))
    told = defaults.defaults(words[0], command, found)
    assert defaults.is_configured(command) >= bool(told)
    shared = {*defaults.SAME, "set", "paths", "logs", "corpus", "values_", "seeds"}
    for option in command.params:
        if option.name in shared - defaults.OTHER.get(words[0], frozenset()):
            assert option.name in told, option.name
    seeded = next((said.value for name, said in told.items() if name.startswith("seed")), None)
    assert seeded in (1, "1", None)


def test_a_model_that_is_asked_needs_a_server():
    """Weights of a method are nothing that a leaderboard or who corrects could use."""
    weights = Found(config=parse({"model": "w", "settings": {"k": 1}}, "x"))
    asked = Found(config=parse({"model": "m", "llm": "http://localhost/v1"}, "x"))
    for name in sorted(defaults.ASKING):
        command = _context(name).command
        assert {"model", "set"}.isdisjoint(defaults.defaults(name, command, weights))
        assert defaults.defaults(name, command, asked)["model"].value == "m"


def test_a_table_holds_any_option_of_its_command(tmp_path, monkeypatch):
    text = '[score]\nbelow = 0.2\nkeep-going = true\nhtml = "out/values.html"\nvalues = "v:f"\npaths = ["r"]\n'
    toml(tmp_path / "tracekit.toml", text + '[search]\nset = ["beams=2"]\nmethod = "mcts"\n')
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    command = _context("score").command
    told = {k: said.value for k, said in defaults.defaults("score", command, find()).items()}
    assert told == {
        "below": 0.2, "keep_going": True, "html": "../out/values.html", "values_": "v:f",
        "paths": ["../r"],
    }  # fmt: skip
    command = _context("search").command
    assert defaults.default_map("search", command, find()) == {
        "set": ["beams=2"], "method": "mcts",
    }  # fmt: skip


def test_a_misspelt_option_in_a_table_is_told(tmp_path, monkeypatch, capfd):
    toml(tmp_path / "tracekit.toml", "[score]\nbelwo = 0.2\n")
    monkeypatch.chdir(tmp_path)
    for args in (["score", "x"], ["config"], ["config", "gate"]):
        assert entry.main(args) == 2
        assert (
            "no key is named 'score.belwo'; did you mean 'score.below'?" in capfd.readouterr().err
        )


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


@pytest.mark.usefixtures("project")
def test_settings_are_those_of_the_method_that_is_said(capfd):
    """Another method on the command line is not handed options that it does not know."""
    told = lines(capfd, "attribute", "-m", "last-speaker")
    assert {line["method"]["name"] for line in told} == {"last-speaker"}
    assert "set" not in told[0]["config"]


@pytest.mark.parametrize(
    ("said", "named", "kept"),
    [
        ('method = "constant"\nmodel = "w"', "linear", False),
        ('method = "judge:a2p"\nmodel = "m"', "judge:mast", True),
        ('method = "judge:a2p"\nmodel = "m"', "linear", False),
        ('llm = "http://localhost/v1"\nmodel = "m"', "judge:mast", True),
        ('llm = "http://localhost/v1"\nmodel = "m"', "linear", False),
        ('model = "w"', "linear", True),  # which method they are of, the weights say
        ('model = "w"', None, True),
        ('llm = "http://localhost/v1"\nmodel = "m"', None, False),  # the usual method asks nobody
        ('llm = "http://localhost/v1"\nmodel = "m"', "tracer", True),
        ('method = "tracer"\nmodel = "m"', "judge:mast", False),  # a folder is nothing to ask
    ],
)
def test_whose_model_and_settings_they_are(tmp_path, monkeypatch, said, named, kept):
    toml(tmp_path / "tracekit.toml", f"{said}\nsettings = {{ k = 1 }}\nrepeat = 2\n")
    monkeypatch.chdir(tmp_path)
    command = _context("gate").command
    given = defaults.default_map("gate", command, find())
    args = ["x", "-m", named] if named else ["x"]
    context = command.make_context("gate", args, default_map=dict(given), obj=find())
    values = [context.params[name] for name in ("model", "set", "repeat")]
    assert values == ([given["model"], ["k=1"], 2] if kept else [None, (), None])


@pytest.mark.parametrize(
    ("said", "table", "kept"),
    [
        ('method = "judge:mast"\nmodel = "m"', 'method = "linear"', (None, ())),
        ('method = "judge:mast"\nmodel = "m"', 'method = "judge:a2p"', ("m", ("k=1",))),
        ('method = "linear"', 'method = "constant"\nset = ["step=1"]', (None, ("step=1",))),
        ('method = "linear"', 'set = ["step=1"]', (None, ("step=1",))),
    ],
)
def test_a_table_that_names_a_method_is_given_what_is_for_it(
    tmp_path, monkeypatch, said, table, kept
):
    toml(tmp_path / "tracekit.toml", f"settings = {{ k = 1 }}\n{said}\n[attribute]\n{table}\n")
    monkeypatch.chdir(tmp_path)
    command = _context("attribute").command
    given = defaults.default_map("attribute", command, find())
    context = command.make_context("attribute", ["x"], default_map=given, obj=find())
    assert (context.params["model"], tuple(context.params["set"])) == kept
    told = {k: one.value for k, one in defaults.defaults("attribute", command, find()).items()}
    assert (told.get("model"), tuple(told.get("set", ()))) == kept


@pytest.mark.usefixtures("project")
def test_a_server_and_its_model_leave_the_usual_method_alone(tmp_path, capfd):
    said = 'logs = ["logs/ag2"]\nllm = "http://localhost:9/v1"\nmodel = "gpt"\n'
    toml(tmp_path / "tracekit.toml", said)
    assert {line["method"]["name"] for line in lines(capfd, "attribute")} == {"compact"}


@pytest.mark.usefixtures("project")
def test_what_came_from_where(tmp_path, capfd):
    assert entry.main(["config", "attribute", "--json"]) == 0
    values = json.loads(capfd.readouterr().out)["values"]
    assert values["method"] == {"value": "constant", "from": "pyproject.toml: method"}
    assert values["set"] == {"value": ["step=2"], "from": "pyproject.toml: settings"}
    assert values["seed"] == {"value": 0, "from": "default"}
    assert values["max-ratio"]["value"] == 200
    assert entry.main(["config", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "file": "pyproject.toml",
        "values": {
            key: {"value": value, "from": "pyproject.toml"}
            for key, value in {
                "logs": ["logs/ag2"],
                "method": "constant",
                "settings.step": 2,
            }.items()
        },
    }
    assert entry.main(["config"]) == 0
    assert "settings.step" in capfd.readouterr().out
    assert entry.main(["config", "export"]) == 2
    assert "traces or verdicts" in capfd.readouterr().err
    toml(tmp_path / "tracekit.toml", "")
    assert entry.main(["config"]) == 0
    assert capfd.readouterr() == ("", "tracekit.toml says nothing\n")


@pytest.mark.usefixtures("project")
def test_the_doctor_finds_mistakes_in_it(tmp_path, capfd):
    def looked():
        entry.main(["doctor", "--json"])
        found = json.loads(capfd.readouterr().out)
        return next(one for one in found if one["what"] == "configuration")

    assert looked()["level"] == "fine"
    toml(tmp_path / "tracekit.toml", "gates = {}\n")
    assert looked()["level"] == "wrong"
    assert "did you mean 'gate'?" in looked()["found"]


def test_a_file_to_follow_and_a_store_go_before_what_is_configured(tmp_path, monkeypatch, capfd):
    toml(tmp_path / "tracekit.toml", 'logs = ["logs"]\ncache = "calls.db"\n')
    monkeypatch.chdir(tmp_path)
    assert entry.main(["score", "--follow", "none.jsonl", "--until-idle", "0"]) != 2
    assert "name logs to score" not in capfd.readouterr().err
    asked = ["attribute", "x", "-m", "judge:mast", "--model", "m", "--replay", "none.db"]
    assert entry.main(asked) != 2
    assert "only one of them" not in capfd.readouterr().err


LINES = [
    (["score", "logs/ag2", "--below", "0.001"], {"values": "prm"}),
    (["rank", "logs/ag2", "--weight", "one"], {"weight": "one", "values": "prm"}),
    (["influence", "logs/ag2"], {}),
    (
        ["search", "--system", "tracekit.replay.sandbox.system:Sandbox", "-n", "1", "-m", "single"],
        {
            "method": "single",
            "seed": 0,
            "n": 1,
            "values": "prm",
            "system": "tracekit.replay.sandbox.system:Sandbox",
        },
    ),
]


@pytest.mark.parametrize(("args", "held"), LINES, ids=[args[0] for args, _ in LINES])
@pytest.mark.usefixtures("project")
def test_lines_say_what_they_were_made_with(capfd, args, held):
    told = lines(capfd, *args)
    assert told
    for line in told:
        assert line["config"] == {"tracekit": __version__, **held}


@pytest.mark.parametrize("text", ["metod = 1", "[attribute]\ntpo = 3", "a = "])
def test_help_needs_no_sound_configuration(tmp_path, monkeypatch, capfd, text):
    toml(tmp_path / "tracekit.toml", text)
    monkeypatch.chdir(tmp_path)
    for asked in ("-h", "--help"):
        assert entry.main(["attribute", asked]) == 0
        assert "--outcome-from" in capfd.readouterr().out
    assert entry.main(["attribute", "x"]) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[attribute]\ntpo = 3", "did you mean 'attribute.top'?"),
        ("seed = -4", "seed: "),
        ('[eval]\nprotocol = "nope"', "known are folds and lodo"),
        ('[gate]\nfail-on = ["any-failur"]', "did you mean 'any-failure'?"),
        ('[retry]\nfrom = "nowhere"', "retry.from: 'nowhere' is not one of"),
        ('[score]\nbelow = "low"', "score.below: "),
        ('method = "lineer"', "linear"),
        ('price = "nan,1"', "--price nan,1"),
    ],
)
def test_a_value_that_no_command_takes_is_told(tmp_path, monkeypatch, capfd, text, says):
    toml(tmp_path / "tracekit.toml", text)
    monkeypatch.chdir(tmp_path)
    for args in (["config"], ["config", "gate"]):
        assert entry.main(args) == 2
        told = capfd.readouterr().err
        assert "tracekit.toml: " in told
        assert says in told
    assert entry.main(["doctor", "--json"]) == 1
    found = {one["what"]: one for one in json.loads(capfd.readouterr().out)}["configuration"]
    assert found["level"] == "wrong"
    assert says in found["found"]


def test_values_are_those_that_a_command_takes(tmp_path, monkeypatch, capfd):
    toml(
        tmp_path / "tracekit.toml",
        '[attribute]\ntop = "3"\nhtml = "r.html"\n[retry]\nfrom = "step"\n',
    )
    monkeypatch.chdir(tmp_path)
    for command, held in (("attribute", {"top": 3, "html": "r.html"}), ("retry", {"from": "step"})):
        assert entry.main(["config", command, "--json"]) == 0
        values = json.loads(capfd.readouterr().out)["values"]
        assert {name: values[name]["value"] for name in held} == held
