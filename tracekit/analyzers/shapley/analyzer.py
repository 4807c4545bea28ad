"""`shapley`: what each agent's, or each step's, mistakes cost the team.

The blame for a failure is shared out so that the shares sum to what correcting everybody gains. The
more the context holds, the stronger the evidence: a system is replayed with mistakes taken out,
recorded repeats are compared, and of a single log a learned reading is shared out. The verdict says
which it was, and what that takes for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import ClassVar, Literal

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.compact.weights import levelled, ranking
from tracekit.analyzers.run import abstain
from tracekit.analyzers.shapley.game import EXACT, Effort, NoGame, Played, play
from tracekit.analyzers.shapley.inversion import bottleneck
from tracekit.analyzers.shapley.sources import LEAST, Between, Source, Value, source
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Cost, Evidence, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.protocols import Analyzer, Fitted
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

VERSION = "1"
EXPLAINED = 5
"""Suspects that get evidence, from the top."""
QUOTED = 160
"""Characters of a step that are quoted."""
LEAD = 4
"""Words before the first difference that are quoted of a correction."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set, by name."""

    value: Value = "auto"
    """What coalitions are worth: replay, recorded, prm or compact."""
    players: Between = "agents"
    """Who shares the blame."""
    score: Literal["bottleneck", "shapley"] = "bottleneck"
    """What ranks them: the shares, or shares and single corrections weighed by how much the end of
    the run rests on a player (`inversion`, performance causal inversion)."""
    draws: int = 8
    """Replays of each coalition."""
    most: int = 600
    """Coalitions that are asked for at most beyond 12 players."""
    sampling: Literal["orders", "sizes"] = "orders"
    """How coalitions are drawn beyond 12 players (`tracekit.games`)."""


class Shapley:
    """Shares the blame by what correcting each agent adds; replays, repeats or one log.

    Settings: `value`, `players`, `score`, `draws`, `most`, `sampling` (`Settings`).
    """

    name: ClassVar[str] = "shapley"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True

    def __init__(self, compact: Analyzer | None = None) -> None:
        """`compact` is whose reading of a single log is shared out; as it ships unless given."""
        self._compact = compact

    @property
    def compact(self) -> Analyzer:
        """Whose reading of a single log is shared out."""
        return self._compact or registry.get("analyzers", "compact")

    def seen(self) -> frozenset[str]:
        """The runs that `compact` was fitted on; replays and repeats are fitted on nothing."""
        return self.compact.seen() if isinstance(self.compact, Fitted) else frozenset()

    def fit(self, traces: Iterable[Trace], context: Context) -> Shapley:
        """With `compact` refitted on labelled runs; raises what that raises."""
        compact = self.compact
        return Shapley(compact.fit(traces, context) if isinstance(compact, Fitted) else compact)

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict, its shares in `extra["shapley"]`; abstains when there are none."""
        chosen = _settings(context)
        method = Method(
            name=self.name,
            version=VERSION,
            settings=msgspec.to_builtins(chosen),
            seed=context.seed,
        )
        try:
            found, played = shares(trace, context, self.compact)
        except NoGame as none:
            return abstain(trace, method, str(none))
        blame = _blame(played, trace, chosen)
        cost = Cost(calls=found.calls)
        if not blame.any():
            reason = f"no correction helps: {played.nobody:.0%} of the runs succeed as it is"
            best = f"{reason}, {played.everybody:.0%} with everything corrected"
            return msgspec.structs.replace(abstain(trace, method, best, played.assumes), cost=cost)
        return _verdict(trace, method, found, played, blame)


def shares(
    trace: Trace, context: Context, compact: Analyzer | None = None
) -> tuple[Source, Played]:
    """The game of a run and what came of it, for those who want more than the verdict.

    `compact` is the one that ships unless it is given.
    `explanation.explanation(played)` makes it a `shap.Explanation`. Raises `NoGame` where there is
    no way to tell, and `UsageError` for settings that are unknown.
    """
    chosen = _settings(context)
    reading = compact or registry.get("analyzers", "compact")
    found = source(trace, context, chosen.value, chosen.draws, reading)
    effort = Effort(most=chosen.most, sizes=chosen.sampling == "sizes")
    return found, play(found.game(chosen.players), context.seed, effort)


def _settings(context: Context) -> Settings:
    """The settings, checked; raises `UsageError`."""
    usual = msgspec.to_builtins(Settings())
    try:
        chosen = msgspec.convert(settings(context, Shapley.name, **usual), Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"shapley: {error}") from None
    if chosen.draws < 1 or chosen.most < 1:
        raise UsageError("shapley: draws and most start at 1")
    return chosen


def _blame(played: Played, trace: Trace, chosen: Settings) -> np.ndarray:
    """What ranks the players, (players,), at least 0.

    Replays tell gains apart no finer than one draw in `draws`; whoever made the earlier mistake
    comes first among equals, and nobody who made one goes free.
    """
    gained = np.array(played.shares.values)
    if chosen.score == "bottleneck":
        gained = (gained + np.array(played.alone)) / 2
    if played.value == "replay" and played.everybody > played.nobody:
        gained = np.maximum(0.0, np.round(gained * chosen.draws) / chosen.draws) + LEAST
    gained = np.maximum(0.0, gained)
    return bottleneck(gained, played.players, trace) if chosen.score == "bottleneck" else gained


def _verdict(
    trace: Trace, method: Method, found: Source, played: Played, blame: np.ndarray
) -> Attribution:
    part = blame / blame.sum()
    chances = np.zeros(len(trace.steps))
    agents = dict.fromkeys((step.agent for step in trace.steps), 0.0)
    suspicion = found.suspicion()
    for player, chance in zip(played.players, part.tolist(), strict=True):
        agents[player.agent] += chance
        if player.step is not None:
            chances[player.step] += chance
        else:
            chances += chance * _within(trace, player.agent, suspicion)
    owners = [step.agent for step in trace.steps]
    order = ranking(chances, owners, agents)
    explained = [index for index in order if chances[index] > 0][:EXPLAINED]
    because = _evidence(trace, found, played, explained)
    made = verdict(trace, method, levelled(chances, order), order=order, evidence=because)
    ranked = sorted(agents.items(), key=lambda item: -item[1])
    return msgspec.structs.replace(
        made,
        agents=dict(ranked),
        cost=Cost(calls=found.calls),
        warnings=(f"{played.value}: {played.assumes}", *_doubts(played)),
        extra={"shapley": record(played, blame)},
    )


def _within(trace: Trace, agent: str, suspicion: np.ndarray) -> np.ndarray:
    """How an agent's chance falls on its steps, (n_steps,), sum 1."""
    own = [index for index in candidates(trace) if trace.steps[index].agent == agent]
    weights = np.zeros(len(trace.steps))
    weights[own] = suspicion[own] if suspicion[own].sum() > 0 else 1.0
    return np.asarray(weights / weights.sum())


