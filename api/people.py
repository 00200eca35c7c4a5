"""People: who there is, and adding someone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts.accounts import SignedIn
from api.auth import needs
from api.paging import link_next
from api.registry_schemas import NewPerson, People, PersonMade, PersonShown
from api.schemas import After, Limit
from api.services import House
from models.people import Permission

router = APIRouter(tags=["people"])
Writer = Annotated[SignedIn, Depends(needs(Permission.PEOPLE_WRITE))]


@router.get("/v1/people", summary="People in my grids, by user name")
def list_people(
    house: House, who: Writer, request: Request, response: Response, limit: Limit = 100, after: After = None
) -> People:
    page = house.registry.people(who.actor, limit=limit, after=after)
    link_next(request, response, page.next)
    return People(people=[PersonShown.of(person) for person in page.items], next=page.next)


@router.post("/v1/people", status_code=201, summary="Add someone")
def add_person(house: House, who: Writer, asked: NewPerson) -> PersonMade:
    """Nobody may give rights in grids that are not theirs. The one-time password is shown this once."""
    grants = [(grant.role, grant.grid_code) for grant in asked.grants]
    person, one_time = house.registry.add_person(who.actor, asked.username, asked.name, None, grants)
    return PersonMade(person=PersonShown.of(person), one_time_password=one_time or "")
