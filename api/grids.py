"""The grid tree, and who is on duty in it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.accounts import SignedIn
from alerts.grid_import import parse_grids
from api.auth import needs
from api.paging import link_next
from api.registry_schemas import Duties, DutyAsked, DutyShown, GridFeature, Grids, Imported
from api.schemas import After, Code, Limit
from api.services import House
from models.people import Permission

IMPORT_MAX_BYTES = 20 * 1024 * 1024

_IMPORT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/geo+json": {
                "schema": {"type": "object"},
                "example": {
                    "type": "FeatureCollection",
                    "features": [
                        {
                            "type": "Feature",
                            "properties": {"code": "610902001001", "name": "兴安社区第一网格", "parent": "610902001"},
                            "geometry": {
                                "type": "Polygon",
                                "coordinates": [[[109.02, 32.68], [109.03, 32.68], [109.03, 32.69], [109.02, 32.68]]],
                            },
                        }
                    ],
                },
            }
        },
    }
}

router = APIRouter(tags=["grids"])
Reader = Annotated[SignedIn, Depends(needs(Permission.GRID_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.GRID_WRITE))]


async def whole_body(request: Request, _who: Writer) -> bytes:
    """The body as bytes, read only after we know who sends it."""
    return await request.body()


@router.get("/v1/grids", summary="Grids that I may see")
def list_grids(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    under: Annotated[str | None, Query(max_length=64, description="this grid and all below it")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Grids:
    page = house.registry.grids(who.actor, under=under, limit=limit, after=after)
    link_next(request, response, page.next)
    return Grids(features=[GridFeature.of(grid) for grid in page.items], next=page.next)


@router.post("/v1/grids/import", summary="Import grids from GeoJSON", openapi_extra=_IMPORT)
def import_grids(
    house: House,
    who: Writer,
    body: Annotated[bytes, Depends(whole_body)],
    scheme: Annotated[str, Query(min_length=1, max_length=32, description="of those that name none")] = "local",
) -> Imported:
    """The whole file or nothing: every fault is listed with its row in `errors`."""
    grids = parse_grids(body, scheme, house.registry.tree(who.actor))
    return Imported(imported=house.registry.import_grids(grids, who.actor))


@router.get("/v1/grids/{code}", summary="One grid")
def one_grid(house: House, who: Reader, code: Code) -> GridFeature:
    return GridFeature.of(house.registry.grid(code, who.actor))


@router.get("/v1/grids/{code}/duties", summary="Who is on duty in a grid now")
def list_duties(house: House, who: Reader, code: Code) -> Duties:
    grid = house.registry.grid(code, who.actor)
    return Duties(duties=[DutyShown.of(duty) for duty in house.registry.duties([grid.code], house.now())])


@router.post("/v1/grids/{code}/duties", status_code=201, summary="Put someone on duty")
def put_on_duty(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.PEOPLE_WRITE))],
    code: Code,
    asked: DutyAsked,
) -> Duties:
    """Answers who is on duty there now."""
    house.registry.put_on_duty(
        who.actor, asked.person_id, code, asked.starts_at.timestamp(), asked.ends_at.timestamp(), asked.rank
    )
    return Duties(duties=[DutyShown.of(duty) for duty in house.registry.duties([code], house.now())])
