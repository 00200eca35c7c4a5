"""Scores: which alarm belongs to which incident, and what that makes of recall, precision, lateness and bounds."""

import pytest

from ingest.replay import Alarm, Count, Replayed
from models.geo import GeoPoint, LocalPlane
from models.incident import KINDS, Phase, Sighting
from ops.replay_score import KindScore, Score, bound, score
from tests.ops.replay_scene import truth

HERE = GeoPoint(109.0, 32.7)


def alarm(
    onset_s: float, said_s: float, cleared_s: float | None = None, zone: str = "room", off_m: float = 0.0
) -> Alarm:
    begin = Sighting(
        kind="intrusion",
        phase=Phase.ONSET,
        zone_id=zone,
        severity=KINDS["intrusion"].severity,
        confidence=0.9,
        place=LocalPlane(HERE).to_geo(off_m, 0.0),
        accuracy_m=5.0,
        onset_s=1000 + onset_s,
        at_s=1000 + said_s,
        measure={},
        reason="a person",
    )
    return Alarm(begin, onset_s, said_s, cleared_s)


def played(*alarms: Alarm, seconds: float = 40.0, counts: tuple[Count, ...] = ()) -> Replayed:
    return Replayed(30, 30, 0, 0, seconds, 1.0, None, alarms, {"room": counts}, {})


def scored(*alarms: Alarm, seconds: float = 40.0, **changed: object) -> Score:
    return score(truth(**changed), ["intrusion"], played(*alarms, seconds=seconds))


def of_kind(found: Score) -> KindScore:
    (kind,) = found.kinds
    return kind


def test_each_incident_found_and_nothing_else() -> None:
    found = scored(alarm(6.5, 8.0, 16.0), alarm(32.0, 34.0))
    kind = of_kind(found)
    assert (kind.incidents, kind.found, kind.false, kind.repeats) == (2, 2, 0, 0)
    assert (kind.recall, kind.precision, kind.late_median_s, kind.late_worst_s) == (1.0, 1.0, 2.0, 2.0)


def test_a_miss_a_false_alarm_and_a_repeat() -> None:
    found = scored(alarm(6.5, 8.0, 9.0), alarm(10.0, 11.0, 13.0), alarm(17.5, 18.0, 19.0))
    assert [(v.outcome, v.at_s) for v in found.verdicts] == [
        ("hit", 8.0), ("repeat", 11.0), ("false", 18.0), ("miss", 32.0),
    ]  # fmt: skip
    kind = of_kind(found)
    assert (kind.recall, kind.precision, kind.false_per_day) == (0.5, 0.5, pytest.approx(86400 / 40))


def test_an_alarm_of_another_zone_finds_nothing() -> None:
    assert [v.outcome for v in scored(alarm(6.5, 8.0, zone="hall")).verdicts] == ["miss", "false", "miss"]


def test_an_alarm_that_still_lasts_finds_what_comes_soon_after_and_not_what_comes_much_later() -> None:
    assert [v.outcome for v in scored(alarm(6.5, 8.0)).verdicts] == ["hit", "joined"]
    assert [v.outcome for v in scored(alarm(6.5, 8.0, 20.0)).verdicts] == ["hit", "miss"]
    late = [{"kind": "intrusion", "zone": "room", "onset_s": a, "end_s": a + 5} for a in (5.0, 75.0)]
    assert [v.outcome for v in scored(alarm(6.0, 7.0), seconds=90.0, incidents=late).verdicts] == ["hit", "miss"]


def test_an_alarm_between_two_incidents_is_of_the_one_that_it_shares_more_time_with() -> None:
    near = [{"kind": "intrusion", "zone": "room", "onset_s": a, "end_s": b} for a, b in ((5.0, 10.0), (11.0, 20.0))]
    assert [(v.outcome, v.at_s) for v in scored(alarm(9.5, 14.0), incidents=near).verdicts] == [
        ("miss", 5.0), ("hit", 14.0),
    ]  # fmt: skip


def test_what_was_not_judged_counts_for_nothing() -> None:
    found = scored(alarm(1.0, 2.0, 3.0), alarm(16.0, 17.0, 18.0), quiet=[{"from_s": 15.0, "until_s": 21.0}])
    assert [v.outcome for v in found.verdicts] == ["unjudged", "miss", "false", "miss"]
    assert of_kind(found).judged_s == 6.0


def test_of_a_film_that_broke_off_only_what_came_before_is_judged() -> None:
    kind = of_kind(scored(alarm(6.5, 8.0), seconds=20.0))
    assert (kind.incidents, kind.found, kind.judged_s) == (1, 1, 20.0)


def test_the_bound_is_the_rule_of_three_for_none_and_more_for_more() -> None:
    assert bound(0) == pytest.approx(3.0, abs=0.005)
    assert bound(1) == pytest.approx(4.744, abs=0.001)  # Garwood, one-sided 95 %
    assert of_kind(scored()).false_per_day_bound == pytest.approx(bound(0) * 86400 / 40)


def test_counts_are_compared_with_the_last_look_until_then() -> None:
    counts = (Count(0.0, 2.0, 2.0), Count(9.0, 1.0, 2.0), Count(18.0, 1.0, 1.0), Count(36.0, 3.0, 1.0))
    found = score(truth(), ["intrusion"], played(counts=counts)).counts
    assert found is not None
    assert (found.n, found.mae, found.bias, found.smoothed_mae) == (4, 1.25, 1.25, 1.0)
    assert found.correlation is not None
    late = score(truth(), ["intrusion"], played(counts=counts[2:]))
    assert late.uncounted == 2


def test_places_are_compared_in_metres() -> None:
    there = [{"kind": "intrusion", "zone": "room", "onset_s": 6, "end_s": 14, "place": [HERE.lon_deg, HERE.lat_deg]}]
    found = scored(alarm(6.5, 8.0, off_m=3.0), incidents=there)
    assert found.places is not None
    assert (found.places.median_m, found.places.within_accuracy) == (pytest.approx(3.0, abs=0.01), 1.0)
