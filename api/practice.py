"""Exercises: made alerts that go the whole way, apart from all that is real."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator

from alerts.accounts import SignedIn
from alerts.practice import LONGEST_TEXT
from api.alerts import feature
from api.auth import needs
from api.registry_schemas import GridCode, example
from api.schemas import AlertFeature, Body, Number, Text
from api.services import House
from models.geo import GeoPoint
from models.people import Permission

router = APIRouter(tags=["practice"])


class ExerciseAsked(Body):
    """``lon`` and ``lat``: WGS-84; left out, a point within the grid."""

    model_config = example(grid_code="610902001001", kind="crowding", text="广场东侧人群聚集，按流程处置")

    grid_code: GridCode
    kind: Annotated[Text, Field(max_length=64)]
    text: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]
    lon: Annotated[Number, Field(ge=-180, le=180)] | None = None
    lat: Annotated[Number, Field(ge=-90, le=90)] | None = None

    @model_validator(mode="after")
    def _both(self) -> "ExerciseAsked":
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon and lat come together")
        return self


@router.post("/v1/practice/alerts", status_code=201, summary="Begin an exercise")
def begin(
    house: House, who: Annotated[SignedIn, Depends(needs(Permission.PRACTICE_RUN))], asked: ExerciseAsked
) -> AlertFeature:
    """One made alert in that grid, marked `practice`. It takes every command as a real one does; it is in no figure,
    nobody is notified of it, no webhook tells of it, and lists and queues show it only where asked for by
    `practice=true`."""
    place = None if asked.lon is None or asked.lat is None else GeoPoint(asked.lon, asked.lat)
    alert = house.desk.practise(who.actor, asked.grid_code, asked.kind, asked.text, place, house.now())
    return feature(house, alert, who)
