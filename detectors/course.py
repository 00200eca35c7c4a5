"""The course of a happening: it must hold for a dwell before it is said, and be gone for a while before it is over.

Shared by the rules, so that every kind debounces, repeats and ends in the same way. Pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, Self

from models.incident import Phase

GAP_S = 30.0
"""Longer without a look, and what was before says nothing about now."""
CONTINUING_S = 60.0
"""How often a happening that goes on is said again."""


class Stage(Enum):
    QUIET = "quiet"
    DWELLING = "dwelling"
    ONSET = "onset"
    LASTING = "lasting"
    CONTINUING = "continuing"
    LEAVING = "leaving"
    CLEARED = "cleared"


PHASES: Mapping[Stage, Phase] = {
    Stage.ONSET: Phase.ONSET,
    Stage.CONTINUING: Phase.CONTINUING,
    Stage.CLEARED: Phase.CLEARED,
}
"""The stages in which there is something to say."""


@dataclass(frozen=True)
class Course:
    """Times are Unix seconds of the frame clock.

    ``held_since_s``: it has held since then and is not said yet. ``onset_s``: it is said, and began then.
    ``below_since_s``: it is said, and has been gone since then. ``said_s``: when it was said last.
    """

    held_since_s: float | None = None
    onset_s: float | None = None
    below_since_s: float | None = None
    said_s: float | None = None

    @property
    def is_running(self) -> bool:
        """A dwell has begun, or it is said."""
        return self.held_since_s is not None or self.onset_s is not None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From ``vars``. Raises KeyError, TypeError, ValueError."""
        return cls(**{each.name: time_or_none(data[each.name]) for each in fields(cls)})

    def after_gap(self) -> "Course":
        """Nothing was seen for GAP_S: dwell and leaving begin anew; what is said stays said."""
        return replace(self, held_since_s=None, below_since_s=None)


@dataclass(frozen=True)
class Turn:
    """``since_s``: when the condition of that stage began. ``onset_s``: when the happening began (now, while quiet)."""

    course: Course
    stage: Stage
    since_s: float
    onset_s: float

    @property
    def phase(self) -> Phase | None:
        return PHASES.get(self.stage)


def follow(
    course: Course, at_s: float, *, enters: bool, holds: bool, dwell_s: float, leave_s: float, is_shown: bool = True
) -> Turn:
    """One look further.

    ``enters``: over the level where it begins; ``holds``: over the level where it ends. ``is_shown`` False: it is
    true, but this picture does not show it, and the picture that goes with an alert must show what the alert says.
    """
    if course.onset_s is not None:
        return _while_said(course, course.onset_s, at_s, holds, leave_s)
    if not enters:
        return Turn(replace(course, held_since_s=None), Stage.QUIET, at_s, at_s)
    since_s = at_s if course.held_since_s is None else course.held_since_s
    if at_s - since_s < dwell_s or not is_shown:
        return Turn(replace(course, held_since_s=since_s), Stage.DWELLING, since_s, since_s)
    return Turn(replace(course, held_since_s=None, onset_s=since_s, said_s=at_s), Stage.ONSET, since_s, since_s)


def _while_said(course: Course, onset_s: float, at_s: float, holds: bool, leave_s: float) -> Turn:
    if not holds:
        since_s = at_s if course.below_since_s is None else course.below_since_s
        if at_s - since_s < leave_s:
            return Turn(replace(course, below_since_s=since_s), Stage.LEAVING, since_s, onset_s)
        return Turn(Course(), Stage.CLEARED, since_s, onset_s)
    course = replace(course, below_since_s=None)
    if course.said_s is not None and at_s - course.said_s < CONTINUING_S:
        return Turn(course, Stage.LASTING, onset_s, onset_s)
    return Turn(replace(course, said_s=at_s), Stage.CONTINUING, onset_s, onset_s)


def time_or_none(value: Any) -> float | None:
    """A finite number, or None. Raises TypeError, ValueError."""
    return None if value is None else finite(value)


def finite(value: Any) -> float:
    """Raises TypeError, ValueError."""
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number
