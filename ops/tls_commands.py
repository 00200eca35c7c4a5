"""The commands for HTTPS."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ops.printing import Json, print_json

if TYPE_CHECKING:
    from models.settings import Settings

tls = typer.Typer(help="加密 HTTPS served by the product itself.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Option("--name", help="域名 A DNS name; may be given several times.")]
Addresses = Annotated[list[str] | None, typer.Option("--ip", help="地址 An IP address; may be given several times.")]


@tls.command("init")
def tls_init(context: typer.Context, name: Names = None, ip: Addresses = None, as_json: Json = False) -> None:
    """自建证书 Make a certificate authority of your own and a server certificate; the next start serves HTTPS.

    Example: wangge tls init --name wangge.town.example --ip 10.20.0.5
    """
    from ops.tls import init

    settings: Settings = context.obj()
    init(settings, name or (), ip or (), time.time())
    _tell(settings, as_json)


@tls.command("renew")
def tls_renew(context: typer.Context, name: Names = None, ip: Addresses = None, as_json: Json = False) -> None:
    """更新证书 Another server certificate of the same authority, which stays trusted; served after a restart.

    Example: wangge tls renew
    """
    from ops.tls import renew

    settings: Settings = context.obj()
    renew(settings, name or (), ip or (), time.time())
    _tell(settings, as_json)


def _tell(settings: "Settings", as_json: bool) -> None:
    from api.tls import day, read_certificate, spelt

    server, authority = read_certificate(settings.tls / "server.crt"), read_certificate(settings.tls / "ca.crt")
    if as_json:
        print_json({"names": server.names, "ends": day(server.ends_s), "authority_sha256": authority.sha256})
        return
    typer.echo(f"证书 certificate: {', '.join(server.names)}; 有效期至 valid until {day(server.ends_s)}")
    typer.echo(f"根证书 authority: {settings.tls / 'ca.crt'}\nSHA-256 {spelt(authority.sha256)}")
    typer.echo("重启后生效；手机打开 /trust 安装根证书 / served after a restart; phones get the authority at /trust")
