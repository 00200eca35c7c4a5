"""Where the simulated cameras look: scenes of real fixed cameras, where the data is there, and scenes made by code.

Split once and for good, before any detector was written:

tuning   vtest, house6, car-detection, ShanghaiTech 1, 14, 24, 26; made scenes of its own
judging  mall, highway, road, ShanghaiTech 15, 20, 23; made scenes of its own
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, WIDTH_PX, Pose
from models.frame import Pixels

FOOTAGE_FRAMES = 40
"""Of a recording, spread over all of it: a look takes one of them, so that no two share their pixels."""
MOST_CUTOUTS = 60
_MOVES_GREY = 22
"""Difference to the median picture from which a pixel belongs to someone who passes."""
_HEAD_TO_FOOT_M = 1.7


class Split(StrEnum):
    TUNING = "tuning"
    JUDGING = "judging"


@dataclass(frozen=True)
class Shot:
    """How a scene is cut and what its ground is: ``cut`` is left, top, right, bottom in fractions of the source;
    ``top``: the fraction of the picture below which there is ground to build on; ``has_passers``: people or cars that
    pass may be cut from it."""

    name: str
    split: Split
    source: str
    pose: Pose
    cut: tuple[float, float, float, float] = (0.0, 0.125, 1.0, 0.875)
    top: float = 0.3
    indoor: bool = False
    has_passers: bool = False


_T, _J = Split.TUNING, Split.JUDGING
SHOTS = (
    Shot("vtest", _T, "vtest.avi", Pose(6.2, 20, 50), top=0.3, has_passers=True),
    Shot("house6", _T, "furg_fire/house6.mp4", Pose(4.6, 8, 50), (0.13, 0.4, 0.87, 0.98), 0.6),
    Shot("car-detection", _T, "intel/car-detection.mp4", Pose(8.0, 50, 62), (0.0, 0.0, 1.0, 1.0), 0.05),
    Shot("plaza-1", _T, "shanghaitech_B/images/IMG_1.jpg", Pose(3.3, 20, 58), top=0.3),
    Shot("plaza-14", _T, "shanghaitech_B/images/IMG_14.jpg", Pose(4.0, 21, 58), top=0.3),
    Shot("plaza-24", _T, "shanghaitech_B/images/IMG_24.jpg", Pose(3.6, 22, 58), (0.0, 0.25, 1.0, 1.0), 0.25),
    Shot("plaza-26", _T, "shanghaitech_B/images/IMG_26.jpg", Pose(3.6, 20, 58), (0.0, 0.2, 1.0, 0.95), 0.25),
    Shot("mall", _J, "mall/frames", Pose(5.5, 22, 58), (0.0, 0.2, 1.0, 0.95), 0.2, indoor=True, has_passers=True),
    Shot("highway", _J, "roads/highway.avi", Pose(8.0, 15, 48), (0.0, 0.2, 1.0, 0.95), 0.25, has_passers=True),
    Shot("road", _J, "roads/road.avi", Pose(7.0, 40, 58), (0.0, 0.0, 1.0, 1.0), 0.05),
    Shot("plaza-15", _J, "shanghaitech_B/images/IMG_15.jpg", Pose(4.2, 21, 58), top=0.25),
    Shot("plaza-20", _J, "shanghaitech_B/images/IMG_20.jpg", Pose(3.9, 20, 58), top=0.2),
    Shot("plaza-23", _J, "shanghaitech_B/images/IMG_23.jpg", Pose(3.9, 14, 58), top=0.42),
)


@dataclass(frozen=True, eq=False)
class Cutout:
    """Someone or something cut from a recording: ``bgr`` (h, w, 3) with ``alpha`` (h, w) uint8."""

    bgr: Pixels
    alpha: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Place:
    """A scene without its weather. ``frames`` are (360, 640, 3) uint8 of the same view; ``passing`` says for each where
    someone passes (255), who stays in front of whatever is put there; ``plate`` is the scene without them."""

    shot: Shot
    plate: Pixels
    frames: tuple[Pixels, ...]
    passing: tuple[NDArray[np.uint8], ...]
    cutouts: tuple[Cutout, ...]


def places(split: Split, data: Path | None, footage: Path | None) -> list[Shot]:
    """The shots of ``split`` whose sources are there; none without data."""
    return [shot for shot in SHOTS if shot.split is split and _source(shot, data, footage) is not None]


def load(shot: Shot, data: Path | None, footage: Path | None) -> Place:
    """Raises FileNotFoundError if the source of the shot has gone."""
    source = _source(shot, data, footage)
    if source is None:
        raise FileNotFoundError(shot.source)
    if source.suffix == ".jpg":
        return _from_still(shot, source)
    return _from_frames(shot, [_cut(shot, frame) for frame in _recorded(source)])


def made_place(split: Split, seed: int) -> Place:
    """A scene made by code: ground, a building's front, a lawn and a path, where there is no data."""
    chance = np.random.default_rng([seed, split is Split.JUDGING])
    plate = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    plate[:] = chance.uniform(95, 150, 3) * 0.3 + chance.uniform(70, 110)
    top = 0.34
    line = int(top * HEIGHT_PX)
    plate[:line] = chance.uniform(90, 170, 3)
    for left in range(10, WIDTH_PX, 64):
        plate[line // 4 : line // 2, left : left + 34] = chance.uniform(30, 70, 3)
    lawn = np.array(
        [[0, line], [WIDTH_PX * chance.uniform(0.3, 0.6), line], [WIDTH_PX * 0.2, HEIGHT_PX], [0, HEIGHT_PX]]
    )
    cv2.fillPoly(plate, [lawn.astype(np.int32)], (60.0, float(chance.uniform(95, 125)), 70.0))
    plate += 7 * rough(chance, (HEIGHT_PX, WIDTH_PX), (4, 9, 40))[:, :, None]
    made = np.clip(plate, 0, 255).astype(np.uint8)
    shot = Shot(f"made-{seed}", split, "", Pose(5.5, 20, 55), top=top)
    return Place(shot, made, (made,), (np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8),), ())


