"""Labelled runs as what a tracer is trained on: a prompt, and the answer it should have given."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import msgspec

from tracekit.analyzers.judges.shown import cut
from tracekit.analyzers.tracer.answer import write
from tracekit.analyzers.tracer.prompt import Count, Page, pages, second
from tracekit.folds import question_key
from tracekit.inject.modes import MODES
from tracekit.store import encode
from tracekit.trace import Label, Trace

DEFINITIONS = ("decisive", "injected", "first-unrecoverable")
"""Labels that name one step, the best first."""
COMPANY = 3
"""Most steps of other windows that a second pass is trained on, beside the right one."""
QUOTED = 60
"""Most characters of a step that a rationale repeats, from its beginning."""
REASON = 480
"""Most characters of what a label gives as its reason."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run to learn from."""

    trace: Trace
    page: Page
    """What the model reads: the whole run, or the part of it that holds the labelled step."""
    agent: str
    step: int
    answer: str
    """What it should say, in the form that is parsed."""
    question: str
    """Key of the task: runs of one question are on one side of every split."""
    generated: bool
    """Whether its label comes from injection or replays, and not from people."""


def samples(
    traces: Iterable[Trace],
    budget: int,
    count: Count,
    *,
    with_answer: bool = False,
    skipped: Callable[[Trace, str], None] = lambda _, __: None,
) -> Iterator[Sample]:
    """The runs with a labelled step, without their labels; none that succeeded all the same.

    `skipped` is told of those whose step does not fit into the budget, and why.

    A run too long for one page is shown by the window that holds the step, and as the second pass
    would show it, with other windows' steps for company, where that fits.
    """
    for trace in traces:
        label = chosen(trace)
        if trace.failed is False:  # struck by a fault, which decided nothing
            continue
        if label is None or label.step is None or not 0 <= label.step < len(trace.steps):
            continue
        blind = msgspec.structs.replace(trace, labels=(), extra={})
        agent = label.agent or trace.steps[label.step].agent
        if agent not in {each.id for each in trace.agents}:
            continue
        why = rationale(trace, label)
        try:
            found = shown(blind, label.step, budget, count, with_answer=with_answer)
        except ValueError as error:
            skipped(trace, str(error))
            continue
        for page in found:
            yield Sample(
                trace=blind,
                page=page,
                agent=agent,
                step=label.step,
                answer=write(agent, label.step, why),
                question=question_key(trace),
                generated=generated(label),
            )


def shown(
    trace: Trace, step: int, budget: int, count: Count, *, with_answer: bool = False
) -> list[Page]:
    """The pages that hold a step: the only one, or its window and a second pass."""
    found = pages(trace, budget, count, with_answer=with_answer)
    if len(found) == 1:
        return found
    rng = random.Random(trace.id)  # noqa: S311
    company = [rng.choice(page.steps) for page in found if step not in page.steps]
    own = next(page for page in found if step in page.steps)
    for others in range(COMPANY, 0, -1):
        with suppress(ValueError):  # too much for one page: with fewer others, then
            accused = [step, *company[:others]]
            return [own, second(trace, accused, budget, count, with_answer=with_answer)]
    return [own]


def chosen(trace: Trace) -> Label | None:
    """The label that training goes by: the best definition that names a step."""
    for definition in DEFINITIONS:
        for label in trace.labels:
            if label.definition == definition and label.step is not None:
                return label
    return None


def generated(label: Label) -> bool:
    """Whether a label comes from injection or replays, and not from people."""
    return label.definition == "injected" or (label.annotator or "").startswith("tracekit:")


def rationale(trace: Trace, label: Label) -> str:
    """Why the step is decisive: its label's reason, and what the modes labelled there look like.

    Nothing is claimed that no label says. Words of the log are quoted as they stand, and
    only their beginning, which is all that a reader needs to find them.
    """
    assert label.step is not None
    step = trace.steps[label.step]
    said = textwrap.shorten(step.content or "", QUOTED, placeholder=" …")
    parts = [f"Step {label.step} is by {step.agent}"]
    parts[0] += f', who says "{said}".' if said else "."
    if label.reason:
        parts.append(cut(" ".join(label.reason.split()), REASON))
    here = [mode for each in trace.labels if each.step == label.step for mode in each.modes]
    for mode in dict.fromkeys(here):
        if mode in MODES:
            parts.append(f"{MODES[mode].looks} ({mode}, {MODES[mode].name.lower()}.)")
    return " ".join(parts)


def split(found: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """(training, held out), by question; at least one question on either side.

    Raises `ValueError` with fewer than two questions.
    """
    questions = sorted({sample.question for sample in found})
    if len(questions) < 2:
        raise ValueError("the runs are of one question: nothing can be held out")
    random.Random(seed).shuffle(questions)  # noqa: S311
    held = set(questions[: min(len(questions) - 1, max(1, round(share * len(questions))))])
    return (
        [sample for sample in found if sample.question not in held],
        [sample for sample in found if sample.question in held],
    )


def ordered(found: Sequence[Sample], seed: int, most: int | None = None) -> list[Sample]:
    """The curriculum: runs labelled by injection or replays first, then those labelled by people.

    Each is shuffled by seed. `most` is how many there is time for, by default each once: a draw of
    all, so that a short training sees as much of either kind as a long one, or more rounds of them.
    Raises `ValueError` when there are none to draw from.
    """
    if not found:
        raise ValueError("there are no runs to put in order")
    rng = random.Random(seed)  # noqa: S311
    most = len(found) if most is None else most
    drawn: list[Sample] = []
    while len(drawn) < most:
        drawn += rng.sample(list(found), len(found))
    return sorted(drawn[:most], key=lambda sample: not sample.generated)


def talk(page: Page) -> list[dict[str, str]]:
    """The prompt as messages of a chat."""
    return [{"role": role, "content": text} for role, text in page.messages]


def sft_row(sample: Sample) -> dict[str, object]:
    """A row for supervised training."""
    return {
        "prompt": talk(sample.page),
        "completion": [{"role": "assistant", "content": sample.answer}],
    }


def grpo_row(sample: Sample) -> dict[str, object]:
    """A row for training on rewards."""
    return {
        "prompt": talk(sample.page),
        "trace": encode(sample.trace).decode(),
        "agent": sample.agent,
        "step": sample.step,
    }
