"""Shared fixtures: where the real logs are, and how tests that need them are left out."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder $TRACEKIT_DATA with samples/, labeled/ and corpora/; skips without it."""
    folder = os.environ.get("TRACEKIT_DATA")
    if not folder:
        pytest.skip("TRACEKIT_DATA is not set")
    return Path(folder)
