"""Silences and maintenance windows at the real desk: what they hold back, for how long, and what comes after."""

from typing import Any

import pytest
from desk_scene import ACTORS, NOW, incident, later
from sqlalchemy import Engine

from alerts.desk import Desk
from alerts.handover import hand_over
from alerts.silences import LONGEST_S, Silence, SilenceAsked, lift, make, silence, silences_of
from models.errors import Forbidden, InvalidInput, NotFound
from models.geo import GeoPoint
from models.incident import Phase, Severity

OP = ACTORS["op"]
DARK: dict[str, Any] = {"kind": "camera_offline", "zone_id": None, "severity": Severity.YELLOW, "evidence": ()}


def made(town: Engine, who: str = "op", **changes: Any) -> Silence:
    plain: dict[str, Any] = {"what": "silence", "grid_code": "d", "reason": "test", "starts_s": NOW}
    return make(town, ACTORS[who], SilenceAsked(**{**plain, "ends_s": NOW + 600, **changes}), NOW)


@pytest.mark.both_databases
def test_what_it_matches_is_held_back_counted_and_given_its_reason(town: Engine, desk: Desk) -> None:
    held = made(town, kind="crowding", reason="节日集会")
    receipt = desk.report(incident(1), NOW + 1)
    assert (receipt.disposition, receipt.alert_id) == ("suppress", None)
    assert "节日集会" in receipt.reason
    assert held.id in receipt.reason
    assert desk.report(incident(2, **DARK), NOW + 2).disposition == "raise"
    assert silence(town, OP, held.id).held == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"grid_code": "g2"},
        {"kind": "dumping"},
        {"camera_id": "cam2", "grid_code": "g2"},
        {"camera_id": "cam1", "zone_id": "y"},
        {"starts_s": NOW + 300},
    ],
)
def test_what_it_does_not_match_is_raised(town: Engine, desk: Desk, elsewhere: dict[str, Any]) -> None:
    made(town, **elsewhere)
    assert desk.report(incident(1), NOW + 1).disposition == "raise"


@pytest.mark.parametrize("here", [{}, {"camera_id": "cam1"}, {"camera_id": "cam1", "zone_id": "z"}])
def test_it_names_as_much_as_it_likes(town: Engine, desk: Desk, here: dict[str, Any]) -> None:
    made(town, **here)
    assert desk.report(incident(1), NOW + 1).disposition == "suppress"


def test_a_camera_that_is_named_is_held_back_though_it_looks_over_the_border(town: Engine, desk: Desk) -> None:
    made(town, camera_id="cam1", grid_code="g1")
    assert desk.report(incident(1, place=GeoPoint(2.0, 1.0)), NOW + 1).disposition == "suppress"


def test_red_is_never_held_back(town: Engine, desk: Desk) -> None:
    made(town)
    assert desk.report(incident(1, severity=Severity.RED), NOW + 1).disposition == "raise"


def test_what_began_meanwhile_and_goes_on_is_raised_when_it_ends(town: Engine, desk: Desk) -> None:
    """A dark camera is told once, not again and again: nothing more comes for it after the silence."""
    made(town)
    for seq in (1, 2):
        desk.report(incident(seq, **DARK, camera_id=f"cam{seq}", place=GeoPoint(float(seq), 1.0)), NOW + seq)
    desk.report(later(incident(2, **DARK, camera_id="cam2"), Phase.CLEARED, 3, 100.0), NOW + 100)
    assert (desk.wake(NOW + 599), desk.alerts(OP).items) == (0, ())
    assert desk.wake(NOW + 601) == 1
    (alert,) = desk.alerts(OP).items
    assert alert.camera_id == "cam1"
    assert "the silence is over" in alert.detected_reason
    assert desk.wake(NOW + 602) == 0


def test_what_goes_on_and_is_told_again_is_raised_once(town: Engine, desk: Desk) -> None:
    made(town)
    first = incident(1)
    desk.report(first, NOW + 1)
    assert desk.report(later(first, Phase.CONTINUING, 2, 700.0), NOW + 700).disposition == "raise"
    assert (desk.wake(NOW + 701), len(desk.alerts(OP).items)) == (0, 1)


def test_another_silence_goes_on_holding_it(town: Engine, desk: Desk) -> None:
    first = made(town)
    made(town, ends_s=NOW + 2000)
    desk.report(incident(1), NOW + 1)
    lift(town, OP, first.id, NOW + 10)
    assert (desk.wake(NOW + 700), desk.wake(NOW + 2001)) == (0, 1)


def test_lifted_it_holds_nothing_back_and_who_did_is_kept(town: Engine, desk: Desk) -> None:
    first = made(town)
    second = made(town, who="sup", replaces=first.id, ends_s=NOW + 900)
    lifted = silence(town, OP, first.id)
    assert (lifted.lifted_by, second.replaces) == ("sup", first.id)
    gone = lift(town, OP, second.id, NOW + 5)
    assert lift(town, ACTORS["sup"], second.id, NOW + 6) == gone
    assert gone.lifted_by == "op"
    assert desk.report(incident(1), NOW + 7).disposition == "raise"
    assert silences_of(town, OP, NOW + 7).items == ()
    assert {each.id for each in silences_of(town, OP, NOW + 7, over=True).items} == {first.id, second.id}


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends_s": NOW},
        {"ends_s": NOW + LONGEST_S + 1},
        {"starts_s": NOW + 700},
        {"reason": " "},
        {"reason": "x" * 501},
        {"kind": "no such"},
        {"what": "x"},
        {"zone_id": "z"},
        {"camera_id": "cam3"},
    ],
)
def test_what_is_no_silence_is_refused(town: Engine, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        made(town, **wrong)


def test_only_those_of_the_place_with_the_permission(town: Engine) -> None:
    with pytest.raises(Forbidden):
        made(town, who="w1", grid_code="g1")
    with pytest.raises(NotFound):
        made(town, who="op_e")
    there = made(town)
    with pytest.raises(NotFound):
        lift(town, ACTORS["op_e"], there.id, NOW)
    assert silences_of(town, ACTORS["op_e"], NOW).items == ()


def test_the_sheet_of_a_hand_over_lists_them(town: Engine) -> None:
    there = made(town, reason="换交换机", what="maintenance")
    made(town, grid_code="e")
    (listed,) = hand_over(town, OP, "d", "", NOW + 1).sheet["silences"]
    assert (listed["id"], listed["reason"], listed["what"]) == (there.id, "换交换机", "maintenance")
    assert hand_over(town, OP, "d", "", NOW + 601).sheet["silences"] == []
