"""Silences and maintenance windows: what is held back for a while, and what of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts import silences
from alerts.accounts import SignedIn
from alerts.silences import SilenceAsked
from api.alerts import Reader
from api.auth import needs
from api.case_schemas import SilenceGiven, Silences, SilenceShown
from api.paging import link_next
from api.schemas import After, Id, Limit
from api.services import House
from models.people import Permission

router = APIRouter(tags=["silences"])
Writer = Annotated[SignedIn, Depends(needs(Permission.SILENCE_WRITE))]


@router.get("/v1/silences", summary="Silences and maintenance windows in my grids, newest first")
def list_silences(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    over: Annotated[bool, Query(description="those that have ended, too")] = False,
    limit: Limit = 50,
    after: After = None,
) -> Silences:
    page = silences.silences_of(house.engine, who.actor, house.now(), over=over, limit=limit, after=after)
    link_next(request, response, page.next)
    return Silences(silences=[SilenceShown.of(each, house.now()) for each in page.items], next=page.next)


@router.post("/v1/silences", status_code=201, summary="Hold something back for a while")
def make_silence(house: House, who: Writer, asked: SilenceGiven) -> SilenceShown:
    """What begins meanwhile and goes on when it ends, or is lifted, is raised then."""
    starts_s = house.now() if asked.starts_at is None else asked.starts_at.timestamp()
    wanted = SilenceAsked(
        what=asked.what,
        grid_code=asked.grid_code,
        reason=asked.reason,
        starts_s=starts_s,
        ends_s=asked.ends_at.timestamp(),
        kind=asked.kind,
        camera_id=asked.camera_id,
        zone_id=asked.zone_id,
        replaces=asked.replaces,
    )
    return SilenceShown.of(silences.make(house.engine, who.actor, wanted, house.now()), house.now())


@router.get("/v1/silences/{silence_id}", summary="One silence or maintenance window")
def one_silence(house: House, who: Reader, silence_id: Id) -> SilenceShown:
    return SilenceShown.of(silences.silence(house.engine, who.actor, silence_id), house.now())


@router.post("/v1/silences/{silence_id}/lift", summary="Lift it: nothing is held back any more")
def lift_silence(house: House, who: Writer, silence_id: Id) -> SilenceShown:
    return SilenceShown.of(silences.lift(house.engine, who.actor, silence_id, house.now()), house.now())
