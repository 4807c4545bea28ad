"""Personal data by Presidio's patterns: found with checksums, and code left alone."""

import sys

import pytest

from tracekit.errors import MissingExtra
from tracekit.ingest.pii import RECOGNISERS, PersonalData
from tracekit.ingest.redact import Redactor, redactor_for
from tracekit.testing.traces import edge_traces

SAMPLES = {
    "credit-card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "crypto-address": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "ip-address": "203.0.113.77",
    "us-ssn": "219-09-9998",
    "phone": "+49 30 901820",
}


@pytest.fixture(scope="module")
def personal():
    return PersonalData()


def test_every_rule_has_a_sample():
    assert SAMPLES.keys() == set(RECOGNISERS.values())


@pytest.mark.parametrize("rule", SAMPLES)
def test_it_is_found_where_it_stands(personal, rule):
    text = f"please use {SAMPLES[rule]} for this one."
    (found,) = personal.find(text)
    assert (found.rule, text[found.start : found.end]) == (rule, SAMPLES[rule])


def test_many_in_one_text_are_replaced_each(personal):
    redactor = Redactor(personal=personal)
    text = redactor.text("; ".join(SAMPLES.values()))
    assert dict(redactor.counts) == dict.fromkeys(SAMPLES, 1)
    assert not any(sample in text for sample in SAMPLES.values())


def test_redacting_again_changes_nothing(personal):
    once = Redactor(personal=personal).text("; ".join([*SAMPLES.values(), "ann@example.org"]))
    again = Redactor(personal=personal)
    assert again.text(once) == once
    assert not again.counts


@pytest.mark.parametrize(
    "text",
    [
        "no digits at all",
        "for i in range(100): total += prices[i] * 1.05",
        "listening on 127.0.0.1:8080 and 0.0.0.0",
        "4111 1111 1111 1112 fails the checksum",
        "finished at 2024-05-06 07:08:09 after 123456789 steps",
        "commit 0191ce0 of version 2.11.0",
    ],
)
def test_other_numbers_stay(personal, text):
    assert personal.find(text) == []


def test_traces_keep_their_structure(personal):
    for trace in edge_traces():
        found = Redactor(personal=personal).trace(trace)
        assert [step.index for step in found.steps] == [step.index for step in trace.steps]


def test_without_the_extra_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    monkeypatch.delitem(sys.modules, "presidio_analyzer.predefined_recognizers", raising=False)
    with pytest.raises(MissingExtra, match="mas-tracekit\\[pii\\]"):
        redactor_for("personal")


def test_what_is_asked_for_is_what_comes():
    assert redactor_for("none") is None
    assert redactor_for("secrets").text(SAMPLES["credit-card"]) == SAMPLES["credit-card"]
    assert "[REDACTED:credit-card" in redactor_for("personal").text(SAMPLES["credit-card"])
