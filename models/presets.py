"""Views that a camera that pans, tilts or zooms comes back to: a PTZ camera's presets."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint
from models.map_systems import MapSystem, place_of
from models.pose import Pose, pose_from_json, pose_to_json
from models.text import checked_text

MOST_PRESETS = 8
"""Of a camera, besides its home view: how each looks is part of the camera's state, which has a limit."""
_FIELDS = ("token", "name", "confirmed_s", "pose", "control_points")


@dataclass(frozen=True)
class Preset:
    """``token`` and ``name`` as in ONVIF (PTZ service, PTZPreset). ``confirmed_s``: at that moment, Unix seconds, the
    camera stood there, somebody said; None where nobody has. Its ground is told by ``control_points``, else ``pose``.
    """

    token: str
    name: str
    confirmed_s: float | None = None
    pose: Pose | None = None
    control_points: tuple[ControlPoint, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidInput."""
        if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", self.token):
            raise InvalidInput("a preset's token is 1 to 40 letters, digits, - or _")
        checked_text(self.name, "the preset's name")
        if self.confirmed_s is not None and not 0 <= self.confirmed_s < 2**40:
            raise InvalidInput(f"preset {self.token}: confirmed_s is a moment, in Unix seconds")


def confirmed(presets: tuple[Preset, ...], token: str, at_s: float) -> tuple[Preset, ...]:
    """The view at that moment, Unix seconds, is the one of ``token``. Raises InvalidInput where there is none such."""
    tokens = [preset.token for preset in presets]
    if token not in tokens:
        known = ", ".join(tokens) or "none; they are set by vision.presets"
        raise InvalidInput(f"the camera has no preset {token[:40]!r}; it has: {known}")
    return tuple(replace(each, confirmed_s=at_s) if each.token == token else each for each in presets)


def preset_in(preset: Preset, system: MapSystem) -> Preset:
    """In WGS-84, its control points having been stated in ``system``. Raises InvalidInput."""
    points = [(point, place_of(point.place.lon_deg, point.place.lat_deg, system)) for point in preset.control_points]
    return replace(preset, control_points=tuple(replace(point, place=place) for point, place in points))


def preset_to_json(preset: Preset) -> dict[str, Any]:
    """Without what is not set."""
    told = {
        "confirmed_s": preset.confirmed_s,
        "pose": preset.pose and pose_to_json(preset.pose),
        "control_points": [control_point_to_json(point) for point in preset.control_points],
    }
    return {"token": preset.token, "name": preset.name} | {name: value for name, value in told.items() if value}


def presets_from_json(data: Any) -> tuple[Preset, ...]:
    """Raises InvalidInput."""
    if not isinstance(data, list):
        raise InvalidInput('presets are a list, as in [{"token": "gate", "name": "East gate"}]')
    if len(data) > MOST_PRESETS:
        raise InvalidInput(f"a camera has at most {MOST_PRESETS} presets, not {len(data)}")
    presets = tuple(map(_preset, data))
    tokens = [preset.token for preset in presets]
    for token in tokens:
        if tokens.count(token) > 1:
            raise InvalidInput(f"two presets have the token {token}: each has its own")
    return presets


def _preset(data: Any) -> Preset:
    if not isinstance(data, Mapping) or not set(data) <= set(_FIELDS):
        raise InvalidInput(f"a preset is an object of {', '.join(_FIELDS)}")
    token, name, at_s = data.get("token"), data.get("name"), data.get("confirmed_s")
    if not isinstance(token, str) or not isinstance(name, str):
        raise InvalidInput("a preset has a token and a name")
    if at_s is not None and (isinstance(at_s, bool) or not isinstance(at_s, int | float)):
        raise InvalidInput(f"preset {token[:40]}: confirmed_s is a moment, in Unix seconds")
    pose = data.get("pose")
    return Preset(
        token=token,
        name=name,
        confirmed_s=at_s,
        pose=None if pose is None else pose_from_json(pose),
        control_points=_points(data.get("control_points") or []),
    )


def _points(data: Any) -> tuple[ControlPoint, ...]:
    try:
        points = tuple(map(control_point_from_json, data))
        numbers = [v for each in points for v in (each.x, each.y, each.place.lon_deg, each.place.lat_deg)]
        if not all(math.isfinite(v) for v in numbers):
            raise ValueError
    except (KeyError, OverflowError, TypeError, ValueError):
        raise InvalidInput("a preset's control points are objects of x, y, lon and lat, all numbers") from None
    return points


def control_point_to_json(point: ControlPoint) -> dict[str, float]:
    return {"x": point.x, "y": point.y, "lon": point.place.lon_deg, "lat": point.place.lat_deg}


def control_point_from_json(data: Mapping[str, float]) -> ControlPoint:
    return ControlPoint(data["x"], data["y"], GeoPoint(data["lon"], data["lat"]))
