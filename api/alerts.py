"""Alerts: lists, one, its log, and the commands that move it."""

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from alerts.accounts import SignedIn
from alerts.idempotency import Remember, remembered
from alerts.lifecycle import allowed
from api.auth import needs
from api.paging import link_next
from api.schemas import After, AlertFeature, Alerts, CommandAsked, EventShown, Id, Limit, Log, Practice, Text
from api.services import House, Services
from models import crash
from models.alert import Alert, Command, State
from models.incident import Severity
from models.people import Permission

router = APIRouter(tags=["alerts"])

Reader = Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="new for each decision, the same for each retry of it: it is carried out once",
        examples=["7f0c6c6e-5f0e-4a55-9d3c-2f3f3f1c9f10"],
    ),
]


def feature(house: Services, alert: Alert, who: SignedIn) -> AlertFeature:
    """The alert as this person sees it."""
    now_s = house.now()
    return AlertFeature.of(alert, allowed(alert, who.actor, now_s), now_s)


def request_sha256(*parts: str) -> str:
    """What one idempotency key stands for: the same key with another request is refused."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def canonical(body: BaseModel) -> str:
    """A body with its fields in one order, so that a retry may write them in another."""
    return json.dumps(body.model_dump(mode="json"), sort_keys=True)


@router.get("/v1/alerts", summary="Alerts in my grids, newest first")
def list_alerts(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    state: Annotated[list[State] | None, Query(description="any of these")] = None,
    kind: Annotated[list[Text] | None, Query(max_length=50)] = None,
    severity: Annotated[Severity | None, Query(description="1 red, 2 orange, 3 yellow, 4 blue")] = None,
    grid: Annotated[str | None, Query(max_length=64, description="this grid and all below it")] = None,
    practice: Practice = False,
    limit: Limit = 50,
    after: After = None,
) -> Alerts:
    page = house.desk.alerts(
        who.actor,
        states=state,
        kinds=kind,
        severity=severity,
        grid_code=grid,
        practice=practice,
        limit=limit,
        after=after,
    )
    link_next(request, response, page.next)
    return Alerts(features=[feature(house, alert, who) for alert in page.items], next=page.next)


@router.get("/v1/alerts/{alert_id}", summary="One alert")
def one_alert(house: House, who: Reader, alert_id: Id) -> AlertFeature:
    """`allowed` lists the commands that you may give now."""
    return feature(house, house.desk.alert(alert_id, who.actor), who)


@router.get("/v1/alerts/{alert_id}/log", summary="All that happened to an alert")
def alert_log(house: House, who: Reader, alert_id: Id) -> Log:
    return Log(events=[EventShown.of(event) for event in house.desk.log(alert_id, who.actor)])


@router.post("/v1/alerts/{alert_id}/commands", summary="Give a command", response_model=AlertFeature)
def command(
    house: House, who: Reader, alert_id: Id, asked: CommandAsked, idempotency_key: IdempotencyKey
) -> JSONResponse:
    """Arguments by type: dispatch {person_id?, grid_code?}; accept {fence}, that of your claim; handle {evidence:
    [sha256, …], text}; verify {outcome?}; close {outcome}; suspend {until_s}; transfer_up and assign_down {grid_code};
    transfer_across {unit}; supervise {text, reply_due_s}; reply and note {text}; add_co_assignee and remove_co_assignee
    {person_id}; evaluate {rating: 1 to 5}; call_back {reached, satisfied?}. Each also takes {text}.
    dismiss, return and decline take a coded reason; reject, reopen, suspend, void and void_alone a sentence.

    A verification that names an outcome lets the case close by itself: after the reporter's evaluation, or their
    silence. A void takes two persons: void, then confirm_void or refuse_void by another; outside working time one may
    void_alone, and it lapses unless another confirms it within a day.

    A retry with the same Idempotency-Key and body gets the first answer again.
    """
    digest = request_sha256("command", alert_id, canonical(asked))
    earlier = remembered(house.engine, who.person_id, idempotency_key, digest)
    if earlier is not None:
        status, body = earlier
        return JSONResponse(body, status)
    done = house.desk.execute(
        alert_id,
        Command(
            type=asked.type,
            actor=who.actor,
            arguments=asked.arguments,
            reason=asked.reason,
            client_at_s=asked.client_at.timestamp() if asked.client_at else None,
        ),
        asked.expected_version,
        house.now(),
        Remember(who.person_id, idempotency_key, digest, lambda alert: (200, answer(house, alert, who))),
    )
    crash.point("api-after-commit-before-reply")
    return JSONResponse(answer(house, done, who))


def answer(house: Services, alert: Alert, who: SignedIn) -> dict[str, object]:
    """The alert as JSON, to be sent and to be remembered."""
    return feature(house, alert, who).model_dump(mode="json")
