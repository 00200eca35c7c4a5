"""The command line, and the wiring behind each command. What takes long to load is loaded by the command that needs it.

Every failure that has a sentence is printed as that sentence, exit status 1; ``--json`` prints for programs.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import NotFound, WanggeError
from ops.calibrate_command import calibrate
from ops.hindsight_commands import hindsight
from ops.intake_commands import intake_source
from ops.model_commands import model
from ops.people_commands import duty, user
from ops.printing import Json, complain, print_findings, print_json, print_rows
from ops.registry_commands import camera, grid, registry_of
from ops.replay_command import replay
from ops.structure_commands import structures
from ops.tls_commands import tls

if TYPE_CHECKING:
    from models.settings import Settings
    from ops.product import Product

app = typer.Typer(
    help="网格 Wangge: 从摄像机到网格员，从告警到结案。 From the camera to the grid worker, from alert to closed case.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_db = typer.Typer(help="数据库 The database.", no_args_is_help=True)
_doctor = typer.Typer(invoke_without_command=True)
camera.add_typer(hindsight)
camera.add_typer(structures)
for _name, _part in (
    ("db", _db),
    ("camera", camera),
    ("model", model),
    ("grid", grid),
    ("user", user),
    ("duty", duty),
    ("intake-source", intake_source),
    ("tls", tls),
    ("doctor", _doctor),
):
    app.add_typer(_part, name=_name)
app.command()(replay)
app.command()(calibrate)


def main() -> int:
    """Runs one command and returns the exit status."""
    os.umask(0o077)  # what commands and the processes that they start write is its owner's alone
    try:
        app(prog_name="wangge")
    except WanggeError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _settings() -> "Settings":
    from models.settings import read_settings

    return read_settings(os.environ)


@app.callback()
def _begin(context: typer.Context) -> None:
    context.obj = _settings  # read by the command that needs them: --help works with wrong ones too


@app.command()
def up(as_json: Json = False) -> None:
    """启动全部进程 Start everything on this machine, until Ctrl-C.

    Example: WANGGE_PORT=8500 wangge up
    """
    from ops.ending import heard_signals
    from ops.product import Product

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup is to be honoured
            signal.signal(number, signal.default_int_handler)

    def tell(event: str, **facts: Any) -> None:
        if as_json:
            typer.echo(json.dumps({"event": event, **facts}, ensure_ascii=False))
        else:
            typer.echo("  ".join([event, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))

    with (
        suppress(KeyboardInterrupt),  # an orderly end, not a failure
        Product(_settings(), say=lambda what: tell("starting", what=what)) as product,
        heard_signals() as ending,
    ):
        tell("ready", url=product.url)
        if not as_json and (hint := _first_steps(product)):
            typer.echo(hint)
        if not as_json and (hint := _trust(product)):
            typer.echo(hint)
        shown = product.processes()
        while not ending.wait(0.5):
            for before, now in zip(shown, product.processes(), strict=True):
                if before != now:
                    tell(f"{now.name} {now.stage}", pid=now.pid, restarts=now.restarts, last_end=now.last_end)
            shown = product.processes()


def _first_steps(product: "Product") -> str | None:
    """What to do where nobody can sign in yet. There is no default password."""
    from models.people import SYSTEM

    with registry_of(product.settings) as registry:
        if registry.people(SYSTEM, limit=1).items:
            return None
    return (
        f"还没有人可以登录，请在另一个终端执行 / nobody can sign in yet; in another terminal "
        f"(WANGGE_DATA={product.settings.data}):\n"
        "  wangge grid import FILE.geojson\n"
        "  wangge user add USERNAME --name NAME --role admin@GRID_CODE"
    )


def _trust(product: "Product") -> str | None:
    """How others come to trust a certificate of our own."""
    from api.tls import pair_of, read_certificate, spelt

    pair = pair_of(product.settings)
    if pair is None or pair.ca is None:
        return None
    return (
        f"手机和电脑打开 {product.url}/trust（换成本机地址）安装根证书，并核对指纹 / phones and computers install the "
        f"authority from /trust under this machine's address, and compare:\n"
        f"  SHA-256 {spelt(read_certificate(pair.ca).sha256)}"
    )


@app.command()
def demo(
    footage: Annotated[Path | None, typer.Option(help="自备录像 Your own film instead of vtest.avi.")] = None,
    headless: Annotated[bool, typer.Option(help="自动走完一个案件 Close one case by itself, then end.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=86400, help="时限(秒) Seconds for the headless trip.")] = 180.0,
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

        print_rows([vars(variable) for variable in VARIABLES], as_json, "")
        return
    from ops.doctor import examine

    print_findings(examine(_settings(), time.time()), as_json)


@_doctor.command("audit")
def doctor_audit(as_json: Json = False) -> None:
    """审计 Check that no event of the log was edited, deleted, swapped or cut off.

    Example: wangge doctor audit
    """
    from ops.doctor import audit

    print_findings([audit(_settings())], as_json)


@_doctor.command("figures")
def doctor_figures(
    as_json: Json = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="重新统计 Count everything anew from the log first.")
    ] = False,
) -> None:
    """核对指标 Recount every figure from the log and say whether what is kept equals it.

    Examples: wangge doctor figures; wangge doctor figures --rebuild
    """
    from ops.figure_checks import figures

    print_findings([figures(_settings(), time.time(), rebuild=rebuild)], as_json)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
def bench(
    context: typer.Context, name: Annotated[str, typer.Argument(help="试验名 Such as loss; its own --help says more.")]
) -> None:
    """试验 Measure or prove something on this machine, with servers and data of its own.

    Examples: wangge bench loss --check; wangge bench loss --help
    """
    folder = Path(__file__).parent / "bench"
    known = sorted(p.stem for p in folder.glob("*.py") if "_" not in p.stem and '"--check"' in p.read_text())
    if name not in known:
        raise NotFound(f"there is no bench {name!r}; there are: {', '.join(known) or 'none outside a checkout'}")
    os.chdir(folder.parent)
    # In this process's place: what asks it to end then asks the bench, which ends what it started.
    os.execv(sys.executable, [sys.executable, "-m", f"bench.{name}", *context.args])  # noqa: S606


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="备份文件 The archive to write, such as wangge.tar.gz.")],
    as_json: Json = False,
) -> None:
    """备份 Save ledger, spool, evidence and key into one archive, also while the product runs.

    Example: wangge backup /srv/backup/wangge-$(date +%F).tar.gz
    """
    from ops.backup import backup as save

    settings = _settings()
    manifest = save(settings, file)
    if as_json:
        print_json(vars(manifest))
        return
    typer.echo(
        f"已备份 {len(manifest.files)} 个文件，其中有摄像机密码的密钥，请妥善保管 / "
        f"saved {len(manifest.files)} files in {file}; it holds the key to the camera passwords: guard it"
    )
    if settings.tls.is_dir():
        typer.echo(
            f"不含 {settings.tls}，请另行离线保管根证书及私钥 / "
            f"without {settings.tls}: keep the authority and its key apart, offline"
        )


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="备份文件 An archive that `wangge backup` wrote.")]) -> None:
    """恢复 Bring a backup back into an empty data directory, and PostgreSQL's empty database. All sign in again.

    Example: WANGGE_DATA=/srv/wangge wangge restore wangge.tar.gz
    """
    from ops.backup import restore as bring_back

    settings = _settings()
    manifest = bring_back(settings, file)
    typer.echo(f"已恢复 {len(manifest.files)} 个文件 / restored {len(manifest.files)} files to {settings.data}")


if __name__ == "__main__":
    sys.exit(main())
