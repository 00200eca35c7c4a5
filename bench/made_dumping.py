"""Made scenes of left objects: what is to be told, and what must not be taken for it."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import cv2
import numpy as np

from bench.made_pictures import EVERY_S, Ground, Sprite, Weather, in_front, put, thing
from bench.made_scenes import Scene, Shown, camera, happening
from models.detections import Detections
from models.frame import Pixels
from ops.replay_truth import Truth

KIND = "dumping"
LENGTH_S, LEFT_S, TAKEN_S = 1200.0, 240.0, 840.0
"""A thing is put down and carried off again so long after the beginning."""
WATCHED = 0.09
"""Least side of a thing, of the zone's width: what is smaller is not claimed to be seen."""
THINGS = ("bag", "heap", "box", "mattress")

Paint = Callable[[Pixels, float, int], None]
"""Paints in place what the scene shows so many seconds after its beginning, and at its how manieth look."""


def left(ground: Ground, seed: int, what: str, share: float = WATCHED * 1.5) -> Scene:
    """Something is put down, stays for ten minutes, and is carried off."""
    place = _Place(ground, seed, what, share)

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if LEFT_S <= at_s < TAKEN_S:
            place.put(picture)

    truth = Truth(incidents=[happening(KIND, LEFT_S, TAKEN_S)], tolerance_s=30.0)
    return _scene(ground, seed, f"{what} left", paint, truth)


class _Place:
    """Where a thing lies in the ground's zone."""

    def __init__(self, ground: Ground, seed: int, what: str, share: float) -> None:
        rng = np.random.default_rng(seed)
        picture = ground.pictures[0]
        height_px, width_px = picture.shape[:2]
        (left_x, right_x), (top, bottom) = ((min(v), max(v)) for v in zip(*ground.polygon, strict=True))
        side_px = max(12, round(share * (right_x - left_x) * width_px))
        self.sprite: Sprite = thing(seed, what, side_px)
        self.left = round(width_px * rng.uniform(left_x + 0.15, right_x - 0.15 - share))
        self.top = round(height_px * rng.uniform(top + 0.1, bottom - 0.1) - 0.5 * side_px)
        self.top = min(max(self.top, 0), height_px - round(1.2 * side_px))
        around = picture[self.top : self.top + side_px, self.left : self.left + side_px]
        self.light = float(np.clip(2.2 * around.mean(), 80, 235))

    def put(self, picture: Pixels) -> None:
        put(picture, self.sprite, self.left, self.top, self.light)

    @property
    def box(self) -> tuple[float, float, float, float]:
        height_px, width_px = self.sprite[1].shape
        return self.left, self.top, self.left + width_px, self.top + height_px


def soon_gone(ground: Ground, seed: int) -> Scene:
    """Put down and picked up within three minutes: a worker's bag."""
    place = _Place(ground, seed, "bag", 0.12)

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if LEFT_S <= at_s < LEFT_S + 180:
            place.put(picture)

    return _scene(ground, seed, "soon gone", paint)


def taken(ground: Ground, seed: int) -> Scene:
    """What has always stood there is taken away."""
    place = _Place(ground, seed, "box", 0.14)

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if at_s < LEFT_S:
            place.put(picture)

    return _scene(ground, seed, "taken away", paint)


def light(ground: Ground, seed: int) -> Scene:
    """Clouds: the light drifts by a third each way, and twice it falls at once."""

    def gain(at_s: float) -> float:
        return (1 + 0.3 * math.sin(at_s / 150 + seed)) * (0.65 if 400 < at_s < 700 or at_s > 1000 else 1.0)

    return _scene(ground, seed, "clouds", gain=gain)


