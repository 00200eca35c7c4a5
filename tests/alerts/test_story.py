"""One case, one log: everything that can go wrong on the way to closed, and back again. Time is simulated."""

from desk_scene import ACTORS, NOW, PHOTO, FakePlaces, do, duty, photo, raised
from sqlalchemy import Engine

from alerts import sealer
from alerts.desk import Desk
from alerts.projection import replay
from models.alert import Alert, State
from models.clocks import Light, Stage

OP = ACTORS["op"]
MIN, H, DAY = 60.0, 3600.0, 86_400.0

STORY = """
detected, acknowledged, dispatched, escalated, claimed, accepted, returned, dispatched, claimed, accepted, arrived,
suspended, resumed, noted, handled, rejected, arrived, handled, verified, closed, reopened
"""


def taken(desk: Desk, alert: Alert, who: str, at_s: float) -> Alert:
    alert = do(desk, alert, who, "claim", at_s)
    return do(desk, alert, who, "accept", at_s + 1, fence=alert.fence)


def test_a_case_through_all_that_can_happen_to_it(desk: Desk, town: Engine, places: FakePlaces) -> None:
    now_s = NOW + 2
    places.on_duty = [duty("lead", "d")]  # nobody in g1
    alert = raised(desk)
    alert = do(desk, alert, "op", "acknowledge", now_s)
    alert = do(desk, alert, "op", "dispatch", now_s + MIN)
    assert "无人在岗" in (alert.shortfall or "")
    assert alert.escalation is not None
    assert (alert.escalation.level, alert.escalation.who, alert.offered_to) == (3, ("lead",), ("lead",))

    alert = taken(desk, alert, "lead", now_s + 2 * MIN)
    alert = do(desk, alert, "lead", "return", now_s + 5 * MIN, reason="cannot_find", text="不在本处")
    assert (alert.state, alert.assignee, alert.escalation) == (State.RETURNED, None, None)

    places.on_duty = [duty("w1", "g1"), duty("lead", "d")]
    alert = do(desk, alert, "op", "dispatch", now_s + 6 * MIN)
    assert (alert.offered_to, alert.shortfall) == (("w1",), None)
    alert = taken(desk, alert, "w1", now_s + 7 * MIN)
    alert = do(desk, alert, "w1", "arrive", now_s + 15 * MIN)
    assert alert.stage_clock is not None
    assert alert.stage_clock.stage is Stage.HANDLE

    alert = do(desk, alert, "op", "suspend", now_s + 20 * MIN, reason="等待施工单位", until_s=now_s + 2 * DAY)
    assert desk.tick(now_s + 2 * DAY - 1) == 0  # no clock runs while it is suspended
    assert desk.tick(now_s + 2 * DAY) == 1
    alert = desk.alert(alert.id, OP)
    assert (alert.state, alert.assignee, alert.suspended_s) == (State.ON_SCENE, "w1", 2 * DAY - 20 * MIN)
    assert alert.light(now_s + 2 * DAY) is Light.GREEN

    now_s += 2 * DAY
    alert = desk.add_evidence(alert.id, ACTORS["w1"], photo(), now_s + MIN)
    alert = do(desk, alert, "w1", "handle", now_s + 2 * MIN, evidence=[PHOTO], text="已疏散")
    alert = do(desk, alert, "ver", "reject", now_s + 10 * MIN, reason="照片不清，现场仍有人")
    assert (alert.state, alert.assignee) == (State.REOPENED, "w1")
    alert = do(desk, alert, "w1", "arrive", now_s + 20 * MIN)
    alert = do(desk, alert, "w1", "handle", now_s + 30 * MIN, evidence=[PHOTO], text="已彻底疏散")
    alert = do(desk, alert, "ver", "verify", now_s + 40 * MIN, outcome="fixed_management")

    assert desk.tick(now_s + 40 * MIN + 7 * DAY - 1) <= 1  # the whole case's clock may run out; it does not close
    assert desk.alert(alert.id, OP).state is State.VERIFIED
    desk.tick(now_s + 40 * MIN + 7 * DAY)
    alert = desk.alert(alert.id, OP)
    assert (alert.state, alert.outcome) == (State.CLOSED, "fixed_management")
    assert desk.log(alert.id, OP)[-1].reason == "reporter_silent"

    now_s += 40 * MIN + 8 * DAY
    alert = do(desk, alert, "ver", "reopen", now_s, reason="又聚集了")
    assert (alert.state, alert.outcome) == (State.REOPENED, None)
    assert alert.stage_clock is not None
    assert alert.stage_clock.stage is Stage.HANDLE

    log = desk.log(alert.id, OP)
    told = [event for event in log if event.data.get("clock") != "whole"]
    assert [event.type.value for event in told] == STORY.replace(",", " ").split()
    assert [event.at_s for event in log] == sorted(event.at_s for event in log)
    assert replay(log) == alert
    while sealer.seal(town, "test", now_s):
        pass
    assert [item.event.version for item in sealer.sealed_after(town, 0, 100)] == [event.version for event in log]
