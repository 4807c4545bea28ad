"""What all LLM judges have in common: settings, repeats, votes, and failures that stay failures.

A judgement whose call fails, or whose answer names no agent and step of the run even after one
repair, has failed: the verdict says so (`Attribution.failed`) and nothing is put in its place.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import Any, ClassVar, get_args

import msgspec

from tracekit.analyzers.judges.case import Ask, Case, Choice, Finding
from tracekit.analyzers.judges.prompts import SYSTEM, Prompt
from tracekit.analyzers.judges.shown import Shown
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings
from tracekit.attribution import Attribution, Evidence, Method, Suspect, Votes
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.llm.errors import CallError
from tracekit.llm.request import cost
from tracekit.llm.structured import Form
from tracekit.trace import Trace

COMMON: dict[str, Any] = {
    "model": "",
    "repeat": 1,
    "temperature": 0,
    "max_tokens": 2000,
    "form": "schema",
    "params": {},
}
"""Settings of every judge; `params` are further fields of the API, null takes one away."""

SHARES = (
    "probabilities are shares of votes, with one more vote spread over all steps; they are not "
    "calibrated"
)
REASON = 400
"""Characters of a reason that a verdict keeps."""

Outcome = Finding | CallError


class Judge(ABC):
    """A method that asks a model. Settings: `COMMON`, and `defaults` of its own."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"trace", "llm"})
    prompts: ClassVar[tuple[Prompt, ...]]
    """The templates it uses besides that of the system message."""
    defaults: ClassVar[dict[str, Any]] = {}
    """Its own settings with their defaults."""

    @abstractmethod
    async def judge(self, case: Case) -> Finding:
        """One judgement; a `CallError` that passes makes it a failed one."""

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict. Raises `UsageError` without a client or a model; failed calls do not raise.

        With the answer shown (`Context.with_answer`), a run whose answer nobody knows gets an
        abstention: verdicts of the two kinds must not mix.
        """
        chosen = settings(context, self.name, **COMMON, **self.defaults)
        how, repeat = self._how(chosen, context), _repeat(chosen["repeat"])
        method = self._method(chosen, context)
        if context.with_answer and trace.task.expected is None:
            return abstain(trace, method, "the correct answer, which it should see, is not known")
        shown = Shown(trace, with_answer=context.with_answer)
        cases = [Case(shown, how, number) for number in range(repeat)]
        outcomes = how.client.wait(self._outcomes(cases))
        spent = cost(completion for case in cases for completion in case.completions)
        return msgspec.structs.replace(verdict(trace, method, outcomes), cost=spent)

    async def _outcomes(self, cases: list[Case]) -> list[Outcome]:
        """What each judgement comes to, all at once; what is no failed call is raised."""
        done = await asyncio.gather(*map(self.judge, cases), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException) and not isinstance(outcome, CallError):
                raise outcome
        return [one for one in done if isinstance(one, Finding | CallError)]

    def _how(self, chosen: dict[str, Any], context: Context) -> Ask:
        if context.llm is None:
            raise UsageError(f"{self.name} asks a model: give Context(llm=Client(…)), or --llm URL")
        if not chosen["model"] or not isinstance(chosen["model"], str):
            raise UsageError(f"{self.name} asks a model: name it, model=… or --model NAME")
        if chosen["form"] not in get_args(Form):
            known = ", ".join(get_args(Form))
            raise UsageError(f"{self.name}: form is {chosen['form']!r}; known: {known}")
        if not isinstance(chosen["params"], dict):
            raise UsageError(f"{self.name}: params is {chosen['params']!r}, wanted fields by name")
        params = {
            "temperature": chosen["temperature"],
            "max_tokens": chosen["max_tokens"],
            "seed": context.seed,
            **chosen["params"],
        }
        return Ask(
            client=context.llm,
            model=chosen["model"],
            params={name: value for name, value in params.items() if value is not None},
            form=chosen["form"],
            options={name: chosen[name] for name in self.defaults},
        )

    def _method(self, chosen: dict[str, Any], context: Context) -> Method:
        told = {name: value for name, value in chosen.items() if name != "model" and value != {}}
        told["prompts"] = [prompt.id for prompt in (SYSTEM, *self.prompts)]
        told["with_answer"] = context.with_answer
        return Method(
            name=self.name,
            version=self.version,
            model=chosen["model"],
            settings=told,
            seed=context.seed,
        )


def verdict(trace: Trace, method: Method, outcomes: list[Outcome]) -> Attribution:
    """What several judgements of one run come to: the step that most of them name first.

    Failed judgements and those that name nobody count in every share. When more name nobody than
    any step, the verdict is an abstention; when all have failed, it has failed.
    """
    findings = [one for one in outcomes if isinstance(one, Finding)]
    errors = [one for one in outcomes if isinstance(one, CallError)]
    if not findings:
        why = f"the judgement failed: {_told(errors[0])}"
        return msgspec.structs.replace(
            abstain(trace, method, why), failed=True, votes=_votes(outcomes, None)
        )
    named = [finding for finding in findings if finding.choices]
    suspects = _suspects(trace, named, len(outcomes))
    votes = _votes(outcomes, suspects[0] if suspects else None)
    lost = tuple(
        f"{len(errors)} of {len(outcomes)} judgements failed: {_told(error)}"
        for error in errors[:1]
    )
    silent = [finding for finding in findings if not finding.choices]
    if not suspects or (votes is not None and len(silent) > votes.step):
        return msgspec.structs.replace(abstain(trace, method, silent[0].nobody, *lost), votes=votes)
    doubts = dict.fromkeys(warning for finding in findings for warning in finding.warnings)
    uncalibrated = () if named[0].posterior else (SHARES,)
    return Attribution(
        trace_id=trace.id,
        method=method,
        suspects=suspects,
        agents=_agents(named, len(outcomes)),
        votes=votes,
        warnings=(*uncalibrated, *lost, *doubts, *_mismatch(trace, suspects[0])),
    )


def _suspects(trace: Trace, named: list[Finding], asked: int) -> tuple[Suspect, ...]:
    """Named steps by their share of the votes, the earlier first among equals."""
    weights: dict[int, float] = defaultdict(float)
    choices: dict[int, list[Choice]] = defaultdict(list)
    for finding in named:
        for choice, share in _shares(finding):
            weights[choice.step] += share
            choices[choice.step].append(choice)
    exact = bool(named) and named[0].posterior
    spread = 0.0 if exact else 1 / len(trace.steps)
    among = asked if exact else asked + 1
    found = [
        _suspect(step, min(1.0, (weight + spread) / among), choices[step])
        for step, weight in weights.items()
    ]
    return tuple(sorted(found, key=lambda suspect: (-suspect.probability, suspect.step)))


def _suspect(step: int, probability: float, choices: list[Choice]) -> Suspect:
    """One step with the agent that most weight names, the first named among equals."""
    by_agent: dict[str, float] = defaultdict(float)
    for choice in choices:
        by_agent[choice.agent] += choice.weight
    agent = max(by_agent, key=lambda name: by_agent[name])
    reasons = dict.fromkeys(choice.reason.strip() for choice in choices if choice.reason.strip())
    told = tuple(Evidence(step=step, shows=reason[:REASON]) for reason in reasons)
    quotes = dict.fromkeys(evidence for choice in choices for evidence in choice.evidence)
    modes = dict.fromkeys(mode for choice in choices for mode in choice.modes)
    return Suspect(agent, step, probability, tuple(modes), (*quotes, *told))


def _agents(named: list[Finding], asked: int) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for finding in named:
        for choice, share in _shares(finding):
            found[choice.agent] += share / (asked if finding.posterior else asked + 1)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _shares(finding: Finding) -> list[tuple[Choice, float]]:
    """Each choice with its share of the one vote that a judgement has."""
    total = sum(choice.weight for choice in finding.choices)
    return [(choice, choice.weight / total) for choice in finding.choices]


def _votes(outcomes: list[Outcome], top: Suspect | None) -> Votes | None:
    """How far the judgements agree; None when there was only one."""
    if len(outcomes) == 1:
        return None
    findings = [one for one in outcomes if isinstance(one, Finding)]
    first = [
        min(finding.choices, key=lambda choice: (-choice.weight, choice.step))
        for finding in findings
        if finding.choices
    ]
    return Votes(
        asked=len(outcomes),
        step=sum(top is not None and choice.step == top.step for choice in first),
        agent=sum(top is not None and choice.agent == top.agent for choice in first),
        abstained=sum(not finding.choices for finding in findings),
        failed=len(outcomes) - len(findings),
    )


def _mismatch(trace: Trace, top: Suspect) -> tuple[str, ...]:
    if trace.steps[top.step].agent == top.agent:
        return ()
    return ("the agent blamed did not take the step blamed; the judge named both",)


def _told(error: CallError) -> str:
    return f"{type(error).__name__}: {error}"


def _repeat(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise UsageError(f"repeat is {value!r}, wanted a number of judgements, at least 1")
