"""A street to draw on: a camera over a ground plane, and patterned faces put on the picture in perspective.

World axes in metres: x right, y away from the camera, z up; the camera stands at (0, 0, height) and looks along y,
tilted down. Pictures are drawn half again as large as the network sees them and made smaller at the end, which smooths
edges.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT_PX, WIDTH_PX = 192, 320
"""What the network is trained on."""
DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX = HEIGHT_PX * 3 // 2, WIDTH_PX * 3 // 2
NEAR_M = 0.5
PATTERN_PX = 128
PATTERN_PX_PER_M = 24.0
NOTHING, LASTING, PASSING = 0, 1, 2
"""What a pixel shows: the scene as it was, a structure under judgement, something that comes and goes."""

Rng = np.random.Generator
Pixels = NDArray[np.uint8]
Reals = NDArray[np.float32]
Vector = tuple[float, float, float]
UNIT = 85
Pattern = tuple[Pixels, ...]
"""Brightness, where UNIT is that of the plain colour: (128, 128) and three halvings of it. It repeats seamlessly."""


@dataclass(frozen=True)
class Pose:
    height_m: float
    tilt_rad: float
    focal_px: float
    horizon_px: float

    @classmethod
    def draw(cls, rng: Rng) -> "Pose":
        tilt = math.radians(rng.uniform(6, 42))
        focal = DRAWN_WIDTH_PX / 2 / math.tan(math.radians(rng.uniform(48, 92)) / 2)
        return cls(float(rng.uniform(3, 14)), tilt, focal, DRAWN_HEIGHT_PX / 2 - focal * math.tan(tilt))

    def to_camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) world to (n, 3): right, down, forward."""
        sine, cosine = math.sin(self.tilt_rad), math.cos(self.tilt_rad)
        x, y, z = points[:, 0], points[:, 1], points[:, 2] - self.height_m
        return np.stack([x, -y * sine - z * cosine, y * cosine - z * sine], axis=1)

    def ground(self, column_px: float, row_px: float) -> tuple[float, float]:
        """Where on the ground a pixel below the horizon looks: x, y in metres."""
        right, down = (column_px - DRAWN_WIDTH_PX / 2) / self.focal_px, (row_px - DRAWN_HEIGHT_PX / 2) / self.focal_px
        sine, cosine = math.sin(self.tilt_rad), math.cos(self.tilt_rad)
        reach = self.height_m / (down * cosine + sine)
        return right * reach, reach * (cosine - down * sine)


@dataclass(frozen=True)
class Light:
    """How a look is lit. ``sun`` points to it, length 1; strengths are shares of a white wall's brightness."""

    sun: Vector
    sun_strength: float
    ambient: Vector
    night: bool = False

    def shade(self, normal: Vector) -> Reals:
        facing = max(0.0, sum(a * b for a, b in zip(normal, self.sun, strict=True)))
        lit = facing * self.sun_strength * np.array((0.9, 1.0, 1.06), np.float32)
        return np.asarray(np.array(self.ambient, np.float32) * (0.8 + 0.2 * normal[2]) + lit, np.float32)


