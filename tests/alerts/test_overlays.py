"""What stands beside a case's course: supervision, co-assignees, transfer, void, evaluation, what comes too late."""

import pytest
from desk_scene import ACTORS, NOW, PHOTO, do, handled, incident, photo, raised
from sqlalchemy import Engine, insert

from alerts.database import writing
from alerts.desk import Desk
from alerts.projection import replay
from alerts.sight import evidence_in_sight
from models import tables
from models.alert import Alert, Command, CommandType, EventType, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, StaleVersion
from models.incident import Evidence
from models.people import Actor

OP = ACTORS["op"]
NIGHT = 1_800_046_800.0  # Saturday 2027-01-16, 05:00 in Shanghai
DAY = 1_799_978_400.0  # Friday 2027-01-15, 10:00 there


def told(desk: Desk, alert: Alert) -> list[EventType]:
    log = desk.log(alert.id, OP)
    assert replay(log) == desk.alert(alert.id, OP)
    return [event.type for event in log]


def accepted(desk: Desk, alert: Alert) -> Alert:
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), ("w1", "claim")):
        alert = do(desk, alert, who, what)
    return do(desk, alert, "w1", "accept", fence=alert.fence)


def test_supervision_is_replied_to_by_another_and_hinders_nobody(desk: Desk) -> None:
    alert = accepted(desk, raised(desk))
    asked = do(desk, alert, "sup", "supervise", text="为何未到场", reply_due_s=NOW + 3600)
    with pytest.raises(Conflict, match="supervised already"):
        do(desk, asked, "sup", "supervise", text="again", reply_due_s=NOW + 3600)
    with pytest.raises(Forbidden, match="does not reply"):
        do(desk, asked, "sup", "reply", text="to myself")
    there = do(desk, alert, "w1", "arrive")  # whose phone had not heard of it
    replied = do(desk, there, "w1", "reply", text="堵车，已到")
    assert replied.supervision is not None
    assert (replied.supervision.opinion, replied.supervision.reply) == ("为何未到场", "堵车，已到")
    with pytest.raises(Conflict, match="waits for a reply"):
        do(desk, replied, "w1", "reply", text="once more")
    assert replied.state is State.ON_SCENE
    told(desk, replied)


@pytest.mark.parametrize("reply_due_s", [NOW, NOW + 400 * 86_400, "soon"])
def test_a_supervision_waits_for_a_reply_in_some_time(desk: Desk, reply_due_s: object) -> None:
    with pytest.raises(InvalidInput, match="reply_due_s"):
        do(desk, raised(desk), "sup", "supervise", text="x", reply_due_s=reply_due_s)


def test_a_co_assignee_from_a_neighbouring_grid_sees_notes_and_adds_evidence(desk: Desk, town: Engine) -> None:
    alert = accepted(desk, raised(desk))
    w3, picture = ACTORS["w3"], alert.evidence[0].sha256
    with pytest.raises(NotFound):
        desk.alert(alert.id, w3)
    shared = do(desk, alert, "op", "add_co_assignee", person_id="w3")
    assert desk.alert(alert.id, w3).co_assignees == ("w3",)
    assert evidence_in_sight(town, picture, w3).kind == "still"
    do(desk, shared, "w3", "note", text="我也到了")
    added = desk.add_evidence(alert.id, w3, photo("e" * 64), NOW + 20)
    assert desk.log(alert.id, OP)[-1].role == "co_assignee"
    for what in ("arrive", "acknowledge", "dispatch"):
        with pytest.raises(Forbidden):
            do(desk, added, "w3", what)
    with pytest.raises(Conflict, match="already"):
        do(desk, added, "op", "add_co_assignee", person_id="w1")  # who has the case
    do(desk, added, "op", "remove_co_assignee", person_id="w3")
    with pytest.raises(NotFound):
        desk.alert(alert.id, w3)
    with pytest.raises(NotFound):
        evidence_in_sight(town, picture, w3)


def test_nobody_becomes_co_assignee_who_does_not_work_on_cases(desk: Desk) -> None:
    alert = accepted(desk, raised(desk))
    for person in ("aud", "nobody"):
        with pytest.raises(InvalidInput, match="nobody who works"):
            do(desk, alert, "op", "add_co_assignee", person_id=person)
    with pytest.raises(Conflict, match="no co-assignee"):
        do(desk, alert, "op", "remove_co_assignee", person_id="w3")


def test_a_void_takes_two_persons(desk: Desk) -> None:
    asked = do(desk, accepted(desk, raised(desk)), "op", "void", reason="演练")
    assert (asked.state, asked.void_asked and asked.void_asked.by) == (State.ACCEPTED, "op")
    with pytest.raises(Forbidden, match="two persons"):
        do(desk, asked, "op", "confirm_void")
    with pytest.raises(Forbidden):
        do(desk, asked, "w1", "confirm_void")
    there = do(desk, desk.alert(asked.id, OP), "w1", "arrive")  # the case goes on until it is confirmed
    refused = do(desk, there, "sup", "refuse_void")
    assert (refused.state, refused.void_asked) == (State.ON_SCENE, None)
    again = do(desk, refused, "op", "void", reason="演练")
    voided = do(desk, again, "sup", "confirm_void")
    assert (voided.state, voided.void_asked) == (State.VOIDED, None)
    with pytest.raises(Conflict):
        do(desk, voided, "op", "refuse_void")
    assert EventType.VOID_REFUSED in told(desk, voided)


