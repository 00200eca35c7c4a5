"""The desk on a real database: incidents in, commands, claims, who sees what."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from desk_scene import ACTORS, NOW, PHOTO, SHA, FakePlaces, do, duty, handled, incident, later, photo, raised
from sqlalchemy import Engine, func, select

from alerts import ledger
from alerts.database import reading
from alerts.desk import Desk
from alerts.idempotency import Remember
from alerts.ledger import IncidentRow
from alerts.projection import replay
from alerts.reception import OutOfOrder
from models import tables
from models.alert import Alert, Command, CommandType, EventType, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, RetryLater, StaleVersion
from models.geo import GeoPoint
from models.incident import Evidence, Phase, Severity
from models.people import SYSTEM

pytestmark = pytest.mark.both_databases


def count(engine: Engine, table: str) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[table])).scalar_one()


def test_onset_raises_an_alert_in_the_grid_of_its_place(desk: Desk, town: Engine) -> None:
    receipt = desk.report(incident(), NOW)
    assert (receipt.disposition, receipt.duplicate) == ("raise", False)
    alert = desk.alert(receipt.alert_id or "", ACTORS["op"])
    assert (alert.state, alert.version, alert.grid_code, alert.grid_path) == (State.NEW, 1, "g1", "/c/d/g1/")
    assert alert.evidence[0].sha256 == SHA
    assert ledger.cursor_of(town, "worker:1") == 1
    assert [count(town, name) for name in ("alerts", "events", "outbox", "incidents", "evidence")] == [1] * 5


def test_place_outside_every_grid_falls_back_on_the_cameras_and_says_so(desk: Desk) -> None:
    alert = raised(desk, place=GeoPoint(50.0, 1.0))
    assert alert.grid_code == "g1"
    assert "in no grid" in alert.detected_reason


def test_same_incident_twice_is_one(desk: Desk, town: Engine) -> None:
    first = desk.report(incident(), NOW)
    assert desk.report(incident(), NOW + 5) == replace(first, duplicate=True)
    assert count(town, "alerts") == count(town, "incidents") == 1


def test_gap_is_refused_and_leaves_no_trace(desk: Desk, town: Engine) -> None:
    with pytest.raises(OutOfOrder, match="up to 0"):
        desk.report(incident(2), NOW)
    assert count(town, "incidents") == 0
    results = desk.report_batch([incident(1), incident(3), incident(2)], NOW)
    assert isinstance(results[1], OutOfOrder)
    assert ledger.cursor_of(town, "worker:1") == 2


def test_continuing_counts_but_is_told_once_a_minute(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    onset = incident()
    for seq in range(2, 14):  # every 10 s for two minutes
        desk.report(later(onset, Phase.CONTINUING, seq, 10 * (seq - 1)), NOW + 10 * seq)
    seen = desk.alert(alert.id, ACTORS["op"])
    assert [event.type for event in desk.log(alert.id, ACTORS["op"])[1:]] == [EventType.SEEN_AGAIN] * 2
    assert seen.incidents == 13
    assert count(town, "incidents") == 13


def test_clear_scene_is_said_and_never_closes_a_dispatched_case(desk: Desk) -> None:
    alert = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch")
    desk.report(later(incident(), Phase.CLEARED, 2, 30), NOW + 40)
    clear = desk.alert(alert.id, ACTORS["op"])
    assert (clear.state, clear.scene_clear_s) == (State.DISPATCHED, NOW + 31)
    assert clear.measure == alert.measure
    desk.report(later(incident(), Phase.ONSET, 3, 60), NOW + 70)
    assert desk.alert(alert.id, ACTORS["op"]).scene_clear_s is None


def test_onset_after_the_end_is_a_new_alert_but_the_same_crowd_is_not(desk: Desk) -> None:
    alert = raised(desk)
    do(desk, alert, "op", "dismiss", reason="false_alarm")
    still = desk.report(later(incident(), Phase.CONTINUING, 2, 100), NOW + 110)
    assert (still.disposition, still.alert_id) == ("suppress", None)
    assert desk.report(later(incident(), Phase.CLEARED, 3, 110), NOW + 120).disposition == "suppress"
    again = desk.report(later(incident(), Phase.ONSET, 4, 900, onset_s=NOW + 890), NOW + 900)
    assert again.disposition == "raise"
    assert again.alert_id != alert.id


def test_higher_severity_is_told_at_once(desk: Desk) -> None:
    alert = raised(desk)
    desk.report(later(incident(), Phase.CONTINUING, 2, 1, severity=Severity.RED), NOW + 3)
    assert desk.alert(alert.id, ACTORS["op"]).severity is Severity.RED
    with pytest.raises(StaleVersion):
        do(desk, alert, "op", "acknowledge")


@pytest.mark.parametrize(
    "changes",
    [
        {"camera_id": "nobody"},
        {"camera_id": "x\ud800'; DROP TABLE alerts"},
        {"zone_id": "z" * 100},
        {"measure": {"persons": float("inf")}},
        {"at_s": float("nan")},
        {"onset_s": -5.0},
        {"accuracy_m": float("inf")},
    ],
)
def test_what_can_never_be_processed_is_rejected_and_the_cursor_goes_on(
    desk: Desk, town: Engine, changes: dict[str, object]
) -> None:
    receipt = desk.report(incident(1, **changes), NOW)
    assert (receipt.disposition, receipt.alert_id) == ("reject", None)
    assert desk.report(incident(2), NOW).disposition == "raise"
    assert ledger.cursor_of(town, "worker:1") == 2


def test_source_of_no_possible_name_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="source"):
        desk.report(incident(1, source="a\nb"), NOW)


def test_reject_keeps_what_came_and_is_idempotent(desk: Desk, town: Engine) -> None:
    row = IncidentRow("worker:1", 1, "unreadable", "unreadable", "", 0.0, {"as_received": "{"})
    assert not desk.reject(row, "not JSON", NOW).duplicate
    assert desk.reject(row, "not JSON", NOW).duplicate
    with pytest.raises(OutOfOrder):
        desk.reject(replace(row, seq=3), "not JSON", NOW)
    assert ledger.cursor_of(town, "worker:1") == 1


def test_whole_life_to_closed(desk: Desk, town: Engine) -> None:
    alert = handled(desk, raised(desk))
    assert (alert.assignee, alert.handled_by) == ("w1", "w1")
    alert = do(desk, alert, "ver", "verify")
    alert = do(desk, alert, "op", "close", outcome="fixed_management")
    assert (alert.state, alert.outcome, alert.closed_s) == (State.CLOSED, "fixed_management", NOW + 10)
    log = desk.log(alert.id, ACTORS["aud"])
    assert replay(log) == alert == desk.alert(alert.id, ACTORS["op"])
    assert [event.role for event in log][-2:] == ["verifier", "operator"]
    assert ledger.counts(town) == {State.CLOSED: 1}


def test_dispatch_goes_to_whoever_is_on_duty(desk: Desk, places: FakePlaces) -> None:
    assert do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch").offered_to == ("w1",)
    places.on_duty = [duty("lead", "d"), duty("w3", "g1")]  # w3's grant does not reach g1
    alert = raised(desk, 2, zone_id="other")
    alert = do(desk, do(desk, alert, "op", "acknowledge"), "op", "dispatch")
    assert alert.offered_to == ("lead",)
    assert "above, in d" in (alert.shortfall or "")
    places.on_duty = []
    alert = raised(desk, 3, zone_id="third")
    alert = do(desk, do(desk, alert, "op", "acknowledge"), "op", "dispatch")
    assert alert.offered_to == ()
    assert "nobody is on duty" in (alert.shortfall or "")
    assert do(desk, alert, "w1b", "claim").claim is not None  # then whoever works there may


def test_operator_chooses_grid_or_person(desk: Desk) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    moved = do(desk, alert, "op", "dispatch", grid_code="g3")
    assert (moved.grid_code, moved.grid_path, moved.offered_to) == ("g3", "/c/e/g3/", ("w3",))
    named = do(desk, moved, "op", "dispatch", grid_code="g1", person_id="w1b")
    assert named.offered_to == ("w1b",)
    with pytest.raises(InvalidInput, match="nobody of that id"):
        do(desk, named, "op", "dispatch", person_id="w3")
    for grid_code in ("nowhere", "g1\x00", 5, "x" * 100):
        with pytest.raises(InvalidInput):
            do(desk, named, "op", "dispatch", grid_code=grid_code)


def test_operator_of_one_district_cannot_dispatch_into_another(desk: Desk) -> None:
    alert = raised(desk, camera_id="cam3", place=GeoPoint(3.0, 1.0))
    alert = do(desk, alert, "op_e", "acknowledge")
    with pytest.raises(InvalidInput, match="that you may dispatch to"):
        do(desk, alert, "op_e", "dispatch", grid_code="g1")


def test_claims_run_out_and_the_late_writer_is_told(desk: Desk) -> None:
    alert = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch", grid_code="g1")
    first = do(desk, alert, "w1", "claim")
    assert desk.expire_claims(NOW + 129) == 0
    assert desk.expire_claims(NOW + 131) == 1
    assert desk.expire_claims(NOW + 131) == 0
    with pytest.raises(Conflict, match="claim it first"):
        do(desk, first, "w1", "accept", NOW + 132, fence=first.fence)
    second = do(desk, first, "w1", "claim", NOW + 133)
    assert second.fence > first.fence
    with pytest.raises(Conflict, match="claimed anew"):
        do(desk, second, "w1", "accept", NOW + 134, fence=first.fence)
    assert do(desk, second, "w1", "accept", NOW + 135, fence=second.fence).assignee == "w1"


def test_two_cannot_claim_one_case(desk: Desk, places: FakePlaces) -> None:
    places.on_duty = [duty("w1", "g1"), duty("w1b", "g1")]
    alert = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch")
    assert set(alert.offered_to) == {"w1", "w1b"}

    def claim(who: str) -> str:
        try:
            do(desk, alert, who, "claim")
        except Conflict:
            return "conflict"
        return "claimed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(claim, ["w1", "w1b"])) == ["claimed", "conflict"]


def test_stale_version_is_refused_but_what_the_camera_adds_does_not_outdate(desk: Desk) -> None:
    alert = raised(desk)
    desk.report(later(incident(), Phase.CLEARED, 2, 90), NOW + 95)
    acknowledged = do(desk, alert, "op", "acknowledge")  # its version is one behind
    assert acknowledged.version == 3
    with pytest.raises(StaleVersion) as stale:
        do(desk, alert, "op", "dispatch")
    assert (stale.value.expected, stale.value.current) == (1, 3)
    for version in (99, 0, -1):
        with pytest.raises(StaleVersion):
            do(desk, replace(acknowledged, version=version), "op", "dispatch")


def test_out_of_sight_does_not_exist_and_in_sight_may_be_forbidden(desk: Desk) -> None:
    alert = raised(desk)
    for look in (lambda: desk.alert(alert.id, ACTORS["w3"]), lambda: desk.log(alert.id, ACTORS["op_e"])):
        with pytest.raises(NotFound):
            look()
    with pytest.raises(NotFound):
        do(desk, alert, "op_e", "acknowledge")
    with pytest.raises(NotFound):
        desk.add_evidence(alert.id, ACTORS["w2"], photo(), NOW)
    with pytest.raises(Forbidden):
        do(desk, alert, "w1", "acknowledge")
    with pytest.raises(Forbidden):
        desk.add_evidence(alert.id, ACTORS["aud"], photo(), NOW)
    with pytest.raises(NotFound):
        desk.alert("no such id", ACTORS["op"])
    with pytest.raises(InvalidInput):
        desk.alert("\x00\ud800", ACTORS["op"])


def test_evidence_is_added_once(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    added = desk.add_evidence(alert.id, ACTORS["w1"], photo(), NOW)
    assert added.evidence[-1] == photo()
    assert desk.add_evidence(alert.id, ACTORS["w1"], photo(), NOW + 1) == added
    assert count(town, "evidence") == 2
    for n in range(98):
        desk.add_evidence(alert.id, ACTORS["w1"], Evidence(f"{n:064x}", "photo", "image/jpeg", NOW), NOW)
    with pytest.raises(Conflict, match="at most 100"):
        desk.add_evidence(alert.id, ACTORS["w1"], Evidence("f" * 64, "photo", "image/jpeg", NOW), NOW)


def test_closed_case_is_not_reopened_beside_a_newer_one(desk: Desk) -> None:
    alert = do(desk, do(desk, handled(desk, raised(desk)), "ver", "verify"), "ver", "close", outcome="fixed_service")
    raised(desk, 2, onset_s=NOW + 2, evidence=())
    with pytest.raises(Conflict, match="newer alert"):
        do(desk, alert, "ver", "reopen", reason="又聚集了")


def test_transfer_up_and_down(desk: Desk) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    with pytest.raises(InvalidInput, match="above g1"):
        do(desk, alert, "op", "transfer_up", grid_code="e")
    up = do(desk, alert, "op", "transfer_up", grid_code="d")
    assert (up.state, up.grid_path) == (State.TRANSFERRED_UP, "/c/d/")
    with pytest.raises(NotFound):
        desk.alert(alert.id, ACTORS["w1"])
    with pytest.raises(Forbidden, match="new owner"):
        do(desk, up, "op", "take_over")
    down = do(desk, do(desk, up, "sup", "take_over"), "op", "assign_down", grid_code="g2")
    assert (down.state, down.grid_code) == (State.ASSIGNED_DOWN, "g2")


def test_answer_is_remembered_with_the_command_or_not_at_all(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    command = Command(CommandType.ACKNOWLEDGE, ACTORS["op"])

    def broken(_: Alert) -> tuple[int, dict[str, object]]:
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        desk.execute(alert.id, command, 1, NOW, Remember("op", "k", "0" * 64, broken))
    assert desk.alert(alert.id, ACTORS["op"]).version == 1
    kept = Remember("op", "k", "0" * 64, lambda after: (200, {"version": after.version}))
    desk.execute(alert.id, command, 1, NOW, kept)
    with pytest.raises(RetryLater):
        desk.execute(alert.id, command, 1, NOW, kept)
    assert count(town, "idempotency") == 1


def test_lists_are_paged_and_scoped(desk: Desk) -> None:
    for seq in range(1, 8):
        raised(desk, seq, zone_id=f"z{seq}", evidence=())
    raised(desk, 8, camera_id="cam3", place=GeoPoint(3.0, 1.0), evidence=())
    assert len(desk.alerts(ACTORS["op"], limit=100).items) == 8
    assert [alert.grid_code for alert in desk.alerts(ACTORS["op_e"]).items] == ["g3"]
    found: list[str] = []
    page = desk.alerts(ACTORS["op"], limit=3, grid_code="d")
    while True:
        found += [alert.id for alert in page.items]
        if page.next is None:
            break
        page = desk.alerts(ACTORS["op"], limit=3, grid_code="d", after=page.next)
    assert len(found) == len(set(found)) == 7
    assert found == sorted(found, reverse=True)
    assert len(desk.alerts(ACTORS["op"], states=[State.CLOSED]).items) == 0
    assert len(desk.alerts(ACTORS["op"], kinds=["crowding"], severity=Severity.ORANGE).items) == 8
    assert len(desk.alerts(SYSTEM).items) == 8
    with pytest.raises(NotFound):
        desk.alerts(ACTORS["op_e"], grid_code="d")


@pytest.mark.parametrize(
    "after", ["", "~", "1~", "nan~A", "inf~A", "1~'; DROP", "x" * 10_000, "1~2~3~4", "\ud800~A"], ids=range(9)
)
def test_hostile_page_keys_are_refused(desk: Desk, after: str) -> None:
    with pytest.raises(InvalidInput):
        desk.alerts(ACTORS["op"], after=after)
    with pytest.raises(InvalidInput):
        desk.queue("c", ACTORS["op"], NOW, after=after)


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_page_sizes_are_bounded(desk: Desk, limit: int) -> None:
    with pytest.raises(InvalidInput):
        desk.alerts(ACTORS["op"], limit=limit)


def test_queue_is_severity_then_age(desk: Desk) -> None:
    made = [
        raised(desk, seq, zone_id=f"z{seq}", severity=severity, evidence=())
        for seq, severity in enumerate((Severity.BLUE, Severity.ORANGE, Severity.RED, Severity.ORANGE), 1)
    ]
    assert desk.queue("c", ACTORS["op"], NOW).items == ()
    for alert in made:
        do(desk, do(desk, alert, "op", "acknowledge"), "op", "dispatch")
    wanted = [made[i].id for i in (2, 1, 3, 0)]
    first = desk.queue("d", ACTORS["op"], NOW, limit=2)
    rest = desk.queue("d", ACTORS["op"], NOW, limit=2, after=first.next)
    assert [alert.id for alert in (*first.items, *rest.items)] == wanted
    assert rest.next is None
    claimed = do(desk, first.items[0], "w1", "claim")
    assert desk.queue("g1", ACTORS["w1"], NOW + 20).items[0].claim == claimed.claim
    assert desk.queue("g1", ACTORS["w1"], NOW + 999).items[0].claim is None
    with pytest.raises(NotFound):
        desk.queue("g3", ACTORS["w1"], NOW)


def test_handle_needs_a_picture_of_this_alert(desk: Desk) -> None:
    alert = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch")
    alert = do(desk, alert, "w1", "claim")
    alert = do(desk, do(desk, alert, "w1", "accept", fence=alert.fence), "w1", "arrive")
    for evidence in ([], [PHOTO], ["x"], "x", None, [1], [SHA] * 50):
        with pytest.raises(InvalidInput, match="evidence"):
            do(desk, alert, "w1", "handle", evidence=evidence, text="done")
