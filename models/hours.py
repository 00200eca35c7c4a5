"""Hours of the day in which a zone is watched: wall-clock time where the camera stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.errors import InvalidInput

DAY_MIN = 24 * 60
MOST_SPANS = 12


@dataclass(frozen=True)
class Hours:
    """``spans`` are from–to in minutes of the local day; one that ends before it begins goes over midnight, and belongs
    to the day on which it begins. ``weekdays``: Monday is 0. ``zone``: an IANA time zone.
    """

    spans: tuple[tuple[int, int], ...]
    weekdays: tuple[int, ...] = tuple(range(7))
    zone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        if not 1 <= len(self.spans) <= MOST_SPANS:
            raise InvalidInput(f"hours have 1 to {MOST_SPANS} spans")
        for begins, ends in self.spans:
            if not (0 <= begins < DAY_MIN and 0 <= ends <= DAY_MIN and begins != ends):
                raise InvalidInput(
                    f"hours are minutes of the day, 0 to {DAY_MIN}, and a span is not empty: {begins}–{ends} is not one"
                )
        if not self.weekdays or not all(0 <= day <= 6 for day in self.weekdays):
            raise InvalidInput("hours name at least one weekday, Monday is 0, Sunday 6")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(f"there is no time zone {self.zone!r}; an example is Asia/Shanghai") from None

    def hold_at(self, at_s: float) -> bool:
        """Whether that moment, Unix seconds, lies in the hours."""
        local = datetime.fromtimestamp(at_s, ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday() in self.weekdays, (local.weekday() - 1) % 7 in self.weekdays
        return any(
            (today and begins <= minute and (minute < ends or ends < begins))
            or (yesterday and ends < begins and minute < ends)
            for begins, ends in self.spans
        )


def hours_to_json(hours: Hours) -> dict[str, Any]:
    return {
        "spans": [list(span) for span in hours.spans],
        "weekdays": list(hours.weekdays),
        "zone": hours.zone,
    }


def hours_from_json(data: Mapping[str, Any]) -> Hours:
    """Raises KeyError, TypeError, ValueError; InvalidInput for hours that there are not."""
    spans = tuple((int(begins), int(ends)) for begins, ends in data["spans"])
    return Hours(spans, tuple(int(day) for day in data["weekdays"]), str(data["zone"]))
