"""What every rule is given and gives back. A rule is pure: ``step(state, observation) -> Step``."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from detectors.crossing import Crossing
from detectors.density import DensityMap
from models.camera import CameraPoint, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.gate import GateLog
from models.geo import GroundPlane
from models.incident import Sighting, kind_of


@dataclass(frozen=True, eq=False)
class Observation:
    """One zone of one camera at one moment of the frame clock (``at_s``, Unix seconds).

    ``detections`` are those of the whole picture, in pixels of a picture of ``width_px`` x ``height_px``. ``ground`` is
    None for a camera that is not calibrated. ``model`` is name and version of the weights that saw them. ``bgr``: the
    picture, for rules that compare what stands somewhere with what stood there. ``density``: how many persons a crowd
    counter sees where, None where none is installed. ``closer``: what a look twice as close found in this picture, None
    where none was taken. ``crossings``: who stepped over the zone's line since the last look, None where people are not
    followed. ``gate``: what the camera's gates say, None where none reports.
    ``arrived_s``: since when the camera has looked this way, None for one that does not turn.
    """

    camera: CameraPoint
    zone: Zone
    at_s: float
    detections: Detections
    width_px: int
    height_px: int
    ground: GroundPlane | None
    model: str
    bgr: Pixels | None = None
    density: DensityMap | None = None
    closer: Detections | None = None
    crossings: tuple[Crossing, ...] | None = None
    gate: GateLog | None = None
    arrived_s: float | None = None

    def was_away(self, last_s: float) -> bool:
        """Whether the camera looked elsewhere since then: what was before says nothing about now."""
        return self.arrived_s is not None and last_s < self.arrived_s

    @property
    def is_watched(self) -> bool:
        """Whether the zone is watched at this hour."""
        return self.zone.hours is None or self.zone.hours.hold_at(self.at_s)


class RuleState(Protocol):
    @property
    def is_running(self) -> bool:
        """Whether the rule waits for time to pass (a dwell, an ending), so that a still scene must be looked at too."""

    def to_json(self) -> dict[str, Any]:
        """Small, and with a version of its own."""


S = TypeVar("S", bound=RuleState)


@dataclass(frozen=True)
class Step(Generic[S]):
    """``reasons`` say in sentences, with the numbers, why there is a sighting or why there is none."""

    state: S
    sightings: tuple[Sighting, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Rule(Generic[S]):
    """``restore`` makes a state from what ``to_json`` gave, and a fresh one from anything else (None, an unknown
    version, damage). ``check`` raises InvalidInput for a zone whose levels the rule cannot work with.
    """

    kind: str
    restore: Callable[[object], S]
    step: Callable[[S, Observation], Step[S]]
    check: Callable[[Zone], None]


def parameters(kind: str, zone: Zone) -> tuple[Mapping[str, float], frozenset[str]]:
    """The kind's parameters for this zone, and the names of those that the zone itself sets.

    Precedence: zone over kind. Raises InvalidInput for a name that there is not, or a value out of its range.
    """
    known = kind_of(kind).parameters
    own = zone.levels.get(kind, {})
    for name, value in own.items():
        if name not in known:
            raise InvalidInput(f"zone {zone.id}: {kind} has no level {name!r}; it has: {', '.join(sorted(known))}")
        bounds = known[name]
        if not (isinstance(value, int | float) and math.isfinite(value) and bounds.low <= value <= bounds.high):
            raise InvalidInput(f"zone {zone.id}: {name} must be {bounds.low:g} to {bounds.high:g} {bounds.unit}")
    values = {name: float(own.get(name, parameter.default)) for name, parameter in known.items()}
    return values, frozenset(own)