@dataclass(eq=False)
class Canvas:
    """One look being drawn, nearest things last."""

    pose: Pose
    light: Light
    bgr: Pixels = field(default_factory=lambda: np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX, 3), np.uint8))
    shows: Pixels = field(default_factory=lambda: np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), np.uint8))
    level: Pixels = field(default_factory=lambda: np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), np.uint8))
    """1 where a surface faces up, and snow would lie."""
    far_m: Reals = field(default_factory=lambda: np.full((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), 400, np.float32))

    def face(
        self,
        corner: Vector,
        along: Vector,
        up: Vector,
        paint: tuple[Pattern, Vector],
        shows: int = NOTHING,
        *,
        sheer: bool = False,
    ) -> None:
        """A parallelogram from ``corner``. ``sheer``: only where the pattern is bright, as netting does."""
        origin, one, two = (np.array(v, np.float64) for v in (corner, along, up))
        outline = self._outline(np.stack([origin, origin + one, origin + one + two, origin + two]))
        if outline is None:
            return
        left, top, right, bottom = _bounds(outline)
        if right - left < 1 or bottom - top < 1:
            return
        normal = np.cross(one, two)
        normal /= np.linalg.norm(normal) + 1e-9
        middle = origin + (one + two) / 2
        if normal @ (np.array([0, 0, self.pose.height_m]) - middle) < 0:
            normal = -normal
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [np.round(outline - [left, top]).astype(np.int32)], 1)
        far = float(max(NEAR_M, self.pose.to_camera(middle[None])[0, 2]))
        plane, pixels = (origin, one, two), (left, top, right, bottom)
        shade = self.light.shade((float(normal[0]), float(normal[1]), float(normal[2])))
        image = cv2.LUT(cv2.merge([self._painted(paint[0], plane, pixels, far)] * 3), _tones(paint[1], shade))
        if sheer:
            mask &= (self._painted(paint[0], plane, pixels, far) > UNIT).astype(np.uint8)
        view = np.s_[top:bottom, left:right]
        cv2.copyTo(image, mask, self.bgr[view])
        inside = mask > 0
        self.shows[view][inside] = shows
        self.level[view][inside] = int(abs(normal[2]) > 0.6)
        if far < 300 and not (normal[2] > 0.99 and origin[2] < 0.05):
            self.far_m[view][inside] = far

    def ground_polygon(self, points: Sequence[tuple[float, float]], dim: float) -> None:
        """Darkens what lies on the ground there, as a shadow does. Drawn before anything stands."""
        outline = self._outline(np.array([(x, y, 0.0) for x, y in points]))
        if outline is None:
            return
        left, top, right, bottom = _bounds(outline)
        if right - left < 1 or bottom - top < 1:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [np.round(outline - [left, top]).astype(np.int32)], 1)
        view = self.bgr[top:bottom, left:right]
        view[mask > 0] = (view[mask > 0] * dim).astype(np.uint8)

    def ellipse(
        self, centre: Vector, radii_m: tuple[float, float], paint: tuple[Pattern, Vector], shows: int = NOTHING
    ) -> None:
        """An upright round thing that faces the camera, such as a crown of leaves or a head."""
        right, down, forward = self.pose.to_camera(np.array([centre]))[0]
        if forward < NEAR_M:
            return
        scale = self.pose.focal_px / forward
        column, row = right * scale + DRAWN_WIDTH_PX / 2, down * scale + DRAWN_HEIGHT_PX / 2
        radii = np.maximum(1, np.array(radii_m) * scale)
        left, top = np.clip(np.floor([column - radii[0], row - radii[1]]), 0, [DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX])
        end = np.clip(np.ceil([column + radii[0], row + radii[1]]), 0, [DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX])
        if end[0] - left < 1 or end[1] - top < 1:
            return
        rows, columns = np.mgrid[int(top) : int(end[1]), int(left) : int(end[0])]
        pattern = paint[0][min(3, max(0, round(math.log2(max(1.0, 30 / scale)))))]
        side = len(pattern)
        value = pattern[(rows * side // 40 + int(centre[0] * 50)) % side, (columns * side // 40) % side] / UNIT
        round_px = ((columns - column) / radii[0]) ** 2 + ((rows - row) / radii[1]) ** 2
        inside = round_px + 0.7 * (value - 1) < 1  # the pattern frays the outline, as leaves do
        lit = 0.75 + 0.35 * self.light.sun_strength * (row - rows) / radii[1]
        shade = self.light.shade((0.3, -0.3, 0.9))
        colour = np.clip((value * lit)[..., None] * (np.array(paint[1]) * shade), 0, 255).astype(np.uint8)
        view = np.s_[int(top) : int(end[1]), int(left) : int(end[0])]
        self.bgr[view][inside] = colour[inside]
        self.shows[view][inside] = shows
        self.level[view][inside] = 0
        self.far_m[view][inside] = forward

    def _outline(self, points: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The polygon in pixels, cut off where it would come behind the camera; None where nothing is left."""
        camera = self.pose.to_camera(points)
        kept: list[NDArray[np.float64]] = []
        for here, there in zip(camera, np.roll(camera, -1, axis=0), strict=True):
            if here[2] >= NEAR_M:
                kept.append(here)
            if (here[2] >= NEAR_M) != (there[2] >= NEAR_M):
                kept.append(here + (there - here) * (NEAR_M - here[2]) / (there[2] - here[2]))
        if len(kept) < 3:
            return None
        cut = np.array(kept)
        middle = (DRAWN_WIDTH_PX / 2, DRAWN_HEIGHT_PX / 2)
        return np.clip(cut[:, :2] / cut[:, 2:] * self.pose.focal_px + middle, -20_000, 20_000)

    def _painted(
        self,
        patterns: Pattern,
        plane: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        box: tuple[int, int, int, int],
        far_m: float,
    ) -> Pixels:
        """The pattern as it looks on the plane, for the box of pixels. The farther, the smoother the pattern."""
        origin, one, two = plane
        step = math.log2(max(1.0, far_m / self.pose.focal_px * PATTERN_PX_PER_M))
        pattern = patterns[min(len(patterns) - 1, round(step))]
        per_m = PATTERN_PX_PER_M * len(pattern) / PATTERN_PX
        one, two = one / (np.linalg.norm(one) + 1e-9) / per_m, two / (np.linalg.norm(two) + 1e-9) / per_m
        lens = np.array([0, 0, self.pose.height_m])  # directions have no place: as seen from where the camera is
        base = self.pose.to_camera(np.stack([origin, one + lens, two + lens]))
        base[:, 0] = base[:, 0] * self.pose.focal_px + (DRAWN_WIDTH_PX / 2 - box[0]) * base[:, 2]
        base[:, 1] = base[:, 1] * self.pose.focal_px + (DRAWN_HEIGHT_PX / 2 - box[1]) * base[:, 2]
        # The inverse of a homography, but for a scale that does not matter, is its adjugate: no division by nothing.
        back = np.stack([_cross(base[2], base[0]), _cross(base[0], base[1]), _cross(base[1], base[2])])
        size = (box[2] - box[0], box[3] - box[1])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpPerspective(pattern, back, size, flags=flags, borderMode=cv2.BORDER_WRAP), np.uint8)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """np.cross without its bookkeeping, which costs more than the product."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _tones(paint: Vector, shade: Reals) -> Pixels:
    """(1, 256, 3): the colour of each brightness of a pattern."""
    steps = np.arange(256, dtype=np.float32)[:, None] / UNIT
    return np.clip(steps * (np.array(paint, np.float32) * shade), 0, 255).astype(np.uint8)[None]


def _bounds(outline: NDArray[np.float64]) -> tuple[int, int, int, int]:
    left, top = np.clip(np.floor(outline.min(axis=0)), 0, [DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX]).astype(int)
    right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, [DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX]).astype(int)
    return int(left), int(top), int(right), int(bottom)
