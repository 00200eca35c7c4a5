"""The commands for models: which there are, whether one of your own fits, and what each costs."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from ops.printing import Json, print_findings, print_json, print_rows

model = typer.Typer(help="模型 Models: those that ship, and your own.", no_args_is_help=True)

Zoo = Annotated[Path | None, typer.Option("--zoo", help="模型清单 Another zoo.toml than the one in use (WANGGE_ZOO).")]


@model.command("list")
def model_list(context: typer.Context, zoo: Zoo = None, as_json: Json = False) -> None:
    """模型清单 Every model of the zoo with its card: licence, accuracy and on what, milliseconds and where.

    Examples: wangge model list; wangge model list --json
    """
    from detectors.zoo.manifest import read_zoo, to_json

    settings = context.obj()
    shown = [to_json(entry, settings.models) for entry in read_zoo(zoo or settings.zoo).values()]
    if as_json:
        print_json(shown)
        return
    for each in shown:
        typer.secho(each["name"], bold=True)
        for about, said in _card(each):
            typer.echo(f"  {about}{' ' * (22 - cell_len(about))}{said}")


def _card(shown: dict[str, Any]) -> list[tuple[str, str]]:
    card, unsaid = shown["card"], "未说明 not stated"
    ms = unsaid if card["ms"] is None else f"{card['ms']:g} ms"
    return [
        ("用作 used as", ", ".join(shown["used_as"]) or "未使用 not in use"),
        ("输出 gives", f"{shown['task']}, {len(shown['labels'])} labels, layout {shown['layout']}"),
        ("来源 origin", shown["origin"]),
        ("许可证 licence", shown["licence"]),
        ("精度 accuracy", f"{card['accuracy'] or unsaid} ({card['tested_on'] or unsaid})"),
        ("耗时 time", f"{ms} ({card['ms_on'] or unsaid})"),
        ("用途 use", card["use"] or unsaid),
        ("局限 limits", card["limits"] or unsaid),
    ]


@model.command("check")
def model_check(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="名称或文件 A name of the zoo, a zoo.toml, or an .onnx file.")],
    zoo: Zoo = None,
    picture: Annotated[
        Path | None, typer.Option(help="试看图片 Say what it sees in this picture (are colours in the right order?).")
    ] = None,
    as_json: Json = False,
) -> None:
    """检查模型 Load a model, run it, and say what is wrong with it; exit status 1 if it would be refused.

    Of a bare .onnx file: what it takes and gives, and how its entry in a zoo.toml may begin.

    Examples: wangge model check nanodet-g-416; wangge model check /srv/models/zoo.toml --picture street.jpg
    """
    from ops.model_trials import check, chosen, describe, read_picture

    if target.endswith(".onnx"):
        lines = describe(Path(target))
        if as_json:
            print_json({"file": target, "said": lines})
        else:
            typer.echo("\n".join(lines))
        return
    settings = context.obj()
    pixels = None if picture is None else read_picture(picture)
    entries = chosen(zoo or settings.zoo, target)
    print_findings([found for entry in entries for found in check(entry, settings.providers, pixels)], as_json)


@model.command("bench")
def model_bench(
    context: typer.Context,
    name: Annotated[list[str], typer.Argument(help="名称 One model, or several to be compared in turns.")],
    provider: Annotated[
        list[str] | None, typer.Option(help="运行设备 What to run on, such as cuda; default: WANGGE_PROVIDERS.")
    ] = None,
    tiles: Annotated[str, typer.Option(help="分块 Columns x rows of looks a picture.")] = "1x1",
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="次数 Looks per form.")] = 30,
    zoo: Zoo = None,
    as_json: Json = False,
) -> None:
    """模型测速 Milliseconds a picture (half and 99 of 100 take less), one thread, by size; several models in turns.

    Examples: wangge model bench nanodet-g-416; wangge model bench nanodet-g-416 mine --zoo /srv/zoo.toml --rounds 100
    """
    from detectors.boxes import Tiling
    from detectors.inference import lacking
    from models.settings import parse_providers
    from ops.model_trials import chosen, time_looks

    settings = context.obj()
    providers = parse_providers(",".join(provider)) if provider else settings.providers
    if missing := lacking(providers):
        typer.secho(missing, fg=typer.colors.YELLOW, err=True)
    entries = [entry for each in name for entry in chosen(zoo or settings.zoo, each)]
    timings = time_looks(entries, providers, Tiling.parse(tiles), rounds, time.perf_counter)
    print_rows([vars(timing) for timing in timings], as_json, "")
