"""The promises of the protocols, by name: what a contract check names when it refuses a plug-in."""

from __future__ import annotations

from tracekit.errors import ContractError

READER = {
    "name": "a name in lower case, digits and dashes",
    "sniff": "sniff answers a number from 0 to 1 for any bytes, and never raises",
    "sniff-own": "sniff takes files of its own format",
    "sniff-noise": "sniff leaves noise and empty files alone",
    "only-traces-and-problems": "read yields traces and problems and nothing else",
    "never-raises": "read never raises for bad data",
    "no-silence": "read says something of every file that is not empty",
    "reports-damage": "read reports a document that breaks off",
    "problem-names-file": "every problem names the file",
    "sound-traces": "steps count from 0, and every reference finds its target",
    "accounted": "every record that was read is in a step or in a problem",
    "reads-something": "read finds a trace in the files given",
    "deterministic": "the same file gives the same bytes twice",
    "lossless": "a trace survives writing and reading",
    "byte-order-mark": "a byte order mark changes nothing",
    "no-network": "no socket is opened",
    "no-processes": "no process is started",
    "no-writes": "no file is written, moved or removed",
}
"""What a reader promises."""

ANALYZER = {
    "name": "a name in lower case, digits and dashes, `family:` before it if it has one",
    "needs": "`needs` is a frozenset of the words the protocol lists",
    "never-raises": "attribute never raises for a sound trace",
    "verdict": "attribute returns an Attribution of this trace and this method",
    "in-range": "suspects are steps and agents of the trace",
    "probabilities": "probabilities are finite, from 0 to 1, and sum to at most 1",
    "ranked": "suspects come in falling order of probability, each step once",
    "agents": "agent probabilities are of the roster, finite, falling, and sum to at most 1",
    "suspect-set": "sets hold steps and agents of the trace at a coverage from 0 to 1",
    "evidence": "a quote is what the content holds between `start` and `end`",
    "abstention": "a verdict has suspects or says why not, never both",
    "cost": "the cost is filled, finite and not negative",
    "seeded": "the same seed gives the same bytes, whatever the global generators say",
    "input-unchanged": "the trace and the context are not changed",
    "label-blind": "labels are not read",
    "answer-blind": "the expected answer is not read unless `with_answer` is set",
    "name-blind": "renaming the agents does not move the blame (declared by `name_blind = True`)",
    "no-network": "no socket is opened, unless it needs an `llm`",
    "no-processes": "no process is started, unless it needs a `replay`",
    "no-writes": "no file is written, moved or removed",
    "stored": "weights that can be saved come back the same, from files that hold no code",
}
"""What an analyzer promises."""

REPLAYABLE = {
    "runs": "run returns a sound trace, with steps, that holds the task",
    "seeded": "the same task and seed give the same bytes",
    "checkpoints": "checkpoints are of steps of the trace, in order, and one stands at the first",
    "plain-state": "the state of a checkpoint is JSON, and works after it was written and read",
    "exact": "a resume without a change, with the seed of the run, gives the run byte for byte",
    "prefix": "a resume with a change keeps the steps before it",
    "obedient": "a resume with another action has that action at the step",
    "input-unchanged": "a resume does not change the checkpoint or the trace",
    "check": "check returns an Outcome that says who judged, the same one every time",
}
"""What a system that can be replayed promises; `seeded` and `exact` only if it is asked to be."""

MANIPULATOR = {
    "name": "a name in lower case, digits and dashes",
    "modes": "`modes` is a frozenset of codes of `tracekit.inject.modes`",
    "refuses": "apply raises InjectionError where it cannot strike, and nothing else",
    "intervention": "apply returns an Intervention for the step of the scene",
    "roster": "whoever is addressed is on the roster",
    "changes": "a change is another one than what was recorded",
    "seeded": "equal scenes and generators give equal changes, whatever the global generators say",
    "input-unchanged": "the scene is not changed",
    "strikes": "it can strike at least one of the runs given, in one of its modes",
    "no-network": "no socket is opened, unless it is declared with `online=True`",
}
"""What a manipulator promises."""


VERDICT_EXPORTER = {
    "name": "a name in lower case, digits and dashes",
    "suffix": "`suffix` is how its files end, with the dot",
    "writes": "encode gives bytes for every verdict: none, abstentions, text that is not UTF-8",
    "same-bytes": "the same verdicts give the same bytes, whatever clock and random generators say",
    "label-blind": "labels are not written",
    "input-unchanged": "runs and verdicts are not changed",
    "posts": "requests have a path from its slash on, and a body that is JSON",
    "no-network": "no socket is opened; sending is not its part",
    "no-writes": "no file is written, moved or removed",
}
"""What an exporter of verdicts promises; `posts` if it has some."""


def broken(subject: str, rule: str, detail: str) -> ContractError:
    """The error that says which promise was broken, and how.

    >>> print(broken("reader 'demo'", "deterministic", "log.json"))
    reader 'demo' breaks [deterministic] the same file gives the same bytes twice: log.json
    """
    kinds = {
        "reader": READER,
        "analyzer": ANALYZER,
        "system": REPLAYABLE,
        "manipulator": MANIPULATOR,
        "verdict-exporter": VERDICT_EXPORTER,
    }
    promises = kinds[subject.partition(" ")[0]]
    return ContractError(f"{subject} breaks [{rule}] {promises[rule]}: {detail}")