def _evidence(
    trace: Trace, found: Source, played: Played, steps: Sequence[int]
) -> dict[int, tuple[Evidence, ...]]:
    """For each of the steps: its words with the share, and what would have been right."""
    by_player = {(player.agent, player.step): place for place, player in enumerate(played.players)}
    made: dict[int, tuple[Evidence, ...]] = {}
    for index in steps:
        step = trace.steps[index]
        place = by_player.get((step.agent, index), by_player.get((step.agent, None)))
        if place is None or played.shares.values[place] <= 0:
            continue
        quote = step.content[:QUOTED]
        share = Evidence(
            step=index,
            quote=quote,
            end=len(quote),
            weight=played.shares.values[place],
            shows=in_words(played, place),
        )
        right = differing(found.instead(index), step.content)
        instead = Evidence(step=index, shows=f"right would have been: {right}")
        made[index] = (share, instead) if right else (share,)
    return made


def differing(right: str, said: str) -> str:
    """What would have been right, from where it parts from what was said; on one line, cut.

    >>> differing("As agreed we add both, 3 plus 4 gives 7.", "As agreed we add both, 3 plus 4 gives 8.")
    '… 3 plus 4 gives 7.'
    """
    words, others = right.split(), said.split()
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words, others, strict=False))
    )
    start = max(0, same - LEAD)
    text = " ".join(words[start:])[:QUOTED]
    return f"… {text}" if start and text else text


def in_words(played: Played, place: int) -> str:
    """What a player's share means, with its interval where there is one."""
    value, low, high = (
        round(100 * ends[place])
        for ends in (played.shares.values, played.shares.low, played.shares.high)
    )
    return played.gain.format(value) + (f" ({low} to {high})" if low < high else "")


def _doubts(played: Played) -> tuple[str, ...]:
    if played.shares.exact:
        return ()
    return (f"more than {EXACT} players: coalitions were sampled, intervals are those of sampling",)


def record(played: Played, blame: np.ndarray) -> dict[str, object]:
    """The shares as JSON values, largest first; `score` is what the verdict ranks by."""
    ranked = sorted(range(len(played.players)), key=lambda place: -played.shares.values[place])
    return {
        "value": played.value,
        "nobody": played.nobody,
        "everybody": played.everybody,
        "residual": played.shares.residual,
        "coalitions": played.shares.calls,
        "exact": played.shares.exact,
        "shares": [
            {
                **msgspec.to_builtins(played.players[place]),
                "share": played.shares.values[place],
                "low": played.shares.low[place],
                "high": played.shares.high[place],
                "alone": played.alone[place],
                "score": float(blame[place]),
            }
            for place in ranked
        ],
    }
