"""The dispatch queue of a grid: a view on the ledger, and claiming from it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from alerts.accounts import SignedIn
from alerts.idempotency import Remember, remembered
from alerts.lifecycle import allowed
from api.alerts import IdempotencyKey, answer, feature, request_sha256
from api.auth import needs
from api.paging import link_next
from api.schemas import After, AlertFeature, Alerts, Code, Limit, Practice
from api.services import House
from models.alert import Command, CommandType
from models.errors import Conflict, Forbidden, RetryLater
from models.people import Permission

router = APIRouter(tags=["queue"])

CLAIM_TRIES = 10
"""So many cases taken by others while we looked, and the caller is asked to come again."""


@router.get("/v1/grids/{code}/queue", summary="What waits to be done in a grid, most urgent first")
def grid_queue(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))],
    request: Request,
    response: Response,
    code: Code,
    practice: Practice = False,
    limit: Limit = 50,
    after: After = None,
) -> Alerts:
    """Cases dispatched, accepted, on scene, returned or reopened, in this grid and all below it."""
    page = house.desk.queue(code, who.actor, house.now(), practice=practice, limit=limit, after=after)
    link_next(request, response, page.next)
    return Alerts(features=[feature(house, alert, who) for alert in page.items], next=page.next)


@router.post(
    "/v1/grids/{code}/queue/claim",
    summary="Claim the most urgent case that is free",
    response_model=AlertFeature,
    responses={204: {"description": "nothing is free for you here"}},
)
def claim_next(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_WORK))],
    code: Code,
    idempotency_key: IdempotencyKey,
) -> Response:
    """The claim is a lease: accept the case with its `fence` before it runs out, or it is offered again."""
    digest = request_sha256("claim", code)
    earlier = remembered(house.engine, who.person_id, idempotency_key, digest)
    if earlier is not None:
        status, body = earlier
        return JSONResponse(body, status)
    remember = Remember(who.person_id, idempotency_key, digest, lambda alert: (200, answer(house, alert, who)))
    tries, after = 0, None
    while True:
        page = house.desk.queue(code, who.actor, house.now(), limit=100, after=after)
        for alert in page.items:
            if CommandType.CLAIM not in allowed(alert, who.actor, house.now()):
                continue
            tries += 1
            if tries > CLAIM_TRIES:
                raise RetryLater("others were quicker each time; claim again")
            try:
                claim = Command(CommandType.CLAIM, who.actor)
                claimed = house.desk.execute(alert.id, claim, alert.version, house.now(), remember)
            except (Conflict, Forbidden):
                continue  # someone else took it, or it was offered elsewhere, since the page was read
            return JSONResponse(answer(house, claimed, who))
        after = page.next
        if after is None:
            return Response(status_code=204)
