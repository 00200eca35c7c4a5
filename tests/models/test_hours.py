from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.hours import Hours, hours_from_json, hours_to_json

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, tzinfo=SHANGHAI)


def holds(hours: Hours, day: int, hour: int, minute: int = 0) -> bool:
    return hours.hold_at((MONDAY + timedelta(days=day, hours=hour, minutes=minute)).timestamp())


def test_a_day_s_hours() -> None:
    office = Hours(((9 * 60, 12 * 60), (13 * 60, 18 * 60)), weekdays=(0, 1, 2, 3, 4))
    assert [holds(office, 0, hour) for hour in (8, 9, 11, 12, 13, 17, 18)] == [
        False,
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert not holds(office, 5, 10)
    assert not holds(office, 6, 10)


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    friday_night = Hours(((22 * 60, 6 * 60),), weekdays=(4,))
    assert [holds(friday_night, 4, hour) for hour in (3, 21, 22, 23)] == [False, False, True, True]
    assert [holds(friday_night, 5, hour) for hour in (0, 5, 6, 22)] == [True, True, False, False]


def test_they_are_of_the_place() -> None:
    at_s = datetime(2026, 11, 23, 23, 0, tzinfo=SHANGHAI).timestamp()
    night = ((22 * 60, 24 * 60),)
    assert Hours(night).hold_at(at_s)
    assert not Hours(night, zone="Asia/Urumqi").hold_at(at_s)


@given(
    st.lists(
        st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda span: span[0] != span[1]),
        min_size=1,
        max_size=12,
    ),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 7 * 1440 - 1),
)
def test_as_counted_minute_by_minute(spans: list[tuple[int, int]], weekdays: set[int], minute: int) -> None:
    """Against a plain recount: each span laid out on the minutes of a week."""
    week = set()
    for day in weekdays:
        for begins, ends in spans:
            length = (ends - begins) if ends > begins else ends - begins + 1440
            week |= {(day * 1440 + begins + step) % (7 * 1440) for step in range(length)}
    hours = Hours(tuple(spans), tuple(sorted(weekdays)))
    assert hours.hold_at((MONDAY + timedelta(minutes=minute)).timestamp()) == (minute in week)
    assert hours_from_json(hours_to_json(hours)) == hours


@pytest.mark.parametrize(
    ("spans", "weekdays", "zone", "sentence"),
    [
        ((), (0,), "Asia/Shanghai", "1 to 12 spans"),
        (((5, 5),), (0,), "Asia/Shanghai", "5–5 is not one"),
        (((0, 1441),), (0,), "Asia/Shanghai", "minutes of the day"),
        (((0, 60),), (), "Asia/Shanghai", "at least one weekday"),
        (((0, 60),), (7,), "Asia/Shanghai", "Monday is 0"),
        (((0, 60),), (0,), "Mars/Base", "no time zone 'Mars/Base'"),
        (((0, 60),), (0,), "../../etc/passwd", "no time zone"),
    ],
)
def test_hours_that_there_are_not(
    spans: tuple[tuple[int, int], ...], weekdays: tuple[int, ...], zone: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Hours(spans, weekdays, zone)
