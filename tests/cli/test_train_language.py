"""`tracekit train prm --backbone`: a language model made here, from the command line to its use."""

import json
import re
import shlex
import shutil
from pathlib import Path

import msgspec
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from tracekit.analyzers.models import load_values, weights_id  # noqa: E402
from tracekit.context import Context  # noqa: E402
from tracekit.folds import fingerprint  # noqa: E402
from tracekit.ingest.journal import JOURNAL, Instalment  # noqa: E402
from tracekit.store import write_traces  # noqa: E402
from tracekit.testing.hub_server import HubServer  # noqa: E402
from tracekit.testing.traces import make_trace  # noqa: E402
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace  # noqa: E402
from tracekit_models.publishable import check_folder  # noqa: E402

ROOT = Path(__file__).parents[2]
WORDS = ["[PAD]", "[END]", "Task", ":", "How", "many", "sails", "right", "wrong", "so", "A", "B"]
HOW = ("--lora", 4, "--epochs", 12, "--rate", 0.01, "--length", 64)


def run_of(number):
    good = number % 2 == 0
    texts = ["so many sails", "right" if good else "wrong", "so"]
    return make_trace(
        f"run-{number}",
        zip("ABA", texts, strict=True),
        task=Task(question=f"How many sails has boat {number // 2}?"),
        outcome=Outcome(status="success" if good else "failure"),
    )


