"""What is built and stays: drawn as far as it has grown."""

from collections.abc import Callable, Mapping

import numpy as np

from bench.train_street import Canvas
from bench.train_things import Thing, box, dimmed, minus, posts, step


def _shed(canvas: Canvas, thing: Thing, shows: int) -> None:
    half, height = thing.width_m / 2, thing.height_m * (0.15 + 0.85 * thing.growth)
    walls, top, detail = thing.paints
    if thing.growth < 0.3:
        posts(canvas, thing, shows, height=thing.height_m * 0.9)
    box(canvas, thing, shows, (-half, half, 0, thing.depth_m, 0, height), (walls, (walls[0], dimmed(walls[1], 0.5))))
    _holes(canvas, thing, shows, height)
    if thing.growth < 0.95:
        return
    if thing.seed % 2:
        over = (-half - 0.2, half + 0.2, -0.25, thing.depth_m + 0.2, height, height + 0.15)
        box(canvas, thing, shows, over, (detail, top))
    else:
        _gable(canvas, thing, shows, height)


def _holes(canvas: Canvas, thing: Thing, shows: int, height: float) -> None:
    """A door and perhaps a window in the near side."""
    dark = (thing.paints[2][0], dimmed(thing.paints[2][1], 0.45))
    start = (thing.seed % 7) / 7 * thing.width_m * 0.5 - thing.width_m / 2 + 0.2
    if height > 1.2:
        canvas.face(thing.at(start, -0.03, 0), step(thing, 0.9), (0, 0, min(2.0, height * 0.85)), dark, shows)
        if thing.seed % 3 and thing.width_m > 3.5:
            canvas.face(thing.at(start + 1.5, -0.03, 0.9), step(thing, 1.1), (0, 0, min(1.0, height - 1)), dark, shows)


def _gable(canvas: Canvas, thing: Thing, shows: int, height: float) -> None:
    half, rise = thing.width_m / 2 + 0.2, 0.25 * thing.depth_m
    top = thing.paints[1]
    ridge = thing.at(-half, thing.depth_m / 2, height + rise)
    for edge in (thing.at(-half, thing.depth_m + 0.2, height), thing.at(-half, -0.2, height)):
        canvas.face(edge, step(thing, 2 * half), minus(ridge, edge), top, shows)


def _fence(canvas: Canvas, thing: Thing, shows: int) -> None:
    """Hoarding, or posts and rails; it grows in length."""
    length, left = thing.width_m * (0.1 + 0.9 * thing.growth), -thing.width_m / 2
    walls, _, detail = thing.paints
    if thing.seed % 3:
        box(canvas, thing, shows, (left, left + length, 0, 0.12, 0, thing.height_m), (walls, detail))
        if thing.seed % 5 == 1:
            canvas.face(thing.at(left, -0.02, 0), step(thing, length), (0, 0, 0.35), detail, shows)
        return
    for across in np.arange(left, left + length, 1.2):
        box(canvas, thing, shows, (across, across + 0.1, 0, 0.1, 0, thing.height_m), (detail, detail))
    for up in np.arange(0.25, thing.height_m, 0.35):
        canvas.face(thing.at(left, 0, up), step(thing, length), (0, 0, 0.1), walls, shows)


def _roof(canvas: Canvas, thing: Thing, shows: int) -> None:
    """A room on a roof, with a slab; or a lean-to on posts."""
    half, height = thing.width_m / 2, thing.height_m * (0.2 + 0.8 * thing.growth)
    walls, top, detail = thing.paints
    if thing.seed % 3 == 0:
        posts(canvas, thing, shows, height)
    else:
        box(canvas, thing, shows, (-half, half, 0, thing.depth_m, 0, height), (walls, top))
        _holes(canvas, thing, shows, height)
    if thing.growth > 0.7:
        over = (-half - 0.2, half + 0.2, -0.2, thing.depth_m + 0.2, height, height + 0.18)
        box(canvas, thing, shows, over, (detail, top))


def _scaffold(canvas: Canvas, thing: Thing, shows: int) -> None:
    """Poles, decks and, often, netting that lets some of the wall through."""
    half, height = thing.width_m / 2, max(2.0, thing.height_m * thing.growth)
    walls, top, detail = thing.paints
    if thing.seed % 2:
        canvas.face(thing.at(-half, -0.1, 0), step(thing, thing.width_m), (0, 0, height), walls, shows, sheer=True)
    for across in np.arange(-half, half + 0.1, 1.5):
        canvas.face(thing.at(across, -0.12, 0), step(thing, 0.12), (0, 0, height), detail, shows)
    for up in np.arange(1.8, height + 0.1, 1.8):
        canvas.face(thing.at(-half, -0.12, up), step(thing, thing.width_m), (0, 0, 0.16), detail, shows)
        deep = minus(thing.at(-half, thing.depth_m, up), thing.at(-half, 0, up))
        canvas.face(thing.at(-half, 0, up), step(thing, thing.width_m), deep, top, shows)


def _container(canvas: Canvas, thing: Thing, shows: int) -> None:
    half = thing.width_m / 2
    for storey in range(1 + (thing.seed % 4 == 0 and thing.growth > 0.6)):
        low = storey * thing.height_m
        part = (-half, half, 0, thing.depth_m, low, low + thing.height_m)
        box(canvas, thing, shows, part, (thing.paints[0], thing.paints[0]))
        if thing.seed % 3 == 0:  # a site cabin: windows and a door
            dark = (thing.paints[2][0], dimmed(thing.paints[2][1], 0.45))
            for across in (-0.6 * half, 0.3 * half):
                canvas.face(thing.at(across, -0.03, low + 0.9), step(thing, 1.0), (0, 0, 1.0), dark, shows)


def _canopy(canvas: Canvas, thing: Thing, shows: int) -> None:
    """A flat or sloping roof on posts, open at the sides."""
    posts(canvas, thing, shows, thing.height_m)
    if thing.growth < 0.4:
        return
    half, slope = thing.width_m / 2 + 0.2, 0.3 * (thing.seed % 3)
    near, far = (
        thing.at(-half, -0.2, thing.height_m - slope),
        thing.at(-half, thing.depth_m + 0.2, thing.height_m + slope),
    )
    canvas.face(near, step(thing, 2 * half), minus(far, near), thing.paints[1], shows)
    canvas.face(near, step(thing, 2 * half), (0, 0, 0.2), thing.paints[2], shows)


DRAWN: Mapping[str, Callable[[Canvas, Thing, int], None]] = {
    "shed": _shed,
    "fence": _fence,
    "roof": _roof,
    "scaffold": _scaffold,
    "container": _container,
    "canopy": _canopy,
}
