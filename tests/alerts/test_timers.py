"""Timers are rows: set with the event that starts them, bound to it, fired once whoever looks, over restarts."""

import threading
from collections.abc import Collection

import pytest
from desk_scene import ACTORS, NOW, FakePlaces, do, handled, raised
from redis import Redis
from sqlalchemy import Engine, select

from alerts.database import open_database, reading, writing
from alerts.desk import Desk
from alerts.dispatcher import Dispatcher
from alerts.projection import replay
from alerts.queue import Consumer, EventStream
from alerts.storms import Storms
from models import tables
from models.alert import Alert, EventType, State
from models.people import Duty

OP = ACTORS["op"]
MIN = 60.0
BORN = NOW + 1


def rows(town: Engine, **wanted: object) -> list[tuple[str, float, str | None]]:
    """(kind, due, effect) of the timers that wait; with ``fired=True``, of those that do not."""
    timers = tables.timers.c
    done = timers.fired_s.is_not(None) if wanted.get("fired") else timers.fired_s.is_(None)
    with reading(town) as connection:
        return sorted(
            (row.kind, row.due_s, row.effect) for row in connection.execute(select(tables.timers).where(done))
        )


def types(desk: Desk, alert: Alert) -> list[EventType]:
    log = desk.log(alert.id, OP)
    assert replay(log) == desk.alert(alert.id, OP)
    return [event.type for event in log]


