"""Rejection sampling: the model's own right answers, to be trained on as if they were written.

A control for training on rewards: the same answers are drawn, the same reward judges them, and what
is above a bar is trained on by likelihood alone (Yuan et al. 2023, arXiv 2308.01825).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracekit.analyzers.tracer.answer import choices
from tracekit.analyzers.tracer.writing import Wanted, Writer
from tracekit_models.tracer.data import Sample
from tracekit_models.tracer.recipe import Grpo
from tracekit_models.tracer.rewards import combined

BAR = 0.99
"""Least reward of an answer that is kept: agent and step are right."""


def accepted(
    writer: Writer, samples: Sequence[Sample], how: Grpo, seed: int = 0
) -> tuple[list[Sample], int]:
    """(the samples with the answers that earn enough, answers drawn): `how.group` to each sample.

    Equal answers to one sample are kept once; a sample without a right answer is left out.
    """
    wanted = [
        Wanted(page=sample.page, choices=tuple(choices(sample.trace)), seed=seed + draw)
        for sample in samples
        for draw in range(how.group)
    ]
    written = iter(writer.write(wanted))
    kept: list[Sample] = []
    for sample in samples:
        texts = dict.fromkeys(next(written).text for _ in range(how.group))
        kept += [
            msgspec.structs.replace(sample, answer=text)
            for text in texts
            if combined(
                text, sample.trace, sample.agent, sample.step, share=how.share, sigma=how.sigma
            )
            >= BAR
        ]
    return kept, len(wanted)
