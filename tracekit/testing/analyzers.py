"""The contract of an analyzer, checked on traces at the edges and on any that are given."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from tracekit.analyzers.models import SUFFIXES
from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution, Cost
from tracekit.context import Context
from tracekit.protocols import Analyzer, Storable
from tracekit.store import encode
from tracekit.testing.rules import broken
from tracekit.testing.traces import edge_traces, make_trace, renamed
from tracekit.testing.watch import Forbidden, watched
from tracekit.trace import Trace

NAME = re.compile(r"([a-z0-9]+:)?[a-z0-9]+(-[a-z0-9]+)*")
"""A plain name, or one of a family: `judge:all-at-once`."""

NEEDS = frozenset({"trace", "corpus", "replay", "llm", "model"})
"""The words of `Analyzer.needs`."""

ROUNDING = 1e-9


def check_analyzer(
    analyzer: Analyzer, traces: Iterable[Trace] | None = None, *, context: Context | None = None
) -> None:
    """Check that an analyzer keeps its promises (`tracekit.testing.rules.ANALYZER`).

    Made-up traces at the edges are always tried, `traces` besides. `context` supplies what the
    analyzer needs (a corpus, a client); without it the traces themselves are the corpus. Raises
    `ContractError` that names the rule.
    """
    subject = f"analyzer {getattr(analyzer, 'name', type(analyzer).__name__)!r}"
    if not NAME.fullmatch(str(getattr(analyzer, "name", ""))):
        raise broken(subject, "name", f"it is {getattr(analyzer, 'name', None)!r}")
    needs = getattr(analyzer, "needs", None)
    if not isinstance(needs, frozenset) or not needs <= NEEDS:
        raise broken(subject, "needs", f"it is {needs!r}")
    every = [*edge_traces(), *(traces or ())]
    given = context or Context(corpus=tuple(every))
    with _quiet(subject, needs):
        empty = attribute(make_trace("no-steps", []), analyzer, context=given)
        if empty.suspects or not empty.abstained:
            raise broken(subject, "abstention", "a trace without steps")
        for trace in every:
            _check_trace(analyzer, subject, trace, given)
    if isinstance(analyzer, Storable):
        _check_stored(analyzer, subject, every, given)


@contextmanager
def _quiet(subject: str, needs: frozenset[str]) -> Iterator[None]:
    rules = {"no-network": "llm", "no-processes": "replay", "no-writes": ""}
    with watched(subject, *(rule for rule, unless in rules.items() if unless not in needs)):
        yield


def _check_trace(analyzer: Analyzer, subject: str, trace: Trace, context: Context) -> None:
    before = _state(trace, context)
    first = _run(analyzer, subject, trace, context, 1)
    if _state(trace, context) != before:
        raise broken(subject, "input-unchanged", trace.id)
    _check_verdict(subject, first, trace, analyzer.name)
    if _bytes(_run(analyzer, subject, trace, context, 2)) != _bytes(first):
        raise broken(subject, "seeded", trace.id)
    _check_blindness(analyzer, subject, trace, context, first)


def _check_blindness(
    analyzer: Analyzer, subject: str, trace: Trace, context: Context, first: Attribution
) -> None:
    """What must not move the verdict does not."""
    unlabelled = msgspec.structs.replace(trace, labels=())
    if trace.labels and _bytes(_run(analyzer, subject, unlabelled, context)) != _bytes(first):
        raise broken(subject, "label-blind", trace.id)
    other = "another answer" if trace.task.expected != "another answer" else "yet another"
    answered = msgspec.structs.replace(
        trace, task=msgspec.structs.replace(trace.task, expected=other)
    )
    if not context.with_answer and _bytes(_run(analyzer, subject, answered, context)) != _bytes(
        first
    ):
        raise broken(subject, "answer-blind", trace.id)
    if getattr(analyzer, "name_blind", False) and first.top is not None:
        names = {agent.id: f"member{number}" for number, agent in enumerate(trace.agents)}
        after = _run(analyzer, subject, renamed(trace, names), context).top
        blamed = None if after is None else (after.step, after.agent)
        if blamed != (first.top.step, names[first.top.agent]):
            raise broken(subject, "name-blind", f"{trace.id}: now {blamed}")


def _check_stored(
    analyzer: Analyzer, subject: str, traces: Sequence[Trace], context: Context
) -> None:
    """What is saved can be loaded, by the type alone, and says the same."""
    assert isinstance(analyzer, Storable)
    with TemporaryDirectory(prefix="tracekit-") as name:
        folder = Path(name)
        try:
            analyzer.save(folder)
            odd = [p.name for p in folder.iterdir() if not p.is_file() or p.suffix not in SUFFIXES]
            loaded = type(analyzer).load(folder)
        except Exception as error:
            raise broken(subject, "stored", f"{type(error).__name__}: {error!s:.200}") from error
    if odd:
        raise broken(subject, "stored", f"it wrote {odd[0]}")
    for trace in traces:
        same = _bytes(_run(loaded, subject, trace, context))
        if same != _bytes(_run(analyzer, subject, trace, context)):
            raise broken(subject, "stored", trace.id)


def _run(
    analyzer: Analyzer, subject: str, trace: Trace, context: Context, noise: int = 1
) -> Attribution:
    """One verdict, with the global generators in a known state that no analyzer should look at."""
    old, old_numpy = random.getstate(), np.random.get_state()
    random.seed(noise)
    np.random.seed(noise)
    try:
        verdict = analyzer.attribute(trace, context)
    except Forbidden:
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error!s:.200} for trace {trace.id}"
        raise broken(subject, "never-raises", detail) from error
    finally:
        random.setstate(old)
        np.random.set_state(old_numpy)
    if not isinstance(verdict, Attribution):
        raise broken(subject, "verdict", f"{type(verdict).__name__} for trace {trace.id}")
    return verdict


def _bytes(verdict: Attribution) -> bytes:
    """A verdict without the wall time."""
    cost = msgspec.structs.replace(verdict.cost, seconds=None)
    return encode(msgspec.structs.replace(verdict, cost=cost))


def _state(trace: Trace, context: Context) -> tuple[bytes, bytes]:
    plain = msgspec.structs.replace(context, llm=None, system=None)  # neither is data
    return encode(trace), encode(plain)


def _check_verdict(subject: str, verdict: Attribution, trace: Trace, name: str) -> None:
    if verdict.trace_id != trace.id or verdict.method.name != name:
        detail = f"{verdict.trace_id!r} by {verdict.method.name!r} for trace {trace.id}"
        raise broken(subject, "verdict", detail)
    if bool(verdict.suspects) == (verdict.abstained is not None) or verdict.abstained == "":
        raise broken(subject, "abstention", f"trace {trace.id}")
    _check_suspects(subject, verdict, trace)
    _check_agents(subject, verdict, trace)
    _check_evidence(subject, verdict, trace)
    chosen = verdict.suspect_set
    if chosen is not None and not (
        0 <= chosen.coverage <= 1 and all(0 <= step < len(trace.steps) for step in chosen.steps)
    ):
        raise broken(subject, "suspect-set", f"{chosen} for trace {trace.id}")
    team, roster = verdict.agent_set, {agent.id for agent in trace.agents}
    if team is not None and not (0 <= team.coverage <= 1 and roster >= set(team.agents)):
        raise broken(subject, "suspect-set", f"{team} for trace {trace.id}")
    _check_cost(subject, verdict.cost, trace)


def _check_suspects(subject: str, verdict: Attribution, trace: Trace) -> None:
    roster = {agent.id for agent in trace.agents}
    for suspect in verdict.suspects:
        if not 0 <= suspect.step < len(trace.steps) or suspect.agent not in roster:
            raise broken(subject, "in-range", f"{suspect.agent!r} at {suspect.step} in {trace.id}")
    chances = [suspect.probability for suspect in verdict.suspects]
    if not _is_share(chances):
        raise broken(subject, "probabilities", f"{chances[:5]}, sum {sum(chances)} in {trace.id}")
    steps = [suspect.step for suspect in verdict.suspects]
    if not _falls(chances) or len(set(steps)) != len(steps):
        raise broken(subject, "ranked", f"{chances[:5]} at {steps[:5]} in {trace.id}")


def _check_agents(subject: str, verdict: Attribution, trace: Trace) -> None:
    chances = list(verdict.agents.values())
    strangers = set(verdict.agents) - {agent.id for agent in trace.agents}
    if strangers or not _is_share(chances) or not _falls(chances):
        raise broken(subject, "agents", f"{verdict.agents} in {trace.id}")


def _check_evidence(subject: str, verdict: Attribution, trace: Trace) -> None:
    for suspect in verdict.suspects:
        for evidence in suspect.evidence:
            there = 0 <= evidence.step < len(trace.steps) and math.isfinite(evidence.weight)
            if there and evidence.quote:
                content = trace.steps[evidence.step].content
                there = 0 <= evidence.start <= evidence.end <= len(content)
                there = there and content[evidence.start : evidence.end] == evidence.quote
            if not there:
                detail = f"{evidence.quote[:40]!r} at step {evidence.step} of {trace.id}"
                raise broken(subject, "evidence", detail)


def _check_cost(subject: str, cost: Cost, trace: Trace) -> None:
    figures = (cost.seconds or 0.0, cost.calls, cost.tokens, cost.money)
    if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
        raise broken(subject, "cost", f"{cost} for trace {trace.id}")


def _is_share(chances: Sequence[float]) -> bool:
    return all(0.0 <= p <= 1.0 for p in chances) and sum(chances) <= 1 + ROUNDING


def _falls(chances: Sequence[float]) -> bool:
    return all(a >= b for a, b in pairwise(chances))
