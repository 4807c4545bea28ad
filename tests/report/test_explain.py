import msgspec

from tracekit.report.explain import explain


def changed(pair, **fields):
    return pair[0], msgspec.structs.replace(pair[1], **fields)


def test_a_failure(failed):
    assert explain(*failed) == (
        "Searcher at step 2 most likely broke the run (61 %):"
        " a claim without a source, “opened in 1937”."
    )


def test_an_unknown_outcome_is_a_condition_and_a_close_second_is_named(unknown):
    assert explain(*unknown) == (
        "If this run failed: Bob at step 1 most likely broke the run (50 %);"
        " next is Ann at step 0 (40 %)."
    )


def test_an_abstention_says_why(succeeded):
    assert explain(*succeeded) == "No verdict: the run succeeded."
    assert (
        explain(*changed(succeeded, abstained=None)) == "No verdict: the method names no suspect."
    )


def test_a_success_that_was_attributed_on_request_is_not_called_a_failure(failed):
    trace, verdict = failed
    outcome = msgspec.structs.replace(trace.outcome, status="success")
    words = explain(msgspec.structs.replace(trace, outcome=outcome), verdict)
    assert words.startswith("The run succeeded; had it failed: Searcher at step 2")


def test_evidence_elsewhere_names_its_step(failed):
    suspect = failed[1].suspects[0]
    silent = msgspec.structs.replace(suspect, evidence=suspect.evidence[:1])
    words = explain(*changed(failed, suspects=(silent,)))
    assert words.endswith("(61 %): the tool failed at step 1.")


def test_hostile_words_stay_on_one_harmless_line(hostile):
    words = explain(*hostile)
    assert not set("\n\r\t\x1b\x07\x9b\x00\u202e\u2066\u200b\u2028\ud800") & set(words)
    assert len(words) < 600
