"""Made footage of what is judged by pixels: things painted into real recordings, and cameras that go blind.

The recordings are for measuring only and looped back and forth; their own people and vehicles pass in front of what is
painted. What is painted is lit as the scene is: shaded by its brightness, softened, under the same noise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import Tiling
from detectors.detector import LOOK_SCORE, Eyes
from detectors.new_things import BODIES, NO_BODY
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

EVERY_S = 4.0
"""Keyframes of a camera are 1 to 4 s apart."""
WIDTH_PX = 640
MOST_FRAMES = 60
RECORDINGS: Mapping[str, tuple[str, Sequence[tuple[float, float]]]] = {
    "vtest": ("vtest.avi", ((0.02, 0.35), (0.98, 0.35), (0.98, 0.98), (0.02, 0.98))),
    "mall": ("mall/frames", ((0.1, 0.45), (0.9, 0.45), (0.98, 0.98), (0.02, 0.98))),
    "highway": ("roads/highway.avi", ((0.05, 0.5), (0.95, 0.5), (0.95, 0.98), (0.05, 0.98))),
    "road": ("roads/road.avi", ((0.02, 0.1), (0.98, 0.1), (0.98, 0.98), (0.02, 0.98))),
    "asphalt": ("intel/car-detection.mp4", ((0.02, 0.05), (0.98, 0.05), (0.98, 0.98), (0.02, 0.98))),
    "hall": ("intel/one-by-one-person-detection.mp4", ((0.02, 0.3), (0.98, 0.3), (0.98, 0.98), (0.02, 0.98))),
}
"""By name: where it is (below the data's folder; vtest where the demo keeps it), and the ground in it."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A recording: pictures of one fixed camera, what a detector sees in each, and the ground as picture fractions."""

    name: str
    pictures: tuple[Pixels, ...]
    seen: tuple[Detections, ...]
    polygon: tuple[tuple[float, float], ...]

    def at(self, look: int) -> tuple[Pixels, Detections]:
        """Back and forth, so that nothing jumps."""
        last = len(self.pictures) - 1
        place = look % (2 * last) if last else 0
        place = place if place <= last else 2 * last - place
        return self.pictures[place], self.seen[place]


def read_ground(name: str, path: Path, eyes: Eyes) -> Ground:
    """Raises InvalidInput for what holds no pictures."""
    pictures = tuple(_pictures(path))
    if not pictures:
        raise InvalidInput(f"{path} holds no pictures: see --data")
    seen = tuple(eyes.look(picture, Tiling(), LOOK_SCORE).detections for picture in pictures)
    return Ground(name, pictures, seen, tuple(RECORDINGS[name][1]))


def _pictures(path: Path) -> Iterator[Pixels]:
    if path.is_dir():
        found = [cv2.imread(str(each)) for each in sorted(path.glob("*.jpg"))[:MOST_FRAMES]]
        yield from (_sized(each) for each in found if each is not None)
        return
    film = cv2.VideoCapture(str(path))
    every = max(1, int(film.get(cv2.CAP_PROP_FRAME_COUNT)) // MOST_FRAMES)
    try:
        number = 0
        while number < every * MOST_FRAMES:
            whole, picture = film.read()
            if not whole:
                return
            if number % every == 0:
                yield _sized(picture)
            number += 1
    finally:
        film.release()


def _sized(picture: NDArray[Any]) -> Pixels:
    height_px = round(picture.shape[0] * WIDTH_PX / picture.shape[1])
    return np.ascontiguousarray(cv2.resize(picture, (WIDTH_PX, height_px), interpolation=cv2.INTER_AREA), np.uint8)


Sprite = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A thing: (h, w, 3) reflectance 0..1 and (h, w) how much of it covers, 0..1."""


def thing(seed: int, what: str, side_px: int) -> Sprite:
    """A bag, a heap of bags, a box, or a mattress that leans: texture and outline of its own."""
    rng = np.random.default_rng(seed)
    height_px = {"bag": side_px, "heap": round(side_px * 0.7), "box": round(side_px * 0.9), "mattress": side_px}[what]
    y, x = np.mgrid[0:height_px, 0:side_px].astype(np.float32)
    y, x = 2 * y / height_px - 1, 2 * x / side_px - 1
    colours = {
        "bag": [(0.05, 0.05, 0.05), (0.75, 0.75, 0.72), (0.2, 0.45, 0.75), (0.6, 0.25, 0.15)],
        "heap": [(0.08, 0.08, 0.08), (0.5, 0.5, 0.55), (0.3, 0.4, 0.5)],
        "box": [(0.3, 0.45, 0.62), (0.35, 0.5, 0.7)],
        "mattress": [(0.65, 0.7, 0.75), (0.6, 0.5, 0.55)],
    }[what]
    base = np.array(colours[int(rng.integers(len(colours)))], np.float32)
    coarse = rng.normal(0, 1, (max(3, height_px // 6), max(3, side_px // 6))).astype(np.float32)
    folds = cv2.resize(coarse, (side_px, height_px), interpolation=cv2.INTER_CUBIC)
    if what in ("bag", "heap"):
        angle = np.arctan2(y, x)
        wobble = 1 + 0.12 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.08 * np.sin(5 * angle + rng.uniform(0, 6))
        cover = (np.hypot(x, y) < 0.85 * wobble).astype(np.float32)
        shape = 0.75 + 0.3 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    else:
        cover = (np.maximum(np.abs(x), np.abs(y)) < 0.92).astype(np.float32)
        shape = np.where(x < rng.uniform(-0.3, 0.3), 0.7, 1.0)
    strength = 0.3 if what in ("bag", "heap") else 0.08
    paint = base * (shape * (1 + strength * folds))[..., None] + 0.03
    return np.clip(paint, 0.01, 1).astype(np.float32), cv2.blur(cover, (3, 3))


def put(picture: Pixels, sprite: Sprite, left: int, top: int, light: float) -> None:
    """Paints in place, with a soft shadow at its foot; ``light``: what white is here, 0..255."""
    paint, cover = sprite
    height_px, width_px = cover.shape
    shade_top, shade_bottom = top + round(0.8 * height_px), min(top + round(1.12 * height_px), picture.shape[0])
    shade = picture[shade_top:shade_bottom, left : left + round(1.1 * width_px)]
    shade[:] = (shade * 0.7).astype(np.uint8)
    part = picture[top : top + height_px, left : left + width_px]
    paint, cover = paint[: part.shape[0], : part.shape[1]], cover[: part.shape[0], : part.shape[1], None]
    part[:] = np.clip(part * (1 - cover) + paint * light * cover, 0, 255).astype(np.uint8)


def in_front(picture: Pixels, original: Pixels, seen: Detections) -> None:
    """Whoever is there walks in front of what is painted."""
    height_px, width_px = picture.shape[:2]
    for left, top, right, bottom in seen.of(BODIES, 0.3).boxes_px.clip(0).astype(int):
        if (right - left) * (bottom - top) < NO_BODY * height_px * width_px:
            picture[top:bottom, left:right] = original[top:bottom, left:right]


class Weather:
    """What a camera adds: light, shake, noise, and what compression leaves."""

    def __init__(self, seed: int, shake_px: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = np.rint(self._rng.normal(0, 2.5, (WIDTH_PX + 64, WIDTH_PX + 64, 3))).astype(np.int16)
        self._shake_px = shake_px

    def over(self, picture: Pixels, gain: float = 1.0) -> Pixels:
        if self._shake_px:
            dy, dx = self._rng.integers(-self._shake_px, self._shake_px + 1, 2)
            picture = np.roll(picture, (dy, dx), (0, 1))
        top, left = self._rng.integers(0, 64, 2)
        noise = self._noise[top : top + picture.shape[0], left : left + picture.shape[1]]
        grainy = cv2.add(cv2.convertScaleAbs(picture, alpha=gain), noise, dtype=cv2.CV_8U)
        sent = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
        return np.ascontiguousarray(cv2.imdecode(sent, cv2.IMREAD_COLOR), np.uint8)
