"""People: who there is, adding someone, what changes about them, and whether they can be reached."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts.accounts import SignedIn
from api.auth import SIGNED_IN, needs
from api.paging import link_next
from api.people_schemas import PersonChange, PersonChanged, Reachability
from api.registry_schemas import NewPerson, People, PersonMade, PersonShown
from api.schemas import After, Id, Limit
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


@router.patch("/v1/people/{person_id}", summary="Change someone: name, organisation, skills, or no longer active")
def change_person(house: House, who: Writer, person_id: Id, asked: PersonChange) -> PersonChanged:
    """Whoever is no longer active is signed out at once and on no duty; their cases in hand are counted here."""
    person, in_hand = house.registry.change_person(
        who.actor,
        person_id,
        name=asked.name,
        active=asked.active,
        organisation=asked.organisation,
        skills=asked.skills,
    )
    return PersonChanged(person=PersonShown.of(person), open_cases=in_hand)


@router.post("/v1/people/{person_id}/reachability", summary="Someone cannot be reached, or can again")
def mark_reachable(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.PEOPLE_REACH))],
    person_id: Id,
    asked: Reachability,
) -> PersonShown:
    """Marked so, nobody is offered a case until they are seen alive again (`POST /v1/me/alive`, a sign-in)."""
    return PersonShown.of(house.registry.mark_reachable(who.actor, person_id, asked.reachable, asked.reason))


@router.post("/v1/me/alive", status_code=204, summary="My phone or console shows itself")
def alive(house: House, who: Annotated[SignedIn, Depends(SIGNED_IN)]) -> None:
    house.registry.seen_alive(who.person_id)
