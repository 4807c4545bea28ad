"""How fast runs are scored: one pass against a pass per prefix, and the cost of one more message.

    OMP_NUM_THREADS=1 python benchmarks/prm_speed.py

Runs are made by the sandbox and put end to end to the lengths wanted. *One pass* is
`Prm.values`; the loop asks `Prm.values` for every prefix and keeps the last number, as models do
that score one prefix a call. The shipped model, features and text encoder included; median of
`--repeats`, processor time.

    OMP_NUM_THREADS=1 python benchmarks/prm_speed.py --language

does the same for a language model: a Qwen3-style decoder of toy size with random weights, which a
user's own takes the place of. Its keys and values are kept; where a window is full, the task and the
latest messages are read once more. *Without* is a pass over the window for each new message.
"""

import argparse
import time
from collections.abc import Callable

import msgspec
import numpy as np

from tracekit.prm.model import Prm
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Trace


def main() -> None:
    """Print two tables, in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 50, 130])
    parser.add_argument("--long", type=int, nargs="+", default=[10, 100, 1000, 4000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--language", action="store_true", help="a language model instead")
    given = parser.parse_args()
    if given.language:
        language(given.long)
        return
    prm, source = Prm(), run_of(max(*given.steps, *given.long) + 50)
    prm.values(cut(source, 10))
    print("| steps | one pass, ms | prefix by prefix, ms | times faster | largest difference |")
    print("|---:|---:|---:|---:|---:|")
    for steps in given.steps:
        trace = cut(source, steps)
        once, whole = timed(lambda t=trace: prm.values(t), given.repeats)
        loop, parts = timed(
            lambda t=trace: [prm.values(cut(t, n + 1))[-1] for n in range(len(t.steps))],
            max(1, given.repeats // 2),
        )
        gap = float(np.abs(np.array(whole) - np.array(parts)).max())
        print(
            f"| {steps} | {1000 * once:.1f} | {1000 * loop:.0f} | {loop / once:.1f} | {gap:.0e} |"
        )
    print("\n| after steps | one more message, ms | a fork, ms |\n|---:|---:|---:|")
    for steps in given.long:
        more, fork = pushed(prm, source, steps)
        print(f"| {steps} | {1000 * more:.2f} | {1000 * fork:.3f} |")


def language(long: list[int], count: int = 200) -> None:
    """Print what `count` more messages cost after so many, and how far they lie from one pass."""
    source = run_of(max(long) + count)
    values = toy(source)
    reader = reader_of(values)
    tokens = [len(reader.message(step)) for step in source.steps]
    spread = np.quantile(values.values(cut(source, 300)), [0.05, 0.95])
    print(
        f"{np.mean(tokens):.0f} tokens a message, {max(tokens)} at most; values of nine in ten "
        f"steps from {spread[0]:.2f} to {spread[1]:.2f}\n"
    )
    print("| after steps | one more message, ms | the dearest, ms | without, ms | difference |")
    print("|---:|---:|---:|---:|---:|")
    for steps in long:
        trace = cut(source, steps + count)
        running, took = values.begin(trace), []
        for step in trace.steps[:steps]:
            running.push(step)
        found = []
        for step in trace.steps[steps:]:
            start = time.process_time()
            found.append(running.push(step))
            took.append(1000 * (time.process_time() - start))
        gap = np.abs(np.array(values.values(trace)[steps:]) - np.array(found)).max()
        again = 1000 * anew(values, trace, steps)
        print(
            f"| {steps} | {np.mean(took):.2f} | {max(took):.1f} | {again:.2f} | {float(gap):.0e} |"
        )


def toy(trace: Trace):
    """Qwen3 in small, with a tokenizer fitted on the run; its value is drawn at random as well."""
    import torch

    from tracekit_models.prm.language import model_of
    from tracekit_models.prm.language_settings import Backbone, Language, Settings
    from tracekit_models.prm.stored import LanguageValues
    from tracekit_models.tracer.base import decoder, tokenizer
    from tracekit_models.tracer.recipe import Scratch

    words = tokenizer([step.content for step in trace.steps], 1024)
    sizes = {"hidden": 128, "feed_forward": 256, "layers": 4, "heads": 4, "kv_heads": 2}
    scratch = Scratch(**sizes, context=2048, vocabulary=1024)
    how = Backbone(length=2048, longest=384, lora=None)
    model = model_of(decoder(scratch, words, seed=0).model, how).eval()
    torch.nn.init.normal_(model.value.weight, std=0.05)
    return LanguageValues(Language(model, words, Settings(backbone=how)))


def reader_of(values):
    """What makes tokens of runs for a value function on a language model."""
    from tracekit_models.prm.windows import Reader

    _, words, settings, _ = values.language
    return Reader(words, settings.backbone.length, settings.backbone.longest)


def anew(values, trace: Trace, steps: int) -> float:
    """Mean seconds of a pass over the window that each of some messages lies in."""
    import torch

    model, reader, took = values.language.model, reader_of(values), []
    for more in range(1, len(trace.steps) - steps, 10):
        ids = torch.tensor([list(reader.windows(cut(trace, steps + more)))[-1].ids])
        start = time.process_time()
        with torch.inference_mode():
            model(ids, torch.ones_like(ids), torch.tensor([[ids.shape[1] - 1]]))
        took.append(time.process_time() - start)
    return float(np.mean(took))


def run_of(steps: int) -> Trace:
    """A run of that many steps: several of the sandbox, one after the other."""
    sandbox = Sandbox("retrieval", "hierarchy")
    tasks, found, first = sandbox.tasks(seed=1), [], None
    while len(found) < steps:
        trace = sandbox.run(next(tasks), seed=len(found))
        first = first or trace
        found += trace.steps
    return msgspec.structs.replace(first, steps=tuple(found))


def cut(trace: Trace, steps: int) -> Trace:
    """Its first so many steps."""
    return msgspec.structs.replace(trace, steps=trace.steps[:steps])


def timed(work: Callable[[], object], repeats: int) -> tuple[float, object]:
    """Median processor time in seconds, and what came out."""
    took, found = [], None
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        took.append(time.process_time() - start)
    return float(np.median(took)), found


def pushed(prm: Prm, source: Trace, steps: int, count: int = 48) -> tuple[float, float]:
    """Mean seconds of one more message after so many, and of a fork."""
    running = prm.begin(source)
    for step in source.steps[:steps]:
        running.push(step)
    start = time.process_time()
    for _ in range(1000):
        running.fork()
    fork = (time.process_time() - start) / 1000
    same = source.steps[:count]  # the same messages at every length
    start = time.process_time()
    for step in same:
        running.push(step)
    return (time.process_time() - start) / count, fork


if __name__ == "__main__":
    main()