def test_by_day_nobody_voids_alone(desk: Desk) -> None:
    with pytest.raises(Conflict, match="second person"):
        do(desk, raised(desk), "op", "void_alone", DAY, reason="演练")


def test_a_void_alone_at_night_is_confirmed_within_a_day_or_lapses(desk: Desk) -> None:
    first, second = accepted(desk, raised(desk)), raised(desk, 2, zone_id="y", evidence=())
    lone = [do(desk, alert, "op", "void_alone", NIGHT, reason="演练") for alert in (first, second)]
    assert [alert.state for alert in lone] == [State.VOIDED] * 2
    with pytest.raises(Forbidden, match="two persons"):
        do(desk, lone[0], "op", "refuse_void", NIGHT + 60)
    confirmed = do(desk, lone[1], "sup", "confirm_void", NIGHT + 3600)
    desk.tick(NIGHT + 86_399)
    assert desk.alert(first.id, OP).state is State.VOIDED
    desk.tick(NIGHT + 86_400)
    back = desk.alert(first.id, OP)
    assert (back.state, back.assignee, back.void_asked) == (State.ACCEPTED, "w1", None)
    assert back.stage_clock is not None
    assert told(desk, back)[-1] is EventType.VOID_LAPSED
    assert desk.alert(confirmed.id, OP).state is State.VOIDED


def test_a_lapsed_void_does_not_bring_back_a_twin(desk: Desk) -> None:
    alert = do(desk, raised(desk), "op", "void_alone", NIGHT, reason="演练")
    newer = raised(desk, 2, onset_s=NOW + 2, evidence=())
    desk.tick(NIGHT + 86_400)
    event = next(event for event in desk.log(alert.id, OP) if event.type is EventType.VOID_LAPSED)
    assert (desk.alert(alert.id, OP).state, event.data["twin"]) == (State.VOIDED, newer.id)


def unit_of(town: Engine, code: str, grid: str, *members: str) -> None:
    with writing(town) as connection:
        row = {"code": code, "name": code, "kind": "unit", "grid_code": grid, "active": True, "created_s": 0.0}
        connection.execute(insert(tables.organisations).values(row))
        people = tables.people
        for member in members:
            connection.execute(people.update().where(people.c.id == member).values(organisation_code=code))


def test_between_units_the_new_owner_acknowledges_or_declines(desk: Desk, town: Engine) -> None:
    unit_of(town, "chengguan", "d", "unit")
    unit_of(town, "elsewhere", "e")
    alert = do(desk, raised(desk), "op", "acknowledge")
    with pytest.raises(InvalidInput, match="responsible"):
        do(desk, alert, "op", "transfer_across", unit="elsewhere")
    sent = do(desk, alert, "op", "transfer_across", unit="chengguan")
    assert (sent.state, sent.unit) == (State.ASSIGNED_DOWN, "chengguan")
    assert sent.stage_clock is not None
    assert sent.stage_clock.stage == "ack"
    with pytest.raises(Conflict, match="someone of the unit"):
        do(desk, sent, "sup", "take_over")
    declined = do(desk, sent, "unit", "decline", reason="beyond_authority")
    assert (declined.state, declined.unit, declined.grid_code) == (State.RETURNED, None, "g1")
    again = do(desk, declined, "op", "transfer_across", unit="chengguan")
    taken = do(desk, again, "unit", "take_over")
    assert (taken.state, taken.unit, taken.acknowledged_by) == (State.ACKNOWLEDGED, "chengguan", "unit")
    told(desk, taken)


def test_a_declined_transfer_goes_back_where_it_came_from(desk: Desk) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    up = do(desk, alert, "op", "transfer_up", grid_code="c")
    back = do(desk, up, "sup", "decline", reason="wrong_unit")
    assert (back.state, back.grid_path, back.moved_from) == (State.RETURNED, "/c/d/g1/", None)


def test_what_the_reporter_says_closes_the_case_or_leaves_it_to_a_person(desk: Desk) -> None:
    verified = do(desk, handled(desk, raised(desk)), "ver", "verify", outcome="fixed_service")
    called = do(desk, verified, "ver", "call_back", reached=True, satisfied=True, text="已解决")
    rated = do(desk, called, "op", "evaluate", rating=5, text="满意")
    assert (rated.state, rated.evaluation and rated.evaluation.rating) == (State.VERIFIED, 5)
    desk.tick(NOW + 11)
    closed = desk.alert(rated.id, OP)
    assert (closed.state, closed.outcome, closed.call_back and closed.call_back.satisfied) == (
        State.CLOSED, "fixed_service", True,
    )  # fmt: skip
    assert desk.log(closed.id, OP)[-1].reason == "evaluated"
    told(desk, closed)


