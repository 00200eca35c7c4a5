"""The commands for people and for the rota: directly on the ledger, as whoever owns the machine."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.printing import Json, print_json, print_rows
from ops.registry_commands import registry_of

user = typer.Typer(help="人员 People.", no_args_is_help=True)
duty = typer.Typer(help="排班 Who is on duty.", no_args_is_help=True)

Time = Annotated[
    str, typer.Option(help="如 such as 2026-11-22T08:00 (北京时间 China's time) or 2026-11-22T08:00+00:00.")
]


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


@user.command("change")
def user_change(
    context: typer.Context,
    username: Annotated[str, typer.Argument(help="登录名 The user name.")],
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="启用/停用 In use, or no longer.")] = None,
    organisation: Annotated[str | None, typer.Option(help="所属单位编码 The organisation's code;  for none.")] = None,
    skill: Annotated[list[str] | None, typer.Option(help="技能 A skill; given, they replace those there were.")] = None,
    as_json: Json = False,
) -> None:
    """变更人员 Change someone: organisation, skills, or no longer active (signed out at once).

    Example: wangge user change wang --organisation power-610902 --skill electrician
    """
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        person_id = registry.person_named(username).id
        person, in_hand = registry.change_person(
            SYSTEM, person_id, active=active, organisation=organisation, skills=skill
        )
    if as_json:
        print_json({"id": person.id, "active": person.active, "skills": person.skills, "open_cases": in_hand})
    else:
        typer.echo(f"已变更 changed {person.username}; 在手案件 cases in hand: {in_hand}")


@duty.command("add")
def duty_add(
    context: typer.Context,
    username: Annotated[str, typer.Argument(help="登录名 The user name.")],
    grid: Annotated[str, typer.Argument(help="网格编码 The grid's code.")],
    starts: Time,
    ends: Time,
    rank: Annotated[int, typer.Option(min=0, max=9, help="0 主岗 is asked first, 1 备岗 the backup.")] = 0,
    as_json: Json = False,
) -> None:
    """排班 Put someone on duty.

    Example: wangge duty add wang 610902001001 --starts 2026-11-22T08:00 --ends 2026-11-22T20:00
    """
    from alerts.grid_files import read_moment
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        person = registry.person_named(username)
        shift = registry.put_on_duty(SYSTEM, person.id, grid, read_moment(starts), read_moment(ends), rank)
    if as_json:
        print_json(vars(shift))
    else:
        typer.echo(f"已排班 {person.name} on duty in {grid}, {_shown(shift.starts_s)} – {_shown(shift.ends_s)}")


@duty.command("list")
def duty_list(
    context: typer.Context,
    grid: Annotated[str, typer.Argument(help="网格编码 The grid's code.")],
    at: Annotated[str | None, typer.Option(help="时间 At this time; default: now.")] = None,
    as_json: Json = False,
) -> None:
    """在岗 Who of a grid can be asked, and why the others cannot.

    Example: wangge duty list 610902001001 --at 2026-11-22T09:00
    """
    from alerts.grid_files import read_moment
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        able, missing = registry.roster(SYSTEM, grid, time.time() if at is None else read_moment(at))
    rows = [
        {
            "person": item.person_name,
            "rank": str(item.rank),
            "until": _shown(item.ends_s),
            "said": "在岗 on duty" + (" (代班 stands in)" if item.stands_in_for else ""),
        }
        for item in able
    ]
    rows += [
        {
            "person": item.person_name,
            "rank": "",
            "until": "" if item.until_s is None else _shown(item.until_s),
            "said": " / ".join(item.said()),
        }
        for item in missing
    ]
    print_rows(rows, as_json, f"网格 {grid} 没有人员 nobody works in grid {grid}")


@duty.command("import")
def duty_import(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV 或 xlsx: 登录名, 网格编码, 开始, 结束, 顺序 (username, grid, starts, ends).")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查 Check only, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """导入排班 Import a rota: the whole file, or nothing and every fault with its row.

    Example: wangge duty import 十一月排班.xlsx --dry-run
    """
    from alerts.spreadsheets import MOST_BYTES
    from models.people import SYSTEM
    from ops.entry import read_file

    data = read_file(file, MOST_BYTES)
    with registry_of(context.obj()) as registry:
        done = registry.import_rota(SYSTEM, data, dry_run=dry_run)
    if as_json:
        print_json({**vars(done), "dry_run": dry_run})
    else:
        what = "未写入 nothing written" if dry_run else "已导入 imported"
        typer.echo(f"{what}: {done.rows} shifts read ({done.encoding}), {done.new} new")


@duty.command("leave")
def duty_leave(
    context: typer.Context,
    username: Annotated[str, typer.Argument(help="登录名 The user name.")],
    starts: Time,
    ends: Time,
    reason: Annotated[str, typer.Option(help="事由 Why.")],
    stand_in: Annotated[str | None, typer.Option(help="代班人登录名 Who takes over the shifts.")] = None,
) -> None:
    """请假 Enter someone's leave; their shifts then are the stand-in's, or nobody's.

    Example: wangge duty leave wang --starts 2026-12-01 --ends 2026-12-03 --reason 年假 --stand-in li
    """
    from alerts.grid_files import read_moment
    from models.people import SYSTEM

    with registry_of(context.obj()) as registry:
        person = registry.person_named(username)
        other = registry.person_named(stand_in).id if stand_in else None
        registry.add_absence(SYSTEM, person.id, read_moment(starts), read_moment(ends), reason, other)
    typer.echo(f"已登记 {person.name} is away" + (f", {stand_in} stands in" if stand_in else ", nobody stands in"))


def _shown(seconds: float) -> str:
    """In this machine's time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M %z")
