"""What the made structures and vehicles are covered with: textures by code, of other makes for tuning and for judging.

tuning   corrugated sheets, boards; plain white and blue box trucks; one-coloured tents; green nets
judging  bricks, sandwich panels, tarpaulins; lettered and striped trucks; striped tents; blue nets; heaps
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_places import Split, rough
from bench.structures_solids import Texture

PX_PER_M = 24
Colour = tuple[float, float, float]
"""BGR, 0..255."""

_Pattern = Callable[[np.random.Generator, NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


def _corrugated(chance: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    sheet = np.floor(x / 0.9)
    ribs = np.sin(x * 2 * np.pi / chance.uniform(0.15, 0.3))
    return np.asarray(ribs + 0.6 * np.sin(sheet * 12.9) + 0 * y, np.float32)


def _boards(chance: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    board = np.floor(x / chance.uniform(0.12, 0.25))
    return np.asarray(np.sin(board * 78.2) + 0.4 * np.sin(y * 3 + board) - 2.0 * (x * 6 % 1 < 0.08), np.float32)


def _bricks(_: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    row = np.floor(y / 0.12)
    column = np.floor(x / 0.25 + 0.5 * (row % 2))
    joint = (y / 0.12 % 1 < 0.18) | ((x / 0.25 + 0.5 * (row % 2)) % 1 < 0.1)
    return np.asarray(np.sin(row * 12.9 + column * 78.2) * 0.8 + 1.6 * joint, np.float32)


def _panels(chance: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    wide = chance.uniform(0.9, 1.2)
    seam = (x / wide % 1 < 0.05) | ((y + 0.2) % 1.4 < 0.05)
    return np.asarray(0.3 * np.sin(np.floor(x / wide) * 5.1) - 2.2 * seam, np.float32)


def _tarpaulin(chance: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    folds = np.sin(x * 4 + 3 * np.sin(y * 1.7 + chance.uniform(0, 6))) + 0.7 * np.sin(y * 2.3 + x)
    return np.asarray(folds, np.float32)


WALLS: dict[Split, tuple[_Pattern, ...]] = {
    Split.TUNING: (_corrugated, _boards),
    Split.JUDGING: (_bricks, _panels, _tarpaulin),
}


def wall(
    split: Split, chance: np.random.Generator, size_m: tuple[float, float], colour: Colour, depth: float
) -> Texture:
    """A wall of ``size_m`` (width, height). ``depth``: the spread of its pattern in grey levels."""
    patterns = WALLS[split]
    return covered(patterns[int(chance.integers(len(patterns)))], chance, size_m, colour, depth)


def covered(
    pattern: _Pattern, chance: np.random.Generator, size_m: tuple[float, float], colour: Colour, depth: float
) -> Texture:
    columns, rows = (max(6, int(side * PX_PER_M)) for side in size_m)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / PX_PER_M
    grey = depth * pattern(chance, x, y) + 0.6 * depth * rough(chance, (rows, columns), (5, 24))
    grey -= 1.2 * depth * np.clip(y / max(float(y[-1, 0]), 0.1) - 0.75, 0, 1) * 4 * chance.uniform(0, 1)
    return _solid(np.array(colour, np.float32) + (grey - grey.mean())[:, :, None])


def with_opening(texture: Texture, chance: np.random.Generator, dark: float = 0.4) -> Texture:
    """A door or a window in it, darker than the wall."""
    rows, columns = texture.shape[:2]
    wide, tall = max(2, int(columns * 0.18)), max(2, int(rows * 0.7))
    left = int(chance.uniform(0.1, 0.7) * columns)
    made = texture.copy()
    part = made[rows - tall : rows, left : left + wide, :3]
    part[:] = (part * dark).astype(np.uint8)
    return made


def net(split: Split, chance: np.random.Generator, size_m: tuple[float, float], colour: Colour) -> Texture:
    """A scaffold's side: poles and planks, with a net over part of it through which one sees."""
    columns, rows = (max(12, int(side * PX_PER_M)) for side in size_m)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / PX_PER_M
    texture = np.zeros((rows, columns, 4), np.uint8)
    tint = np.array((0.8, 1.15, 0.85) if split is Split.TUNING else (1.25, 0.95, 0.75))
    texture[:, :, :3] = np.clip(
        np.array(colour) * tint + 9 * rough(chance, (rows, columns), (4, 20))[:, :, None], 0, 255
    )
    texture[:, :, 3] = 150 if chance.random() < 0.7 else 0
    poles = (x % 1.8 < 0.14) | (y % 1.9 < 0.16)
    braces = np.abs((x % 1.8) - 1.8 * ((y % 1.9) / 1.9)) < 0.07
    texture[poles | braces] = [*(np.array(colour) * 0.55).astype(int).tolist(), 255]
    return texture


