"""Secrets and personal data out of traces, by a table of rules and by entropy.

Every finding becomes `[REDACTED:rule:tag]`; the tag is four hex digits of a hash, so that equal
secrets stay recognisable as equal and agents whose names are redacted stay apart. Words of the
schema (kinds, statuses, formats) are never touched.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from tracekit.ingest.pii import PersonalData
from tracekit.trace import Trace

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Rule(msgspec.Struct, frozen=True):
    """One kind of secret."""

    name: str
    pattern: str
    """Regular expression; the group `secret`, or the whole match, is what gets replaced."""
    hints: tuple[str, ...] = ()
    """The text is searched only when it holds one of these, in lower case; empty = always."""


_WORD = r"(?<![A-Za-z0-9_\-])"
_END = r"(?![A-Za-z0-9_\-])"

RULES: tuple[Rule, ...] = (
    Rule(
        "private-key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]{16,20000}?"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        ("private key",),
    ),
    Rule("aws-access-key", _WORD + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}" + _END, ("akia", "asia", "abia", "acca")),
    Rule("github-token", _WORD + r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})", ("gh", "github_pat_")),
    Rule("gitlab-token", _WORD + r"gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_\-]{20,}", ("gl",)),
    Rule("anthropic-key", _WORD + r"sk-ant-[A-Za-z0-9_\-]{20,}", ("sk-ant-",)),
    Rule("openai-key", _WORD + r"sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_\-]{20,}", ("sk-",)),
    Rule("langfuse-key", _WORD + r"[sp]k-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", ("k-lf-",)),
    Rule("langsmith-key", _WORD + r"ls(?:v2|__)_?(?:pt_|sk_)?[A-Za-z0-9_]{20,}", ("lsv2", "ls__")),
    Rule("hugging-face-token", _WORD + r"(?:hf_|api_org_)[A-Za-z0-9]{30,}", ("hf_", "api_org_")),
    Rule("google-key", _WORD + r"AIza[A-Za-z0-9_\-]{35}", ("aiza",)),
    Rule("google-oauth", _WORD + r"(?:ya29\.[A-Za-z0-9_\-]{20,}|GOCSPX-[A-Za-z0-9_\-]{20,})", ("ya29.", "gocspx-")),
    Rule("slack-token", _WORD + r"xox[abeoprs]-[A-Za-z0-9\-]{10,}", ("xox",)),
    Rule("slack-webhook", r"hooks\.slack\.com/services/(?P<secret>T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{16,})", ("hooks.slack",)),
    Rule("stripe-key", _WORD + r"(?:[rs]k|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}", ("k_live_", "k_test_", "whsec_")),
    Rule("sendgrid-key", _WORD + r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{32,}", ("sg.",)),
    Rule("npm-token", _WORD + r"npm_[A-Za-z0-9]{36}", ("npm_",)),
    Rule("pypi-token", _WORD + r"pypi-[A-Za-z0-9_\-]{50,}", ("pypi-",)),
    Rule("telegram-token", _WORD + r"\d{8,10}:AA[A-Za-z0-9_\-]{33}" + _END, (":aa",)),
    Rule("tavily-key", _WORD + r"(?:tvly|pplx|gsk|xai|r8|fw)[\-_][A-Za-z0-9_\-]{20,}", ("tvly", "pplx", "gsk", "xai", "r8_", "fw_")),
    Rule("jwt", _WORD + r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?", ("eyj",)),
    Rule("authorization", r"(?i)\b(?:authorization|proxy-authorization)[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest)\s+(?P<secret>[A-Za-z0-9._~+/=\-]{8,})", ("authorization",)),
    Rule("bearer", r"\b[Bb]earer\s+(?P<secret>[A-Za-z0-9._~+/=\-]{20,})", ("bearer",)),
    Rule("cookie", r"(?i)\b(?:set-)?cookie[\"']?\s*[:=]\s*[\"']?(?P<secret>[^\s=;\"']{1,64}=[^\r\n\"']{8,4096})", ("cookie",)),
    Rule("url-password", r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"'<>]{1,128}:(?P<secret>[^\s:/@\"'<>{}$]{3,128})@", ("://",)),
    Rule(
        "assigned-secret",
        r"(?i)(?:api[_\-]?key|apikey|secret[_\-]?(?:access[_\-]?)?key|client[_\-]?secret|access[_\-]?token"
        r"|auth[_\-]?token|refresh[_\-]?token|session[_\-]?(?:token|key)|private[_\-]?token|passw(?:or)?d"
        r"|passphrase|account[_\-]?key|secret)[\"']?\s{0,3}(?:=>|:=|=|:)\s{0,3}[\"']?"
        r"(?P<secret>[A-Za-z0-9_\-+/.=!@#%^&*~]{8,512})",
        ("key", "token", "secret", "passw", "passphrase"),
    ),
    Rule("email", r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])", ("@",)),
    Rule("home-path", r"(?:/home/|/Users/|(?i:[A-Z]:\\{1,2}Users\\{1,2}))(?P<secret>[^\s/\\\"'<>:|*?,;()\[\]{}]{1,64})", ("/home/", "/users/", "\\users\\")),
)  # fmt: skip
"""What is looked for, in this order; earlier rules win where two overlap."""

_PLAIN = re.compile(
    r"^(?:none|null|true|false|undefined|required|optional|string|str|int|password|passwd|secret|"
    r"token|changeme|example|your[_\-].*|my[_\-].*|<.*|\*+|x+|\.+|os\.(?:environ|getenv).*|"
    r"process\.env.*|env\..*|self\..*|config\..*|settings\..*|args\..*|getpass.*|"
    r"[a-z_.]+\(.*|[a-z]+(?:[_.][a-z]+)+|\[redacted.*)$",
    re.I,
)
_TOKEN = re.compile(r"(?<![A-Za-z0-9+/_\-.])[A-Za-z0-9+/_\-]{32,256}={0,2}(?![A-Za-z0-9+/_\-=])")
_MARK = re.compile(r"\[REDACTED:[^\]]*\]")
_HEX = re.compile(r"^[0-9a-fA-F\-]+$")
_SHARED_USERS = frozenset({"runner", "user", "username", "ubuntu", "root", "shared", "public"})


Redaction = Literal["none", "secrets", "personal"]
"""What is taken out: nothing, what the rules and entropy find, or personal data as well."""


def redactor_for(redaction: Redaction) -> Redactor | None:
    """The redactor that takes out what is asked for; None for nothing.

    Raises `MissingExtra` when personal data are to go and the extra `pii` is not installed.
    """
    if redaction == "none":
        return None
    return Redactor(personal=PersonalData() if redaction == "personal" else None)


class Redactor:
    """Finds and replaces secrets, and counts what it found by rule.

    >>> redactor = Redactor()
    >>> redactor.text("write to ann@example.org")
    'write to [REDACTED:email:438c]'
    >>> redactor.counts
    Counter({'email': 1})
    """

    def __init__(
        self,
        rules: Iterable[Rule] = RULES,
        *,
        entropy: float = 4.3,
        personal: PersonalData | None = None,
    ) -> None:
        self._personal = personal
        self._rules = [(rule, re.compile(rule.pattern)) for rule in rules]
        self._entropy = entropy
        self.counts: Counter[str] = Counter()
        """Findings by rule name; `entropy` for random-looking tokens that no rule names."""

    def text(self, text: str) -> str:
        """The text without its secrets."""
        if len(text) < 6:
            return text
        low = text.lower()
        for rule, pattern in self._rules:
            if not rule.hints or any(hint in low for hint in rule.hints):
                text = pattern.sub(partial(self._replace, rule), text)
        if self._personal is not None:
            text = self._impersonal(text, self._personal)
        return _TOKEN.sub(self._random, text) if self._entropy else text

    def _impersonal(self, text: str, personal: PersonalData) -> str:
        """The text without personal data, past the marks that are there already."""
        marks = [found.span() for found in _MARK.finditer(text)]
        for found in reversed(personal.find(text)):
            if all(end <= found.start or found.end <= start for start, end in marks):
                mark = self._mark(found.rule, text[found.start : found.end])
                text = text[: found.start] + mark + text[found.end :]
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every string redacted, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._member(key, item) for key, item in value.items()}
        return value

    def trace(self, trace: Trace) -> Trace:
        """The trace without its secrets; structure, ids of spans and hashes stay."""
        return self.struct(trace)

    def struct(self, value: _Struct) -> _Struct:
        """A trace, or part of one, without its secrets."""
        return msgspec.convert(self._document(msgspec.to_builtins(value)), type(value))

    def _document(self, value: Any, key: str = "") -> Any:
        if key in _KEEP:
            return value
        if key in ("extra", "arguments"):
            return self.value(value)
        if isinstance(value, dict):
            return {k: self._document(item, k) for k, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._document(item, key) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _member(self, key: str, item: Any) -> Any:
        """A member whose key alone says that it is a secret has no pattern to match."""
        if isinstance(item, str) and item and _SECRET_KEY.search(key) and not _PLAIN.match(item):
            if item.startswith("[REDACTED:"):
                return item
            return self._mark("assigned-secret", item)
        return self.value(item)

    def _replace(self, rule: Rule, found: re.Match[str]) -> str:
        group: str | int = "secret" if "secret" in found.re.groupindex else 0
        secret = found[group]
        if _is_plain(rule.name, secret):
            return found[0]
        start, end = found.span(group)
        whole, offset = found[0], found.start()
        mark = self._mark(rule.name, secret)
        return whole[: start - offset] + mark + whole[end - offset :]

    def _random(self, found: re.Match[str]) -> str:
        token = found[0]
        if _HEX.match(token) or "REDACTED" in token or not _mixed(token):
            return token
        return self._mark("entropy", token) if entropy(token) >= self._entropy else token

    def _mark(self, name: str, secret: str) -> str:
        self.counts[name] += 1
        tag = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:4]
        return f"[REDACTED:{name}:{tag}]"


_KEEP = frozenset(
    {
        "schema",
        "kind",
        "status",
        "definition",
        "format",
        "sha256",
        "record",
        "span",
        "call_id",
        "type",
    }
)
_SECRET_KEY = re.compile(
    r"(?i)(?:^|[_\-.])(?:api[_\-]?key|apikey|secret|password|passwd|(?:access|auth|refresh|session|"
    r"private)[_\-]?token|authorization|cookie|private[_\-]?key|client[_\-]?secret)$"
)


def _is_plain(rule: str, secret: str) -> bool:
    """Placeholders, code and words that only look like a secret."""
    if "REDACTED" in secret:
        return True
    if rule == "home-path":
        return secret.lower() in _SHARED_USERS
    if rule == "assigned-secret":
        word = secret.isalpha() and (secret.islower() or secret.istitle())
        dotted_name = "." in secret and secret.replace(".", "").isalpha()
        return word or dotted_name or _PLAIN.match(secret) is not None
    if rule in ("openai-key", "tavily-key"):
        return not any(char.isdigit() for char in secret)
    return False


def _mixed(token: str) -> bool:
    """Letters of both cases and digits well mixed, as keys are and words and paths are not."""
    digits = sum(char.isdigit() for char in token)
    upper = sum(char.isupper() for char in token)
    lower = sum(char.islower() for char in token)
    separators = token.count("/") + token.count("-") + token.count("_")
    return digits >= 2 and min(upper, lower) >= 3 and separators <= len(token) // 8


def entropy(text: str) -> float:
    """Shannon entropy in bits per character, 0 for empty text.

    >>> entropy("aabb")
    1.0
    """
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) if text else 0.0
