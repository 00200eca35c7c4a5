"""What goes in and out about cameras. Their user names and passwords only go in."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from api.registry_schemas import GridCode, Name, example
from api.schemas import Body, Free, Number, Point, Text, Version, at_or_none
from models.camera import CameraPoint, Zone, zone_to_json
from models.errors import InvalidInput
from models.geo import GroundPlane
from models.hours import MOST_SPANS
from models.map_systems import MapSystem
from models.presets import control_point_to_json
from models.structure import LONGEST_REFERENCE
from models.vision import vision_to_json

VISION = (
    "how it is to be looked at: `counting` (by `wangge calibrate`); `pose` (height_m, tilt_deg, heading_deg, view_deg, "
    "roll_deg, aspect) where there are no control points; `levels` and `night_levels` by kind for all its zones; "
    "`night`: hours; `structures`: as of when its scene is accepted, and permits; "
    "`ptz`: it pans, so that its zones rest in any view but their own; `presets`: up to 8 views besides the one in "
    "which it was set up, each with `token`, `name` and, for the ground, its own `pose` or `control_points` "
    "(as the camera's)"
)
SYSTEM = "what the longitudes and latitudes given here are stated in; they are stored and answered as WGS-84"
About = Annotated[Text, Field(min_length=1, max_length=64, examples=["交换机-3"])]
CameraUrl = Annotated[SecretStr, Field(min_length=1, max_length=2048, examples=["rtsp://viewer:secret@10.1.2.3/ch1"])]
"""A camera's address with its user name and password: taken, never answered."""


class CameraStatus(BaseModel):
    """What the camera worker says of a camera now; ``state`` "unknown" while the worker does not answer.

    Its counters (keyframes, looks, drops, …) stand beside these, by name.
    """

    model_config = ConfigDict(extra="allow")

    state: str
    since_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    next_try_at: datetime | None = None
    offline_since_at: datetime | None = None

    @classmethod
    def of(cls, said: Any) -> "CameraStatus":
        if not isinstance(said, dict):
            return cls(state="unknown")
        numbers = {key: value for key, value in said.items() if isinstance(value, int | float)}
        return cls(
            state=str(said.get("state", "unknown")),
            error_code=said.get("error_code"),
            error=said.get("error"),
            since_at=at_or_none(numbers.pop("since_s", None)),
            next_try_at=at_or_none(numbers.pop("next_try_s", None)),
            offline_since_at=at_or_none(numbers.pop("offline_s", None)),
            **numbers,
        )


class HoursGiven(Body):
    """Spans of minutes of the local day; one that ends before it begins goes over midnight. Monday is weekday 0."""

    spans: Annotated[list[tuple[int, int]], Field(min_length=1, max_length=MOST_SPANS)]
    weekdays: Annotated[list[int], Field(min_length=1, max_length=7)] = Field(default_factory=lambda: list(range(7)))
    zone: Annotated[Text, Field(max_length=64)] = "Asia/Shanghai"


class ZoneGiven(Body):
    """A part of the picture: corners as fractions of its width and height, x right, y down. ``hours`` null: always.

    ``levels`` go before those of the zone template that it names, those before the camera's (``vision.levels``), and
    these before the kind's; ``night_levels`` hold in the camera's night (``vision.night``). ``template``: its code.
    ``line``: across a gate's way, from point to point; whoever steps over it to its right-hand side goes in.
    ``preset``: the token of the one, of ``vision.presets``, in whose picture it is drawn; null: in the home view."""

    id: str
    name: Name
    polygon: Annotated[list[tuple[Number, Number]], Field(min_length=3, max_length=100)]
    kinds: Annotated[list[str], Field(min_length=1, max_length=50)]
    levels: Free = Field(default_factory=dict)
    night_levels: Free = Field(default_factory=dict)
    hours: HoursGiven | None = None
    template: Annotated[Text, Field(min_length=1, max_length=64, examples=["square-evening"])] | None = None
    line: Annotated[list[tuple[Number, Number]], Field(min_length=2, max_length=2)] | None = None
    preset: Annotated[Text, Field(min_length=1, max_length=40, examples=["gate"])] | None = None


class ControlPointGiven(Body):
    """A picture point (fractions) whose place on the ground (degrees) is known."""

    x: Number
    y: Number
    lon: Number
    lat: Number


_CAMERA_EXAMPLE: dict[str, Any] = {
    "code": "61090200001310000001",
    "name": "中心广场东",
    "lon": 109.0293,
    "lat": 32.6845,
    "url": "rtsp://viewer:secret@10.1.2.3/ch1",
    "purpose": "public safety on the square",
    "zones": [
        {
            "id": "square",
            "name": "广场",
            "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.95], [0.1, 0.95]],
            "kinds": ["crowding"],
            "levels": {"crowding": {"enter_persons": 12}},
        }
    ],
}


