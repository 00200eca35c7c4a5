"""Clocks on a case: how long a stage may take, in wall-clock or working time, and what light stands for where it is."""

import math
from dataclasses import dataclass
from enum import StrEnum

from models.errors import InvalidInput


class Stage(StrEnum):
    """What a clock is about. ``WHOLE`` runs beside the others, from detection to the end of the case."""

    ACK = "ack"
    DISPATCH = "dispatch"
    ACCEPT = "accept"
    ON_SCENE = "on_scene"
    HANDLE = "handle"
    VERIFY = "verify"
    SILENCE = "silence"  # of the reporter, after a verification that names an outcome: then the case closes by itself
    WHOLE = "whole"


class TimeUnit(StrEnum):
    """Seconds of wall-clock time, or hours and days of a calendar's working time."""

    SECONDS = "s"
    WORKING_HOURS = "working_h"
    WORKING_DAYS = "working_d"


class Light(StrEnum):
    """Green to 80 % of a clock, amber to 100 %, red from then on (dispatch.md)."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


LONGEST = {TimeUnit.SECONDS: 366 * 86_400.0, TimeUnit.WORKING_HOURS: 2000.0, TimeUnit.WORKING_DAYS: 250.0}
AMBER_FROM = 0.8


@dataclass(frozen=True)
class Span:
    """How long something may take. Raises InvalidInput for no time, or more than about a year."""

    amount: float
    unit: TimeUnit

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and 0 < self.amount <= LONGEST[self.unit]):
            raise InvalidInput(f"a clock in {self.unit.value} is more than 0, and at most {LONGEST[self.unit]:.0f}")


@dataclass(frozen=True)
class Clock:
    """A clock that was started by a version of an alert. Times are Unix seconds.

    ``policy`` says which rule it was set by. ``paused_s`` is when it was stopped, None while it runs; ``left_s`` is how
    much was left then, in seconds of its own kind of time (working seconds for a working unit), less than 0 past due.
    """

    stage: Stage
    span: Span
    policy: str
    version: int
    started_s: float
    amber_s: float
    due_s: float
    paused_s: float | None = None
    left_s: float | None = None

    def light(self, now_s: float) -> Light:
        """What it shows now; a paused clock shows what it showed when it was stopped."""
        at_s = now_s if self.paused_s is None else self.paused_s
        if at_s >= self.due_s:
            return Light.RED
        return Light.AMBER if at_s >= self.amber_s else Light.GREEN
