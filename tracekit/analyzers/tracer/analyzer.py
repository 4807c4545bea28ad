"""`tracer`: a language model fine-tuned to name the decisive step, run here or behind a server.

Source of the method: Zhang et al. 2025 (AgenTracer), arXiv 2509.03312. The model reads the run by
numbered steps, reasons, and writes `agent | step`; its reasoning is the evidence. An answer that
cannot be read is a failed judgement, counted and never put right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from tracekit import registry
from tracekit.analyzers.judges.case import Choice, Finding
from tracekit.analyzers.judges.judge import Outcome, verdict
from tracekit.analyzers.run import abstain
from tracekit.analyzers.tracer.answer import choices, parse
from tracekit.analyzers.tracer.prompt import ASK, SYSTEM, Count, Page, pages, second
from tracekit.analyzers.tracer.served import Served
from tracekit.analyzers.tracer.trained import doubts, settled
from tracekit.analyzers.tracer.writing import Wanted, Writer, Written
from tracekit.analyzers.verdict import settings
from tracekit.attribution import Attribution, Cost, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.llm.errors import InvalidAnswer
from tracekit.optional import require
from tracekit.trace import Trace

LOCAL = "tracekit_models.tracer.local:load"
"""What loads a model into this process; needs the extra `train`."""

DEFAULTS: dict[str, Any] = {
    "model": "",
    "samples": 1,
    "temperature": 0.0,
    "budget": None,
    "max_tokens": None,
    "constrained": True,
    "batch": 8,
}
"""`budget` and `max_tokens`: None = as the model was trained (`tracer.json` in its folder)."""


class Tracer:
    """A fine-tuned language model reads the run, reasons, and names agent and step.

    Settings: `model` (a folder, a name on the Hub, or the server's name for it), `samples` answers
    to each run with `temperature`, `budget` tokens of a prompt, `max_tokens` of an answer,
    `constrained` (the last line of an answer is kept to the roster and the steps; in this process
    only), `batch` texts at once. A model that training here wrote says itself what `budget` and
    `max_tokens` it takes; the verdict warns where it is asked otherwise than it was trained.
    """

    name: ClassVar[str] = "tracer"
    version: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"trace", "model"})

    def __init__(self, writer: Writer | None = None) -> None:
        self._writer = writer
        self._loaded: dict[bytes, Writer] = {}
        """Models of this process, by the settings they were loaded with."""

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict. Raises `UsageError` without a model; what it writes wrongly does not raise."""
        return self.attribute_many([trace], context)[0]

    def attribute_many(self, traces: Sequence[Trace], context: Context) -> list[Attribution]:
        """Verdicts on several runs, whose texts are written together."""
        given = settings(context, self.name, **DEFAULTS)
        writer = self._writer or self._opened(given, context)
        trained, prompts = writer.trained, (SYSTEM.id, ASK.id)
        chosen, cut = settled(given, trained, writer.room)
        warned = cut + doubts(trained, prompts, with_answer=context.with_answer)
        method = Method(
            name=self.name,
            version=self.version,
            model=writer.id,
            settings={
                **{key: value for key, value in chosen.items() if key not in ("model", "batch")},
                "prompts": list(prompts),
                "with_answer": context.with_answer,
                **({"recipe": trained.recipe} if trained else {}),
            },
            seed=context.seed,
        )
        known = [not context.with_answer or trace.task.expected is not None for trace in traces]
        asked = [trace for trace, fine in zip(traces, known, strict=True) if fine]
        works = iter(_judged(asked, writer, chosen, context))
        said = []
        for trace, fine in zip(traces, known, strict=True):
            if not fine:
                why = "the correct answer, which it should see, is not known"
                said.append(abstain(trace, method, why))
                continue
            outcomes, cost = next(works)
            found = verdict(trace, method, outcomes)
            warnings = found.warnings + warned
            said.append(msgspec.structs.replace(found, cost=cost, warnings=warnings))
        return said

    def _opened(self, chosen: dict[str, Any], context: Context) -> Writer:
        """The server's model, or one of this process, loaded once."""
        if context.llm is not None:
            return Served(context.llm, settled(_named(chosen), None, None)[0])
        key = msgspec.json.encode(chosen, order="sorted")
        if key not in self._loaded:
            self._loaded = {key: _load(_named(chosen))}  # one at a time: models are large
        return self._loaded[key]


def _named(chosen: dict[str, Any]) -> dict[str, Any]:
    if not chosen["model"] or not isinstance(chosen["model"], str):
        raise UsageError("tracer needs a model: --model DIR, ORG/NAME, or its name on --llm URL")
    return chosen


def _load(chosen: dict[str, Any]) -> Writer:
    for module in ("torch", "transformers"):
        require(module, extra="train")
    load = registry.load(LOCAL, "the local tracer")
    loaded: Writer = load(chosen["model"], chosen)
    return loaded


def _judged(
    traces: Sequence[Trace], writer: Writer, chosen: dict[str, Any], context: Context
) -> list[tuple[list[Outcome], Cost]]:
    """The outcomes of every sample of every trace: windows first, then second passes."""
    readings = [
        Reading(trace, context.seed + sample, chosen["budget"], writer.count, context.with_answer)
        for trace in traces
        for sample in range(chosen["samples"])
    ]
    for ask in (Reading.first, Reading.again):
        wanted = [ask(reading) for reading in readings]
        written = iter(writer.write([one for some in wanted for one in some]))
        for reading, some in zip(readings, wanted, strict=True):
            reading.written += [next(written) for _ in some]
    said = iter(readings)
    return [_summed([next(said) for _ in range(chosen["samples"])]) for _ in traces]


class Reading:
    """One sample of one trace, from its pages to what it names."""

    def __init__(
        self, trace: Trace, seed: int, budget: int, count: Count, with_answer: bool
    ) -> None:
        self.trace = trace
        self.written: list[Written] = []
        """What the model wrote, page by page; the last one counts."""
        self._seed = seed
        self._how = (budget, count)
        self._with_answer = with_answer
        self._windows = 0

    def first(self) -> list[Wanted]:
        """The run, on one page or by windows; nothing when even one step does not fit."""
        try:
            found = pages(self.trace, *self._how, with_answer=self._with_answer)
        except ValueError as error:
            self.written.append(Written("", error=InvalidAnswer(str(error))))
            return []
        self._windows = len(found)
        return [self._wanted(page) for page in found]

    def again(self) -> list[Wanted]:
        """What several windows accuse, together; nothing when there is one, or none is accused."""
        if self._windows < 2:
            return []
        outcomes = [_outcome(one, self.trace) for one in self.written]
        accused = [one.choices[0].step for one in outcomes if isinstance(one, Finding)]
        if not accused:
            return []
        try:
            page = second(self.trace, accused, *self._how, with_answer=self._with_answer)
        except ValueError as error:
            self.written.append(Written("", error=InvalidAnswer(str(error))))
            return []
        return [self._wanted(page)]

    def _wanted(self, page: Page) -> Wanted:
        return Wanted(page=page, choices=tuple(choices(self.trace)), seed=self._seed)


def _summed(readings: Sequence[Reading]) -> tuple[list[Outcome], Cost]:
    """What the samples of a trace name, and what they cost together."""
    done = [one for reading in readings for one in reading.written]
    cost = Cost(
        calls=len(done),
        tokens=sum(one.tokens for one in done),
        money=sum(one.money for one in done),
    )
    return [_outcome(reading.written[-1], reading.trace) for reading in readings], cost


def _outcome(written: Written, trace: Trace) -> Outcome:
    """What a text names, or why it names nobody."""
    if written.error is not None:
        return written.error
    try:
        said = parse(written.text, trace)
    except ValueError as error:
        return InvalidAnswer(f"the answer cannot be read: {error}")
    return Finding((Choice(said.agent, said.step, reason=said.why),))