RUNS = [run_of(n) for n in range(24)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    write_traces(RUNS, path)
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder as the Hub holds them: Qwen3 with 21 thousand weights, and a tokenizer of words."""
    folder = tmp_path_factory.mktemp("base")
    core = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[PAD]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="[END]", pad_token="[PAD]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, intermediate_size=64,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=128,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(logs, base, tmp_path_factory):
    from tracekit_cli import entry

    target = tmp_path_factory.mktemp("model") / "prm"
    args = ("train", "prm", logs, "-o", target, "--backbone", base, *HOW, "--license", "mit", "-q")
    assert entry.main([str(arg) for arg in args]) == 0
    return target


def ends(done):
    assert done.code == 0, done.err
    return [json.loads(line)["steps"][-1]["value"] for line in done.out.splitlines()]


def test_a_folder_scores_ranks_and_blames(run, logs, folder, tmp_path):
    found = ends(run("score", logs, "--model", folder, "--json", "-q"))
    assert min(found[0::2]) > max(found[1::2])
    one = tmp_path / "one.jsonl"
    write_traces(RUNS[:2], one)
    ranked = run("rank", one, "--model", folder, "--json", "-q")
    assert ranked.code == 0, ranked.err
    assert "run-0" in ranked.out.partition("run-1")[0]
    blamed = run("attribute", one, "--method", "value-drop", "--model", folder, "--json", "-q")
    assert blamed.code == 0, blamed.err
    verdict = json.loads(blamed.out.splitlines()[1])
    assert verdict["suspects"][0]["step"] == 1
    assert verdict["method"]["model"] == weights_id(folder)


def test_a_search_is_guided(run, folder):
    done = run(
        "search", "--system", "tracekit.replay.sandbox.system:Sandbox", "-n", 1, "--method", "beam",
        "--set", "beams=2", "--set", "tries=2", "--model", folder, "--json", "-q",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[0])["meter"]["scored"] > 0


def test_the_folder_holds_data_and_a_card(folder, base):
    names = check_folder("prm", folder)
    assert names == [
        "README.md", "backbone.json", "config.json", "familiar.safetensors", "fingerprints.txt",
        "prm-language.json", "tokenizer.json", "weights-1.safetensors",
    ]  # fmt: skip
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert "4 of the 12 problems were held out" in card
    assert "too few to calibrate" in card
    assert re.search(r"\| prm \| .*\| 1\.000 \(1\.000 to 1\.000\) \|", card), "right or wrong"
    assert "Calibration error after the last step" in card
    assert re.search(r"SHA-256 [0-9a-f]{64}", card)
    assert str(base) not in "".join((folder / name).read_text() for name in names if "." in name
                                    and not name.endswith("safetensors"))  # fmt: skip


def test_strange_runs_are_doubted(folder):
    values = load_values(folder)
    assert values.doubts(RUNS[0]) == ()
    steps = tuple(Step(i, "Z", content=f"Error {i}: 7 * 8 = {i} ```x``` ?" * 30) for i in range(12))
    odd = Trace("odd", Source(format="odd"), Task("Why? 3 % of 4/5" * 9), (Agent("Z", "Z"),), steps)
    (said,) = values.doubts(odd)
    assert said.startswith("unlike the runs")


def test_the_same_run_trains_the_same_weights(run, logs, base, folder, tmp_path):
    again = tmp_path / "again"
    args = (*HOW, "--license", "mit", "--json")
    done = run("train", "prm", logs, "-o", again, "--backbone", base, *args)
    assert done.code == 0, done.err
    assert "Loading" not in done.err, "bars of the libraries are not ours"
    said = json.loads(done.out)
    assert said["config"]["kind"] == "prm-language"
    assert said["evaluation"]["auroc"][-1]["value"] == 1.0
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--lora", 4), "--lora is for a language model"),
        (("--backbone", "nowhere"), "no such folder"),
        (("--backbone", "BASE", "--loss", "hinge"), "known are bce"),
        (("--backbone", "BASE", "--length", 256), "reads 128 tokens at most"),
        (("--backbone", "BASE", "--folds", 9), "fewer than the 4"),
    ],
)
def test_what_cannot_be_is_refused(run, logs, base, tmp_path, args, said):
    args = [base if arg == "BASE" else arg for arg in args]
    done = run("train", "prm", logs, "-o", tmp_path / "m", *args)
    assert (done.code, said in done.err) == (2, True), done.err
    assert not (tmp_path / "m").exists()


def test_only_prm_has_a_backbone(run, logs, base, tmp_path):
    done = run("train", "linear", logs, "-o", tmp_path / "m", "--backbone", base)
    assert (done.code, "are for prm" in done.err) == (2, True)


def test_pickled_weights_are_refused(run, logs, base, tmp_path):
    copy = tmp_path / "base"
    shutil.copytree(base, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save({}, copy / "pytorch_model.bin")
    done = run("train", "prm", logs, "-o", tmp_path / "m", "--backbone", copy)
    assert done.code == 3
    assert "the backbone does not load" in done.err


@pytest.fixture
def hub(monkeypatch, no_proxy, tmp_path):
    """The real client of the Hub, in this process, against a server on loopback."""
    from huggingface_hub import constants

    with HubServer() as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + template)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # httpx, of the client
def test_a_model_goes_to_the_hub_and_comes_back(run, hub, logs, folder, tmp_path):
    assert run("push", "prm", folder, "ada/values").code == 0
    assert run("pull", "prm", "ada/values", "-o", tmp_path / "copy").code == 0
    for path in folder.iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()
    here, there = (
        ends(run("score", logs, "--model", model, "--json", "-q"))
        for model in (folder, "ada/values@main")
    )
    assert here == there
    hub.corrupt.add("weights-1.safetensors")
    shutil.rmtree(tmp_path / "cache")
    damaged = run("pull", "prm", "ada/values", "-o", tmp_path / "other")
    assert (damaged.code, "arrived damaged" in damaged.err) == (3, True)


BUILD = """
from tracekit.replay.sandbox.system import Sandbox


def build():
    return Sandbox("arithmetic", "chain")
"""


def documented():
    """The commands of the page on values that train a language model and use it."""
    page = (ROOT / "docs" / "prm.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(tracekit train .*?)```", page, re.DOTALL)
    return [shlex.split(line)[1:] for line in block.splitlines()]


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_the_page_on_a_backbone_of_the_hub(run, hub, logs, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commit = hub.publish("Qwen/Qwen3-0.6B", {p.name: p.read_bytes() for p in base.iterdir()})
    for name in ("own.jsonl", "runs.jsonl", "candidates.jsonl"):
        shutil.copy(logs, name)
    Path("candidates.py").write_text(BUILD)
    one = RUNS[0]
    lines = [Instalment(schema=JOURNAL, id=one.id, source=one.source, task=one.task)]
    lines += [Instalment(agents=one.agents, steps=one.steps), Instalment(outcome=one.outcome)]
    Path("journal.jsonl").write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in lines))
    train, *rest = documented()
    assert len(rest) == 7
    done = run(*train)
    assert done.code == 0, done.err
    settings = json.loads(Path("my-language-values", "prm-language.json").read_text())
    assert settings["base"] == f"Qwen/Qwen3-0.6B@{commit}"
    assert not Path("my-language-values", "backbone.json").exists()
    start = len(hub.requests)
    for command in rest:
        if command[0] == "push":
            assert hub.requests[start:] == [], "the commit lies in the cache"
        done = run(*command)
        assert done.code == 0, (command, done.err)
        assert done.out, command
    fitted = load_values("my-language-values").fit(RUNS, Context(seed=1))
    assert fitted.language.settings.base == settings["base"]
    assert fitted.seen() == {fingerprint(trace) for trace in RUNS}
