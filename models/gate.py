"""What a gate says of itself: whom it let through, when it opened and when it closed. A door, a turnstile, a barrier.

It comes as a report of the kind ``gate_event`` whose measure names an ``event``; one that names none is as any other.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.errors import InvalidInput

KIND = "gate_event"
MOST_AT_ONCE = 100
MOST_PASSES = 200
"""The last that were reported; none is left out by its time: one that is dated wrong would take the others along."""


class GateEvent(StrEnum):
    PASS = "pass"  # noqa: S105 - it let somebody through
    OPENED = "opened"
    CLOSED = "closed"


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True)
class GateSignal:
    """``at_s``: Unix seconds of the gate's clock. ``direction`` None: it does not say. ``count``: of persons let in."""

    event: GateEvent
    at_s: float
    direction: Direction | None = None
    count: int = 1


@dataclass(frozen=True)
class GateLog:
    """What a camera's gates said lately, as far as a rule goes by it.

    ``passes``, as they were reported. ``open_since_s``: it stands open since then; None: it is closed, or never said.
    ``tells_closing``: it says when it closes, so that an opening without a closing means something.
    """

    passes: tuple[GateSignal, ...] = ()
    open_since_s: float | None = None
    tells_closing: bool = False

    def after(self, signals: Iterable[GateSignal]) -> "GateLog":
        """With more of one gate's signals. Of those that came together the times say which was first."""
        passes, open_since_s, tells_closing = list(self.passes), self.open_since_s, self.tells_closing
        for signal in sorted(signals, key=lambda signal: signal.at_s):
            if signal.event is GateEvent.PASS:
                passes.append(signal)
            elif signal.event is GateEvent.OPENED:
                open_since_s = signal.at_s if open_since_s is None else open_since_s
            else:
                open_since_s, tells_closing = None, True
        return GateLog(tuple(passes[-MOST_PASSES:]), open_since_s, tells_closing)

    def joined(self, other: "GateLog") -> "GateLog":
        """Of two gates before one camera: either may let somebody through, and either may stand open."""
        opened = [at_s for at_s in (self.open_since_s, other.open_since_s) if at_s is not None]
        tells_closing = self.tells_closing and other.tells_closing
        return GateLog((*self.passes, *other.passes), min(opened, default=None), tells_closing)


def signal_of(measure: Mapping[str, Any], at_s: float) -> GateSignal | None:
    """What a report of the kind ``gate_event`` says; None where it names no event. Raises InvalidInput."""
    if "event" not in measure:
        return None
    said, direction, count = measure["event"], measure.get("direction"), measure.get("count", 1)
    if not isinstance(said, str) or said not in set(GateEvent):
        raise InvalidInput(f"a gate's event is one of: {', '.join(GateEvent)}")
    if direction is not None and (not isinstance(direction, str) or direction not in set(Direction)):
        raise InvalidInput(f"a gate's direction is one of: {', '.join(Direction)}; leave it out where it does not know")
    if type(count) is not int or not 1 <= count <= MOST_AT_ONCE:
        raise InvalidInput(f"a gate's count of persons let through is a whole number of 1 to {MOST_AT_ONCE}")
    return GateSignal(GateEvent(said), at_s, Direction(direction) if direction else None, count)


def gate_log_to_json(log: GateLog) -> dict[str, Any]:
    passes = [[each.at_s, each.direction, each.count] for each in log.passes]
    return {"passes": passes, "open_since_s": log.open_since_s, "tells_closing": log.tells_closing}


def gate_log_from_json(data: Mapping[str, Any]) -> GateLog:
    """From ``gate_log_to_json``. Raises KeyError, TypeError, ValueError."""
    passes = tuple(
        GateSignal(GateEvent.PASS, float(at_s), Direction(direction) if direction else None, int(count))
        for at_s, direction, count in data["passes"]
    )
    open_since_s = None if data["open_since_s"] is None else float(data["open_since_s"])
    if open_since_s is not None and not math.isfinite(open_since_s):
        raise ValueError("not finite")
    return GateLog(passes, open_since_s, data["tells_closing"] is True)
