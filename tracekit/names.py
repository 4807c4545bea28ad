"""Speaker strings to agent names.

Frameworks decorate the speaker: `Orchestrator (-> WebSurfer)`, `Coder (to Manager):`,
`assistant_agent/3f2a…`. The agent is the bare name, the addressee is kept apart, and the raw
string survives in `Step.speaker`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

UNKNOWN = "unknown"
"""Agent id of a step whose speaker the log does not name."""

_ASIDE = re.compile(r"^(?P<name>[^()\n]{1,200}?)\s*\((?P<aside>[^()\n]{1,200})\)\s*:?$")
_TO = re.compile(r"^(?:->|→|to)\s+(?P<to>.+)$")
_UUID = re.compile(r"[/_-][0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.I)


class Speaker(msgspec.Struct, frozen=True):
    """A parsed speaker string."""

    name: str
    """The agent's bare name."""
    to: str | None = None
    """The agent addressed, None when the string names none."""
    aside: str | None = None
    """What else stood in parentheses, e.g. `thought` or `termination condition`."""


@lru_cache(maxsize=4096)
def speaker(raw: str) -> Speaker:
    """Take a speaker string apart; never fails, an empty one is `unknown`.

    >>> speaker("Orchestrator (-> WebSurfer)")
    Speaker(name='Orchestrator', to='WebSurfer', aside=None)
    >>> speaker("Orchestrator (thought)").aside
    'thought'
    >>> speaker("coder/9b2c1f34-0000-4000-8000-0123456789ab").name
    'coder'
    """
    text = _UUID.sub("", " ".join(raw.split()))
    found = _ASIDE.match(text)
    if found is None:
        return Speaker(text.removesuffix(":").strip() or UNKNOWN)
    addressed = _TO.match(found["aside"].strip())
    if addressed is not None:
        return Speaker(found["name"].strip(), to=addressed["to"].strip())
    return Speaker(found["name"].strip(), aside=found["aside"].strip())


_ROLES = {
    "user": "user", "human": "user", "assistant": "assistant", "ai": "assistant",
    "model": "assistant", "gpt": "assistant", "bot": "assistant", "tool": "tool",
    "function": "tool", "system": "system", "developer": "system",
}  # fmt: skip


def by_role(role: object) -> str | None:
    """The agent that stands for a bare chat role, for messages that name no speaker.

    `user`, `assistant`, `tool` or `system`; None for what is no chat role.

    >>> by_role("ai"), by_role("Coder")
    ('assistant', None)
    """
    if not isinstance(role, str):
        return None
    return _ROLES.get(role) or _ROLES.get(role.strip().casefold())


_HANDOFF = re.compile(
    r"^(?:transfer|hand_?off|handoff|delegate|route|switch)_(?:back_)?to_(?P<to>\w+)$", re.I
)


def handoff_target(tool: str) -> str | None:
    """The agent that a hand-off tool is named after, None for other tools.

    >>> handoff_target("transfer_to_flight_agent"), handoff_target("search")
    ('flight_agent', None)
    """
    found = _HANDOFF.match(tool)
    return found["to"] if found else None


def same(first: str, second: str) -> bool:
    """Whether two names mean the same agent: case, blanks, `-` and `_` do not count.

    >>> same("Web Surfer", "web_surfer")
    True
    """
    return folded(first) == folded(second)


def folded(name: str) -> str:
    """The form in which two spellings of one agent's name are equal; empty for no name.

    >>> folded("Orchestrator (-> WebSurfer)")
    'orchestrator'
    """
    return re.sub(r"[\s_\-]+", "", speaker(name).name).casefold()
