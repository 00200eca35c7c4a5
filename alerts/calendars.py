"""Working time: which seconds count, by weekday, public holiday and make-up working day (调休). Pure.

The holidays and the make-up working days of a country are those of the ``holidays`` library. It knows China's make-up
days of the years that the State Council has announced, each in autumn for the year after; ``makeup_days_known`` says
which. A customer's own days off and on come before it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from holidays.registry import EntityLoader

from models.errors import InvalidInput

FARTHEST_DAYS = 1500
"""So far ahead a working time is looked for: more than 250 working days with a customer's days off in between."""

MOST_OWN_DAYS = 1000
DAY_MIN = 24 * 60
COUNTRIES = frozenset(EntityLoader.get_country_codes())
"""The keys of ``holidays.list_supported_countries()``, which loads every country's class to say them."""

MAKEUP_COUNTRIES = frozenset({"CN"})
"""Countries of which we know that a year without make-up days is one that has not been announced yet."""


@dataclass(frozen=True)
class Calendar:
    """When people of a place work. ``zone`` is an IANA time zone; ``country`` an ISO 3166 code, "" for no holidays.

    ``weekdays`` counts Monday as 0; ``hours`` are from–to in minutes of the local day, in order. A date in ``days_off``
    or ``days_on`` is what it says, whatever the country's holidays are. Raises InvalidInput for what nobody works by.
    """

    code: str
    zone: str = "Asia/Shanghai"
    country: str = "CN"
    weekdays: frozenset[int] = frozenset(range(5))
    hours: tuple[tuple[int, int], ...] = ((9 * 60, 12 * 60), (13 * 60, 18 * 60))
    days_off: frozenset[date] = frozenset()
    days_on: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ValueError, OSError, KeyError):
            raise InvalidInput("the calendar's zone is no IANA time zone, such as Asia/Shanghai") from None
        if self.country and self.country not in COUNTRIES:
            raise InvalidInput(
                f"no public holidays are known for the country {self.country[:8]!r}; ISO 3166, such as CN"
            )
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise InvalidInput("a calendar works on at least one weekday, 0 (Monday) to 6")
        ends = [0, *(minute for pair in self.hours for minute in pair), DAY_MIN]
        if not self.hours or ends != sorted(ends) or any(start == end for start, end in self.hours):
            raise InvalidInput("working hours are from–to pairs in order, within one day")
        if self.days_off & self.days_on:
            raise InvalidInput("a day is either off or on")
        if len(self.days_off) + len(self.days_on) > MOST_OWN_DAYS:
            raise InvalidInput(f"a calendar names at most {MOST_OWN_DAYS} days of its own")

    @property
    def day_s(self) -> float:
        """Working seconds of one working day."""
        return 60.0 * sum(end - start for start, end in self.hours)

    def works_on(self, day: date) -> bool:
        """Whether that is a working day, make-up days and the calendar's own days considered."""
        if day in self.days_on or day in self.days_off:
            return day in self.days_on
        off, made_up = _public_days(self.country, day.year) if self.country else (frozenset(), frozenset())
        return day in made_up or (day.weekday() in self.weekdays and day not in off)

    def works_at(self, at_s: float) -> bool:
        """Whether that moment, Unix seconds, is working time."""
        return any(start_s <= at_s < end_s for start_s, end_s in self._shifts(self._day(at_s)))

    def add(self, start_s: float, work_s: float) -> float:
        """When ``work_s`` working seconds after ``start_s`` have gone by, Unix seconds.

        Where that is farther than FARTHEST_DAYS, the end of those days: a calendar with next to no working time must
        not keep an alert from being raised.
        """
        day, left_s = self._day(start_s), work_s
        for _ in range(FARTHEST_DAYS):
            for from_s, to_s in self._shifts(day):
                has_s = to_s - max(from_s, start_s)
                if has_s > 0 and left_s <= has_s:
                    return max(from_s, start_s) + left_s
                left_s -= max(0.0, has_s)
            day += timedelta(days=1)
        return datetime.combine(day, time(), ZoneInfo(self.zone)).timestamp()

    def between(self, start_s: float, end_s: float) -> float:
        """Working seconds from one moment to another; 0 where the end comes first."""
        day, last, total_s = self._day(start_s), self._day(end_s), 0.0
        for _ in range(FARTHEST_DAYS):
            if day > last:
                break
            total_s += sum(max(0.0, min(to_s, end_s) - max(from_s, start_s)) for from_s, to_s in self._shifts(day))
            day += timedelta(days=1)
        return total_s

    def makeup_days_known(self, year: int) -> bool | None:
        """Whether the country's make-up days of that year are known; None for a country without that custom."""
        if self.country not in MAKEUP_COUNTRIES:
            return None
        return bool(_public_days(self.country, year)[1])

    def _day(self, at_s: float) -> date:
        return datetime.fromtimestamp(at_s, ZoneInfo(self.zone)).date()

    def _shifts(self, day: date) -> tuple[tuple[float, float], ...]:
        return _shifts_of(self, day)


@lru_cache(maxsize=4096)
def _shifts_of(calendar: Calendar, day: date) -> tuple[tuple[float, float], ...]:
    """Begin and end of that day's working times, Unix seconds."""
    if not calendar.works_on(day):
        return ()
    zone = ZoneInfo(calendar.zone)

    def moment(minute: int) -> float:
        whole, rest = (day + timedelta(days=1), 0) if minute == DAY_MIN else (day, minute)
        return datetime.combine(whole, time(rest // 60, rest % 60), zone).astimezone(UTC).timestamp()

    return tuple((moment(start), moment(end)) for start, end in calendar.hours)


@lru_cache(maxsize=256)
def _public_days(country: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    # The years beside it too: a make-up day of New Year may lie in December.
    known = holidays.country_holidays(country, years=range(year - 1, year + 2))
    return (
        frozenset(day for day in known if day.year == year),
        frozenset(day for day in known.weekend_workdays if day.year == year),
    )


DEFAULT = Calendar("default")
"""China, Monday to Friday 9–12 and 13–18: 8 working hours a day."""
