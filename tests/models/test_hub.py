"""The real client of the Hub against a server on loopback: publish, pin, fetch, verify, refuse."""

import hashlib
import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from tracekit.analyzers.linear import Linear, shipped
from tracekit.analyzers.models import save_model
from tracekit.prm.model import Prm
from tracekit.testing.hub_server import HubServer

CARD = "---\nlicense: apache-2.0\nlibrary_name: mas-tracekit\n---\n# A model\n"
WEIGHTS = bytes(range(256)) * 10_000
"""2.56 MB with NUL bytes: a large file."""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def hub():
    with HubServer(part_size=1_000_000) as server:
        yield server


@pytest.fixture
def tracekit(hub, tmp_path):
    """The command line in a process of its own, with a cache of its own."""

    def call(*args, token=hub.token, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRACEKIT"))}
        clean |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
        }
        clean |= {"HF_HUB_DISABLE_TELEMETRY": "1"} | ({"HF_TOKEN": token} if token else {}) | env
        done = subprocess.run(
            [sys.executable, "-m", "tracekit_cli", *map(str, args)],
            capture_output=True, text=True, cwd=tmp_path, env=clean, timeout=120, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def linear(tmp_path):
    folder = tmp_path / "linear"
    save_model(Linear(shipped()), folder, definition="decisive", card=CARD)
    return folder


@pytest.fixture
def prm(tmp_path):
    folder = tmp_path / "prm"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text('{"model_type": "prm"}')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


def without_config(done):
    """What was found, without which model the command named."""
    found = [json.loads(line) for line in done.out.splitlines()]
    assert all(line.pop("config") for line in found)
    return found


def paths(hub, start=0):
    return [f"{request.method} {request.path}" for request in hub.requests[start:]]


def test_a_round_trip_of_a_model(hub, tracekit, linear, tmp_path):
    pushed = tracekit("push", "linear", linear, "ada/boats", "--json")
    assert pushed.code == 0, pushed.err
    commit = json.loads(pushed.out)["commit"]
    stored = hub.repos["model", "ada/boats"].commits[commit]
    assert {name: blob.data for name, blob in stored.items()} == {
        path.name: path.read_bytes() for path in linear.iterdir()
    }
    pulled = tracekit("pull", "linear", "ada/boats", "-o", tmp_path / "copy", "--json")
    assert pulled.code == 0, pulled.err
    said = json.loads(pulled.out)
    assert (said["commit"], said["licence"], said["revision"]) == (commit, "apache-2.0", "main")
    for path in linear.iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()


def test_large_files_go_in_parts_and_come_back_whole(hub, tracekit, prm, tmp_path):
    assert tracekit("push", "prm", prm, "ada/prm").code == 0
    oid = hashlib.sha256(WEIGHTS).hexdigest()
    assert [p for p in paths(hub) if p.startswith("PUT")] == [
        f"PUT /lfs/{oid}/{n}" for n in (1, 2, 3)
    ]
    assert f"POST /lfs/{oid}" in paths(hub)
    assert tracekit("pull", "prm", "ada/prm", "-o", tmp_path / "copy").code == 0
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == WEIGHTS


def test_how_a_tracer_is_to_be_asked_goes_with_it(tracekit, prm, tmp_path):
    (prm / "config.json").unlink()
    (prm / "tracer.json").write_text('{"recipe": "r"}')
    assert tracekit("push", "tracer", prm, "ada/tracer").code == 0
    assert tracekit("pull", "tracer", "ada/tracer", "-o", tmp_path / "copy").code == 0
    assert (tmp_path / "copy" / "tracer.json").read_text() == '{"recipe": "r"}'


def test_the_same_bytes_again_are_no_new_commit(hub, tracekit, prm):
    first = json.loads(tracekit("push", "prm", prm, "ada/prm", "--json").out)["commit"]
    start = len(hub.requests)
    assert json.loads(tracekit("push", "prm", prm, "ada/prm", "--json").out)["commit"] == first
    assert not [p for p in paths(hub, start) if p.startswith("PUT")]
    assert len(hub.repos["model", "ada/prm"].commits) == 2, "the empty one and ours"


def test_revisions_are_pinned(hub, tracekit, linear, tmp_path):
    old = json.loads(tracekit("push", "linear", linear, "ada/boats", "--json").out)["commit"]
    (linear / "README.md").write_text(CARD + "better\n")
    again = ("push", "linear", linear, "ada/boats", "--revision", "v2", "--json")
    new = json.loads(tracekit(*again).out)["commit"]
    assert hub.repos["model", "ada/boats"].refs == {"main": old, "v2": new}
    pull = ("pull", "linear", "ada/boats", "--json", "--revision")
    found = {rev: json.loads(tracekit(*pull, rev).out) for rev in ("main", "v2", old)}
    assert [found[rev]["commit"] for rev in ("main", "v2", old)] == [old, new, old]
    assert (tmp_path / found["v2"]["folder"] / "README.md").read_text().endswith("better\n")
    missing = tracekit(*pull, "v3")
    assert (missing.code, missing.out) == (2, "")
    assert "it has no revision 'v3'" in missing.err


def test_the_cache_answers_offline_and_nothing_is_asked(hub, tracekit, linear):
    tracekit("push", "linear", linear, "ada/boats")
    early = tracekit("pull", "linear", "ada/boats", HF_HUB_OFFLINE="1")
    assert early.code == 4
    assert "not in the cache" in early.err
    online = tracekit("pull", "linear", "ada/boats")
    assert online.code == 0
    start = len(hub.requests)
    offline = tracekit("pull", "linear", "ada/boats", HF_HUB_OFFLINE="1")
    assert (offline.code, offline.out) == (0, online.out)
    commit = online.out.splitlines()[0].partition("@")[2]
    pinned = tracekit("pull", "linear", "ada/boats", "--revision", commit)
    assert pinned.out == online.out
    assert paths(hub, start) == []


def test_a_model_on_the_hub_attributes(hub, tracekit, linear, tmp_path):
    tracekit("push", "linear", linear, "ada/boats")
    log = tmp_path / "run.txt"
    log.write_text('[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}]')
    (tmp_path / "run.json").write_text(log.read_text())
    here = tracekit("attribute", "run.json", "--model", linear, "--json", "-q")
    there = tracekit("attribute", "run.json", "--model", "ada/boats@main", "--json", "-q")
    assert here.code == 0, here.err
    assert without_config(there) == without_config(here)
    start = len(hub.requests)
    assert tracekit("attribute", "run.json", "--json", "-q").code == 0
    assert paths(hub, start) == [], "no socket without a repository"


def test_values_on_the_hub_score(hub, tracekit, tmp_path):
    folder = tmp_path / "values"
    save_model(Prm(), folder, definition="outcome-only", card=CARD)
    assert tracekit("push", "prm", folder, "ada/values").code == 0
    assert tracekit("push", "linear", folder, "ada/values").code == 3
    log = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}]
    (tmp_path / "run.json").write_text(json.dumps(log))
    here = tracekit("score", "run.json", "--model", folder, "--json", "-q")
    there = tracekit("score", "run.json", "--model", "ada/values", "--json", "-q")
    shipped = tracekit("score", "run.json", "--json", "-q")
    assert here.code == 0, here.err
    assert without_config(there) == without_config(here) == without_config(shipped)
    hub.corrupt.add("prm.safetensors")
    damaged = tracekit("score", "run.json", "--model", "ada/values", HF_HOME=str(tmp_path / "new"))
    assert damaged.code == 3
    assert "damaged" in damaged.err


