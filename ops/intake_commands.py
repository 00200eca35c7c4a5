"""The commands for sources that report what is no camera's: directly on the ledger, as whoever owns the machine."""

import time
from typing import Annotated

import typer

from ops.printing import Json, print_json, print_rows
from ops.registry_commands import ledger_of, registry_of

intake_source = typer.Typer(help="上报来源 Who reports: residents' channels, sensors, gates.", no_args_is_help=True)


@intake_source.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="名称 Its name, as operators will read it.")],
    kind: Annotated[str, typer.Option(help="类别 resident, sensor, device or other.")],
    grid: Annotated[str, typer.Option(help="网格编码 It may report in this grid and below.")],
    reports: Annotated[list[str], typer.Option(help="可报类型 A kind of incident; may be given several times.")],
    camera: Annotated[str | None, typer.Option(help="关联摄像机 The id of the camera that sees the device.")] = None,
    lon: Annotated[float | None, typer.Option(help="经度 WGS-84 longitude of where it stands, degrees.")] = None,
    lat: Annotated[float | None, typer.Option(help="纬度 WGS-84 latitude, degrees.")] = None,
    responsible: Annotated[
        str | None, typer.Option(help="责任人登录名 Whom a sensor's geohazard warnings go to at once.")
    ] = None,
    rate: Annotated[float, typer.Option(help="每秒上报数上限 Reports a second that it may send.")] = 20.0,
    as_json: Json = False,
) -> None:
    """登记上报来源 Register a source; prints its token, once.

    Example: wangge intake-source add 随手拍 --kind resident --grid 610902 --reports dumping --reports blocked_fire_lane
    """
    from alerts.intake_sources import IntakeSources, NewSource, SourceKind
    from models.errors import InvalidInput
    from models.geo import GeoPoint
    from models.people import SYSTEM

    if kind not in list(SourceKind):
        raise InvalidInput(f"there is no kind of source {kind!r}; there are: {', '.join(SourceKind)}")
    if (lon is None) != (lat is None):
        raise InvalidInput("--lon and --lat come together")
    place = None if lon is None or lat is None else GeoPoint(lon, lat)
    person_id = None
    if responsible:
        with registry_of(context.obj()) as registry:
            person_id = registry.person_named(responsible).id
    new = NewSource(name, SourceKind(kind), grid, reports, camera, place, person_id, rate)
    with ledger_of(context.obj()) as engine:
        made = IntakeSources(engine, time.time).add(SYSTEM, new)
    if as_json:
        print_json({"id": made.source.id, "token": made.token})
    else:
        typer.echo(f"已登记 registered {made.source.name} ({made.source.id}); 令牌 token: {made.token}")


@intake_source.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """列出上报来源 List the sources.

    Example: wangge intake-source list --json
    """
    from alerts.intake_sources import IntakeSources
    from models.people import SYSTEM

    with ledger_of(context.obj()) as engine:
        found = IntakeSources(engine, time.time).all(SYSTEM)
    rows = [
        {
            "id": source.id,
            "name": source.name,
            "kind": source.kind.value,
            "grid": source.grid_code,
            "kinds": " ".join(source.kinds),
            "rate_per_s": source.rate_per_s,
            "active": source.active,
        }
        for source in found
    ]
    print_rows(rows, as_json, "还没有上报来源 no source is registered yet: `wangge intake-source add --help`")