def shade(ground: Ground, seed: int, factor: float = 0.55, moved: float = 0.05) -> Scene:
    """A shadow (or, over 1, a patch of sun) with a hard edge comes, moves on slowly, and goes."""
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform((0.3, 0.55), (0.7, 0.8)), rng.uniform((0.08, 0.08), (0.2, 0.2))

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if not LEFT_S <= at_s < 1000:
            return
        height_px, width_px = picture.shape[:2]
        x, y = centre[0] + moved * (at_s - LEFT_S) / 760, centre[1]
        mask = np.zeros(picture.shape[:2], np.uint8)
        half = (int(size[0] * width_px), int(size[1] * height_px))
        cv2.ellipse(mask, (int(x * width_px), int(y * height_px)), half, 20.0, 0, 360, 255, -1)
        share = cv2.blur(mask, (5, 5))[..., None] / 255.0
        picture[:] = np.clip(picture * (1 + (factor - 1) * share), 0, 255).astype(np.uint8)

    return _scene(ground, seed, "shadow" if factor < 1 else "patch of sun", paint)


def door(ground: Ground, seed: int) -> Scene:
    """A door opens and shuts, every two minutes or so; later it stands open for seven minutes."""
    place = _Place(ground, seed, "box", 0.16)

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if at_s > 700 or (at_s > 120 and at_s % 130 < 40):
            if at_s > 1120:
                return
            place.put(picture)

    return _scene(ground, seed, "door", paint)


def sits(ground: Ground, seed: int, label: str = "person", rate: float = 0.7) -> Scene:
    """Somebody sits there for twelve minutes, or a vehicle parks; a detector sees it at ``rate`` of the looks."""
    place = _Place(ground, seed, "bag" if label == "person" else "box", 0.14 if label == "person" else 0.3)
    rng = np.random.default_rng(seed)
    missed = rng.random(round(LENGTH_S / EVERY_S) + 1) > rate

    def paint(picture: Pixels, at_s: float, _: int) -> None:
        if LEFT_S <= at_s < 960:
            place.put(picture)

    def also(seen: Detections, at_s: float, look: int) -> Detections:
        if not LEFT_S <= at_s < 960 or missed[look]:
            return seen
        names = (*seen.names, f"{label}") if label not in seen.names else seen.names
        box = np.array([place.box], np.float32) + rng.normal(0, 2, (1, 4)).astype(np.float32)
        return Detections(
            np.concatenate([seen.boxes_px, box]),
            np.append(seen.scores, np.float32(0.5)),
            np.append(seen.labels, np.int32(names.index(label))),
            names,
        )

    return _scene(ground, seed, "sits" if label == "person" else "parks", paint, also=also)


def shaken(ground: Ground, seed: int) -> Scene:
    """The mast shakes by two pixels."""
    return _scene(ground, seed, "shake", shake_px=2)


def quiet(ground: Ground, seed: int) -> Scene:
    """Nothing but what passes by in the recording itself."""
    return _scene(ground, seed, "as it is")


NUISANCES: Mapping[str, Callable[[Ground, int], Scene]] = {
    "soon gone": soon_gone,
    "taken away": taken,
    "clouds": light,
    "shadow": shade,
    "patch of sun": partial(shade, factor=1.6),
    "door": door,
    "sits": sits,
    "parks": partial(sits, label="car", rate=0.8),
    "shake": shaken,
    "as it is": quiet,
}


def _scene(
    ground: Ground,
    seed: int,
    name: str,
    paint: Paint | None = None,
    truth: Truth | None = None,
    *,
    gain: Callable[[float], float] | None = None,
    also: Callable[[Detections, float, int], Detections] | None = None,
    shake_px: int = 0,
) -> Scene:
    def looks() -> Iterator[Shown]:
        weather = Weather(seed, shake_px)
        for look in range(round(LENGTH_S / EVERY_S)):
            at_s = look * EVERY_S
            original, seen = ground.at(look + 7 * seed)
            picture = original.copy()
            if paint is not None:
                paint(picture, at_s, look)
                in_front(picture, original, seen)
            sent = weather.over(picture, 1.0 if gain is None else gain(at_s))
            found = seen if also is None else also(seen, at_s, look)
            yield Shown(at_s, found, sent.shape[1], sent.shape[0], sent)

    seen_by = camera(KIND, ground.polygon)
    return Scene(f"{name}, {ground.name} {seed}", KIND, seen_by, LENGTH_S, truth or Truth(), looks)
