from collections.abc import Iterator

import pytest
from world import World, running_world


@pytest.fixture(scope="session")
def _city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("api")) as world:
        yield world


@pytest.fixture
def world(_city: World) -> World:
    """One city for all tests: each makes its own alerts in it, and finds the video desk as new."""
    _city.desk.reset()
    return _city
