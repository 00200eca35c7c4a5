"""What an auditor needs of a case: its sheet on paper, and the erasure of personal data."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import ConfigDict, Field

from alerts import erasure
from alerts.accounts import SignedIn
from alerts.sheet import Sheet, case_file
from api.alerts import feature
from api.auth import needs
from api.errors import wants_chinese
from api.schemas import AlertFeature, Body, Id, Text
from api.services import House
from models.people import Permission

router = APIRouter(tags=["audit"])
Reader = Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))]
Eraser = Annotated[SignedIn, Depends(needs(Permission.EVIDENCE_ERASE))]


class ErasureAsked(Body):
    """``reason``: why, and at whose demand; the log keeps it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "a passer-by can be recognised: request 17"}]})

    reason: Annotated[Text, Field(min_length=1, max_length=500)]


@router.get(
    "/v1/alerts/{alert_id}/sheet",
    summary="A case on paper (A4)",
    response_class=HTMLResponse,
    responses={200: {"content": {"text/html": {}}}},
)
def case_sheet(
    house: House,
    who: Reader,
    request: Request,
    alert_id: Id,
    lang: Annotated[Literal["zh", "en"] | None, Query(description="else as Accept-Language says")] = None,
) -> HTMLResponse:
    """The case and its whole log, each event with its position and hash: a page to be printed, which loads no script.

    Times are those of the zone of the grid's calendar, which it names.
    """
    language = lang or ("zh" if wants_chinese(request.headers.get("accept-language", "")) else "en")
    now_s = house.now()
    case = case_file(house.engine, alert_id, who.actor)
    zone = ZoneInfo(house.desk.policies.book(now_s).calendar(case.alert.grid_path).zone)
    page = Sheet(case, language, zone, who.actor.name, now_s).html()
    return HTMLResponse(page, headers={"Content-Language": language, "Vary": "Accept-Language"})


@router.post("/v1/alerts/{alert_id}/evidence/{sha256}/erase", summary="Erase a picture")
def erase_picture(
    house: House,
    who: Eraser,
    alert_id: Id,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    asked: ErasureAsked,
) -> AlertFeature:
    """The log keeps its hash, who erased it and why; the picture answers 410 from then on.

    Its bytes are removed from the store, unless another alert holds them; a backup made before still has them. The
    same request again changes nothing; after a 503 it finishes what was begun.
    """
    alert = house.desk.erase_picture(alert_id, who.actor, sha256, asked.reason, house.now())
    erasure.sweep(house.engine, house.evidence, sha256)
    return feature(house, alert, who)
