"""Models tried out: whether one loads and runs and for what it is of use, and how long it takes a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.boxes import Tiling
from detectors.inference import lacking, signature
from detectors.masking import unmasked
from detectors.perception import ChangeFinder, CrowdCounter, Perception
from detectors.zoo.manifest import USES, Card, ZooEntry, read_entries, read_zoo
from detectors.zoo.outputs import Task
from ingest.render import open_photo
from models.errors import InvalidInput, ModelRefused, NotFound
from models.frame import Pixels
from ops.findings import Finding, fail, ok, warn

SIDES_PX = (256, 320, 416, 640)
"""What the longer side of a picture is scaled to in a benchmark, where the model takes any size."""
MADE_HEIGHT_PX, MADE_WIDTH_PX = 720, 1280
SEEN_SCORE = 0.35
MAX_PHOTO_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Timing:
    """Milliseconds a picture, everything from pixels to boxes included. ``side_px`` None: as the model says."""

    model: str
    provider: str
    side_px: int | None
    looks: int
    ms_p50: float
    ms_p99: float


def check(entry: ZooEntry, providers: Sequence[str], picture: Pixels | None) -> list[Finding]:
    """Loads it, runs it and says what is wrong, or what is not known of it."""
    about = f"model:{entry.name}"
    try:
        provider, seen = _tried(entry, providers, picture)
    except ModelRefused as error:
        return [fail(about, str(error), _fix(str(error)))]
    uses = [use for use, (task, label) in USES.items() if task is entry.task and label in (None, *entry.labels)]
    used = f"of use as {', '.join(uses)}" if uses else "of no use here: it has neither a label person nor a label face"
    found = [ok(about, f"loads and runs on {provider}, {len(entry.labels)} labels, layout {entry.layout}; {used}")]
    if seen is not None:
        found.append(ok(about, f"in the picture: {seen}"))
    if "detector" in uses and (bare := unmasked(entry.labels)):
        found.append(warn(about, bare, "take a detector that knows vehicles where plates may come into the picture"))
    unsaid = [name for name in Card.__dataclass_fields__ if getattr(entry.card, name) is None]
    if unsaid:
        fix = f"write what is known of it under [{entry.name}.card] in its zoo.toml"
        found.append(warn(about, f"its card does not say: {', '.join(unsaid)}", fix))
    if missing := lacking(providers):
        found.append(warn(about, missing, "install that package in place of onnxruntime, or change WANGGE_PROVIDERS"))
    return found


def describe(path: Path) -> list[str]:
    """What a bare model file takes and gives, and the lines that a zoo.toml would need for it. Raises ModelRefused."""
    digest, takes, gives = signature(path)
    lines = ["takes " + "; ".join(takes), "gives " + "; ".join(gives), "a zoo.toml beside it may begin:"]
    name = path.stem
    return [*lines, f"[{name}]", f'file = "{path.name}"', f'sha256 = "{digest}"', "layout = …", "labels = […]"]


def chosen(zoo_file: Path | None, target: str) -> list[ZooEntry]:
    """The entries that ``target`` names: one of the zoo's, or all of a zoo.toml of its own."""
    if target.endswith(".toml"):
        return [*read_entries(Path(target)).values()]
    zoo = read_zoo(zoo_file)
    if target not in zoo:
        raise NotFound(
            f"the zoo has no model {target!r}; it has: {', '.join(sorted(zoo))}; a file ends in .toml or .onnx"
        )
    return [zoo[target]]


def time_looks(
    entries: Sequence[ZooEntry], providers: Sequence[str], tiling: Tiling, rounds: int, clock_s: Callable[[], float]
) -> list[Timing]:
    """Each model's forms, timed in turns (A B A B …), so that what else the machine does hits all alike."""
    made = np.random.default_rng(0).integers(0, 256, (MADE_HEIGHT_PX, MADE_WIDTH_PX, 3), dtype=np.uint8)
    forms = [form for entry in entries for form in _forms(entry, providers, tiling)]
    taken_ms: list[list[float]] = [[] for _ in forms]
    for turn in range(rounds + 1):
        for (_, _, _, look), ms in zip(forms, taken_ms, strict=True):
            began_s = clock_s()
            look(made)
            if turn:  # the first one warms up
                ms.append((clock_s() - began_s) * 1000)
    return [
        Timing(name, provider, side, rounds, *(round(float(q), 1) for q in np.quantile(ms, (0.5, 0.99))))
        for (name, provider, side, _), ms in zip(forms, taken_ms, strict=True)
    ]


def read_picture(path: Path) -> Pixels:
    """Raises InvalidInput."""
    try:
        if path.stat().st_size > MAX_PHOTO_BYTES:
            raise InvalidInput(f"{path} has more than {MAX_PHOTO_BYTES} bytes: take a smaller picture")
        return open_photo(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


_Form = tuple[str, str, int | None, Callable[[Pixels], object]]
"""Model, provider, longer side, and what looks once at a picture."""


def _forms(entry: ZooEntry, providers: Sequence[str], tiling: Tiling) -> list[_Form]:
    if entry.task is Task.DENSITY:
        counter = CrowdCounter.load(entry, providers)
        return [(entry.name, counter.provider, None, counter.count)]
    if entry.task is Task.CHANGE:
        finder = ChangeFinder.load(entry, providers)
        return [(entry.name, finder.provider, None, lambda bgr: finder.compare(bgr, bgr))]
    eyes = Perception.load(entry, providers)
    step = entry.input.multiple_px
    sides = (None,) if eyes.is_fixed else (*(side for side in SIDES_PX if side % step == 0),)

    def looking(side_px: int | None) -> Callable[[Pixels], object]:
        tiles = Tiling(tiling.columns, tiling.rows, tiling.overlap, side_px)
        return lambda bgr: eyes.look(bgr, tiles, SEEN_SCORE)

    return [(entry.name, eyes.provider, side, looking(side)) for side in sides]


def _tried(entry: ZooEntry, providers: Sequence[str], picture: Pixels | None) -> tuple[str, str | None]:
    """What it runs on, and what it sees in the picture."""
    if entry.task is Task.DENSITY:
        counter = CrowdCounter.load(entry, providers)
        return counter.provider, None if picture is None else f"{counter.count(picture).total:.1f} persons"
    if entry.task is Task.CHANGE:
        finder = ChangeFinder.load(entry, providers)
        if picture is None:
            return finder.provider, None
        return finder.provider, f"at most {finder.compare(picture, picture).max():.2f} between it and itself"
    eyes = Perception.load(entry, providers)
    if picture is None:
        return eyes.provider, None
    seen = eyes.look(picture, Tiling(), SEEN_SCORE).detections
    counts = {seen.names[label]: int((seen.labels == label).sum()) for label in dict.fromkeys(seen.labels.tolist())}
    return eyes.provider, ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"


def _fix(said: str) -> str:
    if "sha256" in said:
        return "get the file again from where it came; if it is meant to be this one, put its hash into the zoo.toml"
    if "another file" in said:
        return "export it as one file (in onnx: save_as_external_data=False)"
    return (
        "compare the entry in the zoo.toml with how the model was exported; the head of the shipped one lists layouts"
    )
