"""How a camera is to be looked at: what it says besides its zones. One JSON document at rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from models.counting import Counting, counting_from_json
from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, GroundPlane
from models.hours import Hours, hours_from_json, hours_to_json
from models.pose import Pose, pose_from_json, pose_to_json
from models.presets import Preset, confirmed, preset_to_json, presets_from_json
from models.structure import NOTHING_ACCEPTED, Accepted, accepted_from_json

Levels = Mapping[str, Mapping[str, float]]
"""Parameters by incident kind: {"crowding": {"enter_persons": 8.0}}."""


@dataclass(frozen=True)
class Vision:
    """``counting``: how persons are counted, None where nobody has calibrated it. ``pose``: its mounting, which tells
    where on the ground a picture point lies where no control points do.

    ``levels`` hold for all its zones that do not say otherwise, ``night_levels`` in the hours of ``night`` alone.
    ``ptz``: it pans, tilts or zooms. Its zones belong to the view in which it was set up, or to one of its ``presets``,
    and rest in any other.
    ``structures``: as of when its scene is accepted, and what may be built before it.
    ``view`` counts up whenever someone says that the camera looks as it is to look.
    """

    counting: Counting | None = None
    pose: Pose | None = None
    levels: Levels = field(default_factory=dict)
    night: Hours | None = None
    night_levels: Levels = field(default_factory=dict)
    ptz: bool = False
    presets: tuple[Preset, ...] = ()
    structures: Accepted = NOTHING_ACCEPTED
    view: int = 0

    def ground(
        self, place: GeoPoint, points: tuple[ControlPoint, ...], preset: str | None = None
    ) -> GroundPlane | None:
        """The ground that a camera at ``place`` sees, ``points`` being those of its home view; None where neither
        points nor pose tell, or where there is no such preset. Raises InvalidInput."""
        points, pose = self.mounting(points, preset)
        if points:
            return _fitted(points)
        return pose.ground(place) if pose else None

    def mounting(
        self, points: tuple[ControlPoint, ...], preset: str | None
    ) -> tuple[tuple[ControlPoint, ...], Pose | None]:
        """What tells the ground of a view: control points, which go before the pose; ``points`` are the home view's."""
        if preset is None:
            return points, self.pose
        at = next((each for each in self.presets if each.token == preset), None)
        return (at.control_points, at.pose) if at else ((), None)

    def confirmed(self, preset: str | None, at_s: float) -> "Vision":
        """At that moment, Unix seconds, the camera looks as it is to look: at ``preset``, or in its home view. Raises
        InvalidInput where there is no such preset."""
        if preset is None:
            return replace(self, view=self.view + 1)
        return replace(self, presets=confirmed(self.presets, preset, at_s))


@lru_cache(maxsize=1024)
def _fitted(points: tuple[ControlPoint, ...]) -> GroundPlane:
    """A fit costs a thousand times what a look at it costs, and every look asks."""
    return GroundPlane.fit(points)


def vision_to_json(vision: Vision) -> dict[str, Any]:
    """Without what is not set."""
    told = {
        "counting": vision.counting and vision.counting.to_json(),
        "pose": vision.pose and pose_to_json(vision.pose),
        "levels": levels_to_json(vision.levels),
        "night": vision.night and hours_to_json(vision.night),
        "night_levels": levels_to_json(vision.night_levels),
        "ptz": vision.ptz,
        "presets": [preset_to_json(preset) for preset in vision.presets],
        "structures": None if vision.structures == NOTHING_ACCEPTED else vision.structures.to_json(),
        "view": vision.view,
    }
    return {name: value for name, value in told.items() if value}


def levels_to_json(levels: Levels) -> dict[str, dict[str, float]]:
    return {kind: dict(own) for kind, own in levels.items()}


def levels_from_json(data: Any) -> Levels:
    """Raises InvalidInput for what is not {kind: {name: number}}; which there are, registration checks."""
    if not isinstance(data, Mapping) or not all(isinstance(own, Mapping) for own in data.values()):
        raise InvalidInput('levels are parameters by kind, as in {"crowding": {"enter_persons": 12}}')
    return levels_to_json(data)


def _night(data: Any) -> Hours:
    try:
        return hours_from_json(data)
    except (KeyError, OverflowError, TypeError, ValueError):
        raise InvalidInput(
            'night is hours, as in {"spans": [[1140, 360]], "weekdays": [0], "zone": "Asia/Shanghai"}'
        ) from None


def _ptz(data: Any) -> bool:
    if not isinstance(data, bool):
        raise InvalidInput("ptz is true or false")
    return data


def _view(data: Any) -> int:
    if type(data) is not int or not 0 <= data < 2**31:
        raise InvalidInput("view is a count")
    return data


_READ: dict[str, Callable[[Any], Any]] = {
    "counting": counting_from_json,
    "pose": pose_from_json,
    "levels": levels_from_json,
    "night": _night,
    "night_levels": levels_from_json,
    "ptz": _ptz,
    "presets": presets_from_json,
    "structures": accepted_from_json,
    "view": _view,
}


def vision_from_json(data: Any) -> Vision:
    """Raises InvalidInput for anything that is none; null is what is not set."""
    if not isinstance(data, Mapping):
        raise InvalidInput("vision is an object, such as {} where nothing is set")
    unknown = sorted(set(data) - set(_READ))
    if unknown:
        raise InvalidInput(f"vision has no {', '.join(map(repr, unknown))[:200]}; it has: {', '.join(sorted(_READ))}")
    return Vision(**{name: _READ[name](value) for name, value in data.items() if value is not None})
