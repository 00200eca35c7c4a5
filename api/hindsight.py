"""Why an alert came or did not come, and what another zone would have raised: asked of the camera worker."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, ValidationError

from alerts.accounts import SignedIn
from alerts.camera_checks import check_zone
from api.auth import needs
from api.camera_schemas import ZoneGiven
from api.registry_schemas import example
from api.schemas import Body, Id, at, at_or_none
from api.services import House
from models.camera import zone_from_json, zone_to_json
from models.errors import Unavailable
from models.incident_json import incident_from_json
from models.people import Permission

LONGEST_MIN = 60
router = APIRouter(tags=["cameras"])
Reader = Annotated[SignedIn, Depends(needs(Permission.CAMERA_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.CAMERA_WRITE))]
Minutes = Annotated[int, Query(ge=1, le=LONGEST_MIN, description="how far back")]


class Saying(BaseModel):
    """What a rule said ``times`` times in a row, with the numbers of the last time."""

    from_at: datetime
    until_at: datetime
    times: int
    text: str


class Said(BaseModel):
    """What one rule said of one zone, the oldest first."""

    kind: str
    zone_id: str
    sayings: list[Saying]


class Explanation(BaseModel):
    """Only looks that the worker still remembers; it forgets when it is started anew."""

    since_at: datetime
    said: list[Said]


class DryRunAsked(Body):
    """A zone as it would be set up; nothing is stored."""

    model_config = example(
        zone={
            "id": "square",
            "name": "广场",
            "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.95], [0.1, 0.95]],
            "kinds": ["crowding"],
            "levels": {"crowding": {"enter_persons": 12}},
        },
        minutes=60,
    )

    zone: ZoneGiven
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MIN)] = LONGEST_MIN


class WouldBe(BaseModel):
    """An alert that would have come. ``measure``: the numbers at its worst; ``ended_at`` null: it still lasted."""

    kind: str
    severity: int
    onset_at: datetime
    said_at: datetime
    ended_at: datetime | None
    measure: dict[str, Any]
    reason: str


class DryRun(BaseModel):
    """``looks`` pictures were judged again, from ``from_at`` to ``until_at``; null where none is remembered."""

    from_at: datetime | None
    until_at: datetime | None
    looks: int
    raised: list[WouldBe]
    said: list[Said]


@router.get("/v1/cameras/{camera_id}/explanation", summary="Why an alert came or did not come")
def explain(house: House, who: Reader, camera_id: Id, minutes: Minutes = LONGEST_MIN) -> Explanation:
    """What the rules of each zone said of late, with their numbers."""
    camera = house.registry.camera(camera_id, who.actor)
    since_s = time.time() - 60 * minutes
    told = house.video.explain(camera.id, since_s)
    try:
        return Explanation(since_at=at(since_s), said=list(_said(told["said"])))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, ValidationError):
        raise _not_understood() from None


@router.post("/v1/cameras/{camera_id}/dry-run", summary="What a zone would have raised")
def dry_run(house: House, who: Writer, camera_id: Id, asked: DryRunAsked) -> DryRun:
    """Judges what the camera saw in the last hour by this zone alone. Boxes are kept for it, pictures are not: rules
    that compare pictures say so."""
    camera = house.registry.camera(camera_id, who.actor)
    zone = zone_from_json(asked.zone.model_dump())
    check_zone(zone)
    zone = house.registry.zone_with_template(camera.id, zone, who.actor)
    told = house.video.rehearse(camera.id, zone_to_json(zone), time.time() - 60 * asked.minutes)
    try:
        return DryRun(
            from_at=at_or_none(told["from_s"]),
            until_at=at_or_none(told["until_s"]),
            looks=told["looks"],
            raised=[_would_be(each) for each in told["raised"]],
            said=list(_said(told["said"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, ValidationError):
        raise _not_understood() from None


def _said(told: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Said]:
    for key, sayings in told.items():
        kind, _, zone_id = key.partition("/")
        yield Said(
            kind=kind,
            zone_id=zone_id,
            sayings=[
                Saying(from_at=at(each["from_s"]), until_at=at(each["until_s"]), times=each["times"], text=each["text"])
                for each in sayings
            ],
        )


def _would_be(told: Mapping[str, Any]) -> WouldBe:
    own = {"source": "-", "seq": 1, "camera_id": "-", "evidence": []}
    begin, worst = incident_from_json(told["begin"] | own), incident_from_json(told["worst"] | own)
    return WouldBe(
        kind=begin.kind,
        severity=int(worst.severity),
        onset_at=at(begin.onset_s),
        said_at=at(begin.at_s),
        ended_at=at_or_none(told["ended_s"]),
        measure=dict(worst.measure),
        reason=begin.reason,
    )


def _not_understood() -> Unavailable:
    return Unavailable("the camera worker's answer cannot be read: do both run the same version?")
