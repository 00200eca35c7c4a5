"""`wangge calibrate`: a camera's counts, fitted to a few frames that a person counted.

In two steps, with a person between them: frames are collected into a folder and counted there, then fitted.
"""

import csv
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import InvalidInput
from ops.printing import Json, print_json
from ops.registry_commands import registry_of

if TYPE_CHECKING:
    from detectors.calibration import Sample
    from models.counting import Counting
    from models.settings import Settings

COUNTS, SAMPLES = "counts.csv", "samples.json"
MOST_BYTES = 5_000_000
MOST_PICTURES = 200
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def calibrate(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="摄像机编码 The camera's code.")],
    collect: Annotated[
        Path | None, typer.Option(help="采集 Take frames of the running camera into this folder, to be counted.")
    ] = None,
    frames: Annotated[int, typer.Option(min=5, max=100, help="采集帧数 How many to collect.")] = 12,
    every_s: Annotated[float, typer.Option(min=0.1, max=3600, help="间隔(秒) Seconds between them.")] = 60.0,
    counts: Annotated[
        Path | None, typer.Option(help="计数文件 Fit to this table of file,persons (CSV, or JSON {file: persons}).")
    ] = None,
    footage: Annotated[
        Path | None, typer.Option(help="图片文件夹 The counted frames, where they are your own and not collected ones.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只试算 Say what would come of it; store nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """标定人数 Calibrate how a camera counts persons, by 10 or so frames that a person counted.

    Examples: wangge calibrate gate-1 --collect frames --every-s 300; then count everybody in each picture, fill in
    frames/counts.csv, and: wangge calibrate gate-1 --counts frames/counts.csv
    """
    settings = context.obj()
    if collect is not None and counts is None:
        _collect(settings, code, collect, frames, every_s, as_json)
    elif counts is not None and collect is None:
        told = read_counts(counts)
        samples = look_at(footage, told, settings) if footage else read_samples(counts.parent / SAMPLES)
        _store(settings, code, samples, told, dry_run, as_json)
    else:
        raise InvalidInput("say --collect FOLDER to take frames, or --counts FILE to fit to frames that are counted")


def read_counts(path: Path) -> dict[str, int]:
    """Persons by file name; rows whose persons are still empty are left out. Raises InvalidInput, TooLarge."""
    from ops.entry import read_file

    data = read_file(path, MOST_BYTES)
    try:
        text = data.decode("utf-8-sig")
        pairs = _json_pairs(text) if path.suffix.lower() == ".json" else _csv_pairs(text)
    except (ValueError, RecursionError, csv.Error):
        raise InvalidInput(f"{path} is no table of file,persons, nor a JSON object {{file: persons}}") from None
    told: dict[str, int] = {}
    for name, persons in pairs:
        if name in told:
            raise InvalidInput(f"{path}: {name} is counted twice")
        said = str(persons).strip()
        if not (said.isascii() and said.isdigit() and len(said) < 10):
            raise InvalidInput(f"{path}: {name}: {said[:40]!r} is no count of persons")
        told[name] = int(said)
    return told


def _csv_pairs(text: str) -> list[tuple[str, Any]]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row and any(cell.strip() for cell in row)]
    if not rows or [cell.strip() for cell in rows[0][:2]] != ["file", "persons"]:
        raise ValueError
    return [(row[0].strip(), row[1]) for row in rows[1:] if len(row) > 1 and row[1].strip()]


def _json_pairs(text: str) -> list[tuple[str, Any]]:
    pairs = json.loads(text, object_pairs_hook=list)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise ValueError
    return [(str(name), persons) for name, persons in pairs]


def read_samples(path: Path) -> "dict[str, Sample]":
    """What was seen in the frames that ``_collect`` took. Raises InvalidInput, TooLarge."""
    from detectors.calibration import sample_from_json
    from ops.entry import read_file

    if not path.exists():
        raise InvalidInput(f"{path} is not there: give the counts.csv of collected frames, or --footage FOLDER")
    try:
        document = json.loads(read_file(path, MOST_BYTES))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidInput(f"{path} is damaged: collect the frames anew")
    return {name: sample_from_json(sample) for name, sample in document.items()}


def look_at(folder: Path, told: Mapping[str, int], settings: "Settings") -> "dict[str, Sample]":
    """What the model sees in each counted picture of a folder. Raises InvalidInput, ModelRefused, TooLarge."""
    from ingest.images import MAX_BYTES, check_picture
    from ingest.render import open_photo
    from ops.entry import read_file
    from ops.replay import open_pipeline

    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder of pictures")
    if len(told) > MOST_PICTURES:
        raise InvalidInput(f"{len(told)} pictures are counted; {MOST_PICTURES} are enough")
    _, eyes = open_pipeline(settings)
    samples = {}
    for name in told:
        path = folder / name
        if path.resolve().parent != folder.resolve() or path.suffix.lower() not in _PICTURES:
            raise InvalidInput(f"{name} is no JPEG, PNG or WebP file of {folder}")
        data = read_file(path, MAX_BYTES)
        check_picture(data)
        samples[name] = eyes.sample(open_photo(data))
    return samples


def _collect(settings: "Settings", code: str, folder: Path, frames: int, every_s: float, as_json: bool) -> None:
    from api.video import VideoDesk
    from models.people import SYSTEM

    with registry_of(settings) as registry:
        camera_id = registry.camera_named(code, SYSTEM).id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InvalidInput(f"{folder} is not empty: name a new folder, so that no count meets another's frame")
        desk = VideoDesk(settings.video_desk)
        take_frames(lambda: _sampled(desk, camera_id), folder, frames, every_s, time.sleep)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"folder": str(folder), "frames": frames, "counts": str(folder / COUNTS)})
        return
    table = folder / COUNTS
    typer.echo(f"请数出每张图片中的全部人数，填入 {table} / count everybody in each picture into {table}, then:")
    typer.echo(f"  wangge calibrate {code} --counts {table}")


def _sampled(desk: Any, camera_id: str) -> tuple[bytes, Any]:
    answer = desk.sample(camera_id)
    return answer.data, answer.facts.get("sample")


def take_frames(
    sampled: Callable[[], tuple[bytes, Any]], folder: Path, frames: int, every_s: float, wait: Callable[[float], None]
) -> None:
    """Masked pictures, what the model saw in each, and a table to be filled in. Raises OSError."""
    from detectors.calibration import sample_from_json

    samples = {}
    for number in range(1, frames + 1):
        picture, told = sampled()
        name = f"{number:03}.jpg"
        samples[name] = sample_from_json(told).to_json()
        (folder / name).write_bytes(picture)
        (folder / SAMPLES).write_text(json.dumps(samples))
        (folder / COUNTS).write_text("file,persons\n" + "".join(f"{each},\n" for each in samples))
        typer.echo(f"{number}/{frames}  {folder / name}", err=True)
        if number < frames:
            wait(every_s)


def _store(
    settings: "Settings",
    code: str,
    samples: "Mapping[str, Sample]",
    told: Mapping[str, int],
    dry_run: bool,
    as_json: bool,
) -> None:
    from detectors.calibration import fit
    from models.people import SYSTEM

    fitted = fit(samples, told)
    if not dry_run:
        with registry_of(settings) as registry:
            point = registry.camera_named(code, SYSTEM)
            vision = replace(point.vision, counting=fitted)
            registry.change_camera(SYSTEM, point.id, {"vision": vision}, point.version)
    if as_json:
        print_json(fitted.to_json() | {"stored": not dry_run})
    else:
        _print_fitted(fitted, dry_run)


def _print_fitted(fitted: "Counting", dry_run: bool) -> None:
    off, before = f"{fitted.mae_persons:.1f}", f"{fitted.plain_mae_persons:.1f}"
    typer.echo(f"按 {fitted.frames} 帧标定：平均误差 {off} 人（逐帧留一），未标定时 {before} 人")
    typer.echo(f"by {fitted.frames} frames: off by {off} persons on a frame left out of the fit, {before} without it")
    if dry_run:
        typer.echo("只试算，未保存 dry run: nothing is stored")
