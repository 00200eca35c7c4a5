"""Operators' verdicts beside the numbers that the rule saw: what levels should have been."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from alerts.verdicts import Verdict, verdicts
from api.alerts import Reader
from api.paging import link_next
from api.schemas import After, Limit, Text, at
from api.services import House

router = APIRouter(tags=["cameras"])


class VerdictShown(BaseModel):
    """``judgement``: confirmed, false_alarm, or dismissed for ``reason``. ``measure`` and what follows it are what the
    rule saw when it raised the alert."""

    alert_id: str
    kind: str
    camera_id: str
    zone_id: str | None
    grid_code: str
    judgement: str
    reason: str | None
    judged_by: str
    judged_at: datetime
    onset_at: datetime
    confidence: float
    model: str | None
    measure: dict[str, Any]
    detected_reason: str

    @classmethod
    def of(cls, verdict: Verdict) -> "VerdictShown":
        facts = vars(verdict) | {"judged_at": at(verdict.judged_s), "onset_at": at(verdict.onset_s)}
        return cls(**{name: facts[name] for name in cls.model_fields})


class Verdicts(BaseModel):
    """``next``: pass as ``after`` for those that follow; a page may hold fewer than its limit."""

    verdicts: list[VerdictShown]
    next: str | None


@router.get("/v1/verdicts", summary="What operators made of cameras' alerts, with the numbers that the rules saw")
def list_verdicts(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    camera_id: Annotated[Text | None, Query(max_length=64)] = None,
    kind: Annotated[Text | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    after: After = None,
) -> Verdicts:
    page = verdicts(house.engine, who.actor, camera_id=camera_id, kind=kind, limit=limit, after=after)
    link_next(request, response, page.next)
    return Verdicts(verdicts=[VerdictShown.of(each) for each in page.items], next=page.next)
