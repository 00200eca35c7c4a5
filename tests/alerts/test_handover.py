"""A desk handed over: what is open and promised, under two signatures."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import Databases
from registry_scene import PATHS, Scene, build
from sqlalchemy import insert, select

from alerts.database import reading, writing
from alerts.handover import (
    Handover,
    hand_over,
    handover,
    handovers_of,
    keep_promise,
    make_promise,
    open_promises,
    take_over,
)
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.people import SYSTEM, Actor, Role
from models.tables import alerts, handovers

pytestmark = pytest.mark.both_databases

NOW = 1_800_000_000.0


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    yield from build(tmp_path, databases)


def person(scene: Scene, username: str, role: Role = Role.OPERATOR, code: str = "A") -> Actor:
    made, _ = scene.registry.add_person(SYSTEM, username, username.title(), "a sentence for a test", [(role, code)])
    return Actor(made.id, made.name, made.grants)


def case(scene: Scene, alert_id: str, code: str, state: str, severity: int) -> None:
    values = {"id": alert_id, "version": 3, "state": state, "kind": "crowding", "severity": severity, "body": {}}
    place = {"grid_code": code, "grid_path": PATHS[code], "lon_deg": 109.0, "lat_deg": 32.7, "fold_key": alert_id}
    with writing(scene.engine) as connection:
        connection.execute(insert(alerts).values(**values, **place, created_s=1.0, changed_s=1.0))


def test_a_sheet_holds_what_is_open_and_both_sign_the_very_same(scene: Scene) -> None:
    day, night = person(scene, "day"), person(scene, "night")
    for number, (code, state, severity) in enumerate(
        [("A1", "new", 3), ("A2", "suspended", 1), ("A1", "closed", 1), ("B1", "new", 1)]
    ):
        case(scene, f"0{number}", code, state, severity)
    kept = make_promise(scene.engine, day, "A", "call Mrs Zhang back", NOW + 3600, "00", NOW)
    open_ = make_promise(scene.engine, day, "A", "看 3 号摄像机", NOW + 60, None, NOW)
    assert keep_promise(scene.engine, night, kept.id, NOW + 1).kept_by == night.id
    made = hand_over(scene.engine, day, "A", " quiet\nnight ", NOW + 10)
    cases = made.sheet["open_cases"]
    assert (cases["total"], cases["counts"]) == (2, {"new": 1, "suspended": 1})
    assert [item["id"] for item in cases["cases"]] == ["01", "00"]
    assert [item["id"] for item in made.sheet["promises"]] == [open_.id]
    assert (made.sheet["remark"], made.sheet["outgoing"]["name"], made.incoming_id) == ("quiet night", "Day", None)
    case(scene, "09", "A1", "new", 1)  # what comes later is not on the sheet
    signed = take_over(scene.engine, night, made.id, made.sha256, "read", NOW + 20)
    assert (signed.incoming_id, signed.incoming_name, signed.incoming_s) == (night.id, "Night", NOW + 20)
    assert signed.sheet == made.sheet
    assert handover(scene.engine, person(scene, "aud", Role.AUDITOR), made.id) == signed


def _waiting(scene: Scene) -> tuple[Actor, Actor, Handover]:
    day, night = person(scene, "day"), person(scene, "night")
    return day, night, hand_over(scene.engine, day, "A", "", NOW)


def test_it_takes_two_persons_of_that_desk_and_the_sheet_that_was_read(scene: Scene) -> None:
    day, night, made = _waiting(scene)
    for who, sha256, error in (
        (day, made.sha256, Forbidden),
        (SYSTEM, made.sha256, Forbidden),
        (person(scene, "worker", Role.GRID_WORKER), made.sha256, Forbidden),
        (person(scene, "far", code="B"), made.sha256, NotFound),
        (night, "0" * 64, Conflict),
    ):
        with pytest.raises(error):
            take_over(scene.engine, who, made.id, sha256, None, NOW)
    assert handover(scene.engine, day, made.id).incoming_id is None
    take_over(scene.engine, night, made.id, made.sha256, None, NOW)
    with pytest.raises(Conflict, match="already"):
        take_over(scene.engine, person(scene, "third"), made.id, made.sha256, None, NOW)
    for who, code, error in ((SYSTEM, "A", Forbidden), (day, "B", NotFound), (day, "nowhere", NotFound)):
        with pytest.raises(error):
            hand_over(scene.engine, who, code, "", NOW)


def test_what_is_kept_is_what_was_signed(scene: Scene) -> None:
    _, _, made = _waiting(scene)
    with reading(scene.engine) as connection:
        text = connection.execute(select(handovers.c.sheet)).scalar_one()
    assert (hashlib.sha256(text.encode()).hexdigest(), json.loads(text)) == (made.sha256, made.sheet)


def test_an_unkept_promise_stands_on_every_sheet_until_it_is_kept(scene: Scene) -> None:
    day, night, _ = _waiting(scene)
    promise = make_promise(scene.engine, day, "A", "call back", NOW + 60, None, NOW)
    for turn in range(2):
        sheet = hand_over(scene.engine, night, "A", "", NOW + turn).sheet
        assert [item["id"] for item in sheet["promises"]] == [promise.id]
    done = keep_promise(scene.engine, night, promise.id, NOW + 5)
    assert keep_promise(scene.engine, day, promise.id, NOW + 9) == done
    assert open_promises(scene.engine, day, "A") == []
    pages = [handovers_of(scene.engine, day, "A", limit=2)]
    pages.append(handovers_of(scene.engine, day, "A", limit=2, after=pages[0].next))
    assert [len(page.items) for page in pages] == [2, 1]
    assert pages[0].items[0].outgoing_s == NOW + 1


def test_promises_that_cannot_be_made_are_refused(scene: Scene) -> None:
    day = person(scene, "day")
    case(scene, "00", "B1", "new", 1)
    for text, due_s, alert_id in (
        ("", NOW + 1, None),
        ("x" * 1001, NOW + 1, None),
        ("x", NOW, None),
        ("x", NOW + 1e9, None),
        ("x", float("nan"), None),
        ("x", NOW + 1, "00"),
        ("x", NOW + 1, "\x00"),
    ):
        with pytest.raises(InvalidInput):
            make_promise(scene.engine, day, "A", text, due_s, alert_id, NOW)
    with pytest.raises(Forbidden):
        make_promise(scene.engine, person(scene, "w", Role.GRID_WORKER), "A", "x", NOW + 1, None, NOW)
    with pytest.raises(NotFound):
        keep_promise(scene.engine, day, "nothing", NOW)
