"""Everything that can stand in a street: how large it is, what it is painted with, and how it is drawn."""

import math
from collections.abc import Mapping

from bench import train_passers, train_structures
from bench.train_patterns import Patterns, colour
from bench.train_street import Canvas, Rng, Vector
from bench.train_things import Thing


def draw(canvas: Canvas, thing: Thing, shows: int) -> None:
    """Every pixel of it is marked with ``shows``."""
    _ALL[thing.kind](canvas, thing, shows)


def invent(rng: Rng, patterns: Patterns, kind: str, place: tuple[float, float], near: Vector | None) -> Thing:
    """A thing of this kind with size, heading and paint drawn. ``near``: a colour that it may resemble."""
    low, high, walls = _SIZES[kind]
    width, depth, height = (float(rng.uniform(a, b)) for a, b in zip(low, high, strict=True))
    paints = []
    for kinds in (walls, ("plain", "corrugated", "planks"), ("plain", "patches")):
        pool = patterns[kinds[int(rng.integers(len(kinds)))]]
        paint = colour(rng, 0.9 if kind in ("container", "car", "tent", "truck") else 0.45)
        if near is not None:
            share = rng.uniform(0.25, 1)
            paint = _mixed(near, paint, float(share))
        paints.append((pool[int(rng.integers(len(pool)))], paint))
    heading = rng.uniform(-0.6, 0.6) if rng.random() < 0.7 else rng.uniform(-math.pi, math.pi)
    return Thing(
        kind,
        *place,
        0.0,
        float(heading),
        width,
        depth,
        height,
        (paints[0], paints[1], paints[2]),
        int(rng.integers(1 << 31)),
    )


def _mixed(one: Vector, other: Vector, share: float) -> Vector:
    blue, green, red = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return blue, green, red


_ALL = {**train_structures.DRAWN, **train_passers.DRAWN}

_SIZES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]] = {
    "shed": ((2.5, 2, 2), (8, 5, 3.4), ("brick", "planks", "corrugated", "plain", "patches")),
    "fence": ((4, 0.1, 1.3), (16, 0.2, 2.8), ("corrugated", "planks", "plain", "netting", "patches", "brick")),
    "roof": ((3, 2, 2), (9, 5, 3.2), ("brick", "corrugated", "plain", "planks")),
    "scaffold": ((4, 0.9, 4), (14, 1.5, 12), ("netting", "plain", "grass")),
    "container": ((5.5, 2.3, 2.4), (7, 2.5, 2.7), ("corrugated", "corrugated", "plain")),
    "canopy": ((3, 2.2, 2.4), (9, 5, 3.6), ("plain", "corrugated")),
    "car": ((3.8, 1.6, 1.4), (4.9, 1.9, 1.8), ("plain",)),
    "truck": ((5.5, 2, 2.6), (10, 2.5, 3.8), ("plain", "corrugated", "patches")),
    "tent": ((2.5, 2.5, 2.6), (5, 4, 3.6), ("plain", "planks")),
    "person": ((0.5, 0.3, 1.5), (0.6, 0.4, 1.85), ("plain", "patches")),
    "building": ((7, 6, 4), (26, 14, 26), ("windows", "windows", "brick", "plain", "paving")),
    "tree": ((1, 1, 3.5), (2, 2, 10), ("foliage",)),
    "flag": ((0.2, 0.1, 3), (0.3, 0.2, 6), ("plain", "patches")),
}
"""Least and greatest width, depth, height in metres, and what walls are painted with."""
