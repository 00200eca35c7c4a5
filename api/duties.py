"""Who is to be asked, when: shifts, absences, who can be asked now and why the others cannot."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from alerts.accounts import SignedIn
from alerts.spreadsheets import MOST_BYTES
from api.auth import needs
from api.paging import link_next
from api.people_schemas import (
    AbsenceAsked,
    Absences,
    AbsenceShown,
    MissingShown,
    Needs,
    NeedsAsked,
    Roster,
    Shifts,
    ShiftShown,
    ShiftsImported,
)
from api.registry_schemas import Duties, DutyAsked, DutyShown
from api.schemas import After, Code, Id, Limit, Text
from api.services import House
from models.people import Permission

IMPORT_MAX_BYTES = MOST_BYTES
WINDOW_S = 14 * 86_400.0
"""How far ahead lists look where no end is named."""

router = APIRouter(tags=["duties"])
GridReader = Annotated[SignedIn, Depends(needs(Permission.GRID_READ))]
Reader = Annotated[SignedIn, Depends(needs(Permission.PEOPLE_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.DUTY_WRITE))]
Number = Annotated[int, Path(ge=0, lt=2**53)]
From = Annotated[AwareDatetime | None, Query(alias="from", description="default: now")]
To = Annotated[AwareDatetime | None, Query(description="default: 14 days later")]
_TABLE = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "登录名,网格编码,开始,结束,顺序\nwang,610902001001,2026-11-22 08:00,2026-11-22 20:00,0\n",
            },
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"},
                "example": "a workbook whose first sheet has the columns of the CSV",
            },
        },
    }
}


async def whole_body(request: Request, _who: Writer) -> bytes:
    """The body as bytes, read only after we know who sends it."""
    return await request.body()


def _window(house: House, since: AwareDatetime | None, until: AwareDatetime | None) -> tuple[float, float]:
    from_s = house.now() if since is None else since.timestamp()
    return from_s, from_s + WINDOW_S if until is None else until.timestamp()


@router.get("/v1/grids/{code}/duties", summary="Who is on duty in a grid now")
def list_duties(house: House, who: GridReader, code: Code) -> Duties:
    """By the rota, absences taken into account; `reachable` false: marked so, and not asked."""
    grid = house.registry.grid(code, who.actor)
    return Duties(duties=[DutyShown.of(duty) for duty in house.registry.duties([grid.code], house.now())])


@router.post("/v1/grids/{code}/duties", status_code=201, summary="Put someone on duty")
def put_on_duty(house: House, who: Writer, code: Code, asked: DutyAsked) -> Duties:
    """Answers who is on duty there now."""
    house.registry.put_on_duty(
        who.actor, asked.person_id, code, asked.starts_at.timestamp(), asked.ends_at.timestamp(), asked.rank
    )
    return Duties(duties=[DutyShown.of(duty) for duty in house.registry.duties([code], house.now())])


@router.get("/v1/grids/{code}/roster", summary="Who can be asked, and why the others cannot")
def roster(
    house: House,
    who: Reader,
    code: Code,
    at: Annotated[AwareDatetime | None, Query(description="default: now")] = None,
    kind: Annotated[Text | None, Query(max_length=64, description="of case: those who lack its skills cannot")] = None,
) -> Roster:
    wanted = () if kind is None else house.registry.needs(house.registry.grid(code, who.actor).path, kind)
    able, missing = house.registry.roster(who.actor, code, house.now() if at is None else at.timestamp(), wanted)
    return Roster(
        can_be_asked=[DutyShown.of(duty) for duty in able],
        cannot=[MissingShown.of(item) for item in missing],
        needs=list(wanted),
    )


@router.get("/v1/grids/{code}/shifts", summary="The rota of a grid")
def list_shifts(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    code: Code,
    since: From = None,
    to: To = None,
    limit: Limit = 100,
    after: After = None,
) -> Shifts:
    page = house.registry.shifts(who.actor, code, *_window(house, since, to), limit=limit, after=after)
    link_next(request, response, page.next)
    return Shifts(shifts=[ShiftShown.of(shift, name) for shift, name in page.items], next=page.next)


@router.delete("/v1/shifts/{shift_id}", status_code=204, summary="Take a shift out of the rota from now on")
def end_shift(house: House, who: Writer, shift_id: Number) -> None:
    house.registry.end_shift(who.actor, shift_id)


@router.post("/v1/shifts/import", summary="Import a rota from CSV or xlsx", openapi_extra=_TABLE)
def import_shifts(
    house: House,
    who: Writer,
    body: Annotated[bytes, Depends(whole_body)],
    dry_run: Annotated[bool, Query(description="check only")] = False,
) -> ShiftsImported:
    """The whole file or nothing. Columns: user name, grid, start, end, rank, by their Chinese or English names."""
    done = house.registry.import_rota(who.actor, body, dry_run=dry_run)
    return ShiftsImported(
        rows=done.rows, new=done.new, dry_run=dry_run, encoding=done.encoding, ignored_columns=list(done.ignored)
    )


@router.get("/v1/grids/{code}/absences", summary="Who of a grid is away")
def list_absences(house: House, who: Reader, code: Code, since: From = None, to: To = None) -> Absences:
    found = house.registry.absences(who.actor, code, *_window(house, since, to))
    return Absences(absences=[AbsenceShown.of(absence, name) for absence, name in found])


@router.post("/v1/people/{person_id}/absences", status_code=201, summary="Enter someone's leave")
def add_absence(house: House, who: Writer, person_id: Id, asked: AbsenceAsked) -> AbsenceShown:
    """Their shifts in that time are the stand-in's, or nobody's."""
    span = asked.starts_at.timestamp(), asked.ends_at.timestamp()
    return AbsenceShown.of(house.registry.add_absence(who.actor, person_id, *span, asked.reason, asked.stand_in_id))


@router.delete("/v1/absences/{absence_id}", status_code=204, summary="The person is back, or stays")
def end_absence(house: House, who: Writer, absence_id: Number) -> None:
    house.registry.end_absence(who.actor, absence_id)


@router.get("/v1/grids/{code}/needs", summary="Which skills kinds of cases need, as said for this grid")
def list_needs(house: House, who: GridReader, code: Code) -> Needs:
    return Needs(needs=house.registry.all_needs(who.actor, code))


@router.put("/v1/grids/{code}/needs/{kind}", summary="Say which skills a kind of case needs in a grid and below")
def set_needs(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.GRID_WRITE))],
    code: Code,
    kind: Annotated[Text, Path(max_length=64)],
    asked: NeedsAsked,
) -> Needs:
    house.registry.set_needs(who.actor, code, kind, asked.skills)
    return Needs(needs=house.registry.all_needs(who.actor, code))
