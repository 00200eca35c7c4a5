"""A camera's mounting: where it looks from and to, instead of control points. Pinhole, flat ground."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.geo import GeoPoint, GroundPlane, LocalPlane

SHARE_OF_HEIGHT, TILT_DEG, HEADING_DEG, ROLL_DEG, SHARE_OF_VIEW, PLACE_M = 0.03, 0.5, 1.5, 0.5, 0.03, 0.5
"""Standard errors of what is read off a mast, a compass and a data sheet: our own choice, of careful work."""


@dataclass(frozen=True)
class Pose:
    """``height_m`` above the ground it sees; ``tilt_deg`` below the horizon; ``heading_deg`` clockwise from true north;
    ``roll_deg`` clockwise as the camera sees it; ``view_deg``: the horizontal field of view. ``aspect``: the picture's
    width by its height.
    """

    height_m: float
    tilt_deg: float
    heading_deg: float
    view_deg: float
    roll_deg: float = 0.0
    aspect: float = 16 / 9

    def __post_init__(self) -> None:
        """Raises InvalidInput."""
        for name, low, high, unit in (
            ("height_m", 0.5, 500.0, "m above the ground"),
            ("tilt_deg", 1.0, 90.0, "degrees below the horizon: less, and it sees no ground that can be measured"),
            ("heading_deg", -360.0, 360.0, "degrees clockwise from north"),
            ("view_deg", 5.0, 140.0, "degrees from its left edge to its right; wider lenses need control points"),
            ("roll_deg", -45.0, 45.0, "degrees"),
            ("aspect", 0.3, 4.0, "width by height"),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # true of NaN as well
                raise InvalidInput(f"pose.{name} is {low:g} to {high:g} {unit}, not {value:g}")

    def ground(self, place: GeoPoint) -> GroundPlane:
        """The ground as a camera at ``place`` sees it."""
        matrix = _matrix(self, np.zeros(2))
        variants = [
            _matrix(_changed(self, height_m=self.height_m * SHARE_OF_HEIGHT), np.zeros(2)),
            _matrix(_changed(self, tilt_deg=-TILT_DEG), np.zeros(2)),
            _matrix(_changed(self, heading_deg=HEADING_DEG), np.zeros(2)),
            _matrix(_changed(self, roll_deg=ROLL_DEG), np.zeros(2)),
            _matrix(_changed(self, view_deg=self.view_deg * SHARE_OF_VIEW), np.zeros(2)),
            _matrix(self, np.array([PLACE_M, 0.0])),
            _matrix(self, np.array([0.0, PLACE_M])),
        ]
        return GroundPlane(matrix, LocalPlane(place), 0.0, np.array(variants))


def _changed(pose: Pose, **steps: float) -> Pose:
    """One standard error away, past the bounds if need be."""
    other = object.__new__(Pose)
    for name, value in asdict(pose).items():
        object.__setattr__(other, name, value + steps.get(name, 0.0))
    return other


def _matrix(pose: Pose, at_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Picture fractions to metres east, north of the camera's place, the camera standing at ``at_m``.

    A ray goes through (x, y) along forward + right (x − ½) / f + down (y − ½) / (f · aspect), f the focal length in
    picture widths; it meets the ground where it has come down by the height (Hartley & Zisserman, section 6.1).
    """
    tilt, heading, roll = (math.radians(deg) for deg in (pose.tilt_deg, pose.heading_deg, pose.roll_deg))
    focal = 0.5 / math.tan(math.radians(pose.view_deg) / 2)
    ahead = np.array([math.sin(heading), math.cos(heading)])
    forward = np.array([*(ahead * math.cos(tilt)), -math.sin(tilt)])
    level = np.array([math.cos(heading), -math.sin(heading), 0.0])
    below = np.array([*(-ahead * math.sin(tilt)), -math.cos(tilt)])
    right = level * math.cos(roll) + below * math.sin(roll)
    down = below * math.cos(roll) - level * math.sin(roll)
    x_step, y_step = right / focal, down / (focal * pose.aspect)
    rays = np.c_[x_step, y_step, forward - x_step / 2 - y_step / 2]
    drop = -rays[2]
    return np.stack([pose.height_m * rays[0] + at_m[0] * drop, pose.height_m * rays[1] + at_m[1] * drop, drop])


def pose_to_json(pose: Pose) -> dict[str, float]:
    return asdict(pose)


def pose_from_json(data: Any) -> Pose:
    """Raises InvalidInput."""
    names = [each.name for each in fields(Pose)]
    if not isinstance(data, Mapping) or not set(data) <= set(names):
        raise InvalidInput(f"a pose is an object of {', '.join(names)}")
    missing = [name for name in ("height_m", "tilt_deg", "heading_deg", "view_deg") if name not in data]
    if missing:
        raise InvalidInput(f"the pose lacks {', '.join(missing)}")
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in data.values()):
        raise InvalidInput("a pose is of numbers")
    try:
        return Pose(**{name: float(value) for name, value in data.items()})
    except OverflowError:
        raise InvalidInput("a pose is of numbers that are not that large") from None
