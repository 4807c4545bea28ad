"""Documents that break off: what is complete is kept, and a nest costs no more than its length."""

import pytest

from tracekit.ingest.salvage import salvage_json


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1, "b": [1, {"c": "d"}, {"e": ', {"a": 1, "b": [1, {"c": "d"}]}),
        (b'[{"a": "b"}, tru', [{"a": "b"}]),
        (b'{"steps": [{"a": 1}], "n": 12', {"steps": [{"a": 1}]}),
        (b'[{"a": 1}] trailing', None),
        (b"[1, 2", None),
        (b"", None),
    ],
)
def test_what_is_complete_is_kept(data, value):
    found = salvage_json(data)
    assert (found and found[0]) == value


@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_nest_is_left_out(pair):
    """With work that grows with the square of the depth this would run for hours."""
    opening, closing = pair
    nest = opening * 300_000 + closing * 300_000
    assert salvage_json(nest) is None
    assert salvage_json(b'[{"a": "b"}, ' + nest)[0] == [{"a": "b"}]
