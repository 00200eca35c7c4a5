"""What a person says about new structures before a camera: as of when the scene is accepted, and what is permitted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.errors import Conflict, InvalidInput, NotFound

MOST_PERMITS = 50
LONGEST_REFERENCE = 100
LATEST_S = 253_370_764_800.0
"""1 January 9999: what is later is no date in some time zone."""
_HOW = 'structures is an object such as {"accepted_s": 1772800000, "permits": []}'


@dataclass(frozen=True)
class Permit:
    """In this zone may be built from ``from_s`` until ``until_s``, Unix seconds. ``reference``: the permit's number.
    What stands when it ends is accepted."""

    zone_id: str
    from_s: float
    until_s: float
    reference: str

    def __post_init__(self) -> None:
        if not 0 <= self.from_s < self.until_s <= LATEST_S:  # also refuses NaN
            raise InvalidInput("a permit begins before it ends, both in Unix seconds, between the years 1970 and 9999")
        if not 1 <= len(self.reference.strip()) <= LONGEST_REFERENCE:
            raise InvalidInput(f"a permit needs the number it was given under, 1 to {LONGEST_REFERENCE} characters")

    def holds_at(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.until_s


@dataclass(frozen=True)
class Accepted:
    """``accepted_s``: what was to be seen at that time (Unix seconds) is how the scene should look; None: nobody has
    said so yet, and nothing new is told of."""

    accepted_s: float | None = None
    permits: tuple[Permit, ...] = ()

    def __post_init__(self) -> None:
        if self.accepted_s is not None and not 0 <= self.accepted_s <= LATEST_S:
            raise InvalidInput("the time as of which a scene is accepted is a number, in Unix seconds")
        if len(self.permits) > MOST_PERMITS:
            raise InvalidInput(f"a camera has at most {MOST_PERMITS} permits: take out those that are over")

    def accepted(self, at_s: float) -> "Accepted":
        """What stood there at ``at_s``, too. Permits that were over by then are done with."""
        return Accepted(at_s, tuple(permit for permit in self.permits if permit.until_s > at_s))

    def with_permit(self, permit: Permit) -> "Accepted":
        """Raises Conflict where the zone has one of that number."""
        if any((known.zone_id, known.reference) == (permit.zone_id, permit.reference) for known in self.permits):
            raise Conflict(f"zone {permit.zone_id} has a permit {permit.reference} already: withdraw it first")
        return replace(self, permits=(*self.permits, permit))

    def without_permit(self, zone_id: str, reference: str) -> "Accepted":
        """Raises NotFound where the zone has none of that number."""
        kept = tuple(permit for permit in self.permits if (permit.zone_id, permit.reference) != (zone_id, reference))
        if len(kept) == len(self.permits):
            raise NotFound(f"zone {zone_id} has no permit {reference}")
        return replace(self, permits=kept)

    def permitted(self, zone_id: str, at_s: float) -> Permit | None:
        return next((permit for permit in self.permits if permit.zone_id == zone_id and permit.holds_at(at_s)), None)

    def to_json(self) -> dict[str, Any]:
        return {"accepted_s": self.accepted_s, "permits": [vars(permit).copy() for permit in self.permits]}


NOTHING_ACCEPTED = Accepted()


def accepted_from_json(data: Any) -> Accepted:
    """Raises InvalidInput for anything that is none."""
    if not isinstance(data, Mapping) or set(data) - {"accepted_s", "permits"}:
        raise InvalidInput(_HOW)
    permits, accepted_s = data.get("permits", []), data.get("accepted_s")
    if not isinstance(permits, list) or not (accepted_s is None or _is_number(accepted_s)):
        raise InvalidInput(_HOW)
    return Accepted(None if accepted_s is None else float(accepted_s), tuple(map(_permit, permits)))


def _permit(data: Any) -> Permit:
    if (
        not isinstance(data, Mapping)
        or set(data) != {"zone_id", "from_s", "until_s", "reference"}
        or not (isinstance(data["zone_id"], str) and isinstance(data["reference"], str))
        or not (_is_number(data["from_s"]) and _is_number(data["until_s"]))
    ):
        raise InvalidInput("a permit has zone_id and reference (text), from_s and until_s (Unix seconds), no more")
    return Permit(data["zone_id"], float(data["from_s"]), float(data["until_s"]), data["reference"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
