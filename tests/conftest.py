"""Fixtures for every room's tests."""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest

from ops.footage import cached


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported for the tests stays to the end: the collector need not walk through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def vtest() -> Path:
    """Real footage: pedestrians on a plaza. See ``ops.footage`` for what it is and whose."""
    path = cached()
    if path is None:
        pytest.fail("the footage is not here yet: `./run test` fetches it, or `.venv/bin/wangge footage` does")
    return path
