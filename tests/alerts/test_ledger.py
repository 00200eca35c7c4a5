"""The ledger's SQL where the desk does not show it."""

import pytest
from desk_scene import ACTORS, NOW, PATHS, incident, photo, raised
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError

from alerts import ledger
from alerts.database import reading, writing
from alerts.desk import Desk
from alerts.projection import detected, evidence_added
from models import tables
from models.errors import StaleVersion

pytestmark = pytest.mark.both_databases


def test_a_writer_that_was_overtaken_changes_nothing(desk: Desk, town: Engine) -> None:
    seen = raised(desk)
    desk.add_evidence(seen.id, ACTORS["w1"], photo(), NOW)
    late = evidence_added(seen, ACTORS["w1"], "grid_worker", photo("e" * 64), NOW)
    with pytest.raises(StaleVersion), writing(town) as connection:
        ledger.append(connection, seen, late)
    assert desk.alert(seen.id, ACTORS["op"]).version == 2


def test_two_open_alerts_of_one_place_cannot_be(desk: Desk, town: Engine) -> None:
    raised(desk)
    twin = detected("B" * 26, incident(), ("g1", PATHS["g1"]), ("g1",), "why", NOW)
    with pytest.raises(IntegrityError), writing(town) as connection:
        ledger.append(connection, None, twin)


def test_columns_say_what_the_body_says(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    with reading(town) as connection:
        row = connection.execute(select(tables.alerts)).mappings().one()
    assert (row["state"], row["open_fold_key"], row["lon_deg"]) == ("new", alert.fold_key, 1.0)
    assert row["body"]["place"] == [1.0, 1.0]


def test_workers_are_active_and_of_that_subtree(town: Engine) -> None:
    with writing(town) as connection:
        assert ledger.workers(connection, ["w1", "w2", "lead", "op", "unit"], PATHS["g1"]) == {"w1", "lead", "unit"}
        connection.execute(update(tables.people).where(tables.people.c.id == "w1").values(active=False))
        assert ledger.workers(connection, ["w1"], PATHS["g1"]) == set()
        assert ledger.workers(connection, [], PATHS["g1"]) == set()


def test_cursor_of_an_unknown_source_is_nought(town: Engine) -> None:
    assert ledger.cursor_of(town, "nobody") == 0
