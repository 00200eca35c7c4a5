"""What goes in and out about cameras, grids, people and sign-ins."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from alerts.accounts import Person
from api.schemas import Body, Free, Number, Point, Text, Version, at, at_or_none
from models.camera import CameraPoint, control_point_to_json, zone_to_json
from models.people import Duty, Grid, Role

Name = Annotated[Text, Field(min_length=1, max_length=200)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=200)]
CameraUrl = Annotated[SecretStr, Field(min_length=1, max_length=2048, examples=["rtsp://viewer:secret@10.1.2.3/ch1"])]
"""A camera's address with its user name and password: taken, never answered."""
GridCode = Annotated[Text, Field(min_length=1, max_length=64, examples=["610902001001"])]


def example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


class SignInAsked(Body):
    model_config = example(username="operator", password="the one-time password that was printed")  # noqa: S106

    username: Annotated[Text, Field(min_length=1, max_length=64)]
    password: Password


class PasswordChange(Body):
    model_config = example(old="the one-time password", new="a sentence that nobody else would say")

    old: Password
    new: Password


class GrantShown(Body):
    """A permission set within a grid and all below it."""

    role: Role
    grid_code: GridCode


class PersonShown(BaseModel):
    id: str
    username: str
    name: str
    active: bool
    must_change_password: bool
    grants: list[GrantShown]

    @classmethod
    def of(cls, person: Person) -> "PersonShown":
        return cls(
            id=person.id,
            username=person.username,
            name=person.name,
            active=person.active,
            must_change_password=person.must_change_password,
            grants=[GrantShown(role=grant.role, grid_code=grant.grid_code) for grant in person.grants],
        )


class People(BaseModel):
    people: list[PersonShown]
    next: str | None


class NewPerson(Body):
    model_config = example(
        username="zhangwei", name="张伟", grants=[{"role": "grid_worker", "grid_code": "610902001001"}]
    )

    username: Annotated[Text, Field(min_length=1, max_length=64)]
    name: Name
    grants: Annotated[list[GrantShown], Field(min_length=1, max_length=50)]


class PersonMade(BaseModel):
    """``one_time_password`` is shown this once and kept nowhere."""

    person: PersonShown
    one_time_password: str


class SessionShown(BaseModel):
    """``token`` for programs; browsers use the cookie that came with it. ``must_change_password``: a request, not yet a
    condition."""

    token: str
    csrf_token: str
    expires_at: datetime
    person: PersonShown
    must_change_password: bool


class Me(BaseModel):
    csrf_token: str
    expires_at: datetime
    person: PersonShown
    must_change_password: bool


class CameraStatus(BaseModel):
    """What the camera worker says of a camera now; ``state`` "unknown" while the worker does not answer."""

    model_config = ConfigDict(extra="allow")

    state: str
    since_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, said: Any) -> "CameraStatus":
        if not isinstance(said, dict):
            return cls(state="unknown")
        counters = {key: value for key, value in said.items() if isinstance(value, int | float)}
        since_s = counters.pop("since_s", None)
        return cls(
            state=str(said.get("state", "unknown")),
            since_at=at_or_none(since_s),
            error_code=said.get("error_code"),
            error=said.get("error"),
            **counters,
        )


class ZoneGiven(Body):
    """A part of the picture: corners as fractions of its width and height, x right, y down."""

    id: str
    name: Name
    polygon: Annotated[list[tuple[Number, Number]], Field(min_length=3, max_length=100)]
    kinds: Annotated[list[str], Field(min_length=1, max_length=50)]
    levels: Free = Field(default_factory=dict)


class ControlPointGiven(Body):
    """A picture point (fractions) whose place on the ground (WGS-84 degrees) is known."""

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
            zones=[zone_to_json(zone) for zone in camera.zones],
            control_points=[control_point_to_json(point) for point in camera.control_points],
            enabled=camera.enabled,
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


class GridShown(BaseModel):
    scheme: str
    name: str
    parent: str | None
    level: int
    path: str
    valid_from: datetime | None
    valid_to: datetime | None


class GridFeature(BaseModel):
    """A unit without land of its own has geometry null (RFC 7946, 3.2)."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any] | None
    properties: GridShown

    @classmethod
    def of(cls, grid: Grid) -> "GridFeature":
        shown = GridShown(
            scheme=grid.scheme,
            name=grid.name,
            parent=grid.parent,
            level=grid.level,
            path=grid.path,
            valid_from=at_or_none(grid.valid_from_s),
            valid_to=at_or_none(grid.valid_to_s),
        )
        return cls(id=grid.code, geometry=dict(grid.polygon) if grid.polygon else None, properties=shown)


class Grids(BaseModel):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[GridFeature]
    next: str | None


class Imported(BaseModel):
    imported: int


class DutyAsked(Body):
    """``rank`` 0 is asked first, 1 is the backup."""

    model_config = example(
        person_id="01JD0ZQ3F4K8X6T2W9V5B7C1NE",
        starts_at="2026-11-22T08:00:00+08:00",
        ends_at="2026-11-22T20:00:00+08:00",
    )

    person_id: Annotated[Text, Field(min_length=1, max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    rank: Annotated[int, Field(ge=0, le=9)] = 0


class DutyShown(BaseModel):
    person_id: str
    person_name: str
    grid_code: str
    rank: int
    starts_at: datetime
    ends_at: datetime
    open_cases: int

    @classmethod
    def of(cls, duty: Duty) -> "DutyShown":
        return cls(
            person_id=duty.person_id,
            person_name=duty.person_name,
            grid_code=duty.grid_code,
            rank=duty.rank,
            starts_at=at(duty.starts_s),
            ends_at=at(duty.ends_s),
            open_cases=duty.open_cases,
        )


class Duties(BaseModel):
    duties: list[DutyShown]
