"""A gate by sight and by its own reports: who goes through on whose pass, and what is not told as nothing proves it."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from detectors.crossing import Crossing, Walkers, walk
from detectors.detector import Look, judge, pursue
from detectors.held_open import RULE as HELD_OPEN
from detectors.rule import Observation
from detectors.tailgating import RULE, State, unpaired
from models.camera import CameraPoint, Line, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.gate import Direction, GateEvent, GateLog, GateSignal
from models.geo import GeoPoint
from models.incident import Phase, Severity, Sighting

WAY = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.9), (0.3, 0.9))
LINE = ((0.3, 0.6), (0.7, 0.6))
NOW_S = 1000.0


def gate_zone(kind: str = "gate_tailgating", line: Line | None = LINE, **levels: float) -> Zone:
    return Zone("gate", "East gate", WAY, (kind,), {kind: levels}, line=line)


def camera(zone: Zone) -> CameraPoint:
    place, source = GeoPoint(109.03, 32.68), SourceUrl.parse("rtsp://camera/1")
    return CameraPoint("c1", "c-1", "C", place, source, "test", None, (zone,))


def seen(zone: Zone, at_s: float, gone: Sequence[float] | None, gate: GateLog | None) -> Observation:
    crossings = None if gone is None else tuple(Crossing(each, Direction.IN, 0.7) for each in gone)
    nobody = Detections.none(("person",))
    return Observation(camera(zone), zone, at_s, nobody, 640, 480, None, "tiny@1", crossings=crossings, gate=gate)


def passed(*times_s: float, direction: Direction | None = None, count: int = 1) -> GateLog:
    return GateLog(tuple(GateSignal(GateEvent.PASS, at_s, direction, count) for at_s in times_s))


def said(zone: Zone, gone_s: Sequence[float], gate: GateLog | None, until_s: float = 40.0) -> list[Sighting]:
    """Looks every 0.2 s; each crossing is seen in the look after it, and the state goes through JSON."""
    state, told, last_s = RULE.restore(None), list[Sighting](), -0.2
    for at_s in np.arange(0, until_s, 0.2).tolist():
        new = [NOW_S + each for each in gone_s if last_s < each <= at_s]
        step = RULE.step(state, seen(zone, NOW_S + at_s, new, gate))
        state, last_s = RULE.restore(json.loads(json.dumps(step.state.to_json()))), at_s
        told += step.sightings
    return told


def test_one_more_than_the_gate_let_through_followed_somebody() -> None:
    onset, cleared = said(gate_zone(), [10.0, 11.5], passed(NOW_S + 9.0))
    assert (onset.phase, onset.kind, onset.onset_s) == (Phase.ONSET, "gate_tailgating", NOW_S + 11.5)
    assert onset.at_s == pytest.approx(NOW_S + 15.6, abs=0.3)  # 4 s for reports that are on their way
    assert onset.reason.startswith("East gate: 2 persons went through and 1 were let through within 8 s: 1 followed")
    assert (onset.measure["persons"], onset.measure["passes"], onset.measure["followers"]) == (2, 1, 1)
    assert cleared.phase is Phase.CLEARED
    assert cleared.at_s == pytest.approx(NOW_S + 31.5, abs=0.3)


@pytest.mark.parametrize(
    ("gone_s", "gate"),
    [
        ([10.0, 11.5], passed(NOW_S + 9.0, NOW_S + 10.5)),
        ([10.0, 11.5], passed(NOW_S + 9.0, count=2)),
        ([10.0, 11.5], passed(NOW_S + 12.0, NOW_S + 13.0)),  # the gate's clock is 2 s ahead
        ([10.0], passed(NOW_S + 3.0, NOW_S + 9.0)),  # somebody was let in and did not go
        ([10.0, 11.5], GateLog()),  # nobody was let in: nobody was followed
        ([10.0, 30.0], passed(NOW_S + 9.0)),  # alone: the way was open, or the report was lost
    ],
)
def test_nothing_is_told_where_passes_account_for_them_or_nobody_was_let_in(gone_s: list[float], gate: GateLog) -> None:
    assert said(gate_zone(), gone_s, gate) == []


def test_three_on_one_pass_are_more_severe_and_one_happening() -> None:
    told = said(gate_zone(), [10.0, 11.0, 12.0], passed(NOW_S + 9.0), until_s=60.0)
    assert [each.phase for each in told] == [Phase.ONSET, Phase.CLEARED]
    both = said(gate_zone(settle_s=6.0), [10.0, 10.0, 10.0], passed(NOW_S + 9.0))
    assert both[0].severity is Severity.ORANGE


def test_by_sight_alone_only_where_the_zone_says_that_passes_are_single() -> None:
    assert said(gate_zone(), [10.0, 11.5], None) == []
    onset = said(gate_zone(single_s=3.0), [10.0, 11.5, 16.0], None)[0]
    assert onset.at_s == pytest.approx(NOW_S + 11.6, abs=0.21)
    assert "2 persons went through within 3 s: one at a time is allowed" in onset.reason
    assert "a dry run cannot try this" in RULE.step(State(), seen(gate_zone(), NOW_S, None, None)).reasons[0]
    step = RULE.step(State(), seen(gate_zone(), NOW_S, [], None))
    assert "by sight alone nothing is told" in step.reasons[0]


def test_a_gate_whose_link_is_down_is_said_in_the_reasons() -> None:
    state = RULE.step(State(), seen(gate_zone(), NOW_S, [NOW_S], GateLog())).state
    assert state.is_running
    assert "its link is down?" in RULE.step(state, seen(gate_zone(), NOW_S + 5, [], GateLog())).reasons[0]


def test_passes_are_given_out_so_that_fewest_are_left_without() -> None:
    assert unpaired([10, 11, 12], [9, 9.5], 8, 2) == [2]
    assert unpaired([10, 20], [3, 12], 8, 2) == []
    assert unpaired([], [1.0], 8, 2) == []
    assert unpaired([10], [], 8, 2) == [0]


def test_who_goes_out_counts_only_where_both_ways_are_asked_for() -> None:
    out = (Crossing(NOW_S, Direction.OUT, 0.5), Crossing(NOW_S + 1, Direction.OUT, 0.5))
    for both, expected in ((0.0, 0), (1.0, 1)):
        zone = gate_zone(both_ways=both, single_s=3.0)
        look = Observation(
            camera(zone), zone, NOW_S + 1, Detections.none(("person",)), 640, 480, None, "tiny@1", crossings=out
        )
        assert len(RULE.step(State(), look).sightings) == expected


def test_a_damaged_state_is_a_fresh_one_and_a_zone_without_a_line_is_refused() -> None:
    for damaged in (None, 3, {"version": 1}, {"version": 1, "gone": [[1, 2]]}, {**State().to_json(), "version": 9}):
        assert RULE.restore(damaged) == State()
    with pytest.raises(InvalidInput, match="needs a line across"):
        RULE.check(gate_zone(line=None))


def boxes(*feet: tuple[float, float]) -> Detections:
    found = np.array([[x - 20, y - 100, x + 20, y] for x, y in feet], np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(feet), 0.8, np.float32), np.zeros(len(feet), np.int32), ("person",))


def crossed(*walks: Sequence[tuple[float, float]]) -> list[Crossing]:
    """Feet of each walker, look by look, in pixels of 640 x 480; 0.2 s apart."""
    walkers, found, zone = Walkers(), list[Crossing](), gate_zone()
    for look in range(max(map(len, walks))):
        here = boxes(*(walk_[look] for walk_ in walks if look < len(walk_)))
        walkers, by_zone = walk(walkers, (zone,), NOW_S + look / 5, here, 640, 480)
        found += by_zone["gate"]
    return found


def way(x0: float, y0: float, x1: float, y1: float, looks: int = 20) -> list[tuple[float, float]]:
    return list(zip(np.linspace(x0, x1, looks).tolist(), np.linspace(y0, y1, looks).tolist(), strict=True))


def test_a_line_is_crossed_once_in_the_direction_of_its_right_hand_side() -> None:
    (down,) = crossed(way(320, 220, 320, 380))
    assert (down.direction, down.at_s - NOW_S) == (Direction.IN, pytest.approx(1.6, abs=0.2))  # y = 288
    (up,) = crossed(way(320, 380, 320, 220))
    assert up.direction is Direction.OUT
    assert [each.direction for each in crossed(way(300, 220, 300, 380), way(340, 220, 340, 380))] == ["in", "in"]


def test_who_walks_beside_the_line_or_trembles_on_it_does_not_cross_it() -> None:
    assert crossed(way(150, 220, 150, 380)) == []  # around its end
    assert crossed(way(210, 280, 430, 280)) == []  # along it
    rng = np.random.default_rng(1)
    assert crossed([(320 + x, 288 + y) for x, y in rng.normal(0, 5, (60, 2)).tolist()]) == []


def test_who_turns_back_and_goes_again_went_in_once() -> None:
    there, back = way(320, 230, 320, 350, 8), way(320, 350, 320, 230, 8)
    assert [each.direction for each in crossed(there + back + there)] == ["in", "out"]


def test_between_keyframes_only_the_rules_of_gates_are_judged_and_the_others_keep_what_they_knew() -> None:
    zone = Zone("gate", "Gate", WAY, ("intrusion", "gate_tailgating"), {}, line=LINE)
    point = camera(zone)
    look = Look(NOW_S, 640, 480, boxes((320, 300)), "tiny@1")
    known = judge(point, look, {})
    after, _ = pursue(point, Look(NOW_S + 0.2, 640, 480, boxes((320, 300)), "tiny@1"), known.state, Walkers())
    assert set(after.reasons) == {"gate_tailgating/gate"}
    assert after.state["rules"]["intrusion/gate"] == known.state["rules"]["intrusion/gate"]


def held(*logs: tuple[float, GateLog | None]) -> list[Sighting]:
    state, told, zone = HELD_OPEN.restore(None), list[Sighting](), gate_zone("gate_held_open", None, dwell_s=30.0)
    for at_s, log in logs:
        step = HELD_OPEN.step(state, seen(zone, NOW_S + at_s, None, log))
        state, told = HELD_OPEN.restore(json.loads(json.dumps(step.state.to_json()))), [*told, *step.sightings]
    return told


def test_a_gate_that_said_it_opened_and_not_that_it_closed_is_held_open() -> None:
    shut = GateLog().after([GateSignal(GateEvent.CLOSED, NOW_S - 9)])
    open_ = shut.after([GateSignal(GateEvent.OPENED, NOW_S)])
    onset, cleared = held((0, open_), (20, open_), (32, open_), (50, open_), (60, shut))
    assert (onset.phase, onset.onset_s, onset.at_s) == (Phase.ONSET, NOW_S, NOW_S + 32)
    assert "for 32 s that it is open, allowed are 30 s" in onset.reason
    assert cleared.phase is Phase.CLEARED
    assert held((0, open_), (29, open_), (31, shut)) == []
    zone = gate_zone("gate_held_open", None, dwell_s=30.0)
    running = [HELD_OPEN.step(HELD_OPEN.restore(None), seen(zone, NOW_S + 5, None, log)) for log in (open_, shut)]
    assert [step.state.is_running for step in running] == [True, False]  # nothing moves before it: look all the same


def test_a_gate_that_never_says_that_it_closes_is_not_held_open_and_a_restart_ends_nothing() -> None:
    mute = GateLog().after([GateSignal(GateEvent.OPENED, NOW_S)])
    assert held((100, mute)) == []
    open_ = GateLog(open_since_s=NOW_S, tells_closing=True)
    assert [each.phase for each in held((32, open_), (34, None), (36, open_))] == [Phase.ONSET]
    assert [each.phase for each in held((32, open_), (34, None), (400, None))] == [Phase.ONSET, Phase.CLEARED]
