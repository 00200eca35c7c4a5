"""What is wrong with the control points of a camera, said of the point that is wrong. Pure."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.geo import ControlPoint, GroundPlane, LocalPlane

SAME_PX, SAME_M = 0.002, 0.05
"""Nearer than this – picture fractions, metres – two points are one."""
THIN = 0.02
"""A triangle whose height is less than this share of its longest side says nothing of the order of its corners."""
MOST_TRIANGLES = 5000
OUTLIER_M, OUTLIER_TIMES = 2.0, 4.0
"""A point that lies farther than both – metres, and times what the others are off by – from where they put it."""

Points = NDArray[np.float64]


def check_control_points(points: Sequence[ControlPoint]) -> None:
    """Raises InvalidInput with a sentence that names the points, numbered from 1."""
    if len(points) < 4:
        raise InvalidInput(f"a ground plane needs at least 4 control points, {len(points)} were given")
    plane = LocalPlane(points[0].place)
    pixels = np.array([[point.x, point.y] for point in points])
    ground = np.array([plane.to_m(point.place) for point in points])
    _refuse_twins(pixels, ground)
    _refuse_lines(pixels, ground)
    _refuse_outlier(points, pixels, ground)
    _refuse_crossed(pixels, ground)


def _refuse_twins(pixels: Points, ground: Points) -> None:
    for first, second in combinations(range(len(pixels)), 2):
        names = f"control points {first + 1} and {second + 1}"
        if np.abs(pixels[first] - pixels[second]).max() < SAME_PX:
            raise InvalidInput(f"{names} are one point of the picture: leave one out")
        if np.abs(ground[first] - ground[second]).max() < SAME_M:
            raise InvalidInput(f"{names} are one place on the ground: leave one out, or correct it")


def _refuse_lines(pixels: Points, ground: Points) -> None:
    for what, where in ((pixels, "in the picture"), (ground, "on the ground")):
        spread = np.linalg.svd(what - what.mean(axis=0), compute_uv=False)
        if spread[1] < THIN * spread[0]:
            raise InvalidInput(f"the control points lie on one line {where}: spread them over the ground")
        if len(what) == 4:
            for three in combinations(range(4), 3):
                if _heights(what, np.array([three]))[0] < THIN:
                    named = ", ".join(str(number + 1) for number in three)
                    raise InvalidInput(
                        f"control points {named} lie on one line {where}: of four, no three may; move or add one"
                    )


def _refuse_crossed(pixels: Points, ground: Points) -> None:
    """Seen from above, the corners of a triangle go round the same way on the ground as in the picture."""
    triangles = np.array(list(combinations(range(len(pixels)), 3)))
    if len(triangles) > MOST_TRIANGLES:
        triangles = triangles[:: -(-len(triangles) // MOST_TRIANGLES)]
    clear = (_heights(pixels, triangles) > THIN) & (_heights(ground, triangles) > THIN)
    triangles = triangles[clear]
    # In a picture y goes down, on the ground north goes up: the same way round has opposite signs.
    crossed = np.sign(_turn(pixels, triangles)) == np.sign(_turn(ground, triangles))
    if not crossed.any():
        return
    if crossed.all():
        raise InvalidInput(
            "the control points are mirrored: left and right, or longitude and latitude, are taken for each other"
        )
    guilty = np.bincount(triangles[crossed].ravel(), minlength=len(pixels))
    shared = np.bincount(triangles.ravel(), minlength=len(pixels))
    share = guilty / np.maximum(shared, 1)
    if len(pixels) == 4:
        raise InvalidInput(
            "the control points are crossed: on the ground they go round otherwise than in the picture; "
            "two of the four are taken for each other"
        )
    worst = int(np.argmax(share)) + 1
    raise InvalidInput(
        f"control point {worst} is crossed with others: on the ground they go round otherwise than in the picture; "
        "check that it is not taken for a neighbour"
    )


def _refuse_outlier(points: Sequence[ControlPoint], pixels: Points, ground: Points) -> None:
    """Six points or more leave the others enough to say where one should be."""
    if len(points) < 6:
        return
    plane = LocalPlane(points[0].place)
    off_m = np.zeros(len(points))
    others_m = np.zeros(len(points))
    for number in range(len(points)):
        rest = [point for other, point in enumerate(points) if other != number]
        fitted = GroundPlane.fit(rest, with_variants=False)
        found = fitted.ground_m(pixels[number : number + 1])[0] + plane.to_m(fitted.plane.origin)
        off_m[number] = np.nan_to_num(np.hypot(*(found - ground[number])), nan=np.inf)
        others_m[number] = fitted.residual_m
    worst = int(np.nanargmin(others_m))
    if np.isinf(off_m[worst]):
        raise InvalidInput(
            f"control point {worst + 1} lies beyond the horizon of the others: correct it or leave it out"
        )
    if off_m[worst] > max(OUTLIER_M, OUTLIER_TIMES * others_m[worst]):
        raise InvalidInput(
            f"control point {worst + 1} lies {off_m[worst]:.1f} m from where the others put it, "
            f"who agree to {others_m[worst]:.1f} m: correct it or leave it out"
        )


def _turn(points: Points, triangles: NDArray[np.int_]) -> NDArray[np.float64]:
    """Twice the signed area of each triangle."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))


def _heights(points: Points, triangles: NDArray[np.int_]) -> NDArray[np.float64]:
    """The least height of each triangle as a share of its longest side."""
    corners = points[triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return np.asarray(np.abs(_turn(points, triangles)) / np.maximum(sides**2, 1e-12))