def rough(chance: np.random.Generator, shape: tuple[int, int], cells_px: Sequence[int]) -> NDArray[np.float32]:
    """(h, w) float32 noise of mean 0 and spread about 1, the sum of one layer for each cell size in pixels."""
    total = np.zeros(shape, np.float32)
    for cell in cells_px:
        small = chance.normal(0, 1, (shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
        total += cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / float(len(cells_px)) ** 0.5, np.float32)


def _source(shot: Shot, data: Path | None, footage: Path | None) -> Path | None:
    folder = footage if "/" not in shot.source else data
    path = None if folder is None else folder / shot.source
    return path if path is not None and path.exists() else None


def _recorded(source: Path) -> list[Pixels]:
    if source.is_dir():
        stills = sorted(source.glob("*.jpg"))
        chosen = stills[:: max(1, len(stills) // FOOTAGE_FRAMES)]
        return [np.asarray(frame, np.uint8) for path in chosen if (frame := cv2.imread(str(path))) is not None]
    capture = cv2.VideoCapture(str(source))
    step = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // FOOTAGE_FRAMES)
    frames: list[Pixels] = []
    number = 0
    while capture.grab():
        if number % step == 0:
            frames.append(np.asarray(capture.retrieve()[1], np.uint8))
        number += 1
    capture.release()
    return frames


def _cut(shot: Shot, bgr: Pixels) -> Pixels:
    height, width = bgr.shape[:2]
    left, top, right, bottom = shot.cut
    part = bgr[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    shrinks = part.shape[1] > WIDTH_PX
    return _bytes(cv2.resize(part, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def _from_frames(shot: Shot, frames: list[Pixels]) -> Place:
    plate = np.median(np.stack(frames), axis=0).astype(np.uint8)
    passing = []
    cutouts: list[Cutout] = []
    for frame in frames:
        moved = cv2.absdiff(frame, plate).max(axis=2) > _MOVES_GREY
        opened = cv2.morphologyEx(moved.astype(np.uint8) * 255, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 5), np.uint8))
        passing.append(_bytes(cv2.dilate(closed, np.ones((3, 3), np.uint8))))
        if shot.has_passers and len(cutouts) < MOST_CUTOUTS:
            cutouts += _cutouts(frame, passing[-1])
    return Place(shot, plate, tuple(frames), tuple(passing), tuple(cutouts))


def _cutouts(frame: Pixels, passing: NDArray[np.uint8]) -> list[Cutout]:
    """Those who stand alone and wholly in the picture."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(passing)
    found = []
    for left, top, width, height, area in stats[1:count].tolist():
        whole = left > 2 and top > 2 and left + width < WIDTH_PX - 2 and top + height < HEIGHT_PX - 2
        if whole and 24 <= height <= 140 and 10 <= width <= 140 and area > 0.45 * width * height:
            part = np.s_[top : top + height, left : left + width]
            found.append(Cutout(frame[part].copy(), passing[part].copy()))
    return found


def _from_still(shot: Shot, source: Path) -> Place:
    """People of a still would stand there for a month: ground of the other side is put over those whose heads are
    marked, and what is left is painted over."""
    bgr = cv2.imread(str(source))
    if bgr is None:
        raise FileNotFoundError(str(source))
    height, width = bgr.shape[:2]
    marked = json.loads((source.parent.parent / "heads.json").read_text())
    heads = np.array(marked[source.name]["heads_px"], np.float64).reshape(-1, 2) / (width, height)
    left, top, right, bottom = shot.cut
    heads = (heads - (left, top)) / (right - left, bottom - top) * (WIDTH_PX, HEIGHT_PX)
    people = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    for x, y in heads:
        tall = _stature_px(shot.pose, x, y)
        centre, axes = (int(x), int(y + 0.48 * tall)), (int(0.34 * tall) + 2, int(0.66 * tall) + 2)
        cv2.ellipse(people, centre, axes, 0, 0, 360, 255, -1)
    still = _cut(shot, _bytes(bgr))
    left_over = cv2.bitwise_and(people, people[:, ::-1])
    soft = cv2.blur(people, (9, 9))[:, :, None].astype(np.float32) / 255
    mixed = _bytes(still * (1 - soft) + still[:, ::-1] * soft)
    plate = _bytes(cv2.inpaint(mixed, left_over, 3, cv2.INPAINT_TELEA))
    return Place(shot, plate, (plate,), (np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8),), ())


def _stature_px(pose: Pose, x: float, head_y: float) -> float:
    """How tall someone is in the picture whose head is there."""
    best = 12.0
    for tall in range(12, 260, 4):
        foot = pose.on_ground(np.array([[x, head_y + tall]]))
        if not np.isfinite(foot).all():
            continue
        (_, head), _ = pose.project(np.array([[*foot[0], 0.0], [*foot[0], _HEAD_TO_FOOT_M]]))
        best = float(tall)
        if head[1] <= head_y + 2:
            continue
        break
    return best


def _bytes(image: object) -> NDArray[np.uint8]:
    return np.asarray(image, np.uint8)
