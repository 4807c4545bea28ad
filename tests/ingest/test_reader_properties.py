"""Whatever becomes of a log, its reader yields traces and problems, accounts for every record,
and says the same twice."""

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tracekit import registry
from tracekit.testing.mutate import mutate
from tracekit.testing.mutate_json import ODD
from tracekit.testing.readers import examine

_spec = importlib.util.spec_from_file_location(
    "reader_faults", Path(__file__).with_name("faults.py")
)
fault = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fault)

READERS = sorted(registry.BUILT_IN["readers"])
LOGS = {name: [(p.name, p.read_bytes()) for p in fault.logs(name)] for name in READERS}
JSON = [name for name in READERS if any(fault.is_json(data) for _, data in LOGS[name])]

bounded = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([value for value in ODD if not isinstance(value, dict | list)]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8) | st.sampled_from(["type", "content", "role"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
"""Any JSON value, and what is not quite one."""


@pytest.mark.parametrize("name", READERS)
@bounded
@given(data=st.data())
def test_mutated_logs(name, data):
    file, log = data.draw(st.sampled_from(LOGS[name]))
    rng = data.draw(st.randoms(use_true_random=False))
    _, other = data.draw(st.sampled_from(LOGS[name]))
    damaged = mutate(log, rng, other, max(8192, len(log)))
    reader = registry.get("readers", name)
    first = examine(reader, damaged, file)
    assert examine(reader, damaged, file).bytes() == first.bytes()
    assert not damaged.strip(b" \t\r\n\0") or first.traces or first.problems


@pytest.mark.parametrize("name", JSON)
@bounded
@given(data=st.data())
def test_any_value_anywhere(name, data):
    """One member of the log holds any JSON value at all."""
    file, log = data.draw(st.sampled_from([(f, d) for f, d in LOGS[name] if fault.is_json(d)]))
    documents = fault.documents(log)
    holders = list(_holders(documents))
    assume(holders)
    holder, key = holders[data.draw(st.integers(0, len(holders) - 1))]
    holder[key] = data.draw(values)
    examine(registry.get("readers", name), fault.written(documents), file)


def _holders(value):
    """Every place of the documents that a value can be put into."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _holders(value[key])


@pytest.mark.parametrize("name", READERS)
@bounded
@given(log=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | values.map(json.dumps))
def test_any_bytes(name, log):
    data = log if isinstance(log, bytes) else log.encode("utf-8", "surrogatepass")
    examine(registry.get("readers", name), data, "log.json")