def test_without_a_token_nothing_is_sent(hub, tracekit, linear):
    done = tracekit("push", "linear", linear, "ada/boats", token=None)
    assert done.code == 4
    assert "set HF_TOKEN" in done.err
    assert hub.requests == []


def test_a_wrong_token_is_said(hub, tracekit, linear):
    done = tracekit("push", "linear", linear, "ada/boats", token="hf_wrong")
    assert done.code == 4
    assert "401" in done.err
    assert "the token is missing, wrong or may not write" in done.err
    assert "hf_wrong" not in done.err
    assert hub.repos == {}


def test_private_repositories_need_the_token(hub, tracekit, linear):
    assert tracekit("push", "linear", linear, "ada/boats", "--private").code == 0
    assert hub.repos["model", "ada/boats"].private
    assert tracekit("pull", "linear", "ada/boats").code == 0
    refused = tracekit("pull", "linear", "ada/boats", token=None, HF_HOME="elsewhere")
    assert refused.code == 4
    assert "no such repository, or a private one" in refused.err


def test_private_data_is_not_pushed_to_a_public_repository(hub, tracekit, linear):
    hub.publish("ada/boats", {"README.md": b"open"})
    done = tracekit("push", "linear", linear, "ada/boats", "--private")
    assert done.code == 2
    assert "is public; nothing was sent" in done.err
    assert len(hub.repos["model", "ada/boats"].commits) == 1


