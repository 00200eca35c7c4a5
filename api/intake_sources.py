"""The sources that report what is no camera's: registered by an administrator, each with a token of its own."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator

from alerts.accounts import SignedIn
from alerts.intake_sources import FASTEST_PER_S, SOURCE_PER_S, IntakeSource, NewSource, SourceKind
from api.auth import needs
from api.registry_schemas import GridCode, Name, example
from api.schemas import Body, Id, Number, Text, at
from api.services import House
from models.map_systems import MapSystem, place_of
from models.people import Permission

router = APIRouter(tags=["intake"])
Writer = Annotated[SignedIn, Depends(needs(Permission.INTAKE_WRITE))]


class NewSourceAsked(Body):
    """``responsible_id``: a person to whom a sensor's geohazard warnings are dispatched at once, by rule."""

    model_config = example(
        name="裂缝计 3 号",
        kind="sensor",
        grid_code="610902001001",
        kinds=["geohazard"],
        lon=109.0293,
        lat=32.6845,
        responsible_id="01JD0ZQ3F4K8X6T2W9V5B7C1NE",
    )

    name: Name
    kind: SourceKind
    grid_code: GridCode
    kinds: Annotated[list[Text], Field(min_length=1, max_length=50)]
    camera_id: Annotated[Text, Field(max_length=26)] | None = None
    lon: Number | None = None
    lat: Number | None = None
    system: MapSystem = MapSystem.WGS84
    responsible_id: Annotated[Text, Field(max_length=26)] | None = None
    rate_per_s: Annotated[float, Field(ge=0.01, le=FASTEST_PER_S, allow_inf_nan=False)] = SOURCE_PER_S

    @model_validator(mode="after")
    def _both(self) -> "NewSourceAsked":
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon and lat come together")
        return self

    def new(self) -> NewSource:
        """Raises InvalidInput for a place that is not on Earth."""
        place = None if self.lon is None or self.lat is None else place_of(self.lon, self.lat, self.system)
        return NewSource(
            self.name,
            self.kind,
            self.grid_code,
            self.kinds,
            self.camera_id,
            place,
            self.responsible_id,
            self.rate_per_s,
        )


class SourceChange(Body):
    model_config = example(active=False)

    active: bool


class SourceShown(BaseModel):
    id: str
    name: str
    kind: SourceKind
    grid_code: str
    kinds: list[str]
    camera_id: str | None
    lon: float | None
    lat: float | None
    responsible_id: str | None
    rate_per_s: float
    active: bool
    created_at: datetime

    @classmethod
    def of(cls, source: IntakeSource) -> "SourceShown":
        return cls(
            id=source.id,
            name=source.name,
            kind=source.kind,
            grid_code=source.grid_code,
            kinds=list(source.kinds),
            camera_id=source.camera_id,
            lon=source.place.lon_deg if source.place else None,
            lat=source.place.lat_deg if source.place else None,
            responsible_id=source.responsible_id,
            rate_per_s=source.rate_per_s,
            active=source.active,
            created_at=at(source.created_s),
        )


class SourceMade(BaseModel):
    """``token`` is told this once and kept nowhere."""

    source: SourceShown
    token: str


class Sources(BaseModel):
    sources: list[SourceShown]


@router.get("/v1/intake-sources", summary="Sources of my grids")
def list_sources(house: House, who: Writer) -> Sources:
    return Sources(sources=[SourceShown.of(source) for source in house.sources.all(who.actor)])


@router.post("/v1/intake-sources", status_code=201, summary="Register a source")
def add_source(house: House, who: Writer, asked: NewSourceAsked) -> SourceMade:
    """A channel for residents, a sensor, a device such as a gate (with the camera that sees it), another system."""
    made = house.sources.add(who.actor, asked.new())
    return SourceMade(source=SourceShown.of(made.source), token=made.token)


@router.patch("/v1/intake-sources/{source_id}", summary="Let a source report, or no longer")
def change_source(house: House, who: Writer, source_id: Id, asked: SourceChange) -> SourceShown:
    return SourceShown.of(house.sources.set_active(who.actor, source_id, asked.active))


@router.post("/v1/intake-sources/{source_id}/token", status_code=201, summary="A new token for a source")
def renew_token(house: House, who: Writer, source_id: Id) -> SourceMade:
    """The old one is worth nothing from now on."""
    made = house.sources.renew(who.actor, source_id)
    return SourceMade(source=SourceShown.of(made.source), token=made.token)