class NewCameraAsked(Body):
    """``grid_code`` is needed where no grid's polygon holds the place."""

    model_config = example(**_CAMERA_EXAMPLE)

    code: Annotated[Text, Field(min_length=1, max_length=64)]
    name: Name
    lon: Number
    lat: Number
    url: CameraUrl
    purpose: Name
    grid_code: GridCode | None = None
    zones: Annotated[list[ZoneGiven], Field(max_length=50)] = Field(default_factory=list)
    control_points: Annotated[list[ControlPointGiven], Field(max_length=200)] = Field(default_factory=list)
    enabled: bool = True
    site: About | None = None
    upstream: About | None = Field(None, description="the switch or recorder without which it is dark")
    vision: Free = Field(default_factory=dict, description=VISION)
    system: MapSystem = Field(MapSystem.WGS84, description=SYSTEM)


class CameraChange(Body):
    """Only what is named changes. ``expected_version``: the one you saw; if it has moved on, the answer is 409."""

    model_config = example(expected_version=1, enabled=False)

    expected_version: Version
    name: Name | None = None
    lon: Number | None = None
    lat: Number | None = None
    url: CameraUrl | None = None
    purpose: Name | None = None
    grid_code: GridCode | None = None
    zones: Annotated[list[ZoneGiven], Field(max_length=50)] | None = None
    control_points: Annotated[list[ControlPointGiven], Field(max_length=200)] | None = None
    enabled: bool | None = None
    site: About | None = None
    upstream: About | None = None
    vision: Free | None = Field(None, description="replaces all of it; {}: nothing is set")
    system: MapSystem = Field(MapSystem.WGS84, description=SYSTEM)


class ViewConfirmed(Body):
    """``expected_version``: the one you saw; if it has moved on, the answer is 409. ``preset``: the token of the one
    that a camera that pans stands at now; null: at its home view."""

    model_config = example(expected_version=1)

    expected_version: Version
    preset: Annotated[Text, Field(min_length=1, max_length=40, examples=["gate"])] | None = None


class SceneAccepted(Body):
    """``expected_version``: the one you saw; if it has moved on, the answer is 409."""

    model_config = example(expected_version=1)

    expected_version: Version


class PermitGiven(Body):
    """In this zone may be built from ``from_at`` until ``until_at``; what stands when it ends is accepted.

    ``reference``: the number under which it was given."""

    model_config = example(
        expected_version=1,
        zone_id="yard",
        from_at="2026-03-01T00:00:00Z",
        until_at="2026-06-01T00:00:00Z",
        reference="建字第 2026-117 号",
    )

    expected_version: Version
    zone_id: Annotated[Text, Field(min_length=1, max_length=40)]
    from_at: AwareDatetime
    until_at: AwareDatetime
    reference: Annotated[Text, Field(min_length=1, max_length=LONGEST_REFERENCE)]


class PermitWithdrawn(Body):
    model_config = example(expected_version=1, zone_id="yard", reference="建字第 2026-117 号")

    expected_version: Version
    zone_id: Annotated[Text, Field(min_length=1, max_length=40)]
    reference: Annotated[Text, Field(min_length=1, max_length=LONGEST_REFERENCE)]


class CameraShown(BaseModel):
    """``url`` is without user name and password."""

    version: int
    code: str
    name: str
    url: str
    purpose: str
    grid_code: str | None
    zones: list[dict[str, Any]]
    control_points: list[dict[str, float]]
    enabled: bool
    site: str | None
    upstream: str | None
    vision: dict[str, Any]
    status: CameraStatus


class CameraFeature(BaseModel):
    type: Literal["Feature"] = "Feature"
    id: str
    geometry: Point
    properties: CameraShown

    @classmethod
    def of(cls, camera: CameraPoint, status: Any) -> "CameraFeature":
        shown = CameraShown(
            version=camera.version,
            code=camera.code,
            name=camera.name,
            url=camera.source.shown,
            purpose=camera.purpose,
            grid_code=camera.grid_code,
            zones=[zone_to_json(zone) | _area(camera, zone) for zone in camera.zones],
            control_points=[control_point_to_json(point) for point in camera.control_points],
            enabled=camera.enabled,
            site=camera.site,
            upstream=camera.upstream,
            vision=vision_to_json(camera.vision),
            status=CameraStatus.of(status),
        )
        return cls(id=camera.id, geometry=Point(**camera.place.geojson()), properties=shown)


class Cameras(BaseModel):
    """A GeoJSON FeatureCollection; ``next`` as in Alerts."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[CameraFeature]
    next: str | None


class ProbeAsked(Body):
    model_config = example(url="rtsp://viewer:secret@10.1.2.3/ch1")

    url: CameraUrl


class Probed(BaseModel):
    """What the camera sends. ``picture`` is a masked JPEG in base64."""

    codec: str
    width_px: int
    height_px: int
    fps: float | None
    gop_s: float | None
    warnings: list[str]
    picture: str | None


def _area(camera: CameraPoint, zone: Zone) -> dict[str, float]:
    """Its ground area, where the camera is calibrated."""
    points, pose = camera.vision.mounting(camera.control_points, zone.preset)
    try:
        if points:
            ground = GroundPlane.fit(points, with_variants=False)
        elif pose:
            ground = pose.ground(camera.place)
        else:
            return {}
        return {"area_m2": round(ground.area_m2(zone.polygon), 1)}
    except InvalidInput:
        return {}