def truck_side(split: Split, chance: np.random.Generator, size_m: tuple[float, float], colour: Colour) -> Texture:
    """The side of a vehicle: body, wheels, and for judging letters or a stripe."""
    texture = covered(_panels, chance, size_m, colour, 3.0)
    rows, columns = texture.shape[:2]
    if split is Split.JUDGING and chance.random() < 0.7:
        shade = tuple(float(v) for v in chance.uniform(20, 230, 3))
        if chance.random() < 0.5:
            cv2.rectangle(texture, (0, int(rows * 0.45)), (columns, int(rows * 0.6)), (*shade, 255.0), -1)
        else:
            where = (columns // 8, int(rows * 0.55))
            cv2.putText(texture, "HUAYUN 58", where, cv2.FONT_HERSHEY_SIMPLEX, columns / 220, (*shade, 255.0), 3)
    texture[int(rows * 0.82) :, :, :3] = 35
    for share in (0.16, 0.8):
        cv2.circle(
            texture, (int(columns * share), int(rows * 0.86)), max(2, int(rows * 0.13)), (22.0, 22.0, 22.0, 255.0), -1
        )
    return texture


def cab_front(chance: np.random.Generator, size_m: tuple[float, float], colour: Colour) -> Texture:
    """A windscreen above, lamps below."""
    texture = covered(_panels, chance, size_m, colour, 2.0)
    rows, columns = texture.shape[:2]
    texture[rows // 6 : rows // 2, columns // 10 : -columns // 10, :3] = (70, 60, 50)
    texture[int(rows * 0.65) : int(rows * 0.75), columns // 10 : columns // 4, :3] = 225
    texture[int(rows * 0.65) : int(rows * 0.75), -columns // 4 : -columns // 10, :3] = 225
    texture[int(rows * 0.88) :, :, :3] = 30
    return texture


def canopy(split: Split, chance: np.random.Generator, size_m: tuple[float, float], colour: Colour) -> Texture:
    """A market tent's cloth; for judging striped."""
    texture = covered(_tarpaulin, chance, size_m, colour, 4.0)
    if split is Split.JUDGING:
        columns = texture.shape[1]
        for left in range(0, columns, max(4, columns // 7)):
            texture[:, left : left + max(2, columns // 14), :3] = 235
    return texture


def legs(size_m: tuple[float, float], under: float) -> Texture:
    """A tent's open side: two legs, and the goods under it up to the share ``under`` of its height."""
    columns, rows = (max(8, int(side * PX_PER_M)) for side in size_m)
    texture = np.zeros((rows, columns, 4), np.uint8)
    texture[:, :3] = texture[:, -3:] = (150, 150, 150, 255)
    texture[int(rows * (1 - under)) :] = (80, 95, 120, 255)
    return texture


def heap(chance: np.random.Generator, size_m: tuple[float, float], colour: Colour) -> Texture:
    """Sand, gravel or rubble."""
    columns, rows = (max(6, int(side * PX_PER_M)) for side in size_m)
    return _solid(np.array(colour, np.float32) + 14 * rough(chance, (rows, columns), (2, 4, 9))[:, :, None])


def _solid(bgr: NDArray[np.float32]) -> Texture:
    texture = np.full((*bgr.shape[:2], 4), 255, np.uint8)
    texture[:, :, :3] = np.clip(bgr, 8, 247)
    return texture
