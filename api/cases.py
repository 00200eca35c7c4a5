"""What an operator works: items in order of urgency. And the cases that are one item with many alerts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts import cases
from alerts.accounts import SignedIn
from api.alerts import Reader, feature
from api.auth import needs
from api.case_schemas import CaseCommandAsked, CaseCommandGiven, Cases, CaseShown, Items, ItemShown
from api.paging import link_next
from api.schemas import After, Alerts, Id, Limit
from api.services import House
from models.alert import Command, CommandType
from models.people import Permission

router = APIRouter(tags=["cases"])


@router.get("/v1/items", summary="What waits for an operator, most urgent first")
def list_items(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    grid: Annotated[str | None, Query(max_length=64, description="this grid and all below it")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Items:
    """Alerts new, acknowledged, returned or reopened; a case with any is one item."""
    page = cases.items(house.engine, who.actor, grid_code=grid, limit=limit, after=after)
    link_next(request, response, page.next)
    shown = [
        ItemShown(
            alert=feature(house, item.alert, who),
            waiting=item.waiting,
            case=None if item.case is None else CaseShown.of(item.case),
        )
        for item in page.items
    ]
    return Items(items=shown, next=page.next)


@router.get("/v1/cases", summary="Cases with an alert in my grids, newest first")
def list_cases(
    house: House, who: Reader, request: Request, response: Response, limit: Limit = 50, after: After = None
) -> Cases:
    page = cases.cases(house.engine, who.actor, limit=limit, after=after)
    link_next(request, response, page.next)
    return Cases(cases=[CaseShown.of(case) for case in page.items], next=page.next)


@router.get("/v1/cases/{case_id}", summary="One case, its alerts counted by state")
def one_case(house: House, who: Reader, case_id: Id) -> CaseShown:
    return CaseShown.of(cases.case(house.engine, who.actor, case_id))


@router.get("/v1/cases/{case_id}/alerts", summary="The alerts of a case, in the order in which they were raised")
def case_alerts(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    case_id: Id,
    limit: Limit = 50,
    after: After = None,
) -> Alerts:
    page = cases.members(house.engine, who.actor, case_id, limit=limit, after=after)
    link_next(request, response, page.next)
    return Alerts(features=[feature(house, alert, who) for alert in page.items], next=page.next)


@router.post("/v1/cases/{case_id}/commands", summary="Acknowledge or dismiss all alerts of a case that wait for it")
def command_case(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_ACKNOWLEDGE))],
    case_id: Id,
    asked: CaseCommandAsked,
) -> CaseCommandGiven:
    """Each alert gets the command as its own. To send it again changes nothing more."""
    command = Command(CommandType(asked.type), who.actor, reason=asked.reason)
    given = cases.give_all(house.engine, house.desk, case_id, command, house.now())
    return CaseCommandGiven.of(given, cases.case(house.engine, who.actor, case_id))
