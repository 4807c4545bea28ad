"""Base, supervised fine-tuning, rewards, and the controls beside them, on failures never seen.

    tracekit inject --n 20000 --natural --no-leaks --seed 7 -o out/injected
    python benchmarks/tracer_stages.py prepare --data out/injected --out out/stages
    python benchmarks/tracer_stages.py pages --out out/stages --workers 8
    python benchmarks/tracer_stages.py run --out out/stages --recipe models/recipes/scratch.yaml
    python benchmarks/tracer_stages_report.py table --out out/stages

One base is trained; then, for every seed, four arms: `sft` (stopped at its validation optimum),
`grpo` from there, and two controls from there too. `continued` goes on with supervised training for
as many passes through the model as GRPO makes; `rejection` draws as many answers as GRPO does, with
its temperature, and is trained on the right ones as often as GRPO updates on an answer. All arms
share the data, the split and the choice of weights by held-out questions.

Three sets of failures that no stage has seen, base and tokenizer included: other questions in
systems like those of training; the topology and the family of tasks named below, which are left out
of training altogether. Answers are written greedily and read strictly; nothing is constrained, so
that an answer that cannot be read is seen, and counts as wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from tracer_stages_report import ARMS, SETS, samples_of

from tracekit.analyzers.judges.shown import Shown
from tracekit.analyzers.tracer.prompt import whole
from tracekit.eval.benchmarks.injected import place
from tracekit.folds import question_key
from tracekit.ingest.pipeline import load
from tracekit.store import read_traces, write_traces
from tracekit.trace import Label, Trace
from tracekit_models.tracer import grpo, sft
from tracekit_models.tracer.base import blocks, named, pretrain, tokenizer, words_of
from tracekit_models.tracer.data import Sample, chosen, ordered, samples, split
from tracekit_models.tracer.draw import by_graph
from tracekit_models.tracer.evaluate import score
from tracekit_models.tracer.local import Local
from tracekit_models.tracer.recipe import Recipe, Scratch, read
from tracekit_models.tracer.rejection import accepted
from tracekit_models.tracer.train import counter, kept, transcript

UNSEEN_TOPOLOGY, UNSEEN_FAMILY = "blackboard", "scheduling"
"""Left out of training; the last of each list, settled before anything was trained."""
HELD_OUT = 0.15
"""Share of the questions that are kept for the first set."""
CASES = 700
"""Most failures of each set."""
VALIDATION = (512, 64)
"""Held-out runs that supervised training and training on rewards stop by."""


def prepare(given: argparse.Namespace) -> None:
    """Split a data set: runs to train on, and three sets of failures to be judged by."""
    parts: dict[str, list[Trace]] = {name: [] for name in ("train", *SETS)}
    traces = [trace for path in given.data for trace in load(path)]
    questions = sorted({question_key(trace) for trace in traces})
    random.Random(0).shuffle(questions)
    kept = set(questions[: round(HELD_OUT * len(questions))])
    for trace in traces:
        family, topology = place(trace)
        new = (family == UNSEEN_FAMILY, topology == UNSEEN_TOPOLOGY)
        if not any(new):
            parts["questions" if question_key(trace) in kept else "train"].append(trace)
        elif new == (True, False):
            parts["family"].append(trace)
        elif new == (False, True):
            parts["topology"].append(trace)
    given.out.mkdir(parents=True, exist_ok=True)
    _text(given, parts["train"])
    for name, runs in parts.items():
        labelled = [trace for trace in runs if trace.failed and chosen(trace)]
        random.Random(1).shuffle(labelled)
        kept = runs if name == "train" else labelled
        print(name, len(labelled), write_traces(kept, given.out / f"{name}.jsonl.gz"))


def pages(given: argparse.Namespace) -> None:
    """What the model reads of every labelled run; those that do not fit uncut are left out."""
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for name in ("train", *SETS):
            runs = [run for run in read_traces(given.out / f"{name}.jsonl.gz") if chosen(run)]
            jobs = [(given, runs[i : i + 200]) for i in range(0, len(runs), 200)]
            found = [one for some in pool.map(_paged, jobs) for one in some]
            found = found if name == "train" else found[: given.cases]
            lines = b"".join(msgspec.json.encode(one) + b"\n" for one in found)
            (given.out / f"{name}-pages.jsonl").write_bytes(lines)
            write_traces(map(_labelled, found), given.out / f"short-{name}.jsonl.gz")
            print(name, len(runs), len(found))


def _labelled(sample: Sample) -> Trace:
    """The run of a sample with its label, for tracer_planted.py."""
    label = Label("decisive", sample.agent, sample.step, annotator="tracekit:replay")
    return msgspec.structs.replace(sample.trace, labels=(label,))


def _paged(job: tuple[argparse.Namespace, list[Trace]]) -> list[Sample]:
    given, runs = job
    budget = _recipe(given).prompt.budget
    count = counter(words_of(given.out / "words"))
    short = [run for run in runs if whole(Shown(run), count) <= budget]
    return list(samples(short, budget, count))


def _text(given: argparse.Namespace, train: Sequence[Trace]) -> None:
    """The tokenizer of all stages and the blocks that the base reads, of what is trained on."""
    scratch = _recipe(given).base
    assert isinstance(scratch, Scratch)
    texts = [text for trace in train for text in transcript(trace)]
    words = tokenizer(texts, scratch.vocabulary)
    words.save_pretrained(str(given.out / "words"))
    np.save(given.out / "blocks.npy", blocks(texts, words, scratch.context))


def _recipe(given: argparse.Namespace, seed: int = 0) -> Recipe:
    recipe = read(given.recipe, seed=seed)
    return _tiny(recipe) if given.tiny else recipe


def run(given: argparse.Namespace) -> None:
    """Every stage of every seed as a process of its own, shared out over the GPUs that are there."""
    given.out.mkdir(parents=True, exist_ok=True)
    _wait([_start(given, "stage", "base", "--seed", "0", gpu=0)])
    _all(given, ("sft",))
    _all(given, tuple(arm for arm in ARMS if arm != "sft"))


def _all(given: argparse.Namespace, arms: Sequence[str]) -> None:
    gpus = max(1, given.gpus)
    jobs = [(arm, seed) for arm in arms for seed in range(given.seeds)]
    _wait(
        [
            _start(given, "stage", arm, "--seed", str(seed), gpu=number % gpus)
            for number, (arm, seed) in enumerate(jobs)
        ]
    )


def _start(given: argparse.Namespace, *words: str, gpu: int) -> tuple[str, subprocess.Popen[bytes]]:
    command = [sys.executable, __file__, *words, "--out", str(given.out)]
    command += ["--recipe", str(given.recipe), *(["--tiny"] if given.tiny else [])]
    log = given.out / ("-".join(words[1:]).replace("---seed", "") + ".log")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu), "OMP_NUM_THREADS": "4"}
    with log.open("wb") as file:
        started = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    return log.name, started


def _wait(started: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    failed = [name for name, process in started if process.wait()]
    if failed:
        raise SystemExit(f"failed, see the logs: {', '.join(failed)}")


def stage(given: argparse.Namespace) -> None:
    """One stage of one seed, and its answers to the three sets."""
    started = time.perf_counter()
    work = Work(given)
    took: dict[str, float] = {}
    folder = getattr(work, given.arm)(took)
    took["stage"] = time.perf_counter() - started
    if given.arm != "base":
        work.judge(folder, given.arm)
        took["judged"] = time.perf_counter() - started - took["stage"]
    (folder / "took.json").write_bytes(msgspec.json.encode(took))


class Work:
    """The data of a seed as samples, and what each stage does with them."""

    def __init__(self, given: argparse.Namespace) -> None:
        recipe = _recipe(given, given.seed)
        self.recipe = _plain(recipe) if given.plain else recipe
        self.tiny: bool = given.tiny
        self.plain: bool = given.plain
        self.more: dict[str, Any] = {"use_cpu": True} if given.tiny else {}
        self.root: Path = given.out
        self.out: Path = given.out / f"seed{given.seed}"
        self.out.mkdir(parents=True, exist_ok=True)

    def base(self, took: dict[str, float]) -> Path:
        """The base of all seeds, from runs of training alone."""
        assert isinstance(self.recipe.base, Scratch)
        found = np.load(self.root / "blocks.npy")
        took["blocks"] = len(found)
        return pretrain(
            self.recipe.base,
            found,
            words_of(self.root / "words"),
            self.root / "base",
            precision=self.recipe.precision,
            seed=0,
            compiled=self.recipe.compiled,
            **self.more,
        )

    def sft(self, took: dict[str, float]) -> Path:
        """Supervised fine-tuning of the base, stopped at its validation optimum."""
        model, words = self._model(self.root / "base")
        train, held = self._samples()
        took["samples"] = len(train)
        return self._supervised(self.recipe, model, words, train, held, "sft")

    def grpo(self, took: dict[str, float]) -> Path:
        """Training on rewards, from the weights of `sft`."""
        model, words = self._model(self.out / "sft")
        train, held = self._samples()
        return grpo.train(
            self.recipe, model, words, train, held[: VALIDATION[1]], self.out / "grpo", **self.more
        )

    def continued(self, took: dict[str, float]) -> Path:
        """Supervised training goes on for as long as GRPO computes."""
        assert self.recipe.sft
        assert self.recipe.grpo
        model, words = self._model(self.out / "sft")
        train, held = self._samples()
        # An answer costs GRPO one forward pass to be drawn and three passes' worth to be learnt from.
        answers = self._answers() * 4 / 3
        how = msgspec.structs.replace(
            self.recipe.sft,
            max_steps=max(1, round(answers / self.recipe.sft.batch)),
            rate=self.recipe.sft.rate / 5,
            patience=100,
            evaluations=4,
        )
        took["steps"] = how.max_steps
        recipe = msgspec.structs.replace(self.recipe, sft=how, seed=self.recipe.seed + 100)
        return self._supervised(recipe, model, words, train, held, "continued")

    def rejection(self, took: dict[str, float]) -> Path:
        """Supervised training on the model's own right answers, as many drawn as GRPO draws."""
        assert self.recipe.sft
        assert self.recipe.grpo
        model, words = self._model(self.out / "sft")
        train, held = self._samples()
        writer = self._writer(model, words, self.recipe.grpo.temperature)
        runs = self.recipe.grpo.steps * self.recipe.grpo.batch
        asked = ordered(train, self.recipe.seed, runs)
        right, drawn = accepted(writer, asked, self.recipe.grpo, self.recipe.seed)
        if self.tiny:
            right = train[:4]  # a toy is never right
        if not right:
            raise SystemExit("not one of the answers drawn is right: there is nothing to train on")
        took |= {"drawn": drawn, "kept": len(right)}
        how = msgspec.structs.replace(
            self.recipe.sft,
            max_steps=max(1, round(self._answers() / self.recipe.sft.batch)),
            rate=self.recipe.sft.rate / 5,
            patience=100,
            evaluations=4,
        )
        recipe = msgspec.structs.replace(self.recipe, sft=how, seed=self.recipe.seed + 200)
        model, words = self._model(self.out / "sft")
        return self._supervised(recipe, model, words, right, held, "rejection")

    def judge(self, folder: Path, arm: str) -> None:
        """Answers to every set, one line each, greedily."""
        model, words = self._model(folder)
        writer = self._writer(model, words, 0.0)
        for name in SETS:
            pages = samples_of(self.root / f"{name}-pages.jsonl")
            found = score(writer, pages, self.recipe.seed)
            lines = b"".join(msgspec.json.encode(one) + b"\n" for one in found)
            (self.out / f"{arm}-{name}.jsonl").write_bytes(lines)

    def _supervised(
        self, recipe: Any, model: Any, words: Any, train: Any, held: Any, name: str
    ) -> Path:
        return sft.train(
            recipe,
            model,
            words,
            train,
            held[: VALIDATION[0]],
            self.out / name,
            dataset_num_proc=None if self.tiny else 8,
            **self.more,
        )

    def _answers(self) -> int:
        how = self.recipe.grpo
        assert how is not None
        return how.steps * how.batch * how.group

    def _model(self, folder: Path) -> tuple[Any, Any]:
        return named(str(folder), kept(self.recipe))

    def _writer(self, model: Any, words: Any, temperature: float) -> Any:
        assert self.recipe.grpo is not None
        settings = {
            "batch": 512,
            "constrained": False,
            "temperature": temperature,
            "max_tokens": self.recipe.grpo.completion,
        }
        if torch.cuda.is_available():
            model = model.to("cuda", torch.bfloat16)
            if not self.plain:
                by_graph(model)
        return Local(model, words, settings, "stages")

    def _samples(self) -> tuple[list[Sample], list[Sample]]:
        train, held = split(
            samples_of(self.root / "train-pages.jsonl"), self.recipe.held_out, self.recipe.seed
        )
        random.Random(self.recipe.seed).shuffle(held)
        return train, held


