"""Working time over holidays, make-up working days, time zones and a customer's own days."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.calendars import DEFAULT, FARTHEST_DAYS, Calendar
from models.errors import InvalidInput

H = 3600.0


def local(text: str, zone: str = "Asia/Shanghai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_holidays_and_makeup_days_of_china_as_announced_for_2026() -> None:
    # General Office of the State Council, November 2025: Spring Festival 15–23 February, 14 and 28 February worked.
    assert [DEFAULT.works_on(date(2026, 2, day)) for day in (13, 14, 15, 16, 20, 23, 24, 28)] == [
        True, True, False, False, False, False, True, True,
    ]  # fmt: skip
    assert DEFAULT.works_on(date(2026, 10, 10))
    assert not DEFAULT.works_on(date(2026, 10, 7))


def test_it_says_which_years_makeup_days_are_known() -> None:
    assert DEFAULT.makeup_days_known(2026) is True
    assert DEFAULT.makeup_days_known(2099) is False
    assert Calendar("x", "Europe/Berlin", "DE").makeup_days_known(2026) is None


def test_a_working_day_from_tuesday_afternoon_ends_on_wednesday_afternoon() -> None:
    assert DEFAULT.day_s == 8 * H
    assert DEFAULT.add(local("2026-11-24T15:00"), DEFAULT.day_s) == local("2026-11-25T15:00")
    assert DEFAULT.add(local("2026-11-24T11:00"), 2 * H) == local("2026-11-24T14:00")  # over lunch
    assert DEFAULT.add(local("2026-11-27T17:00"), 2 * H) == local("2026-11-30T10:00")  # over a weekend
    assert DEFAULT.add(local("2026-11-28T03:00"), 4 * H) == local("2026-11-30T14:00")  # begun on a Saturday


def test_a_clock_goes_on_on_a_makeup_saturday_and_stands_through_spring_festival() -> None:
    assert DEFAULT.add(local("2026-02-13T17:00"), 2 * H) == local("2026-02-14T10:00")
    assert DEFAULT.add(local("2026-02-14T17:00"), 2 * H) == local("2026-02-24T10:00")


def test_a_customers_own_days_come_first() -> None:
    own = Calendar("own", days_off=frozenset({date(2026, 2, 14)}), days_on=frozenset({date(2026, 2, 17)}))
    assert own.add(local("2026-02-13T17:00"), 2 * H) == local("2026-02-17T10:00")


def test_the_clock_change_of_a_zone_is_not_worked_twice() -> None:
    berlin = Calendar("b", "Europe/Berlin", "", frozenset(range(7)), ((0, 24 * 60),))
    assert berlin.add(local("2026-03-28T12:00", "Europe/Berlin"), 24 * H) == local("2026-03-29T13:00", "Europe/Berlin")
    assert (
        berlin.between(local("2026-10-25T00:00", "Europe/Berlin"), local("2026-10-26T00:00", "Europe/Berlin")) == 25 * H
    )


@settings(max_examples=100, deadline=None)
@given(st.floats(1.7e9, 1.9e9), st.floats(1, 200 * H))
def test_what_was_added_lies_between(start_s: float, work_s: float) -> None:
    end_s = DEFAULT.add(start_s, work_s)
    assert end_s > start_s
    assert abs(DEFAULT.between(start_s, end_s) - work_s) < 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"zone": "Asia/Atlantis"},
        {"zone": "../../etc/passwd"},
        {"zone": "\x00"},
        {"country": "Utopia"},
        {"weekdays": frozenset[int]()},
        {"weekdays": frozenset({7})},
        {"hours": ()},
        {"hours": ((600, 500),)},
        {"hours": ((0, 1500),)},
        {"hours": ((0, 700), (600, 800))},
        {"days_on": frozenset({date(2026, 1, 1)}), "days_off": frozenset({date(2026, 1, 1)})},
    ],
)
def test_a_calendar_that_nobody_can_work_by_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Calendar("x", **changes)  # type: ignore[arg-type]


def test_next_to_no_working_time_ends_at_the_horizon() -> None:
    lonely = Calendar("x", country="", weekdays=frozenset({0}), hours=((0, 1),))
    start_s = local("2026-11-23T00:00")
    assert lonely.add(start_s, 2000 * H) == start_s + FARTHEST_DAYS * 86_400
