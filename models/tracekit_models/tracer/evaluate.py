"""How good a tracer is on samples it has not been trained on: agent, step, both, and validity."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracekit.analyzers.tracer.answer import choices, parse
from tracekit.analyzers.tracer.writing import Wanted, Writer, Written
from tracekit.stats import Estimate, wilson
from tracekit_models.tracer.data import Sample


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One answer against its label."""

    question: str
    """Key of the task, for intervals that allow for runs of one task."""
    valid: bool
    """Whether the answer could be read."""
    agent: bool
    step: bool
    tokens: int
    """Read and written."""

    @property
    def joint(self) -> bool:
        """Whether both are right."""
        return self.agent and self.step


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Shares over samples with their 95 % intervals; an answer that cannot be read is wrong."""

    n: int
    agent: Estimate
    step: Estimate
    joint: Estimate
    valid: Estimate


def score(writer: Writer, samples: Sequence[Sample], seed: int = 0) -> list[Scored]:
    """The model's answers to the samples' pages, judged."""
    wanted = [
        Wanted(page=sample.page, choices=tuple(choices(sample.trace)), seed=seed)
        for sample in samples
    ]
    return [
        judged(written, sample)
        for written, sample in zip(writer.write(wanted), samples, strict=True)
    ]


def judged(written: Written, sample: Sample) -> Scored:
    """One answer against the label of its sample."""
    try:
        said = None if written.error is not None else parse(written.text, sample.trace)
    except ValueError:
        said = None
    return Scored(
        question=sample.question,
        valid=said is not None,
        agent=said is not None and said.agent == sample.agent,
        step=said is not None and said.step == sample.step,
        tokens=written.tokens,
    )


def figures(found: Sequence[Scored]) -> Figures:
    """Shares with Wilson's intervals; raises `ValueError` without answers."""
    if not found:
        raise ValueError("there is no answer to score")

    def share(values: Sequence[bool]) -> Estimate:
        return wilson(sum(values), len(values))

    return Figures(
        n=len(found),
        agent=share([one.agent for one in found]),
        step=share([one.step for one in found]),
        joint=share([one.joint for one in found]),
        valid=share([one.valid for one in found]),
    )
