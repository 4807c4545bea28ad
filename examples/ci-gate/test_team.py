"""Tests of the team's runs: `pytest --tracekit`, after `python team.py`."""

import pytest


@pytest.mark.tracekit
def test_nothing_fails_that_did_not_fail_before(tracekit_runs):
    tracekit_runs.assert_no_new_failures()


def test_everybody_speaks(tracekit_trace):
    speakers = [step.agent for step in tracekit_trace.steps]
    assert {"Surveyor", "Converter", "Timekeeper", "Guide"} <= set(speakers)
