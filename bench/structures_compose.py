"""What stands before a simulated camera at a moment, put together from far to near; and who passes in front of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, WIDTH_PX, Points, Pose
from bench.structures_places import Cutout
from bench.structures_plan import Plan
from bench.structures_solids import Face, Layer, draw
from bench.structures_things import Thing
from models.frame import Pixels

_PERSON_M, _CAR_M = 1.7, 1.5
_KEPT = 48


@dataclass(frozen=True, eq=False)
class Composed:
    """All that stands there: ``bgr`` (360, 640, 3) float32 already times ``alpha`` (360, 640) float32 0..1; ``facing``
    (360, 640) an index into ``normals``, which is None where nothing stands; ``part`` is where something is."""

    bgr: NDArray[np.float32]
    alpha: NDArray[np.float32]
    facing: NDArray[np.uint8]
    normals: Points | None
    faces: tuple[Face, ...]
    part: tuple[slice, slice]

    @property
    def is_upright(self) -> NDArray[np.bool_]:
        """(360, 640): where a wall is, on which no snow lies."""
        if self.normals is None:
            return np.zeros(self.alpha.shape, bool)
        flat: NDArray[np.bool_] = self.normals[:, 2] < 0.6
        return flat[self.facing] & (self.alpha > 0.5)

    def over(self, frame: Pixels, passing: NDArray[np.uint8]) -> Pixels:
        """``frame`` with it, but behind whom ``passing`` (0 or 255) marks."""
        if self.normals is None:
            return frame
        behind = frame[self.part]
        free = 1 - passing[self.part].astype(np.float32) / 255
        alpha = (self.alpha[self.part] * free)[:, :, None]
        made = behind * (1 - alpha) + self.bgr[self.part] * free[:, :, None]
        frame[self.part] = np.clip(made, 0, 255).astype(np.uint8)
        return frame


class Composer:
    """Draws what stands at a time; what did not change since the last look is not drawn anew."""

    def __init__(self, pose: Pose, plan: Plan) -> None:
        self._pose, self._plan = pose, plan
        self._layers: dict[tuple[Thing, float], Layer | None] = {}
        self._last: tuple[tuple[tuple[Thing, float], ...], Composed] | None = None

    def at(self, at_s: float) -> Composed:
        standing = [(block, 1.0) for block in self._plan.blocks]
        standing += [(s.thing, grown) for s in self._plan.structures if (grown := s.grown(at_s)) > 0]
        standing += [(n.thing, 1.0) for n in self._plan.nuisances if n.stands(at_s)]
        key = tuple(sorted(standing, key=lambda item: (-np.hypot(*item[0].centre_m), item[0].base_m)))
        if self._last is None or self._last[0] != key:
            self._last = key, self._composed(key)
        return self._last[1]

    def _composed(self, standing: tuple[tuple[Thing, float], ...]) -> Composed:
        bgr = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
        alpha = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
        facing = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        normals: list[Points] = []
        count = 0
        for item in standing:
            layer = self._layer(item)
            if layer is None:
                continue
            solid = layer.alpha.astype(np.float32) / 255
            bgr[layer.part] = bgr[layer.part] * (1 - solid[:, :, None]) + layer.bgr
            alpha[layer.part] = 1 - (1 - alpha[layer.part]) * (1 - solid)
            facing[layer.part] = np.where(solid > 0.5, layer.facing + count, facing[layer.part])
            normals.append(layer.normals)
            count += len(layer.normals)
        faces = tuple(face for thing, grown in standing for face in thing.faces(grown))
        if not normals:
            return Composed(bgr, alpha, facing, None, faces, (slice(0, 0), slice(0, 0)))
        rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
        part = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        return Composed(bgr, alpha, facing, np.concatenate(normals), faces, part)

    def _layer(self, item: tuple[Thing, float]) -> Layer | None:
        if item not in self._layers:
            while len(self._layers) >= _KEPT:
                self._layers.pop(next(iter(self._layers)))
            self._layers[item] = draw(self._pose, item[0].faces(item[1]))
        return self._layers[item]


def with_cutouts(
    frame: Pixels, pose: Pose, cutouts: tuple[Cutout, ...], chance: np.random.Generator, busy: float
) -> Pixels:
    """People and cars that pass, each as tall as it would be where it goes; ``busy`` is how likely one more is."""
    while cutouts and chance.random() < busy:
        one = cutouts[int(chance.integers(len(cutouts)))]
        foot = chance.uniform((0, 0.25), (1, 1)) * (WIDTH_PX, HEIGHT_PX)
        ground = pose.on_ground(foot[None])[0]
        if not np.isfinite(ground).all() or np.hypot(*ground) > 60:
            continue
        is_car = one.bgr.shape[1] > 1.1 * one.bgr.shape[0]
        head = pose.project(np.array([[*ground, _CAR_M if is_car else _PERSON_M]]))[0][0]
        scale = (foot[1] - head[1]) / one.bgr.shape[0]
        if 0.15 < scale < 3:
            _paste(frame, one, foot, float(scale))
    return frame


def _paste(frame: Pixels, one: Cutout, foot: Points, scale: float) -> None:
    size = (max(2, int(one.bgr.shape[1] * scale)), max(3, int(one.bgr.shape[0] * scale)))
    bgr, alpha = cv2.resize(one.bgr, size), cv2.resize(one.alpha, size)
    left, top = int(foot[0]) - size[0] // 2, int(foot[1]) - size[1]
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + size[0], WIDTH_PX), min(top + size[1], HEIGHT_PX)
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    solid = alpha[part][:, :, None].astype(np.float32) / 255
    mixed = frame[y1:y2, x1:x2] * (1 - solid) + bgr[part] * solid
    frame[y1:y2, x1:x2] = mixed.astype(np.uint8)
