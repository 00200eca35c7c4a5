"""The models that the camera worker sees with, and what is known of each."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ValidationError

from alerts.accounts import SignedIn
from api.auth import needs
from api.services import House
from models.errors import Unavailable
from models.people import Permission

router = APIRouter(tags=["cameras"])


class CardShown(BaseModel):
    """How good it is, on what that was tested, milliseconds a picture and where, what for, and where it fails; null:
    whoever brought the model did not say.
    """

    accuracy: str | None
    tested_on: str | None
    ms: float | None
    ms_on: str | None
    use: str | None
    limits: str | None


class ModelShown(BaseModel):
    """``version``: the first digits of the file's SHA-256, as alerts name it. ``used_as``: detector, faces, density or
    change."""

    name: str
    version: str
    task: str
    layout: str
    labels: list[str]
    licence: str
    origin: str
    used_as: list[str]
    card: CardShown


class Models(BaseModel):
    models: list[ModelShown]


@router.get("/v1/models", summary="Which models there are, what they are used for, and how good they are")
def list_models(house: House, _who: Annotated[SignedIn, Depends(needs(Permission.CAMERA_READ))]) -> Models:
    told: dict[str, Any] = {"models": house.video.models().get("models")}
    try:
        return Models.model_validate(told)
    except ValidationError:
        raise Unavailable("the camera worker does not say which models it has; is it of this version?", 5) from None
