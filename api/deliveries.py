"""Deliveries: what became of each notification and webhook message; dead letters, tried anew."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from alerts import deliveries
from alerts.accounts import SignedIn
from alerts.deliveries import Delivery
from api.auth import needs
from api.paging import link_next
from api.schemas import After, Limit, at, at_or_none
from api.services import House
from models.people import Permission

router = APIRouter(tags=["notifications"])
Writer = Annotated[SignedIn, Depends(needs(Permission.POLICY_WRITE))]
State = Annotated[Literal["waiting", "sent", "dropped", "dead"] | None, Query(description="only these")]


class DeliveryShown(BaseModel):
    """``said``: why it was dropped, or what failed last. ``target_id``: the channel or webhook."""

    id: int
    purpose: str
    topic: str
    state: str
    said: str | None
    attempts: int
    alert_id: str
    version: int
    person_id: str | None
    target_id: str | None
    made_at: datetime
    due_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, item: Delivery) -> "DeliveryShown":
        return cls(
            id=item.id,
            purpose=item.purpose,
            topic=item.topic,
            state=item.state,
            said=item.said,
            attempts=item.attempts,
            alert_id=item.alert_id,
            version=item.version,
            person_id=item.person_id,
            target_id=item.target_id,
            made_at=at(item.made_s),
            due_at=at(item.due_s),
            settled_at=at_or_none(item.settled_s),
        )


class DeliveriesShown(BaseModel):
    deliveries: list[DeliveryShown]
    next: str | None


@router.get("/v1/deliveries", summary="What became of messages about alerts in my grids, newest first")
def list_deliveries(
    house: House,
    who: Writer,
    request: Request,
    response: Response,
    state: State = None,
    limit: Limit = 100,
    after: After = None,
) -> DeliveriesShown:
    page = deliveries.listed(house.engine, who.actor, state=state, limit=limit, after=after)
    link_next(request, response, page.next)
    return DeliveriesShown(deliveries=[DeliveryShown.of(item) for item in page.items], next=page.next)


@router.post("/v1/deliveries/{delivery_id}/retry", summary="Try a dead letter anew")
def retry(house: House, who: Writer, delivery_id: Annotated[int, Path(ge=1, le=2**53)]) -> DeliveryShown:
    """What is too old, or was answered meanwhile, is then dropped instead, and says so."""
    return DeliveryShown.of(deliveries.retry(house.engine, who.actor, delivery_id, house.now()))
