"""The commands that say what may be built before a camera."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.printing import Json, print_json, print_rows
from ops.registry_commands import registry_of

if TYPE_CHECKING:
    from models.structure import Accepted

structures = typer.Typer()
Code = Annotated[str, typer.Argument(help="摄像机编码 The camera's code.")]
Reference = Annotated[str, typer.Argument(help="许可编号 The number under which it was given.")]
ZoneId = Annotated[str, typer.Option("--zone", help="防区 The id of the zone.")]


@structures.command("accept-scene")
def accept_scene(context: typer.Context, code: Code) -> None:
    """认可现状 What stands before the camera now may stand there: new structures are told of as against this.

    Example: wangge camera accept-scene gate-1
    """
    _change(context, code, lambda said: said.accepted(time.time()))
    typer.echo(f"{code}: 已认可现状 accepted as it is now")


@structures.command("permit")
def permit(
    context: typer.Context,
    code: Code,
    reference: Reference,
    zone: ZoneId,
    begins: Annotated[datetime, typer.Option("--from", help="生效 From when on, local time.")],
    until: Annotated[datetime, typer.Option(help="失效 Until when, local time.")],
) -> None:
    """建设许可 For a while something may be built in a zone; what stands when it ends is accepted.

    Example: wangge camera permit gate-1 2026-117 --zone yard --from 2026-03-01 --until 2026-06-01
    """
    from models.structure import Permit

    given = Permit(zone, begins.timestamp(), until.timestamp(), reference)
    _change(context, code, lambda said: said.with_permit(given))
    typer.echo(f"{code}: 已登记许可 permit {reference} holds for {zone}")


@structures.command("withdraw-permit")
def withdraw_permit(context: typer.Context, code: Code, reference: Reference, zone: ZoneId) -> None:
    """撤销许可 A permit holds no longer.

    Example: wangge camera withdraw-permit gate-1 2026-117 --zone yard
    """
    _change(context, code, lambda said: said.without_permit(zone, reference))
    typer.echo(f"{code}: 已撤销许可 permit {reference} holds no longer")


@structures.command("permits")
def permits(context: typer.Context, code: Code, as_json: Json = False) -> None:
    """许可清单 What may be built before a camera, and as of when its scene is accepted.

    Example: wangge camera permits gate-1
    """
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        said = registry.camera_named(code, SYSTEM).vision.structures
    if as_json:
        print_json(said.to_json())
        return
    accepted = "尚未认可 not accepted yet" if said.accepted_s is None else f"认可于 accepted {_moment(said.accepted_s)}"
    typer.echo(f"{code}: {accepted}")
    rows = [
        {"zone_id": p.zone_id, "reference": p.reference, "from": _moment(p.from_s), "until": _moment(p.until_s)}
        for p in said.permits
    ]
    print_rows(rows, as_json, "没有许可 no permits")


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="minutes")


def _change(context: typer.Context, code: str, change: "Callable[[Accepted], Accepted]") -> None:
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        point = registry.camera_named(code, SYSTEM)
        vision = replace(point.vision, structures=change(point.vision.structures))
        registry.change_camera(SYSTEM, point.id, {"vision": vision}, point.version)
