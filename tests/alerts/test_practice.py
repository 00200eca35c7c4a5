"""Exercises go the whole way, and leave no trace in what is real."""

import pytest
from desk_scene import ACTORS, NOW, do, handled, incident, raised
from sqlalchemy import Engine

from alerts import ledger, sealer
from alerts.desk import Desk
from alerts.figures import FigureQuery, figures, of_installation
from alerts.handover import hand_over
from alerts.projection import replay
from alerts.recount import compare
from alerts.rollups import follow
from alerts.tally import Bucket
from models.alert import Alert, State
from models.errors import Forbidden, InvalidInput, NotFound
from models.geo import GeoPoint
from models.people import Permission

PLACE = GeoPoint(1.0, 1.0)
OP, SUP = ACTORS["op"], ACTORS["sup"]


def drill(desk: Desk, grid: str = "g1", now_s: float = NOW + 2) -> Alert:
    return desk.practise(SUP, grid, "crowding", "广场演练", PLACE, now_s)


def count(engine: Engine, desk: Desk) -> None:
    while sealer.seal(engine, "test", NOW):
        pass
    while follow(engine, desk.policies, NOW):
        pass


def test_figures_are_before_and_after_what_they_were(desk: Desk, town: Engine) -> None:
    done = do(desk, handled(desk, raised(desk)), "ver", "verify")
    do(desk, done, "ver", "close", outcome="fixed_service")
    query = FigureQuery("c", Bucket.DAY, NOW - 86_400, NOW + 86_400)
    count(town, desk)
    before = figures(town, OP, query), of_installation(town, NOW)[0], ledger.counts(town)

    alert = handled(desk, drill(desk))
    assert alert.practice
    closed = do(desk, do(desk, alert, "ver", "verify"), "ver", "close", outcome="fixed_service")
    drill(desk, "g2")
    count(town, desk)
    after = figures(town, OP, query)
    assert (after.total, after.items) == (before[0].total, before[0].items)
    assert (of_installation(town, NOW)[0], ledger.counts(town)) == before[1:]
    assert compare(town, desk.policies, NOW).differing == ()
    log = desk.log(closed.id, OP)
    assert replay(log) == closed  # in the sealed log as everything is
    assert (log[0].actor_id, log[0].role) == ("sup", "supervisor")


def test_lists_and_queues_show_exercises_only_where_asked_for(desk: Desk, town: Engine) -> None:
    real = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch")
    made = do(desk, do(desk, drill(desk), "op", "acknowledge"), "op", "dispatch")
    states = [State.DISPATCHED]
    for practice, wanted in ((False, real), (True, made)):
        found = [
            desk.alerts(OP, practice=practice),
            desk.alerts(OP, practice=practice, states=states, grid_code="d", kinds=["crowding"]),
            desk.queue("d", OP, NOW + 20, practice=practice),
        ]
        assert [[alert.id for alert in page.items] for page in found] == [[wanted.id]] * 3
    assert [alert.id for alert in desk.queue("g1", ACTORS["w1"], NOW + 20).items] == [real.id]
    cases = hand_over(town, OP, "c", "", NOW + 20).sheet["open_cases"]
    assert [case["id"] for case in cases["cases"]] == [real.id]
    assert cases["total"] == 1


def test_what_a_camera_sees_meanwhile_is_an_alert_of_its_own(desk: Desk) -> None:
    made = drill(desk)
    receipt = desk.report(incident(1), NOW + 3)
    assert receipt.alert_id not in (None, made.id)
    assert desk.alert(made.id, OP).incidents == 1
    assert not desk.alert(str(receipt.alert_id), OP).practice
    assert drill(desk).id != made.id  # nor does one exercise swallow the next


@pytest.mark.parametrize(
    ("who", "grid", "kind", "text", "place", "error"),
    [
        ("op", "g1", "crowding", "x", PLACE, Forbidden),
        ("w1", "g2", "crowding", "x", PLACE, NotFound),
        ("sup", "nowhere", "crowding", "x", PLACE, NotFound),
        ("sup", "a\x00", "crowding", "x", PLACE, InvalidInput),
        ("sup", "g1", "nonsense", "x", PLACE, InvalidInput),
        ("sup", "g1", "crowding", "", PLACE, InvalidInput),
        ("sup", "g1", "crowding", "x" * 501, PLACE, InvalidInput),
        ("sup", "g1", "crowding", "x", None, InvalidInput),
    ],
)
def test_who_may_not_and_what_cannot_be(
    desk: Desk, who: str, grid: str, kind: str, text: str, place: GeoPoint | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.practise(ACTORS[who], grid, kind, text, place, NOW)
    assert desk.alerts(OP, practice=True).items == ()
    assert Permission.PRACTICE_RUN.value == "practice:run"
