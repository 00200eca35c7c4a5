"""The grid tree: read, imported, and which grids a place may lie in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from alerts.accounts import SignedIn
from alerts.grid_import import refusal
from api.auth import needs
from api.paging import link_next
from api.registry_schemas import GridFeature, Grids, Imported, Places, PlaceShown
from api.schemas import After, Code, Id, Limit
from api.services import House
from models.map_systems import MapSystem, place_of
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
            },
            "text/csv": {"schema": {"type": "string"}, "example": "编码,名称,上级编码\n610902,汉滨区,\n"},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"},
                "example": "a workbook whose first sheet has the columns of the CSV",
            },
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


@router.post("/v1/grids/import", summary="Import grids from GeoJSON, CSV or xlsx", openapi_extra=_IMPORT)
def import_grids(
    house: House,
    who: Writer,
    body: Annotated[bytes, Depends(whole_body)],
    scheme: Annotated[str, Query(min_length=1, max_length=32, description="of those that name none")] = "local",
    system: Annotated[
        MapSystem | None, Query(description="of polygons that name none; GeoJSON: wgs84, tables must say")
    ] = None,
    dry_run: Annotated[bool, Query(description="write nothing; tell overlaps, gaps, orphans, land outside")] = False,
) -> Imported:
    """The whole file or nothing: every fault is listed with its row in `errors`. Again, it changes nothing."""
    plan, findings = house.registry.plan_import(body, who.actor, scheme, system, look=dry_run)
    if findings is not None:
        return Imported.of(plan, findings, 0)
    if plan.faults:
        raise refusal(plan.faults)
    return Imported.of(plan, None, house.registry.import_grids(plan.grids, who.actor))


@router.get("/v1/places", summary="Which grids a place may lie in")
def places(
    house: House,
    who: Reader,
    lon: Annotated[float, Query(ge=-180, le=180)],
    lat: Annotated[float, Query(ge=-90, le=90)],
    system: Annotated[MapSystem, Query(description="what lon and lat are stated in")] = MapSystem.WGS84,
    accuracy_m: Annotated[float, Query(ge=0, le=10_000)] = 0.0,
    at: Annotated[AwareDatetime | None, Query(description="as the tree was, or will be, then; default: now")] = None,
) -> Places:
    """The grid that contains it first, then those within its accuracy, nearest first."""
    at_s = None if at is None else at.timestamp()
    found = house.registry.places(who.actor, place_of(lon, lat, system), accuracy_m, at_s)
    return Places(grids=[PlaceShown.of(candidate) for candidate in found])


@router.get("/v1/alerts/{alert_id}/candidates", summary="Which grids an alert may lie in, to choose from")
def alert_candidates(
    house: House, who: Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))], alert_id: Id
) -> Places:
    """By name and distance, as the tree is now. Dispatch takes the chosen one as its argument `grid_code`."""
    alert = house.desk.alert(alert_id, who.actor)
    found = house.registry.places(who.actor, alert.place, alert.accuracy_m)
    return Places(grids=[PlaceShown.of(candidate) for candidate in found])


@router.get("/v1/grids/{code}", summary="One grid")
def one_grid(house: House, who: Reader, code: Code) -> GridFeature:
    return GridFeature.of(house.registry.grid(code, who.actor))
