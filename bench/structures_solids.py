"""Solids put into a picture in perspective: faces with textures, drawn far to near into a layer.

A layer is without light: each pixel carries which way its face looks, so that every look can shade it by its own sun.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, NEAREST_M, WIDTH_PX, Points, Pose
from models.frame import Pixels

Texture = NDArray[np.uint8]
"""(h, w, 4) uint8: BGR and how solid each pixel is."""


@dataclass(frozen=True, eq=False)
class Face:
    """``corners_m`` (4, 3): upper left, upper right, lower right, lower left as seen from where ``normal`` points.

    ``is_thin``: seen from both sides.
    """

    corners_m: Points
    texture: Texture
    is_thin: bool = False

    @cached_property
    def normal(self) -> Points:
        down, right = self.corners_m[3] - self.corners_m[0], self.corners_m[2] - self.corners_m[3]
        if np.linalg.norm(right) < 1e-6:
            right = self.corners_m[1] - self.corners_m[0]
        across = np.cross(down, right)
        return across / max(float(np.linalg.norm(across)), 1e-9)


@dataclass(frozen=True, eq=False)
class Layer:
    """``bgr`` (h, w, 3) uint8, already times ``alpha`` (h, w) uint8, and ``facing`` (h, w) uint8, an index into
    ``normals``; they cover the picture from ``left_px``, ``top_px`` on."""

    left_px: int
    top_px: int
    bgr: Pixels
    alpha: NDArray[np.uint8]
    facing: NDArray[np.uint8]
    normals: Points

    @property
    def part(self) -> tuple[slice, slice]:
        height, width = self.alpha.shape
        return slice(self.top_px, self.top_px + height), slice(self.left_px, self.left_px + width)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(360, 640): where it is solid for the most part."""
        whole = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
        whole[self.part] = self.alpha > 96
        return whole


def frustum(
    centre_m: tuple[float, float],
    z_m: tuple[float, float],
    sides_m: tuple[float, float],
    heading_deg: float,
    textures: Sequence[Texture],
    taper: tuple[float, float] = (1.0, 1.0),
    open_top: bool = False,
) -> list[Face]:
    """A box, or with ``taper`` (the top's share of length and width) a roof or a heap.

    ``textures``: front, right, back, left, top; fewer are repeated. ``open_top``: walls without a roof, seen from
    within as well.
    """
    base = footprint(centre_m, sides_m, heading_deg)
    cover = footprint(centre_m, (sides_m[0] * taper[0], sides_m[1] * taper[1]), heading_deg)
    low = np.c_[base, np.full(4, z_m[0])]
    high = np.c_[cover, np.full(4, z_m[1])]
    faces = []
    for number in range(4):
        after = (number + 1) % 4
        corners = np.array([high[number], high[after], low[after], low[number]])
        faces.append(Face(corners, textures[number % len(textures)], open_top))
    if not open_top and min(taper) > 0.02:
        faces.append(Face(high[[3, 2, 1, 0]], textures[-1]))
    return faces


def footprint(centre_m: tuple[float, float], sides_m: tuple[float, float], heading_deg: float) -> Points:
    """(4, 2) metres right and forward of a rectangle: near left, near right, far right, far left."""
    turn = math.radians(heading_deg)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    half = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    return np.array([np.array(centre_m) + a * sides_m[0] * along + b * sides_m[1] * across for a, b in half])


def upright(
    start_m: tuple[float, float], end_m: tuple[float, float], z_m: tuple[float, float], texture: Texture
) -> Face:
    """A thin wall between two places on the ground."""
    (x1, y1), (x2, y2) = start_m, end_m
    corners = [[x1, y1, z_m[1]], [x2, y2, z_m[1]], [x2, y2, z_m[0]], [x1, y1, z_m[0]]]
    return Face(np.array(corners, np.float64), texture, True)


def draw(pose: Pose, faces: Sequence[Face]) -> Layer | None:
    """The faces in the picture, or None where nothing of them is in it."""
    eye = np.array([0.0, 0.0, pose.height_m])
    seen = []
    for face in faces:
        pixels, depth = pose.project(face.corners_m)
        towards = float(np.dot(face.normal, eye - face.corners_m.mean(axis=0)))
        if depth.min() > NEAREST_M and (face.is_thin or towards > 0):
            seen.append((float(depth.max()), pixels.astype(np.float32), face, towards))
    if not seen:
        return None
    everything = np.concatenate([pixels for _, pixels, _, _ in seen])
    left, top = np.maximum(np.floor(everything.min(axis=0)).astype(int) - 1, 0).tolist()
    right, bottom = np.minimum(np.ceil(everything.max(axis=0)).astype(int) + 1, (WIDTH_PX, HEIGHT_PX)).tolist()
    if right - left < 2 or bottom - top < 2:
        return None
    layer = Layer(
        left,
        top,
        np.zeros((bottom - top, right - left, 3), np.uint8),
        np.zeros((bottom - top, right - left), np.uint8),
        np.zeros((bottom - top, right - left), np.uint8),
        np.array([face.normal if towards > 0 else -face.normal for _, _, face, towards in seen]),
    )
    for number in sorted(range(len(seen)), key=lambda number: -seen[number][0]):
        _, corners, face, _ = seen[number]
        _paint(layer, np.asarray(corners - (left, top), np.float32), face.texture, number)
    return layer


def _paint(layer: Layer, pixels: NDArray[np.float32], texture: Texture, number: int) -> None:
    height, width = layer.alpha.shape
    rows, columns = texture.shape[:2]
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    if cv2.contourArea(pixels) < 1.0:
        return
    shrunk = texture
    longest = float(np.ptp(pixels, axis=0).max())
    if longest * 2 < max(rows, columns):
        # Shrinking by more than half skips texels: a far fence would be made of dots.
        scale = longest * 1.5 / max(rows, columns)
        size = (max(2, round(columns * scale)), max(2, round(rows * scale)))
        shrunk = np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
        source = source * (size[0] / columns, size[1] / rows)
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), pixels)
    warped = cv2.warpPerspective(shrunk, matrix, (width, height), flags=cv2.INTER_LINEAR)
    solid = warped[:, :, 3:].astype(np.float32) / 255
    # The border of the warp is mixed with black: its colour counts as much as it is solid.
    colour = warped[:, :, :3] if texture[:, :, 3].min() == 255 else warped[:, :, :3] * solid
    layer.bgr[:] = (layer.bgr * (1 - solid) + colour).astype(np.uint8)
    layer.alpha[:] = (255 - (255 - layer.alpha) * (1 - solid[:, :, 0])).astype(np.uint8)
    layer.facing[warped[:, :, 3] > 127] = number


def cast(pose: Pose, faces: Sequence[Face], sun: Points, scale: float) -> list[NDArray[np.int32]]:
    """The shadows of the faces on the ground, as polygons in pixels of a picture ``scale`` times as large.

    ``sun``: the unit vector towards it; it must stand above the horizon.
    """
    found = []
    for face in faces:
        fallen = face.corners_m[:, :2] - sun[None, :2] * (face.corners_m[:, 2:] / sun[2])
        pixels, depth = pose.project(np.c_[fallen, np.zeros(4)])
        if depth.min() > NEAREST_M and np.abs(pixels).max() < 20 * WIDTH_PX:
            hull = cv2.convexHull((pixels * scale).astype(np.float32))
            found.append(np.round(hull).astype(np.int32))
    return found