def test_the_event_and_its_timers_are_one_transaction(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    assert [kind for kind, _, _ in rows(town)] == ["stage", "whole"]
    assert rows(town)[0][1] == BORN + 5 * MIN
    do(desk, alert, "op", "acknowledge", BORN + 60)
    assert rows(town)[0][1] == BORN + 60 + 30 * MIN
    assert rows(town, fired=True) == [("stage", BORN + 5 * MIN, None)]  # overtaken: no effect


def test_nothing_fires_early_and_what_fires_fires_once(desk: Desk, town: Engine, places: FakePlaces) -> None:
    alert = raised(desk)
    assert desk.tick(BORN + 5 * MIN - 0.01) == 0
    assert desk.tick(BORN + 5 * MIN) == 1
    assert desk.tick(BORN + 5 * MIN) == 0
    assert Desk(town, places, claim_lease_s=1).tick(BORN + 5 * MIN) == 0  # as after a restart
    assert types(desk, alert) == [EventType.DETECTED, EventType.ESCALATED]
    event = desk.log(alert.id, OP)[-1]
    assert (event.data["level"], event.data["who"], event.data["cause"]) == (1, ["op"], "overdue")
    assert event.data["timer"] == 1  # the version that set it
    assert rows(town, fired=True) == [("stage", BORN + 5 * MIN, "escalated")]


@pytest.mark.both_databases
def test_two_dispatchers_fire_each_timer_once(desk: Desk, town: Engine, places: FakePlaces) -> None:
    calm = Desk(town, places, claim_lease_s=1, storms=Storms(limit=8))
    alerts = [raised(calm, seq, zone_id=f"z{seq}", evidence=()) for seq in range(1, 9)]
    other = open_database(town.url.render_as_string(hide_password=False))
    desks = [desk, Desk(other, places, claim_lease_s=1)]
    start, effects = threading.Barrier(2), [0, 0]

    def look(n: int) -> None:
        start.wait()
        effects[n] = desks[n].tick(NOW + 3600)

    threads = [threading.Thread(target=look, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.dispose()
    assert sum(effects) == 8
    for alert in alerts:
        assert types(desk, alert) == [EventType.DETECTED, EventType.ESCALATED]


class Dying(FakePlaces):
    def duties(self, codes: Collection[str], now_s: float) -> list[Duty]:
        raise KeyboardInterrupt(f"killed while looking at {codes} at {now_s}")


def test_a_dispatcher_that_dies_before_it_commits_has_fired_nothing(desk: Desk, town: Engine) -> None:

    alert = raised(desk)
    with pytest.raises(KeyboardInterrupt):
        Desk(town, Dying(), claim_lease_s=1).tick(NOW + 3600)
    assert types(desk, alert) == [EventType.DETECTED]
    assert desk.tick(NOW + 3600) == 1


def test_one_alert_that_cannot_be_moved_does_not_keep_the_others(desk: Desk, town: Engine) -> None:
    broken, fine = raised(desk), raised(desk, 2, zone_id="y", evidence=())
    with writing(town) as connection:
        where = tables.alerts.c.id == broken.id
        connection.execute(tables.alerts.update().where(where).values(body={"id": broken.id}))
    heard: list[Exception] = []
    assert desk.tick(NOW + 3600, heard.append) == 1
    assert [type(error) for error in heard] == [KeyError]
    assert types(desk, fine)[-1] is EventType.ESCALATED
    with pytest.raises(KeyError):
        desk.tick(NOW + 3600)


def test_the_ladder_is_climbed_to_its_end_and_then_it_is_still(desk: Desk, town: Engine) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    alert = do(desk, alert, "op", "dispatch")
    for minutes in range(11, 120, 5):
        desk.tick(NOW + 10 + minutes * MIN)
    told = [event for event in desk.log(alert.id, OP) if event.type is EventType.ESCALATED]
    assert [(event.data["level"], event.data["who"]) for event in told] == [(1, ["w1"]), (3, ["lead"]), (4, ["sup"])]
    assert "备岗" in told[1].data["shortfall"]  # the rung that was skipped
    after = desk.alert(alert.id, OP)
    assert (after.offered_to, after.escalation and after.escalation.level) == (("w1", "lead"), 4)
    assert [kind for kind, _, _ in rows(town)] == ["whole"]
    assert do(desk, after, "lead", "claim", NOW + 9000).claim is not None  # whoever was asked may take it


def test_an_ack_that_nobody_acted_on_is_asked_again_and_then_climbs(desk: Desk) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    for minutes in (29.9, 30, 40, 50, 60):
        desk.tick(NOW + 10 + minutes * MIN)
    asked = [event for event in desk.log(alert.id, OP) if event.type is EventType.ASKED_AGAIN]
    climbed = [event for event in desk.log(alert.id, OP) if event.type is EventType.ESCALATED]
    assert [(event.at_s, event.data["who"]) for event in asked] == [(NOW + 10 + 30 * MIN, ["op"])]
    assert [(event.data["level"], event.data["who"]) for event in climbed] == [(1, ["op"]), (4, ["sup"])]
    do(desk, alert, "op", "dispatch", NOW + 9000)  # an operator who was away is not sent back for that


def test_a_suspension_ends_by_itself(desk: Desk, town: Engine) -> None:
    alert = do(desk, raised(desk), "op", "acknowledge")
    for who, what in (("op", "dispatch"), ("w1", "claim")):
        alert = do(desk, alert, who, what)
    alert = do(desk, alert, "w1", "accept", fence=alert.fence)
    do(desk, alert, "op", "suspend", reason="待汛期结束", until_s=NOW + 3600)
    assert [kind for kind, _, _ in rows(town)] == ["suspension"]
    desk.tick(NOW + 3599)
    assert desk.alert(alert.id, OP).state is State.SUSPENDED
    desk.tick(NOW + 3600)
    back = desk.alert(alert.id, OP)
    assert (back.state, back.suspended_s, back.suspended_until_s) == (State.ACCEPTED, 3590.0, None)
    assert desk.log(alert.id, OP)[-1].data["by_itself"] is True
    assert [kind for kind, _, _ in rows(town)] == ["stage", "whole"]


def test_the_whole_case_and_a_missing_reply_are_told_once(desk: Desk) -> None:
    alert = do(desk, raised(desk), "sup", "supervise", text="?", reply_due_s=NOW + 100)
    for day in range(1, 9):
        desk.tick(NOW + day * 86_400)
    told = [event for event in desk.log(alert.id, OP) if event.type is EventType.ESCALATED]
    by_clock = {clock: [e.data["who"] for e in told if e.data["clock"] == clock] for clock in ("whole", "reply")}
    assert by_clock == {"whole": [["sup"]], "reply": [["sup"]]}


def test_a_months_old_timer_of_a_case_that_has_ended_does_nothing(desk: Desk, town: Engine) -> None:
    alert = do(desk, handled(desk, raised(desk)), "ver", "verify")
    closed = do(desk, alert, "ver", "close", outcome="fixed_service")
    assert rows(town) == []
    with writing(town) as connection:  # as a dispatcher of another build could have left it
        row = {"alert_id": closed.id, "version": 1, "kind": "stage", "due_s": NOW + 1, "fired_s": None}
        where = (
            (tables.timers.c.alert_id == closed.id) & (tables.timers.c.kind == "stage") & (tables.timers.c.version == 1)
        )
        connection.execute(tables.timers.update().where(where).values(row))
    assert desk.tick(NOW + 100 * 86_400) == 0
    assert rows(town) == []
    assert desk.alert(closed.id, OP).version == closed.version


def test_the_dispatcher_looks_at_the_clocks_by_itself(desk: Desk, town: Engine) -> None:
    alert = raised(desk)
    dispatcher = Dispatcher(
        engine=town,
        desk=desk,
        consumer=Consumer(unused_redis(), "x"),
        stream=EventStream(unused_redis()),
        check=lambda: None,
        holder="x",
        clock=lambda: NOW + 3600,
    )
    assert "look at the clocks" in [job.name for job in dispatcher._jobs()]
    assert dispatcher.tick() == 1
    assert types(desk, alert)[-1] is EventType.ESCALATED


def unused_redis() -> Redis:
    return Redis(unix_socket_path="/nonexistent")
