"""One small data set for all tests of this folder."""

import pytest

from tracekit.inject.dataset import build
from tracekit.inject.spec import Spec

SMALL = Spec(n=16, families=("arithmetic", "tables"), topologies=("chain", "star"), seed=3)


@pytest.fixture(scope="session")
def small():
    """What the small set is made from."""
    return SMALL


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The small set, built once; do not write there."""
    out = tmp_path_factory.mktemp("small")
    build(SMALL, out)
    return out
