"""What stands in a street has a footprint, a heading and paint, and is put together from boxes."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from bench.train_street import LASTING, NOTHING, PASSING, Canvas, Pattern, Vector

Paint = tuple[Pattern, Vector]
STRUCTURES = ("shed", "fence", "roof", "scaffold", "container", "canopy")
PASSERS = ("car", "truck", "tent", "person")


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing on its footprint: the middle of its near side, and a heading that turns it about the vertical.

    ``growth`` 0..1 is how much of a structure has been built. ``paints`` are walls, top and details.
    """

    kind: str
    x_m: float
    y_m: float
    z_m: float
    heading_rad: float
    width_m: float
    depth_m: float
    height_m: float
    paints: tuple[Paint, Paint, Paint]
    seed: int
    growth: float = 1.0

    @property
    def shows(self) -> int:
        return LASTING if self.kind in STRUCTURES else PASSING if self.kind in PASSERS else NOTHING

    def at(self, across_m: float, deep_m: float, up_m: float) -> Vector:
        """World place of a place in the thing: across from its middle, deep from its near side, up from its foot."""
        cosine, sine = math.cos(self.heading_rad), math.sin(self.heading_rad)
        x, y = across_m * cosine - deep_m * sine, across_m * sine + deep_m * cosine
        return self.x_m + x, self.y_m + y, self.z_m + up_m


def box(canvas: Canvas, thing: Thing, shows: int, part: tuple[float, ...], paints: tuple[Paint, Paint]) -> None:
    """The sides and the top of a box in the thing: ``part`` is across, deep and up, from and to, in metres."""
    left, right, near, far, low, high = part
    rise = (0.0, 0.0, high - low)
    corners = [thing.at(a, d, low) for a, d in ((left, near), (right, near), (right, far), (left, far))]
    for i in range(4):
        corner, along = corners[i], minus(corners[(i + 1) % 4], corners[i])
        if corner[0] * along[1] - corner[1] * along[0] < 0:  # the camera, over the origin, is on its outer side
            canvas.face(corner, along, rise, paints[0], shows)
    if canvas.pose.height_m > thing.z_m + high:
        top = thing.at(left, near, high)
        canvas.face(
            top, minus(thing.at(right, near, high), top), minus(thing.at(left, far, high), top), paints[1], shows
        )


def posts(canvas: Canvas, thing: Thing, shows: int, height: float) -> None:
    half, paint = thing.width_m / 2, thing.paints[2]
    for across in (-half, 0.0, half):
        for deep in (thing.depth_m, 0.0):
            box(canvas, thing, shows, (across - 0.07, across + 0.07, deep, deep + 0.14, 0, height), (paint, paint))


def shadow(canvas: Canvas, thing: Thing) -> None:
    """Its shadow on the ground, as long as the sun is low."""
    light = canvas.light
    if light.sun_strength < 0.1 or thing.z_m > 0:
        return
    half = thing.width_m / 2
    foot = [thing.at(a, d, 0)[:2] for a, d in ((-half, 0), (half, 0), (half, thing.depth_m), (-half, thing.depth_m))]
    height = thing.height_m * (thing.growth if thing.kind != "fence" else 1)
    reach = height / max(0.15, light.sun[2])
    thrown = [(x - light.sun[0] * reach, y - light.sun[1] * reach) for x, y in foot]
    dim = 1 - 0.75 * light.sun_strength / (light.sun_strength + sum(light.ambient) / 3)
    canvas.ground_polygon(_hull(foot + thrown), dim)


def step(thing: Thing, across_m: float) -> Vector:
    return math.cos(thing.heading_rad) * across_m, math.sin(thing.heading_rad) * across_m, 0.0


def minus(there: Vector, here: Vector) -> Vector:
    return there[0] - here[0], there[1] - here[1], there[2] - here[2]


def dimmed(paint: Vector, share: float) -> Vector:
    return paint[0] * share, paint[1] * share, paint[2] * share


def _hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    hull = cv2.convexHull(np.array(points, np.float32))[:, 0]
    return [(float(x), float(y)) for x, y in hull]
