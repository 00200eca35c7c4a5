"""The commands for cameras, grids and people: directly on the ledger, as whoever owns the machine.

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
    from alerts.registry import Registry
    from models.settings import Settings

camera = typer.Typer(help="摄像机点位 Camera points.", no_args_is_help=True)
grid = typer.Typer(help="网格 Grids.", no_args_is_help=True)
user = typer.Typer(help="人员 People.", no_args_is_help=True)


@contextmanager
def registry_of(settings: "Settings") -> "Iterator[Registry]":
    """The registry on this machine's ledger, which must be at this version's schema."""
    from alerts.database import open_database, schema_fault
    from alerts.registry import Registry
    from alerts.vault import Vault
    from models.errors import Misconfigured
    from ops.product import make_data_folder

    make_data_folder(settings)
    engine = open_database(settings.database_url)
    try:
        if fault := schema_fault(engine):
            raise Misconfigured(fault)
        yield Registry(engine, Vault(settings.key_file))
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
        added = registry.add_camera(SYSTEM, NewCamera(code, name, place, source, purpose, grid, watched, points))
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
        }
        for camera in cameras
    ]
    print_rows(rows, as_json, "还没有摄像机 no camera is registered yet: `wangge camera add --help`")


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
    file: Annotated[Path, typer.Argument(help="网格文件 A GeoJSON FeatureCollection with code, name, parent.")],
    scheme: Annotated[str, typer.Option(help="编码体系 The scheme of its codes.")] = "local",
    as_json: Json = False,
) -> None:
    """导入网格 Import a grid tree: the whole file, or nothing and every fault with its row.

    Example: wangge grid import grids.geojson --scheme GB/T-2260
    """
    from alerts.grid_import import MOST_BYTES, parse_grids
    from models.people import SYSTEM
    from ops.entry import read_file

    data = read_file(file, MOST_BYTES)
    with registry_of(context.obj()) as registry:
        grids = parse_grids(data, scheme, registry.tree(SYSTEM))
        changed = registry.import_grids(grids, SYSTEM)
    if as_json:
        print_json({"grids": len(grids), "changed": changed})
    else:
        typer.echo(
            f"已导入 {len(grids)} 个网格，新增或变更 {changed} 个 / {len(grids)} grids read, {changed} new or changed"
        )


@user.command("add")
def user_add(
    context: typer.Context,
    username: Annotated[str, typer.Argument(help="登录名 The user name.")],
    name: Annotated[str, typer.Option(help="姓名 The person's name.")],
    role: Annotated[list[str], typer.Option(help="角色@网格 ROLE@GRID_CODE; may be given several times.")],
    as_json: Json = False,
) -> None:
    """添加人员 Add a person; prints a one-time password, once.

    Roles: operator, grid_worker, unit, verifier, supervisor, admin, auditor.

    Example: wangge user add wang --name 王芳 --role grid_worker@610902001001
    """
    from models.people import SYSTEM
    from ops.entry import read_grant

    grants = [read_grant(text) for text in role]
    with registry_of(context.obj()) as registry:
        person, password = registry.add_person(SYSTEM, username, name, None, grants)
    if as_json:
        print_json({"id": person.id, "username": person.username, "one_time_password": password})
    else:
        typer.echo(f"已添加 added {person.username}; 一次性密码 one-time password: {password}")
