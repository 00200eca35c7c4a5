"""The commands for cameras and grids: directly on the ledger, as whoever owns the machine.

``context.obj`` reads the settings. What takes long to load is loaded by the command that needs it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidInput
from ops.printing import Json, print_json, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from alerts.grid_check import Findings
    from alerts.grid_import import GridPlan
    from alerts.registry import Registry
    from models.settings import Settings

camera = typer.Typer(help="摄像机点位 Camera points.", no_args_is_help=True)
grid = typer.Typer(help="网格 Grids.", no_args_is_help=True)


@contextmanager
def registry_of(settings: "Settings") -> "Iterator[Registry]":
    """The registry on this machine's ledger, which must be at this version's schema."""
    from alerts.registry import Registry
    from alerts.vault import Vault

    with ledger_of(settings) as engine:
        yield Registry(engine, Vault(settings.key_file))


@contextmanager
def ledger_of(settings: "Settings") -> "Iterator[Engine]":
    """This machine's ledger. Raises Misconfigured where it is not at this version's schema."""
    from alerts.database import open_database, schema_fault
    from models.errors import Misconfigured
    from ops.product import make_data_folder

    make_data_folder(settings)
    engine = open_database(settings.database_url)
    try:
        if fault := schema_fault(engine):
            raise Misconfigured(fault)
        yield engine
    finally:
        engine.dispose()


ADDRESS = "地址，不含用户名和密码 The rtsp:// or rtsps:// address, without user name and password."
Login = Annotated[
    str | None, typer.Option(help="摄像机用户名 The camera's user name; the password is asked for, or read from stdin.")
]


def _password(login: str | None) -> str | None:
    if login is None:
        return None
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password: str = typer.prompt("摄像机密码 the camera's password", hide_input=True)
    return password


@camera.command("add")
def camera_add(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="编码 Its code, 20 digits of GB/T 28181 or your own.")],
    url: Annotated[str, typer.Option(help=ADDRESS)],
    name: Annotated[str, typer.Option(help="名称 Its name.")],
    lon: Annotated[float, typer.Option(help="经度 WGS-84 longitude, degrees.")],
    lat: Annotated[float, typer.Option(help="纬度 WGS-84 latitude, degrees.")],
    purpose: Annotated[str, typer.Option(help="用途 Why it may be watched, as on its notice.")],
    grid: Annotated[str | None, typer.Option(help="网格编码 Its grid; default: the one it stands in.")] = None,
    zones: Annotated[
        Path | None, typer.Option(help='区域文件 A JSON file {"zones": […], "control_points": […]}.')
    ] = None,
    site: Annotated[str | None, typer.Option(help="站点 The building, square or pole that it belongs to.")] = None,
    upstream: Annotated[str | None, typer.Option(help="上联 The switch or recorder without which it is dark.")] = None,
    login: Login = None,
    as_json: Json = False,
) -> None:
    """登记摄像机 Register a camera point.

    Example: wangge camera add gate-1 --url rtsp://10.1.2.3/main --login viewer --name 东门 --lon 109.0293 --lat 32.6845
    --purpose "public safety at the gate" --zones gate-1.json
    """
    from alerts.camera_checks import NewCamera
    from models.geo import GeoPoint
    from models.people import SYSTEM
    from ops.entry import read_zones
    from ops.probe import read_source

    place = GeoPoint(lon, lat)
    watched, points = read_zones(zones) if zones else ((), ())
    source = read_source(url, login, _password(login))
    with registry_of(context.obj()) as registry:
        new = NewCamera(code, name, place, source, purpose, grid, watched, points, site=site, upstream=upstream)
        added = registry.add_camera(SYSTEM, new)
    if as_json:
        print_json({"id": added.id, "code": added.code, "grid": added.grid_code, "url": added.source.shown})
    else:
        typer.echo(f"已登记 registered {added.code}，网格 grid {added.grid_code}: {added.source.shown} ({added.id})")


@camera.command("list")
def camera_list(context: typer.Context, as_json: Json = False) -> None:
    """列出摄像机 List the camera points.

    Example: wangge camera list --json
    """
    from alerts.queries import every
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        cameras = list(every(lambda after: registry.cameras(SYSTEM, limit=500, after=after)))
    rows = [
        {
            "id": camera.id,
            "code": camera.code,
            "name": camera.name,
            "grid": camera.grid_code,
            "url": camera.source.shown,
            "zones": len(camera.zones),
            "calibrated": bool(camera.control_points),
            "enabled": camera.enabled,
            "upstream": camera.upstream,
        }
        for camera in cameras
    ]
    print_rows(rows, as_json, "还没有摄像机 no camera is registered yet: `wangge camera add --help`")


@camera.command("templates")
def camera_templates(context: typer.Context, as_json: Json = False) -> None:
    """列出防区模板 List the zone templates: levels and hours that zones share by naming one ("template").

    Example: wangge camera templates --json
    """
    from alerts.queries import every
    from alerts.zone_templates import templates_of
    from models.camera import shared_to_json
    from models.people import SYSTEM

    with ledger_of(context.obj()) as engine:
        found = list(every(lambda after: templates_of(engine, SYSTEM, limit=500, after=after)))
    rows = [
        {"code": each.code, "name": each.name, "grid": each.grid_code, "version": each.version}
        | shared_to_json(each.shared)
        for each in found
    ]
    print_rows(rows, as_json, "还没有防区模板 there is no zone template yet: PUT /v1/zone-templates/CODE makes one")


@camera.command("probe")
def camera_probe(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help=ADDRESS)],
    login: Login = None,
    picture: Annotated[Path | None, typer.Option(help="存图 Save the masked still (JPEG) here.")] = None,
    as_json: Json = False,
) -> None:
    """试连摄像机 Try a camera: what it sends, and what to change. Nothing is registered.

    Example: wangge camera probe rtsp://10.1.2.3/main --login viewer --picture look.jpg
    """
    from ops.probe import probe, read_source

    source = read_source(url, login, _password(login))
    if not as_json:
        typer.echo("连接中，最多 15 秒 connecting, up to 15 s …", err=True)
    facts, still = probe(context.obj(), source)
    if picture:
        try:
            picture.write_bytes(still)
        except OSError as error:
            raise InvalidInput(f"{picture} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if name != "warnings":
            shown = "unknown" if value is None else f"{value:.1f}" if isinstance(value, float) else value
            typer.echo(f"{name:10} {shown}")
    for warning in facts["warnings"] or ():
        typer.secho(warning, fg=typer.colors.YELLOW)


@grid.command("import")
def grid_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="网格文件 GeoJSON, CSV or xlsx: code 编码, name 名称, parent 上级编码.")],
    scheme: Annotated[str, typer.Option(help="编码体系 The scheme of its codes.")] = "local",
    system: Annotated[
        str | None, typer.Option(help="坐标系 wgs84, gcj02, bd09: of polygons that name none; tables must say.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只检查 Write nothing: faults, overlaps, gaps, orphans, land outside.")
    ] = False,
    as_json: Json = False,
) -> None:
    """导入网格 Import a grid tree: the whole file, or nothing and every fault with its row.

    Examples: wangge grid import grids.geojson --scheme GB/T-2260; wangge grid import 网格.xlsx --system gcj02 --dry-run
    """
    from alerts.grid_import import refusal
    from alerts.polygons import read_system
    from alerts.spreadsheets import MOST_BYTES
    from models.people import SYSTEM
    from ops.entry import read_file

    data = read_file(file, MOST_BYTES)
    with registry_of(context.obj()) as registry:
        plan, findings = registry.plan_import(
            data, SYSTEM, scheme, read_system(system) if system else None, look=dry_run
        )
        changed = 0
        if findings is None:
            if plan.faults:
                raise refusal(plan.faults)
            changed = registry.import_grids(plan.grids, SYSTEM)
    if findings is not None:
        _print_dry_run(plan, findings, as_json)
    elif as_json:
        print_json({"grids": len(plan.grids), "changed": changed})
    else:
        typer.echo(
            f"已导入 {len(plan.grids)} 个网格，新增或变更 {changed} 个 / "
            f"{len(plan.grids)} grids read, {changed} new or changed"
        )


def _print_dry_run(plan: "GridPlan", findings: "Findings", as_json: bool) -> None:
    """Ends the command: exit status 1 where something forbids the import."""
    if as_json:
        print_json(
            {
                "grids": len(plan.grids),
                "encoding": plan.encoding,
                "ignored_columns": plan.ignored,
                "faults": [vars(fault) for fault in plan.faults],
                "level_jumps": [vars(jump) for jump in plan.jumps],
                "findings": [vars(finding) for finding in findings.items],
                "counts": findings.counts,
                "complete": findings.complete,
            }
        )
        raise typer.Exit(1 if plan.faults else 0)
    typer.echo(f"只检查，未写入 dry run: {len(plan.grids)} grids read ({plan.encoding}), nothing written")
    if plan.ignored:
        typer.echo(f"未识别的列 columns not understood: {', '.join(plan.ignored)}")
    for fault in plan.faults:
        typer.secho(f"  {fault}", fg=typer.colors.RED)
    for jump in plan.jumps:
        typer.secho(f"  {jump}", fg=typer.colors.YELLOW)
    for finding in findings.items:
        typer.secho(f"  {finding.kind} {finding.grid}: {finding.said_zh} / {finding.said_en}", fg=typer.colors.YELLOW)
    if not findings.complete:
        typer.echo(f"  … 未全部列出 not all are listed: {dict(findings.counts)}")
    raise typer.Exit(1 if plan.faults else 0)