@pytest.mark.parametrize(("what", "arguments"), [
    ("evaluate", {}), ("evaluate", {"rating": 6}), ("evaluate", {"rating": True}), ("evaluate", {"rating": "5"}),
    ("call_back", {}), ("call_back", {"reached": "yes"}), ("call_back", {"reached": True, "satisfied": 1}),
])  # fmt: skip
def test_no_nonsense_in_the_reporters_name(desk: Desk, what: str, arguments: dict[str, object]) -> None:
    verified = do(desk, handled(desk, raised(desk)), "ver", "verify")
    with pytest.raises(InvalidInput, match=what):
        do(desk, verified, "op", what, **arguments)


def lost(desk: Desk) -> tuple[Alert, Alert]:
    """A case whose claim by w1 was lost to w1b: as w1 saw it last, and as it is."""
    alert = do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch", person_id="w1")
    seen = do(desk, alert, "w1", "claim")
    desk.expire_claims(NOW + 500)
    alert = do(desk, desk.alert(seen.id, OP), "op", "dispatch", NOW + 501, person_id="w1b")
    alert = do(desk, alert, "w1b", "claim", NOW + 502)
    return seen, do(desk, alert, "w1b", "accept", NOW + 503, fence=alert.fence)


def test_what_comes_too_late_is_refused_and_kept_once(desk: Desk) -> None:
    seen, now = lost(desk)
    desk.add_evidence(seen.id, ACTORS["w1"], photo(), NOW + 504)
    sent = Command(CommandType.HANDLE, ACTORS["w1"], {"evidence": [PHOTO], "text": "已劝离"}, client_at_s=NOW + 100)
    for at_s in (NOW + 600, NOW + 700, NOW + 800):  # a phone sends until it is answered
        with pytest.raises(Conflict):
            desk.execute(seen.id, sent, seen.version, at_s)
    notes = [event for event in desk.log(seen.id, OP) if event.reason == "late"]
    assert [(event.type, event.actor_id, event.at_s) for event in notes] == [(EventType.NOTED, "w1", NOW + 600)]
    assert notes[0].data["late"]["arguments"] == {"evidence": [PHOTO], "text": "已劝离"}
    assert notes[0].data["late"]["client_at_s"] == NOW + 100
    after = desk.alert(seen.id, OP)
    assert (after.state, after.assignee, after.handled_by) == (State.ACCEPTED, "w1b", None)
    # The note itself sends nobody back to look again: only w1's picture does, which changes what there is to see.
    there = do(desk, desk.alert(seen.id, OP), "w1b", "arrive", NOW + 900)
    assert there.state is State.ON_SCENE
    told(desk, there)
    assert now.version < there.version


def test_a_late_note_does_not_make_others_stale(desk: Desk) -> None:
    seen, now = lost(desk)
    with pytest.raises(StaleVersion):
        do(desk, seen, "w1", "accept", NOW + 600, fence=1)
    assert do(desk, now, "w1b", "arrive", NOW + 601).state is State.ON_SCENE


def test_only_who_held_the_case_and_lost_it_is_kept(desk: Desk) -> None:
    seen, now = lost(desk)
    stranger = Command(CommandType.RETURN, ACTORS["lead"], reason="unsafe")
    nonsense = Command(CommandType.HANDLE, ACTORS["w1"], {"evidence": "x"})
    holder = Command(CommandType.ARRIVE, ACTORS["w1b"])
    outside = Command(CommandType.ARRIVE, Actor("w9", "W9"))
    for command in (stranger, nonsense, holder, outside):
        with pytest.raises((Conflict, Forbidden, NotFound)):
            desk.execute(seen.id, command, 1, NOW + 600)
    assert desk.alert(now.id, OP).version == now.version
    with pytest.raises(NotFound):
        desk.execute("0" * 26, holder, 1, NOW + 600)


def test_an_old_ledgers_alert_is_still_read(desk: Desk, town: Engine) -> None:
    """An alert stored before there were clocks and overlays has none of them, and gets a clock with its next stage."""
    alert = raised(desk, evidence=(Evidence("a" * 64, "still", "image/jpeg", NOW),))
    new = {"co_assignees", "moved_from", "supervision", "void_asked", "evaluation", "call_back", "escalation"}
    new |= {"stage_clock", "whole_clock", "suspended_since_s", "suspended_s", "acknowledged_by", "unit"}
    with writing(town) as connection:
        stored = tables.alerts
        body = connection.execute(stored.select().where(stored.c.id == alert.id)).one().body
        old = {name: value for name, value in body.items() if name not in new | {"whole_overdue_s"}}
        connection.execute(stored.update().where(stored.c.id == alert.id).values(body=old))
    seen = desk.alert(alert.id, OP)
    assert (seen.stage_clock, seen.light(NOW), seen.co_assignees) == (None, None, ())
    acknowledged = do(desk, seen, "op", "acknowledge")
    assert acknowledged.stage_clock is not None
    assert incident().kind == acknowledged.kind
