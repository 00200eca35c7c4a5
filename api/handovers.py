"""The hand-over of an operator's desk, and the promises that it carries on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts import handover
from alerts.accounts import SignedIn
from api.auth import needs
from api.paging import link_next
from api.people_schemas import (
    HandoverAsked,
    Handovers,
    HandoverShown,
    HandoverSigned,
    PromiseAsked,
    Promises,
    PromiseShown,
)
from api.schemas import After, Code, Id, Limit
from api.services import House
from models.people import Permission

router = APIRouter(tags=["hand-over"])
Reader = Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))]
Desk = Annotated[SignedIn, Depends(needs(Permission.DESK_HANDOVER))]


@router.get("/v1/grids/{code}/promises", summary="What this desk has promised and not yet kept")
def list_promises(house: House, who: Reader, code: Code) -> Promises:
    found = handover.open_promises(house.engine, who.actor, code)
    return Promises(promises=[PromiseShown.of(promise) for promise in found])


@router.post("/v1/grids/{code}/promises", status_code=201, summary="Note a promise")
def make_promise(house: House, who: Desk, code: Code, asked: PromiseAsked) -> PromiseShown:
    due_s = asked.due_at.timestamp()
    made = handover.make_promise(house.engine, who.actor, code, asked.text, due_s, asked.alert_id, house.now())
    return PromiseShown.of(made)


@router.post("/v1/promises/{promise_id}/kept", summary="A promise is kept")
def keep_promise(house: House, who: Desk, promise_id: Id) -> PromiseShown:
    return PromiseShown.of(handover.keep_promise(house.engine, who.actor, promise_id, house.now()))


@router.get("/v1/grids/{code}/handovers", summary="Hand-overs of a desk, newest first")
def list_handovers(
    house: House, who: Reader, request: Request, response: Response, code: Code, limit: Limit = 50, after: After = None
) -> Handovers:
    page = handover.handovers_of(house.engine, who.actor, code, limit=limit, after=after)
    link_next(request, response, page.next)
    return Handovers(handovers=[HandoverShown.of(item) for item in page.items], next=page.next)


@router.post("/v1/grids/{code}/handovers", status_code=201, summary="Hand the desk over: the outgoing signature")
def hand_over(house: House, who: Desk, code: Code, asked: HandoverAsked) -> HandoverShown:
    """Writes down the open cases and promises as they are now; the next person signs what is written."""
    return HandoverShown.of(handover.hand_over(house.engine, who.actor, code, asked.remark, house.now()))


@router.get("/v1/handovers/{handover_id}", summary="One hand-over")
def one_handover(house: House, who: Reader, handover_id: Id) -> HandoverShown:
    return HandoverShown.of(handover.handover(house.engine, who.actor, handover_id))


@router.post("/v1/handovers/{handover_id}/sign", summary="Take the desk over: the incoming signature")
def take_over(house: House, who: Desk, handover_id: Id, asked: HandoverSigned) -> HandoverShown:
    """By another person than the one who handed over, under the very sheet that they read."""
    signed = handover.take_over(house.engine, who.actor, handover_id, asked.sha256, asked.remark, house.now())
    return HandoverShown.of(signed)
