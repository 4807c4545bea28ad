"""Personal data with a form of its own, found by Presidio. Needs the extra `pii`.

Only recognisers that check patterns and digits are used, without a language model: names and
addresses of people are not found.
"""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from tracekit.optional import require

RECOGNISERS = {
    "CreditCardRecognizer": "credit-card",
    "IbanRecognizer": "iban",
    "CryptoRecognizer": "crypto-address",
    "IpRecognizer": "ip-address",
    "UsSsnRecognizer": "us-ssn",
    "PhoneRecognizer": "phone",
}
"""Recognisers of Presidio and the rule that a finding is counted under; earlier ones win."""

SURE = 0.4
"""Findings that Presidio scores lower (0 to 1) are left: nine digits alone are no social number."""


class Finding(msgspec.Struct, frozen=True):
    """A place in a text."""

    rule: str
    """Name of the rule that found it."""
    start: int
    """First character."""
    end: int
    """Character after the last."""


class PersonalData:
    """Finds payment data, addresses of machines and wallets, phone and social security numbers.

    Raises `MissingExtra` when Presidio is not installed.
    """

    def __init__(self) -> None:
        shelf = require("presidio_analyzer.predefined_recognizers", extra="pii")
        self._recognisers: list[tuple[str, Any]] = [
            (rule, getattr(shelf, name)()) for name, rule in RECOGNISERS.items()
        ]

    def find(self, text: str) -> list[Finding]:
        """What is found in a text, in its order; findings do not overlap."""
        if not any(char.isdigit() for char in text):
            return []
        found: list[Finding] = []
        for rule, recogniser in self._recognisers:
            for hit in recogniser.analyze(text, recogniser.supported_entities, None) or ():
                finding = Finding(rule, hit.start, hit.end)
                free = all(f.end <= finding.start or finding.end <= f.start for f in found)
                if hit.score >= SURE and free and not _is_nobody(rule, text[hit.start : hit.end]):
                    found.append(finding)
        return sorted(found, key=lambda finding: finding.start)


def _is_nobody(rule: str, text: str) -> bool:
    """Whether an address is that of every machine: `127.0.0.1`, `0.0.0.0`, `::1`."""
    if rule != "ip-address":
        return False
    try:
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
