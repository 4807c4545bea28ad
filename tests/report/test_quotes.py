from hypothesis import given
from hypothesis import strategies as st

from tracekit.attribution import Evidence
from tracekit.report.quotes import AROUND, locate, spans

EVIDENCE = st.builds(
    Evidence,
    step=st.just(0),
    quote=st.sampled_from(["", "ab", "zz"]),
    start=st.integers(-5, 60),
    end=st.integers(-5, 60),
)


@given(st.text("ab \n", max_size=50), st.lists(EVIDENCE, max_size=4), st.integers(1, 60))
def test_every_character_is_shown_or_counted(content, evidence, limit):
    found = spans(content, evidence, limit)
    position = 0
    for span in found:
        assert bool(span.text) != bool(span.cut)
        assert content[position : position + len(span.text)] == span.text
        position += len(span.text) + span.cut
    assert position == len(content)


@given(st.text("ab ", min_size=1, max_size=50), st.lists(EVIDENCE, max_size=4))
def test_exactly_the_quoted_characters_are_marked(content, evidence):
    quoted = set()
    for item in evidence:
        quoted.update(range(*(locate(content, item) or (0, 0))))
    marked, position = set(), 0
    for span in spans(content, evidence):
        if span.evidence:
            marked.update(range(position, position + len(span.text)))
        position += len(span.text)
    assert marked == quoted


def test_a_cut_text_keeps_its_quotes_with_their_surroundings():
    content = "x" * 50_000 + "HERE" + "y" * 50_000
    found = spans(content, [Evidence(0, "HERE", 50_000, 50_004)], limit=400)
    assert [len(span.text) or -span.cut for span in found] == [
        *(300, -(50_000 - 300 - AROUND), AROUND),
        *(4, AROUND, -(50_000 - 100 - AROUND), 100),
    ]
    assert found[3].evidence


def test_offsets_that_do_not_fit_are_replaced_by_the_words():
    assert locate("so it is", Evidence(0, "it", 90, 92)) == (3, 5)
    assert locate("so it is", Evidence(0, "never", 90, 92)) is None


def test_marks_follow_the_log_and_not_the_shown_text():
    found = spans("\x1b[0m bad", [Evidence(0, "bad", 5, 8)])
    assert [(span.text, span.evidence) for span in found] == [("␛[0m ", False), ("bad", True)]