def _plain(recipe: Any) -> Any:
    """The recipe with nothing compiled, and answers drawn as transformers draws them."""
    replace = msgspec.structs.replace
    return replace(recipe, compiled=False, grpo=replace(recipe.grpo, draw="generate"))


def _tiny(recipe: Any) -> Any:
    """The recipe with a toy for a model and a few steps, for a CPU."""
    replace = msgspec.structs.replace
    return replace(
        recipe,
        base=replace(
            recipe.base, vocabulary=600, hidden=32, layers=2, heads=2, kv_heads=1, feed_forward=64,
            steps=2, tokens=recipe.base.context,
        ),
        precision="fp32",
        prompt=replace(recipe.prompt, budget=1200),
        sft=replace(recipe.sft, max_steps=2, batch=2, micro=2, evaluations=1),
        grpo=replace(recipe.grpo, steps=1, batch=2, group=2, micro=4, completion=24, evaluations=1),
    )  # fmt: skip


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    actions: dict[str, Callable[[argparse.Namespace], None]] = {
        "prepare": prepare, "pages": pages, "run": run, "stage": stage,
    }  # fmt: skip
    for name, action in actions.items():
        part = parts.add_parser(name, help=(action.__doc__ or "").splitlines()[0])
        part.set_defaults(action=action)
        part.add_argument("--out", type=Path, required=True, help="folder of everything")
        if name == "prepare":
            part.add_argument(
                "--data", type=Path, nargs="+", required=True, help="injected failures"
            )
        if name == "stage":
            part.add_argument("arm", choices=("base", *ARMS))
            part.add_argument("--seed", type=int, default=0)
            part.add_argument("--plain", action="store_true", help="nothing compiled, no graphs")
        if name == "pages":
            part.add_argument("--workers", type=int, default=2, help="processes")
            part.add_argument("--cases", type=int, default=CASES, help="most failures of a set")
        part.add_argument("--recipe", type=Path, default=Path("models/recipes/scratch.yaml"))
        part.add_argument("--tiny", action="store_true", help="a toy on the CPU: does it run?")
        if name == "run":
            part.add_argument("--seeds", type=int, default=3)
            part.add_argument("--gpus", type=int, default=1)
    given = parser.parse_args()
    given.action(given)


if __name__ == "__main__":
    main()
