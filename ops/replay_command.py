"""`wangge replay`: recorded footage through the real pipeline, judged against the truth."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from models.errors import InvalidInput
from ops.printing import Json, print_json, print_rows

if TYPE_CHECKING:
    from ops.replay import Result

SAID_S = 3.0
_COLUMNS = ("rate", "kind", "incidents", "recall", "precision", "late s", "false", "at most")
"""Of a kind, as many as a terminal is wide; the report has them all."""


def _schema(wanted: bool) -> None:
    if wanted:
        from ops.replay_truth import EXAMPLE, Truth

        print_json(Truth.model_json_schema() | {"examples": [EXAMPLE]})
        raise typer.Exit


def replay(
    context: typer.Context,
    footage: Annotated[Path, typer.Argument(help="录像 A video file, or a folder of pictures.")],
    truth: Annotated[Path, typer.Option(help="真值文件 What happens in it (JSON, see --schema).")],
    camera: Annotated[
        Path | None, typer.Option(help="点位文件 Another set-up than the truth file's: zones, control points, vision.")
    ] = None,
    fps: Annotated[
        list[str] | None,
        typer.Option(help="帧率 keyframes, 5, 1, 0.5; may be given several times. [keyframes, 1, 0.5]"),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="报告 Write an HTML report with masked pictures here.")] = None,
    as_json: Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="格式 Print the truth file's JSON schema.")
    ] = False,
) -> None:
    """回放评测 Replay recorded footage through the real pipeline and judge it against the truth.

    Examples: wangge replay gate.mp4 --truth gate.json --report gate.html; wangge replay --schema
    """
    del schema  # answered before the command begins
    from ops.replay import judge_footage, open_pipeline
    from ops.replay_report import report_html
    from ops.replay_truth import camera_of, read_truth, read_view

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # stdout is for the answer
    if report and not report.absolute().parent.is_dir():
        raise InvalidInput(f"{report} cannot be written: there is no folder {report.parent}")
    known = read_truth(truth)
    point = camera_of(read_view(camera) if camera else known.camera)
    detector, eyes = open_pipeline(context.obj())
    result = judge_footage(footage, known, point, detector, eyes, fps or (), progress=progress())
    if report:
        try:
            report.write_text(report_html(result), encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{report} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)


def progress() -> Callable[[str, float], None]:
    """Says on stderr, every few seconds, how far the replay is."""
    said_s = time.monotonic()

    def tell(rate: str, share: float) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= SAID_S:
            said_s = time.monotonic()
            typer.echo(f"回放 replaying {rate}: {share:.0%}", err=True)

    return tell


def _print(result: "Result") -> None:
    """For people: what the gate let through beside what was found, then the kinds that there is something to say of."""
    from ops.replay_report import kind_row, summary_row

    for note in result.notes:
        typer.secho(note, fg=typer.colors.YELLOW, err=True)
    print_rows([summary_row(rated) for rated in result.rates], False, "")
    kinds = [
        {name: cell for name, cell in kind_row(rated, kind).items() if name in _COLUMNS}
        for rated in result.rates
        for kind in rated.score.kinds
        if kind.incidents or kind.false
    ]
    print_rows(kinds, False, "没有事件，也没有误报 no incidents in the truth, and no false alarms")
