"""The commands that ask why: of the camera worker that runs on this machine."""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import InvalidInput
from ops.printing import Json, print_json, print_rows
from ops.registry_commands import registry_of

if TYPE_CHECKING:
    from models.settings import Settings

hindsight = typer.Typer()
Code = Annotated[str, typer.Argument(help="摄像机编码 The camera's code.")]
Minutes = Annotated[int, typer.Option(min=1, max=60, help="往前多少分钟 How far back.")]


@hindsight.command("explain")
def explain(context: typer.Context, code: Code, minutes: Minutes = 60, as_json: Json = False) -> None:
    """为何告警、为何未告警 Why alerts came or did not come: what each rule said of late, with its numbers.

    Example: wangge camera explain gate-1 --minutes 10
    """
    from api.video import VideoDesk

    settings = context.obj()
    told = VideoDesk(settings.video_desk).explain(_camera_id(settings, code), time.time() - 60 * minutes)
    if as_json:
        print_json({"said": told.get("said")})
        return
    _print_said(told.get("said"), "这段时间没有画面可说明 nothing was looked at in that time")


@hindsight.command("confirm-view")
def confirm_view(
    context: typer.Context,
    code: Code,
    preset: Annotated[str | None, typer.Option(help="云台预置位 The preset that the camera stands at now.")] = None,
) -> None:
    """确认画面 The view as it is now is the one that its zones belong to: after a camera was moved, on purpose or not.

    Example: wangge camera confirm-view gate-1

    Example: wangge camera confirm-view square-ptz --preset gate
    """
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        point = registry.camera_named(code, SYSTEM)
        vision = point.vision.confirmed(preset, time.time())
        registry.change_camera(SYSTEM, point.id, {"vision": vision}, point.version)
    typer.echo(f"{code}: 已确认，防区恢复监视 confirmed; its zones are watched again")


@hindsight.command("dry-run")
def dry_run(
    context: typer.Context,
    code: Code,
    zones: Annotated[Path, typer.Option(help='防区文件 Zones as in `camera add --zones`: {"zones": [...]}.')],
    minutes: Minutes = 60,
    as_json: Json = False,
) -> None:
    """试运行 What these zones would have raised, from what the camera saw of late. Nothing is stored.

    Example: wangge camera dry-run gate-1 --zones draft.json --minutes 60
    """
    from alerts.camera_checks import check_zone
    from api.video import VideoDesk
    from models.camera import zone_to_json
    from models.people import SYSTEM
    from ops.entry import read_zones

    drafts, _ = read_zones(zones)
    if not drafts:
        raise InvalidInput(f"{zones} holds no zone to try")
    for zone in drafts:
        check_zone(zone)
    settings = context.obj()
    since_s = time.time() - 60 * minutes
    with registry_of(settings) as registry:
        camera_id = registry.camera_named(code, SYSTEM).id
        tried = [registry.zone_with_template(camera_id, zone, SYSTEM) for zone in drafts]
    desk = VideoDesk(settings.video_desk)
    found = {zone.id: desk.rehearse(camera_id, zone_to_json(zone), since_s) for zone in tried}
    if as_json:
        print_json({zone_id: {name: told.get(name) for name in _TOLD} for zone_id, told in found.items()})
        return
    for zone in drafts:
        _print_rehearsed(zone.name, found[zone.id])


@hindsight.command("verdicts")
def list_verdicts(
    context: typer.Context,
    camera: Annotated[str | None, typer.Option(help="摄像机编码 Of this camera alone.")] = None,
    kind: Annotated[str | None, typer.Option(help="类型 Of this kind of incident alone.")] = None,
    as_json: Json = False,
) -> None:
    """人工研判 What operators made of alerts, with the numbers that the rule saw: to set levels by.

    Example: wangge camera verdicts --camera gate-1 --kind crowding --json
    """
    from alerts.queries import every
    from alerts.verdicts import verdicts
    from models.people import SYSTEM
    from ops.registry_commands import ledger_of

    camera_id = None if camera is None else _camera_id(context.obj(), camera)
    with ledger_of(context.obj()) as engine:
        found = list(
            every(lambda after: verdicts(engine, SYSTEM, camera_id=camera_id, kind=kind, limit=500, after=after))
        )
    rows = [vars(each) for each in found]
    shown = ("kind", "zone_id", "judgement", "reason", "measure", "detected_reason")
    if not as_json:
        rows = [
            {"at": _clock(each.onset_s, "%m-%d %H:%M")} | {name: vars(each)[name] for name in shown} for each in found
        ]
    print_rows(rows, as_json, "还没有研判过的告警 no camera's alert has been judged yet")


_TOLD = ("from_s", "until_s", "looks", "raised", "said")


def _camera_id(settings: "Settings", code: str) -> str:
    from models.people import SYSTEM

    with registry_of(settings) as registry:
        return registry.camera_named(code, SYSTEM).id


def _print_rehearsed(name: str, told: Mapping[str, Any]) -> None:
    if told.get("from_s") is None:
        typer.echo(f"{name}: 还没有可复核的画面 nothing is remembered yet: try again in some minutes")
        return
    span = f"{_clock(told['from_s'])}–{_clock(told['until_s'])}"
    raised = told["raised"]
    typer.secho(f"{name}: {span}, {told['looks']} 次查看 looks, {len(raised)} 起告警 alerts", bold=True)
    for each in raised:
        begin = each["begin"]
        ended = "仍在持续 still on" if each["ended_s"] is None else f"→ {_clock(each['ended_s'])}"
        typer.secho(f"  {_clock(begin['onset_s'])} {ended}  {begin['kind']}: {begin['reason']}", fg=typer.colors.YELLOW)
    _print_said(told.get("said"), "")


def _print_said(said: Any, none: str) -> None:
    if not said:
        typer.echo(none)
        return
    for key, sayings in said.items():
        typer.secho(key, bold=True)
        for each in sayings:
            typer.echo(f"  {_clock(each['from_s'])}–{_clock(each['until_s'])} ×{each['times']}  {each['text']}")


def _clock(at_s: float, style: str = "%H:%M:%S") -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime(style)
