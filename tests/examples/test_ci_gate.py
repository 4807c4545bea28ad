"""The sample repository's CI, and the action, run as GitHub's runner would run them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "ci-gate"
INSTALL = "pip install mas-tracekit pytest"


class Ran(NamedTuple):
    code: int
    out: str
    summary: str
    output: str


@pytest.fixture
def checkout(tmp_path):
    """A fresh copy of what git knows of the sample."""
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=SAMPLE, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, known):
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / name, tmp_path / "repo" / name)
    return tmp_path / "repo"


@pytest.fixture
def runner(checkout, tmp_path):
    """Runs one step's commands with the shell and the variables that GitHub gives."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, module in (("tracekit", "tracekit_cli"), ("pytest", "pytest"), ("python", "")):
        called = f"-m {module} " if module else ""
        (bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {called}"$@"\n')
        (bin / name).chmod(0o755)

    def step(script, folder=checkout, **more):
        files = {name: tmp_path / name for name in ("summary", "output")}
        for file in files.values():
            file.write_text("")
        env = {
            **os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "CI": "true",
            "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(checkout),
            "GITHUB_STEP_SUMMARY": str(files["summary"]), "GITHUB_OUTPUT": str(files["output"]),
            "PYTEST_ADDOPTS": "-p no:cacheprovider", **more,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        told = {name: file.read_text() for name, file in files.items()}
        return Ran(done.returncode, done.stdout + done.stderr, told["summary"], told["output"])

    return step


def job(checkout, runner):
    """The job of the workflow: its steps in order, to the first that fails; by name."""
    workflow = yaml.safe_load((checkout / ".github/workflows/agents.yml").read_text())
    ran = {}
    for step in workflow["jobs"]["runs"]["steps"]:
        if "run" in step and step["run"] != INSTALL:
            ran[step["name"]] = runner(step["run"])
            if ran[step["name"]].code:
                break
    return ran


def test_the_gate_is_red_with_a_reason_and_green_after_the_fix(checkout, runner):
    ran = job(checkout, runner)
    assert list(ran) == ["Run the team", "Gate"]
    gate = ran["Gate"]
    assert gate.code == 1
    assert "gate FAILED: new-failures" in gate.out
    assert "lighthouse: 1 of 1 run failed; 0 of 1 run in the baseline" in gate.out
    assert re.search(r"\w+ at step \d most likely broke the run \(\d+ %\)", gate.out)
    assert "runs/lighthouse.json#/history/" in gate.out
    assert "new-failures: island" not in gate.out  # known
    assert gate.out.count("\n::error file=runs/") == 2
    assert "| new-failures | mill: 1 of 1 run failed" in gate.summary
    sarif = json.loads((checkout / "tracekit.sarif").read_text())
    assert len(sarif["runs"][0]["results"]) == 3
    subprocess.run(["git", "apply", "fix.diff"], cwd=checkout, check=True)
    ran = job(checkout, runner)
    assert list(ran) == ["Run the team", "Gate", "Test the runs"]
    assert {step.code for step in ran.values()} == {0}
    assert "gate passed" in ran["Gate"].out
    assert "### tracekit: gate passed" in ran["Gate"].summary
    assert "4 passed" in ran["Test the runs"].out


def test_the_tests_are_red_for_the_same_reason(checkout, runner):
    assert runner("python team.py").code == 0
    ran = runner("pytest --tracekit")
    assert ran.code == 1
    assert "AssertionError: gate FAILED: new-failures" in ran.out
    assert "1 failed, 3 passed" in ran.out


def test_the_baseline_is_that_of_the_fixed_team(checkout, runner):
    """What failed, that is; whom the verdicts blame may change with the method."""

    def counts():
        known = json.loads((checkout / "baseline.json").read_text())
        made = {name: value for name, value in known["config"].items() if name != "tracekit"}
        cases = known["cases"].items()
        return made, {id: (case["name"], case["runs"], case["failures"]) for id, case in cases}

    before = counts()
    subprocess.run(["git", "apply", "fix.diff"], cwd=checkout, check=True)
    assert runner("python team.py && tracekit gate --accept").code == 0
    assert counts() == before
    assert sum(failures for _, _, failures in before[1].values()) == 1


def action(runner, **inputs):
    """The composite action with these inputs; nothing is installed."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    given = {name: spec["default"] for name, spec in action["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()} | {"install": ""}

    def filled(text):
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)

    assert action["runs"]["using"] == "composite"
    (_, step) = action["runs"]["steps"]
    assert "${{" not in step["run"]  # an input in a script is a command of a stranger
    env = {name: filled(value) for name, value in step["env"].items()}
    return runner(step["run"], **env)


def test_the_action(checkout, runner):
    runner("python team.py")
    ran = action(runner)
    assert ran.code == 1
    assert ran.output == "passed=false\nsarif=./tracekit.sarif\n"
    assert "### tracekit: gate FAILED" in ran.summary
    ran = action(runner, logs="runs/island.json\n", fail_on="new-failures", sarif="x.sarif")
    assert ran.code == 0
    assert ran.output == "passed=true\nsarif=./x.sarif\n"
    assert (checkout / "x.sarif").exists()
    ran = action(runner, baseline="$(touch owned)`touch owned`", method='"; touch owned; "')
    assert ran.code == 2
    assert not (checkout / "owned").exists()
