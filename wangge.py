"""The command line, and the wiring behind each command. What takes long to load is loaded by the command that needs it.

Every failure that has a sentence is printed as that sentence, exit status 1; ``--json`` prints for programs.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import InvalidInput, WanggeError

if TYPE_CHECKING:
    from alerts.registry import Registry
    from models.settings import Settings
    from ops.doctor import Finding
    from ops.product import Product

app = typer.Typer(
    help="网格 Wangge: 从摄像机到网格员，从告警到结案。 From the camera to the grid worker, from alert to closed case.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_db = typer.Typer(help="数据库 The database.", no_args_is_help=True)
_camera = typer.Typer(help="摄像机点位 Camera points.", no_args_is_help=True)
_grid = typer.Typer(help="网格 Grids.", no_args_is_help=True)
_user = typer.Typer(help="人员 People.", no_args_is_help=True)
_doctor = typer.Typer(invoke_without_command=True)
for _name, _part in (("db", _db), ("camera", _camera), ("grid", _grid), ("user", _user), ("doctor", _doctor)):
    app.add_typer(_part, name=_name)

Json = Annotated[bool, typer.Option("--json", help="供程序读取 For programs: one JSON document on stdout.")]


def main() -> int:
    """Runs one command and returns the exit status."""
    try:
        app(prog_name="wangge")
    except WanggeError as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _complain(error: WanggeError) -> None:
    faults = [str(fault) for fault in error.faults] if isinstance(error, InvalidInput) else []
    if "--json" in sys.argv:
        _print_json({"error": error.code, "message": str(error), "faults": faults})
        return
    typer.secho(f"{error}", fg=typer.colors.RED, err=True)
    for fault in faults:
        typer.secho(f"  {fault}", fg=typer.colors.RED, err=True)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1))


def _settings() -> "Settings":
    from models.settings import read_settings

    return read_settings(os.environ)


@contextmanager
def _registry() -> "Iterator[Registry]":
    """The registry on this machine's ledger, which must be at this version's schema."""
    from alerts.database import open_database, schema_fault
    from alerts.registry import Registry
    from alerts.vault import Vault
    from models.errors import Misconfigured
    from ops.product import make_data_folder

    settings = _settings()
    make_data_folder(settings)
    engine = open_database(settings.database_url)
    try:
        if fault := schema_fault(engine):
            raise Misconfigured(fault)
        yield Registry(engine, Vault(settings.key_file))
    finally:
        engine.dispose()


# ---- the product ----


@app.command()
def up(as_json: Json = False) -> None:
    """启动全部进程 Start everything on this machine, until Ctrl-C.

    Example: WANGGE_PORT=8500 wangge up
    """
    from ops.product import Product

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup is to be honoured
            signal.signal(number, signal.default_int_handler)

    def tell(event: str, **facts: Any) -> None:
        if as_json:
            typer.echo(json.dumps({"event": event, **facts}, ensure_ascii=False))
        else:
            typer.echo("  ".join([event, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))

    with Product(_settings(), say=lambda what: tell("starting", what=what)) as product:
        tell("ready", url=product.url)
        if not as_json and (hint := _first_steps(product)):
            typer.echo(hint)
        shown = product.processes()
        while True:
            time.sleep(0.5)
            for before, now in zip(shown, product.processes(), strict=True):
                if before != now:
                    tell(f"{now.name} {now.stage}", pid=now.pid, restarts=now.restarts, last_end=now.last_end)
            shown = product.processes()


def _first_steps(product: "Product") -> str | None:
    """What to do where nobody can sign in yet. There is no default password."""
    from models.people import SYSTEM

    with _registry() as registry:
        if registry.people(SYSTEM, limit=1).items:
            return None
    return (
        f"还没有人可以登录。Nobody can sign in yet. In another terminal (WANGGE_DATA={product.settings.data}):\n"
        "  wangge grid import FILE.geojson\n"
        "  wangge user add USERNAME --name NAME --role admin@GRID_CODE"
    )


@app.command()
def demo(
    footage: Annotated[Path | None, typer.Option(help="自备录像 Your own film instead of vtest.avi.")] = None,
    headless: Annotated[bool, typer.Option(help="自动走完一个案件 Close one case by itself, then end.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=86400, help="秒 Seconds the headless trip may take.")] = 180.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="结果文件 Write alert, log and times of the trip to this file.")
    ] = None,
) -> None:
    """演示 The product with two demo cameras; exit status 0 when the headless trip closed its case.

    Example: wangge demo --headless --timeout 120 --json trip.json
    """
    from rich.console import Console

    from ops import demo as demonstration

    console = Console(stderr=headless)
    status = demonstration.run(
        _settings(), footage=footage, headless=headless, timeout_s=timeout, json_file=json_file, console=console
    )
    raise typer.Exit(status)


@app.command()
def footage() -> None:
    """演示录像 Fetch the demo's footage and print where it is.

    Example: wangge footage
    """
    from ops import footage as vtest

    def say(line: str) -> None:
        typer.echo(line, err=True)

    if vtest.cached() is None:
        say(vtest.ACKNOWLEDGEMENT)
    typer.echo(vtest.fetch(say))


@_db.command("upgrade")
def db_upgrade() -> None:
    """升级数据库 Bring the database to this version's schema; does nothing where it is there already.

    Example: wangge db upgrade
    """
    from alerts.database import open_database, upgrade
    from ops.product import make_data_folder

    settings = _settings()
    make_data_folder(settings)
    engine = open_database(settings.database_url)
    try:
        upgrade(engine)
    finally:
        engine.dispose()
    typer.echo("数据库已就绪 the database is at this version's schema")


# ---- cameras, grids, people ----

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


@_camera.command("add")
def camera_add(
    code: Annotated[str, typer.Argument(help="编码 Its code, 20 digits of GB/T 28181 or your own.")],
    url: Annotated[str, typer.Option(help="rtsp:// or rtsps:// address, without user name and password.")],
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
    from alerts.registry import NewCamera
    from models.geo import GeoPoint
    from models.people import SYSTEM
    from ops.entry import read_zones
    from ops.probe import read_source

    place = GeoPoint(lon, lat)
    watched, points = read_zones(zones) if zones else ((), ())
    source = read_source(url, login, _password(login))
    with _registry() as registry:
        added = registry.add_camera(SYSTEM, NewCamera(code, name, place, source, purpose, grid, watched, points))
    if as_json:
        _print_json({"id": added.id, "code": added.code, "grid": added.grid_code, "url": added.source.shown})
    else:
        typer.echo(f"已登记 registered {added.code} in grid {added.grid_code}: {added.source.shown} ({added.id})")


@_camera.command("list")
def camera_list(as_json: Json = False) -> None:
    """列出摄像机 List the camera points.

    Example: wangge camera list --json
    """
    from models.people import SYSTEM
    from ops.doctor import every

    with _registry() as registry:
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
    _print_rows(rows, as_json, "还没有摄像机 no camera is registered yet: `wangge camera add --help`")


@_camera.command("probe")
def camera_probe(
    url: Annotated[str, typer.Argument(help="rtsp:// or rtsps:// address, without user name and password.")],
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
        typer.echo("连接中 connecting, up to 15 s …", err=True)
    facts, still = probe(_settings(), source)
    if picture:
        try:
            picture.write_bytes(still)
        except OSError as error:
            raise InvalidInput(f"{picture} cannot be written: {error.strerror}") from None
    if as_json:
        _print_json(facts)
        return
    for name, value in facts.items():
        if name != "warnings":
            typer.echo(f"{name:10} {'unknown' if value is None else value}")
    for warning in facts["warnings"] or ():
        typer.secho(warning, fg=typer.colors.YELLOW)


@_grid.command("import")
def grid_import(
    file: Annotated[Path, typer.Argument(help="GeoJSON FeatureCollection with code, name, parent.")],
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
    with _registry() as registry:
        grids = parse_grids(data, scheme, registry.tree(SYSTEM))
        changed = registry.import_grids(grids, SYSTEM)
    if as_json:
        _print_json({"grids": len(grids), "changed": changed})
    else:
        typer.echo(f"已导入 {len(grids)} grids read, {changed} new or changed")


@_user.command("add")
def user_add(
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
    with _registry() as registry:
        person, password = registry.add_person(SYSTEM, username, name, None, grants)
    if as_json:
        _print_json({"id": person.id, "username": person.username, "one_time_password": password})
    else:
        typer.echo(f"已添加 added {person.username}; 一次性密码 one-time password: {password}")


# ---- care ----


@_doctor.callback()
def doctor(
    context: typer.Context,
    as_json: Json = False,
    settings: Annotated[bool, typer.Option("--settings", help="列出设置 Print the table of settings instead.")] = False,
) -> None:
    """体检 What is missing or misconfigured on this machine, and the fix; exit status 1 if anything fails.

    Examples: wangge doctor; wangge doctor --settings; wangge doctor audit
    """
    if context.invoked_subcommand is not None:
        return
    if settings:
        from models.settings import VARIABLES

        _print_rows([vars(variable) for variable in VARIABLES], as_json, "")
        return
    from ops.doctor import examine

    _print_findings(examine(_settings(), time.time()), as_json)


@_doctor.command("audit")
def doctor_audit(as_json: Json = False) -> None:
    """审计 Check that no event of the log was edited, deleted, swapped or cut off.

    Example: wangge doctor audit
    """
    from ops.doctor import audit

    _print_findings([audit(_settings())], as_json)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="备份文件 The archive to write, such as wangge.tar.gz.")],
    as_json: Json = False,
) -> None:
    """备份 Save ledger, spool, evidence and key into one archive, also while the product runs.

    Example: wangge backup /srv/backup/wangge-$(date +%F).tar.gz
    """
    from ops.backup import backup as save

    manifest = save(_settings(), file)
    if as_json:
        _print_json(vars(manifest))
        return
    typer.echo(
        f"已备份 saved {len(manifest.files)} files in {file}. It holds the key to the camera passwords: guard it."
    )
    if manifest.ledger_elsewhere:
        typer.echo("The ledger is on PostgreSQL and not in here: save it with pg_dump, after this.")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="备份文件 An archive that `wangge backup` wrote.")]) -> None:
    """恢复 Bring a backup back into an empty data directory. Everyone has to sign in again.

    Example: WANGGE_DATA=/srv/wangge wangge restore wangge.tar.gz
    """
    from ops.backup import restore as bring_back

    settings = _settings()
    manifest = bring_back(settings, file)
    typer.echo(f"已恢复 restored {len(manifest.files)} files to {settings.data}")


# ---- printing ----

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def _print_findings(findings: "list[Finding]", as_json: bool) -> None:
    """Prints them and ends the command: exit status 1 if one is a failure."""
    if as_json:
        _print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            typer.secho(f"{finding.level.value:4} ", fg=_COLOURS[finding.level.value], nl=False)
            typer.echo(f"{finding.check:21} {finding.said}")
            if finding.fix:
                typer.echo(f"{'':26} → {finding.fix}")
    raise typer.Exit(1 if any(finding.level.value == "fail" for finding in findings) else 0)


def _print_rows(rows: list[dict[str, Any]], as_json: bool, none: str) -> None:
    if as_json:
        _print_json(rows)
        return
    if not rows:
        typer.echo(none)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], box=box.SIMPLE)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table, markup=False)


if __name__ == "__main__":
    sys.exit(main())
