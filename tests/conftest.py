"""Fixtures for every room's tests."""

from pathlib import Path

import pytest

from ops.footage import cached


@pytest.fixture(scope="session")
def vtest() -> Path:
    """Real footage: pedestrians on a plaza. See ``ops.footage`` for what it is and whose."""
    path = cached()
    if path is None:
        pytest.fail("the footage is not here yet: `./run test` fetches it, or `.venv/bin/wangge footage` does")
    return path
