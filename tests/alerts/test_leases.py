"""Leases between processes."""

import pytest
from desk_scene import NOW
from sqlalchemy import Engine, select

from alerts.database import reading, writing
from alerts.leases import FORGOTTEN_AFTER_S, alive, beat, take
from models.tables import leases

pytestmark = pytest.mark.both_databases


def taken(engine: Engine, holder: str, now_s: float) -> bool:
    with writing(engine) as connection:
        return take(connection, "job", holder, now_s, 10)


def test_one_holder_until_it_runs_out_and_the_fence_rises(town: Engine) -> None:
    assert taken(town, "a", NOW)
    assert not taken(town, "b", NOW + 9)
    assert taken(town, "a", NOW + 9)  # prolonged
    assert not taken(town, "b", NOW + 15)
    assert taken(town, "b", NOW + 19)
    assert not taken(town, "a", NOW + 20)
    with reading(town) as connection:
        assert connection.execute(select(leases.c.fence)).scalar_one() == 2


def test_signs_of_life(town: Engine) -> None:
    assert not alive(town, "dispatcher", NOW)
    beat(town, "dispatcher", "x", NOW, 10)
    beat(town, "dispatcher_of_dreams", "x", NOW + 50, 10)
    assert alive(town, "dispatcher", NOW + 9)
    assert not alive(town, "dispatcher", NOW + 10)
    beat(town, "dispatcher", "y", NOW + FORGOTTEN_AFTER_S + 11, 10)
    with reading(town) as connection:
        assert set(connection.execute(select(leases.c.name)).scalars()) == {"dispatcher:y", "dispatcher_of_dreams:x"}
