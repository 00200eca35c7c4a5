"""Organisations: departments, units with an inbox, contractors."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from alerts.accounts import SignedIn
from alerts.inbox import inbox
from api.alerts import feature
from api.auth import needs
from api.paging import link_next
from api.people_schemas import OrganisationAsked, OrganisationChange, Organisations, OrganisationShown
from api.schemas import After, Alerts, Limit, Text
from api.services import House
from models.people import Permission

router = APIRouter(tags=["organisations"])
Org = Annotated[Text, Path(max_length=64, examples=["power-610902"])]
Writer = Annotated[SignedIn, Depends(needs(Permission.PEOPLE_WRITE))]


@router.get("/v1/organisations", summary="Organisations in my grids")
def list_organisations(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.PEOPLE_READ))],
    request: Request,
    response: Response,
    limit: Limit = 100,
    after: After = None,
) -> Organisations:
    page = house.registry.organisations(who.actor, limit=limit, after=after)
    link_next(request, response, page.next)
    return Organisations(organisations=[OrganisationShown.of(item) for item in page.items], next=page.next)


@router.post("/v1/organisations", status_code=201, summary="Add an organisation")
def add_organisation(house: House, who: Writer, asked: OrganisationAsked) -> OrganisationShown:
    made = house.registry.add_organisation(who.actor, asked.code, asked.name, asked.kind, asked.grid_code)
    return OrganisationShown.of(made)


@router.patch("/v1/organisations/{org}", summary="Rename an organisation, or take it out of use")
def change_organisation(house: House, who: Writer, org: Org, asked: OrganisationChange) -> OrganisationShown:
    return OrganisationShown.of(
        house.registry.change_organisation(who.actor, org, name=asked.name, active=asked.active)
    )


@router.get("/v1/organisations/{org}/queue", summary="A unit's inbox: cases given to it, most urgent first")
def unit_queue(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))],
    request: Request,
    response: Response,
    org: Org,
    limit: Limit = 50,
    after: After = None,
) -> Alerts:
    page = inbox(house.engine, who.actor, org, limit=limit, after=after)
    link_next(request, response, page.next)
    return Alerts(features=[feature(house, alert, who) for alert in page.items], next=page.next)
