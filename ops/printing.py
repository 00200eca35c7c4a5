"""What the command line prints: sentences and tables for people, one JSON document for programs."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from models.errors import InvalidInput, WanggeError

if TYPE_CHECKING:
    from ops.findings import Finding

Json = Annotated[bool, typer.Option("--json", help="供程序读取 For programs: one JSON document on stdout.")]


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1))


def complain(error: WanggeError) -> None:
    faults = [str(fault) for fault in error.faults] if isinstance(error, InvalidInput) else []
    if "--json" in sys.argv and sys.argv[1] != "demo":  # the demo's is a file, for when all went well
        print_json({"error": error.code, "message": str(error), "faults": faults})
        return
    typer.secho(f"{error}", fg=typer.colors.RED, err=True)
    for fault in faults:
        typer.secho(f"  {fault}", fg=typer.colors.RED, err=True)


_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}
_LEVELS_ZH = {"ok": "正常", "warn": "注意", "fail": "故障"}
_CHECKS_ZH = {
    "anchor": "锚定目录",
    "api": "接口",
    "audit": "审计",
    "cameras": "摄像机",
    "cookies": "登录凭证",
    "data": "数据目录",
    "database": "数据库",
    "deliveries": "通知投递",
    "disk": "磁盘",
    "dispatcher": "调度进程",
    "ffmpeg": "视频工具",
    "figures": "指标",
    "key": "密钥",
    "model": "检测模型",
    "networks": "摄像机网段",
    "notifier": "通知进程",
    "passwords": "密码",
    "people": "人员",
    "port": "端口",
    "processes": "进程",
    "python": "运行环境",
    "ready": "就绪",
    "redis": "消息队列",
    "tls": "证书",
    "vision": "视觉库",
}
"""What a finding is about, for people; programs read the English word."""


def print_findings(findings: "Sequence[Finding]", as_json: bool) -> None:
    """Prints them and ends the command: exit status 1 if one is a failure."""
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            level = finding.level.value
            typer.secho(f"{_LEVELS_ZH[level]} {level:4} ", fg=_COLOURS[level], nl=False)
            about = f"{_CHECKS_ZH[finding.check.partition(':')[0]]} {finding.check}"
            typer.echo(f"{about}{' ' * (30 - cell_len(about))} {finding.said}")
            if finding.fix:
                typer.echo(f"{'':40} → {finding.fix}")
    raise typer.Exit(1 if any(finding.level.value == "fail" for finding in findings) else 0)


def shown(value: float | None) -> str:
    """A measured number for a table; None is what could not be measured."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool, none: str) -> None:
    if as_json:
        print_json(rows)
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
