"""What a camera point must be before it is registered. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.camera import Shared, SourceUrl, Zone
from models.control_points import check_control_points
from models.errors import Fault, InvalidInput
from models.geo import ControlPoint, GeoPoint, distance_m
from models.incident import KINDS, kind_of
from models.text import checked_text
from models.vision import Levels, Vision

MOST_ZONES = 50
MOST_LEARNED = 6
NARROWEST = 0.001
"""Of a zone, in fractions of the picture: a pixel or two."""
LONGEST_ABOUT = 64
"""Characters of a site or upstream."""
MOST_CONTROL_POINTS = 100
FARTHEST_CONTROL_POINT_M = 5_000.0
"""Farther than a city camera sees the ground; a longitude swapped for a latitude is farther still."""

_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
_GBT28181_CAMERA_TYPES = ("131", "132")
"""GB/T 28181-2016, annex D: digits 11 to 13 of a 20-digit code; 131 a camera, 132 a network camera (IPC)."""


@dataclass(frozen=True)
class NewCamera:
    """A camera point as someone enters it. ``grid_code`` None: the grid that ``place`` lies in. ``upstream``: the
    switch or recorder without which it is dark; ``site``: the building, square or pole that it belongs to."""

    code: str
    name: str
    place: GeoPoint
    url: SourceUrl = field(repr=False)
    purpose: str
    grid_code: str | None = None
    zones: tuple[Zone, ...] = ()
    control_points: tuple[ControlPoint, ...] = ()
    enabled: bool = True
    site: str | None = None
    upstream: str | None = None
    vision: Vision = field(default_factory=Vision)

    def __post_init__(self) -> None:
        """Raises InvalidInput; ``faults`` names each field."""
        faults = [
            *_text_faults(self),
            *_zone_faults(self.zones),
            *_vision_faults(self.vision, self.zones),
            *_ground_faults(self),
        ]
        if faults:
            raise InvalidInput(f"the camera was not registered: {faults[0]}", faults)


def check_zone(zone: Zone) -> None:
    """Raises InvalidInput where no camera could be registered with that zone."""
    faults = _zone_faults([zone])
    if faults:
        raise InvalidInput(f"the zone cannot be watched: {faults[0]}", faults)


def check_shared(shared: Shared) -> None:
    """Raises InvalidInput where zones cannot share that."""
    faults = _level_faults({"levels": shared.levels, "night_levels": shared.night_levels})
    if faults:
        raise InvalidInput(f"the zone template was refused: {faults[0]}", faults)


def _text_faults(camera: NewCamera) -> list[Fault]:
    faults = []
    if not _CODE.fullmatch(camera.code):
        faults.append(Fault("code", "1 to 64 letters, digits, '.', ':', '-' or '_'"))
    elif re.fullmatch(r"[0-9]{20}", camera.code) and camera.code[10:13] not in _GBT28181_CAMERA_TYPES:
        faults.append(
            Fault(
                "code",
                f"a 20-digit GB/T 28181 code of a camera has 131 or 132 at digits 11 to 13, not {camera.code[10:13]}",
            )
        )
    named = [("name", camera.name, "the name"), ("purpose", camera.purpose, "the purpose")]
    about = (("site", camera.site, "the site"), ("upstream", camera.upstream, "the upstream"))
    for name, text, what in named + [(name, text, what) for name, text, what in about if text is not None]:
        if name in ("site", "upstream") and len(text) > LONGEST_ABOUT:
            faults.append(Fault(name, f"at most {LONGEST_ABOUT} characters"))
        try:
            checked_text(text, what)
        except InvalidInput as error:
            faults.append(Fault(name, str(error)))
    return faults


def _zone_faults(zones: Sequence[Zone]) -> list[Fault]:
    if len(zones) > MOST_ZONES:
        return [Fault("zones", f"a camera has at most {MOST_ZONES} zones")]
    if sum(len(zone.kinds) for zone in zones) > MOST_ZONES:
        return [Fault("zones", f"a camera's zones ask for at most {MOST_ZONES} kinds together")]
    if sum("dumping" in zone.kinds for zone in zones) > MOST_LEARNED:
        return [Fault("zones", f"at most {MOST_LEARNED} zones of a camera look for dumping: each learns how it looks")]
    faults = []
    ids = [zone.id for zone in zones]
    faults += [
        Fault(f"zones[{id_}]", "the id is taken by another zone")
        for id_ in sorted({i for i in ids if ids.count(i) > 1})
    ]
    for zone in zones:
        try:
            checked_text(zone.name, "the name")
            if min(max(side) - min(side) for side in zip(*zone.polygon, strict=True)) < NARROWEST:
                raise InvalidInput("its corners lie on one line: nobody can stand in it")
            for kind in zone.kinds:
                _check_seen(kind, zone)
            for said in (zone.levels, zone.night_levels):
                for kind, levels in said.items():
                    _check_levels(kind, levels)
        except InvalidInput as error:
            faults.append(Fault(f"zones[{zone.id}]", str(error)))
    return faults


def _vision_faults(vision: Vision, zones: Sequence[Zone]) -> list[Fault]:
    known = {zone.id for zone in zones}
    faults = []
    if vision.presets and not vision.ptz:
        faults.append(Fault("vision.presets", "only a camera that pans has presets: set vision.ptz"))
    faults += [Fault(f"zones[{zone.id}]", why) for zone in zones if (why := _preset_fault(zone, vision))]
    strange = sorted({permit.zone_id for permit in vision.structures.permits} - known)
    faults += [
        Fault("vision.structures", f"a permit is for zone {zone_id!r}, which there is not") for zone_id in strange
    ]
    return faults + _level_faults({"vision.levels": vision.levels, "vision.night_levels": vision.night_levels})


def _preset_fault(zone: Zone, vision: Vision) -> str | None:
    tokens = [preset.token for preset in vision.presets]
    if zone.preset is None:
        return None
    if zone.preset not in tokens:
        known = ", ".join(tokens) or "none; vision.presets sets them"
        return f"the camera has no preset {zone.preset[:40]!r}; it has: {known}"
    if zone.line is not None:
        return "a gate is watched from the home view alone: leave preset out, or make the gate's the home view"
    if "illegal_structure" in zone.kinds:
        return "new structures are watched for from the home view alone: leave preset out, or make that the home view"
    return None


def _level_faults(by_place: Mapping[str, Levels]) -> list[Fault]:
    faults = []
    for where, said in by_place.items():
        try:
            for kind, levels in said.items():
                _check_levels(kind, levels)
        except InvalidInput as error:
            faults.append(Fault(where, str(error)))
    return faults


def _check_seen(kind: str, zone: Zone) -> None:
    if kind_of(kind).burst and zone.line is None:
        raise InvalidInput(
            f'{kind} needs a line across the gate\'s way, as in "line": [[0.4, 0.7], [0.6, 0.7]]: whoever steps over '
            "it to its right-hand side goes in"
        )
    if not kind_of(kind).by_camera:
        seen = ", ".join(sorted(code for code, kind in KINDS.items() if kind.by_camera))
        raise InvalidInput(f"{kind} is reported, no zone looks for it; a camera's zones look for: {seen}")


def _check_levels(kind: str, levels: Any) -> None:
    parameters = kind_of(kind).parameters
    if not isinstance(levels, Mapping):
        raise InvalidInput(f'the levels of {kind} are its parameters by name, as in {{"enter_persons": 12}}')
    for name, level in levels.items():
        if name not in parameters:
            raise InvalidInput(f"{kind} has no level {name!r}; it has: {', '.join(sorted(parameters)) or 'none'}")
        if isinstance(level, bool) or not isinstance(level, int | float):
            raise InvalidInput(f"{kind}.{name} must be a number")
        allowed = parameters[name]
        if not allowed.low <= level <= allowed.high:  # also refuses NaN
            raise InvalidInput(f"{kind}.{name} is {allowed.low:g} to {allowed.high:g} {allowed.unit}, not {level:g}")


def _ground_faults(camera: NewCamera) -> list[Fault]:
    faults = _view_faults(camera, camera.control_points, None)
    for preset in camera.vision.presets:
        where = f"vision.presets[{preset.token}]"
        found = _view_faults(camera, preset.control_points, preset.token)
        faults += [each if each.where.startswith("zones") else Fault(where, f"{each}") for each in found]
    return faults


def _view_faults(camera: NewCamera, points: Sequence[ControlPoint], preset: str | None) -> list[Fault]:
    """Of the control points of one view, and of the zones that are drawn in it."""
    if len(points) > MOST_CONTROL_POINTS:
        return [Fault("control_points", f"a camera has at most {MOST_CONTROL_POINTS}")]
    for number, point in enumerate(points, start=1):
        where = f"control_points[{number}]"
        if not all(math.isfinite(v) and 0 <= v <= 1 for v in (point.x, point.y)):
            return [Fault(where, "x and y are fractions of the picture, 0 to 1")]
        away_m = distance_m(camera.place, point.place)
        if away_m > FARTHEST_CONTROL_POINT_M:
            return [Fault(where, f"it lies {away_m / 1000:.0f} km from the camera; longitude comes first")]
    try:
        if points:
            check_control_points(points)
        ground = camera.vision.ground(camera.place, camera.control_points, preset)
    except InvalidInput as error:
        return [Fault("control_points", str(error))]
    if ground is None:
        return []
    faults = []
    for zone in camera.zones:
        if zone.preset != preset:
            continue
        try:
            ground.area_m2(zone.polygon)
        except InvalidInput as error:
            faults.append(Fault(f"zones[{zone.id}]", str(error)))
    return faults
