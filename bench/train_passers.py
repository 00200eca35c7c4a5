"""What was there before or goes again: vehicles, tents, people, houses, trees and flags."""

from collections.abc import Callable, Mapping

import numpy as np

from bench.train_street import Canvas
from bench.train_things import Thing, box, minus, posts, step


def _wheels(canvas: Canvas, thing: Thing, shows: int, radius: float) -> None:
    black = (thing.paints[2][0], (28.0, 28.0, 28.0))
    for across in (-0.34 * thing.width_m, 0.3 * thing.width_m):
        for deep in (-0.02, thing.depth_m):
            part = (across - radius, across + radius, deep, deep + 0.02, 0, 2 * radius)
            box(canvas, thing, shows, part, (black, black))


def _car(canvas: Canvas, thing: Thing, shows: int) -> None:
    half, paint = thing.width_m / 2, thing.paints[0]
    glass = (thing.paints[2][0], (70.0, 62.0, 55.0))
    low, middle = 0.3, thing.height_m * 0.58
    box(canvas, thing, shows, (-half, half, 0, thing.depth_m, low, middle), (paint, paint))
    cabin = (-half * 0.55, half * 0.7, 0.1, thing.depth_m - 0.1, middle, thing.height_m)
    box(canvas, thing, shows, cabin, (glass, paint))
    _wheels(canvas, thing, shows, 0.3)


def _truck(canvas: Canvas, thing: Thing, shows: int) -> None:
    half = thing.width_m / 2
    cab, glass = thing.paints[1], (thing.paints[2][0], (60.0, 55.0, 50.0))
    _wheels(canvas, thing, shows, 0.45)
    load = (-half, half * 0.55, 0, thing.depth_m, 0.8, thing.height_m)
    front = (half * 0.58, half, 0.05, thing.depth_m - 0.05, 0.4, thing.height_m * 0.75)
    pane = (half * 0.7, half + 0.02, 0.0, thing.depth_m, thing.height_m * 0.5, thing.height_m * 0.7)
    for part, paints in ((load, (thing.paints[0],) * 2), (front, (cab, cab)), (pane, (glass, glass))):
        box(canvas, thing, shows, part, (paints[0], paints[1]))


def _tent(canvas: Canvas, thing: Thing, shows: int) -> None:
    """A market tent: legs, a valance, four slopes that meet in a point (drawn as two)."""
    posts(canvas, thing, shows, thing.height_m * 0.7)
    half, eave, top = thing.width_m / 2, thing.height_m * 0.7, thing.paints[0]
    peak = thing.at(-half * 0.35, thing.depth_m / 2, thing.height_m)
    for deep in (thing.depth_m, 0.0):
        edge = thing.at(-half, deep, eave)
        canvas.face(edge, step(thing, thing.width_m), minus(peak, edge), top, shows)
    canvas.face(thing.at(-half, 0, eave - 0.25), step(thing, thing.width_m), (0, 0, 0.25), thing.paints[1], shows)
    if thing.seed % 3:
        table = (-half * 0.8, half * 0.8, 0.2, thing.depth_m * 0.5, 0, 0.8)
        box(canvas, thing, shows, table, (thing.paints[2], thing.paints[2]))


def _person(canvas: Canvas, thing: Thing, shows: int) -> None:
    height = thing.height_m
    legs, coat, skin = thing.paints[1], thing.paints[0], (thing.paints[2][0], (120.0, 150.0, 190.0))
    canvas.ellipse(thing.at(0, 0, height * 0.25), (0.17, height * 0.27), legs, shows)
    canvas.ellipse(thing.at(0, 0, height * 0.65), (0.24, height * 0.22), coat, shows)
    canvas.ellipse(thing.at(0, 0, height * 0.93), (0.11, 0.13), skin, shows)


def _building(canvas: Canvas, thing: Thing, shows: int) -> None:
    half = thing.width_m / 2
    box(canvas, thing, shows, (-half, half, 0, thing.depth_m, 0, thing.height_m), (thing.paints[0], thing.paints[1]))
    if thing.seed % 3 == 0:  # a ground floor of its own, as shops have
        canvas.face(thing.at(-half, -0.05, 0), step(thing, thing.width_m), (0, 0, 3.2), thing.paints[2], shows)


def _tree(canvas: Canvas, thing: Thing, shows: int) -> None:
    """Its crown stirs: ``growth`` is the season and the wind, 0..1."""
    rng = np.random.default_rng(thing.seed)
    wind = np.random.default_rng(int(thing.growth * 1e6))
    trunk = thing.height_m * 0.45
    box(canvas, thing, shows, (-0.15, 0.15, 0, 0.3, 0, trunk), (thing.paints[2], thing.paints[2]))
    for _ in range(7):
        offset = rng.normal(0, (0.28, 0.2, 0.13)) * thing.height_m + wind.normal(0, 0.12, 3)
        radius = thing.height_m * rng.uniform(0.14, 0.24)
        centre = thing.at(float(offset[0]), float(offset[1]), max(trunk * 0.8, float(trunk * 1.4 + offset[2])))
        canvas.ellipse(centre, (float(radius), float(radius * rng.uniform(0.7, 1))), thing.paints[0], shows)


def _flag(canvas: Canvas, thing: Thing, shows: int) -> None:
    """Cloth on a pole; ``growth`` is how it hangs just now."""
    box(canvas, thing, shows, (-0.05, 0.05, 0, 0.1, 0, thing.height_m), (thing.paints[2], thing.paints[2]))
    reach, sag = 0.4 + 1.2 * thing.growth, (thing.growth * 7 % 1 - 0.5)
    canvas.face(thing.at(0.05, 0, thing.height_m - 1.3), (reach, sag * 0.5, sag), (0, 0, 1.2), thing.paints[0], shows)


DRAWN: Mapping[str, Callable[[Canvas, Thing, int], None]] = {
    "car": _car,
    "truck": _truck,
    "tent": _tent,
    "person": _person,
    "building": _building,
    "tree": _tree,
    "flag": _flag,
}