def test_what_is_not_there(hub, tracekit):
    done = tracekit("pull", "linear", "ada/nothing")
    assert done.code == 4
    assert "no such repository" in done.err


def test_a_hub_that_is_down(tracekit):
    done = tracekit("pull", "linear", "ada/boats", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.code == 4
    assert "cannot be reached" in done.err


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_damaged_bytes_are_found_and_thrown_away(hub, tracekit, prm, tmp_path, name):
    tracekit("push", "prm", prm, "ada/prm")
    hub.corrupt.add(name)
    done = tracekit("pull", "prm", "ada/prm", "-o", tmp_path / "copy")
    assert done.code == 3
    assert f"{name} arrived damaged" in done.err
    assert not (tmp_path / "copy").exists()
    hub.corrupt.clear()
    assert tracekit("pull", "prm", "ada/prm", "-o", tmp_path / "copy").code == 0
    assert (tmp_path / "copy" / name).read_bytes() == (prm / name).read_bytes()


def test_a_download_that_breaks_off_goes_on(hub, tracekit, prm, tmp_path):
    tracekit("push", "prm", prm, "ada/prm")
    hub.cut["model.safetensors"] = 1_000_000
    done = tracekit("pull", "prm", "ada/prm", "-o", tmp_path / "copy")
    if done.code:  # the client did not try again by itself
        done = tracekit("pull", "prm", "ada/prm", "-o", tmp_path / "copy")
    assert done.code == 0, done.err
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_data_set(hub, tracekit, tmp_path):
    folder = tmp_path / "runs"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "data" / "train.jsonl").write_text("{}\n")
    (folder / "data" / "more.parquet").write_bytes(b"PAR1\0")
    assert tracekit("push", "dataset", folder, "ada/runs").code == 0
    assert ("dataset", "ada/runs") in hub.repos
    assert tracekit("pull", "dataset", "ada/runs", "-o", "copy").code == 0
    assert (tmp_path / "copy" / "data" / "more.parquet").read_bytes() == b"PAR1\0"
    assert tracekit("pull", "dataset", "ada/runs", "-o", "copy").code == 2, "not empty"


def test_a_hostile_repository_is_not_fetched(hub, tracekit, tmp_path):
    files = {"README.md": CARD.encode(), "config.json": b"{}", "model.safetensors": b"x"}
    hub.publish("eve/evil", {**files, "model.pkl": b"boom", "run.py": b"boom"})
    assert tracekit("pull", "prm", "eve/evil", "-o", "copy").code == 0
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == sorted(files)
    assert not [p for p in paths(hub) if p.endswith(("model.pkl", "run.py"))]
    hub.publish("eve/worse", {**files, "../../escape.json": b"{}"})
    refused = tracekit("pull", "prm", "eve/worse", "-o", "other")
    assert refused.code == 3
    assert "outside its folder" in refused.err


def test_a_kind_must_be_what_it_says(hub, tracekit, linear, prm):
    tracekit("push", "linear", linear, "ada/boats")
    done = tracekit("pull", "prm", "ada/boats")
    assert done.code == 3
    assert "not a prm" in done.err
