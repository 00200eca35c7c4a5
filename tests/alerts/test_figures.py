"""Figures equal what is counted by hand from the log, whatever happens to cases, and to whoever counts."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from desk_scene import ACTORS, NOW, PATHS, FakePlaces, do, handled, raised
from figures_walk import ZONE, Lives, bucket_name, bucket_of, by_hand, logs, on_duty, rank
from sqlalchemy import Engine, delete, func, select, update

from alerts import sealer
from alerts.calendars import Calendar
from alerts.cases import items
from alerts.database import writing
from alerts.desk import Desk
from alerts.figures import (
    MOST_BUCKETS,
    NOT_KEPT,
    SHARES,
    TIMES,
    FigureQuery,
    Figures,
    Report,
    figures,
    merged,
    of_tallies,
    starts_of,
)
from alerts.projection import replay
from alerts.recount import compare, rebuild
from alerts.rollups import current, follow, packed, unpacked
from alerts.sla import PolicyBook
from alerts.tally import BINS, ERROR, SOURCES, Bucket, Count, bin_of, length_of, source_of, start_of
from models import crash, tables
from models.alert import Event, EventType, State
from models.errors import InvalidInput, NotFound
from models.geo import GeoPoint
from models.incident import Severity
from models.people import SYSTEM

DAY_S = 86_400.0
ELSE = (("c", None, Bucket.HOUR), ("c", "crowding", Bucket.MONTH), ("d", "camera_offline", Bucket.MONTH))
SPANS = {Bucket.HOUR: 3 * DAY_S, Bucket.DAY: 60 * DAY_S, Bucket.MONTH: 400 * DAY_S}


def ask(engine: Engine, grid: str = "c", bucket: Bucket = Bucket.MONTH, **more: object) -> Report:
    query = FigureQuery(grid, bucket, NOW - DAY_S, NOW - DAY_S + SPANS[bucket])
    return figures(engine, ACTORS["op"], replace(query, **more))


def seal_and_follow(engine: Engine, desk: Desk, limit: int = 200) -> None:
    while sealer.seal(engine, "test", NOW):
        pass
    while follow(engine, desk.policies, NOW, limit):
        pass


def assert_same(found: Figures, expected: dict[str, object]) -> None:
    counts = {name: count for name, count in found.counts.items() if count}
    assert counts == {name: count for name, count in expected["counts"].items() if count}  # type: ignore[attr-defined]
    for name, values in expected["lengths"].items():  # type: ignore[attr-defined]
        told = found.times[name]
        assert told.count == len(values), name
        for shown, part in ((told.median_s, 5), (told.p90_s, 9)):
            if values:
                assert shown == pytest.approx(max(1.0, rank(values, part)), rel=ERROR + 1e-9), name
            else:
                assert shown is None
                assert told.reason


def assert_equal_to_brute_force(engine: Engine) -> None:
    with engine.connect() as connection:
        book = current(connection)
    every = [(log, replay(log).grid_path) for log in logs(engine, book.position if book else 0)]
    for grid, kind, bucket in (*((code, None, Bucket.DAY) for code in PATHS), *ELSE):
        report = ask(engine, grid, bucket, kind=kind)
        mine = [log for log, path in every if path.startswith(PATHS[grid]) and kind in (None, log[0].data["kind"])]
        mine = [log for log in mine if report.from_s <= log[0].at_s < report.to_s]
        assert_same(report.total, by_hand(mine))
        named = {bucket_of(log, bucket) for log in mine}
        assert named == {bucket_name(start_s, bucket) for start_s, _ in report.items}
        for start_s, item in report.items[:3]:
            name = bucket_name(start_s, bucket)
            assert_same(item, by_hand([log for log in mine if bucket_of(log, bucket) == name]))


@contextmanager
def dying_at(point: str, after: int) -> Iterator[None]:
    """The ``after``-th time that this point is reached, whoever stands there ends."""
    left = [after]

    def hook(name: str) -> None:
        if name == point and left:
            left[0] -= 1
            if left[0] == 0:
                left.clear()
                raise KeyboardInterrupt

    crash.install(hook)
    try:
        yield
    finally:
        left.clear()


@pytest.mark.parametrize("seed", [1, 4])
def test_what_is_kept_equals_a_recount_by_hand(town: Engine, desk: Desk, places: FakePlaces, seed: int) -> None:
    """Late events, reopenings of past months, voids, moves between grids, and whoever counts dying in between."""
    places.on_duty = on_duty()
    lives, chance = Lives(desk, Random(seed)), Random(seed)
    for _ in range(3):
        lives.go(26)
        lives.seal(town)
        with dying_at("before-figures-commit", chance.randint(1, 3)):
            for _ in range(chance.randint(3, 8)):
                with suppress(KeyboardInterrupt):
                    follow(town, desk.policies, lives.now_s, chance.choice((1, 7, 50)))
        assert_equal_to_brute_force(town)
    while follow(town, desk.policies, lives.now_s):
        pass
    assert_equal_to_brute_force(town)
    found = compare(town, desk.policies, lives.now_s)
    assert found.differing == ()
    assert found.position == sealer.last_position(town)
    seen = {event.type.value for log in logs(town, found.position) for event in log}
    assert {"closed", "suspended", "resumed", "returned", "rejected", "transferred_up", "dismissed", "voided"} <= seen
    rebuild(town, desk.policies, lives.now_s)
    assert compare(town, desk.policies, lives.now_s) == found
    lives.go(20)
    seal_and_follow(town, desk)
    assert_equal_to_brute_force(town)


def test_a_suspended_case_is_never_done_and_always_shown(town: Engine, desk: Desk) -> None:
    alert = raised(desk)
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), ("w1", "claim")):
        alert = do(desk, alert, who, what)
    alert = do(desk, alert, "w1", "accept", fence=alert.fence)
    alert = do(desk, alert, "op", "suspend", reason="等待施工单位", until_s=NOW + DAY_S)
    seal_and_follow(town, desk)
    told = ask(town).total
    assert (told.counts["open"], told.counts["suspended"], told.counts["closed"]) == (0, 1, 0)
    assert told.shares["completion"].value == 0
    assert told.shares["suspended"].value == 1
    assert (told.shares["on_time"].value, told.shares["on_time"].reason) == (None, "no case with a clock is due yet")


@pytest.mark.both_databases
def test_where_nothing_can_be_computed_there_is_no_number_but_a_reason(town: Engine, desk: Desk) -> None:
    told = ask(town).total
    assert {item.value for item in told.shares.values()} == {None}
    assert all(item.reason for item in told.shares.values())
    assert all(item.median_s is None and item.reason for item in told.times.values())
    assert told.reduction is None
    assert ask(town).items == ()
    raised(desk)
    seal_and_follow(town, desk)
    assert ask(town).total.shares["completion"].value == 0  # of one case: a number


def closed(desk: Desk, outcome: str = "fixed_service", now_s: float = NOW + 20) -> str:
    alert = do(desk, handled(desk, raised(desk)), "ver", "verify", now_s)
    return do(desk, alert, "ver", "close", now_s, outcome=outcome).id


def test_on_time_is_what_the_clock_of_the_whole_case_says(town: Engine, desk: Desk) -> None:
    """Orange: two working days. A suspension stops it; what runs out counts before it is closed, and for good."""
    closed(desk, now_s=NOW + 20)
    late = raised(desk, seq=2, zone_id="other")
    seal_and_follow(town, desk)
    assert ask(town).total.shares["on_time"] == replace(ask(town).total.shares["on_time"], part=1, whole=1, value=1.0)
    desk.tick(NOW + 5 * DAY_S)
    desk.tick(NOW + 5 * DAY_S)
    seal_and_follow(town, desk)
    told = ask(town).total
    assert (told.shares["on_time"].part, told.shares["on_time"].whole) == (1, 2)
    assert (told.stages["ack"].part, told.stages["ack"].whole) == (1, 2)
    assert desk.alert(late.id, ACTORS["op"]).state is State.NEW


def test_a_case_of_many_alerts_is_one_of_the_items_that_an_operator_gets(town: Engine, desk: Desk) -> None:
    """A storm of ten, two neighbours and one alone are three cases, as many as there are items."""
    for seq in range(1, 11):
        raised(desk, seq, zone_id=f"z{seq}")
    red = {"severity": Severity.RED, "kind": "intrusion"}
    raised(desk, 11, **red)
    raised(desk, 12, **red, camera_id="cam2", place=GeoPoint(1.0001, 1.0))
    raised(desk, 13, **red, camera_id="cam3", place=GeoPoint(3.0, 1.0))
    seal_and_follow(town, desk)
    told = ask(town).total
    assert (told.counts["alerts"], told.counts["cases"], told.counts["grouped"]) == (13, 3, 12)
    assert told.alerts_per_case == 13 / 3
    assert len(items(town, ACTORS["op"]).items) == told.counts["cases"]
    assert told.shares["grouped"].value == 12 / 13
    assert (ask(town, "e").total.alerts_per_case, ask(town, "g2").total.alerts_per_case) == (1.0, None)
    assert_equal_to_brute_force(town)
    assert compare(town, desk.policies, NOW).differing == ()


def test_closed_is_not_fixed(town: Engine, desk: Desk) -> None:
    closed(desk, outcome="not_fixed_dispersed")
    seal_and_follow(town, desk)
    told = ask(town).total.shares
    assert (told["completion"].value, told["fixed"].value) == (1.0, 0.0)


def test_a_case_counts_where_it_stands_now_in_the_month_of_its_detection(town: Engine, desk: Desk) -> None:
    alert_id = closed(desk)
    seal_and_follow(town, desk)
    month = ask(town, "g1").items[0][0]
    assert ask(town, "g1").total.counts["closed"] == 1
    alert = desk.alert(alert_id, ACTORS["op"])
    alert = do(desk, alert, "ver", "reopen", NOW + 6 * DAY_S, reason="又聚集了")
    alert = do(desk, alert, "w1", "return", NOW + 6 * DAY_S, reason="wrong_grid")
    do(desk, alert, "op", "dispatch", NOW + 40 * DAY_S, grid_code="g2")
    seal_and_follow(town, desk)
    assert ask(town, "g1").total.counts["alerts"] == 0
    there = ask(town, "g2")
    assert [start_s for start_s, _ in there.items] == [month]
    assert {name: there.total.shares[name].value for name in ("misdispatch", "rework", "completion")} == {
        "misdispatch": 1.0,
        "rework": 1.0,
        "completion": 0.0,
    }
    assert there.total.times["handle"].count == 0  # not handled any more
    assert ask(town, "d").total.counts["alerts"] == ask(town, "c").total.counts["alerts"] == 1
    assert ask(town, "e").total.counts["alerts"] == 0


def test_figures_of_a_grid_are_for_whoever_sees_it_whole(town: Engine) -> None:
    query = FigureQuery("c", Bucket.DAY, NOW, NOW + DAY_S)
    for grid in ("c", "d", "nowhere", "a\x00b"):
        with pytest.raises((NotFound, InvalidInput)):
            figures(town, ACTORS["w1"], replace(query, grid_code=grid))
    assert figures(town, ACTORS["w1"], replace(query, grid_code="g1")).total.counts["alerts"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nonsense"},
        {"source": "worker:1"},
        {"to_s": NOW},
        {"to_s": float("nan")},
        {"from_s": -1.0},
        {"to_s": float("inf")},
        {"bucket": Bucket.HOUR, "to_s": NOW + 170 * 3600},
        {"to_s": NOW + 102 * DAY_S},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(town: Engine, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        figures(town, SYSTEM, replace(FigureQuery("c", Bucket.DAY, NOW, NOW + DAY_S), **wrong))


def test_the_longest_questions_are_answered(town: Engine) -> None:
    for bucket, step_s in ((Bucket.HOUR, 3600.0), (Bucket.DAY, DAY_S), (Bucket.MONTH, 28 * DAY_S)):
        start_s = start_of(bucket, NOW, ZONE)
        report = figures(town, SYSTEM, FigureQuery("c", bucket, start_s, start_s + MOST_BUCKETS[bucket] * step_s))
        assert (report.from_s, report.zone) == (start_s, ZONE)


@pytest.mark.both_databases
def test_a_recount_finds_what_was_changed_by_hand_and_mends_it(town: Engine, desk: Desk) -> None:
    closed(desk)
    seal_and_follow(town, desk)
    rows = tables.figure_tallies
    assert compare(town, desk.policies, NOW).differing == ()
    with writing(town) as connection:
        edited = rows.c.grid_code == "d", rows.c.bucket == "day"
        assert connection.execute(update(rows).where(*edited).values(tally=packed({Count.ALERTS: 2}))).rowcount == 1
    found = compare(town, desk.policies, NOW).differing
    assert len(found) == 1
    assert found[0].startswith("d/day/")
    with writing(town) as connection:
        connection.execute(delete(rows).where(rows.c.grid_code == "g1"))
        row = {"book": 1, "grid_code": "g3", "bucket": "day", "start_s": 0.0, "kind": "crowding", "source": "camera"}
        connection.execute(rows.insert(), [{**row, "tally": packed({0: 1}), "start_s": float(n)} for n in range(5)])
    assert len(compare(town, desk.policies, NOW).differing) == 5  # one edited, three gone, the surplus
    rebuild(town, desk.policies, NOW)
    assert compare(town, desk.policies, NOW).differing == ()
    with town.connect() as connection:
        assert connection.execute(select(func.count(rows.c.book.distinct()))).scalar_one() == 1
    assert_equal_to_brute_force(town)


def test_hours_and_days_are_those_of_the_root_grid_until_they_are_counted_anew(town: Engine, desk: Desk) -> None:
    closed(desk)
    seal_and_follow(town, desk)
    assert ask(town, "g1").zone == ZONE
    desk.policies.set_calendar("c", Calendar("c", zone="America/New_York"), SYSTEM)
    seal_and_follow(town, desk)
    assert ask(town, "g1").zone == ZONE
    found = compare(town, desk.policies, NOW)
    assert (found.differing, found.moved_zones) == ((), ("c",))
    rebuild(town, desk.policies, NOW)
    report = ask(town, "g1", Bucket.DAY)
    assert report.zone == "America/New_York"
    assert report.items[0][0] == datetime(2027, 1, 15, tzinfo=ZoneInfo("America/New_York")).timestamp()


def test_two_who_count_at_once_count_once(town: Engine, desk: Desk) -> None:
    closed(desk)
    while sealer.seal(town, "test", NOW):
        pass
    assert follow(town, desk.policies, NOW, 3) == 3

    class Slow:
        """While this one has read the events, and not yet begun to write, another process counts them."""

        def book(self, now_s: float) -> PolicyBook:
            assert follow(town, desk.policies, now_s) == sealer.last_position(town) - 3
            return desk.policies.book(now_s)

    assert follow(town, Slow(), NOW) == 0
    assert (ask(town).position, ask(town).waiting) == (sealer.last_position(town), 0)
    assert_equal_to_brute_force(town)


def test_lengths_stand_in_bins_within_the_error_that_is_said() -> None:
    pick = Random(1)
    for _ in range(2000):
        length_s = 10 ** pick.uniform(0, 7.9)
        assert abs(length_of(bin_of(length_s)) - length_s) <= ERROR * length_s * (1 + 1e-9)
    assert (bin_of(0), bin_of(-5), bin_of(1), bin_of(1e12)) == (0, 0, 0, BINS - 1)


def test_tallies_are_added_as_bytes() -> None:
    pick = Random(2)
    parts = [{pick.randrange(60): pick.randrange(1, 9) for _ in range(20)} for _ in range(30)]
    assert all(unpacked(packed(part)) == part for part in parts)
    (total,) = merged([(0, packed(part)) for part in parts], 1)
    assert {place: int(n) for place, n in enumerate(total) if n} == {
        place: sum(part.get(place, 0) for part in parts) for place in {p for part in parts for p in part}
    }
    two = merged([(n % 2, packed(part)) for n, part in enumerate(parts)], 2)
    assert two.sum(axis=0).tolist() == total.tolist()
    assert two[1].tolist() == merged([(0, packed(part)) for part in parts[1::2]], 1)[0].tolist()
    assert [item.counts["alerts"] for item in of_tallies(merged([], 1))] == [0]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "UTC"])
def test_buckets_follow_each_other_without_a_gap(zone: str) -> None:
    for bucket, days in ((Bucket.HOUR, 6), (Bucket.DAY, 90), (Bucket.MONTH, 700)):
        for begin_s in (NOW, NOW + 60 * DAY_S, NOW + 290 * DAY_S):
            starts = starts_of(FigureQuery("c", bucket, begin_s, begin_s + days * DAY_S), zone)
            assert starts == sorted(set(starts))
            for at_s in (begin_s + n * days * DAY_S / 50 for n in range(50)):
                assert start_of(bucket, at_s, zone) in starts


@pytest.mark.parametrize(
    ("reported_by", "camera", "source"),
    [
        ("worker:host-1", "cam1", "camera"),
        ("worker:w1", None, "worker"),
        ("resident:hotline", None, "resident"),
        ("device:gate-7", "cam1", "device"),
        ("sensor:slope", None, "sensor"),
        ("bench:mould", "cam1", "camera"),
        ("someone", None, "other"),
    ],
)
def test_a_detection_has_one_source(reported_by: str, camera: str | None, source: str) -> None:
    data = {"incident": [reported_by, 1], "camera_id": camera}
    assert source_of(Event("A", 1, EventType.DETECTED, "system", "wangge", "system", NOW, data)) == source
    assert source in SOURCES


def test_the_document_defines_every_figure() -> None:
    text = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    for item in SHARES:
        row = f"| `{item.code}` | {item.name_zh} | {item.name_en} | `{item.part.name.lower()}`"
        assert row in text, item.code
        assert f"`{item.whole.name.lower()}`" in text
    assert all(f"`{code}` {name}" in text for code, name, _ in TIMES.values())
    assert all(code in text for code in (*NOT_KEPT, *SOURCES))
