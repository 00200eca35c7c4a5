"""Each way to mark control points wrong, and the sentence that names the point."""

import random
from collections.abc import Callable

import pytest

from models.control_points import check_control_points
from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane
from models.pose import Pose

HERE = GeoPoint(109.0293, 32.6845)
PLANE = LocalPlane(HERE)
TRUTH = Pose(height_m=7.0, tilt_deg=20.0, heading_deg=40.0, view_deg=70.0).ground(HERE)
SPOTS = [(0.1, 0.5), (0.9, 0.5), (0.95, 0.95), (0.05, 0.95), (0.5, 0.45), (0.35, 0.7), (0.7, 0.8)]


def marked(count: int, noise_m: float = 0.0) -> list[ControlPoint]:
    chance = random.Random(3)
    found = []
    for x, y in SPOTS[:count]:
        place = TRUTH.locate(x, y, 1080).place
        east, north = PLANE.to_m(place)
        off = PLANE.to_geo(east + chance.gauss(0, noise_m), north + chance.gauss(0, noise_m))
        found.append(ControlPoint(x, y, off))
    return found


def moved(point: ControlPoint, east_m: float, north_m: float) -> ControlPoint:
    east, north = PLANE.to_m(point.place)
    return ControlPoint(point.x, point.y, PLANE.to_geo(east + east_m, north + north_m))


@pytest.mark.parametrize("count", [4, 5, 6, 7])
def test_points_that_are_right_pass_with_the_errors_that_people_make(count: int) -> None:
    check_control_points(marked(count, noise_m=0.3))


def swapped(points: list[ControlPoint], a: int, b: int) -> list[ControlPoint]:
    points = points.copy()
    points[a], points[b] = (
        ControlPoint(points[a].x, points[a].y, points[b].place),
        ControlPoint(points[b].x, points[b].y, points[a].place),
    )
    return points


Spoil = Callable[[], list[ControlPoint]]
SPOILT: dict[str, tuple[Spoil, str]] = {
    "too few": (lambda: marked(3), "at least 4"),
    "one pixel twice": (lambda: [*marked(4), moved(marked(4)[1], 5, 5)], "2 and 5 are one point of the picture"),
    "one place twice": (
        lambda: [*marked(4), ControlPoint(0.5, 0.6, marked(4)[2].place)],
        "3 and 5 are one place on the ground",
    ),
    "a line in the picture": (
        lambda: [ControlPoint(0.1 * i, 0.1 * i + 0.3, PLANE.to_geo(i * 3, i * i)) for i in range(1, 6)],
        "one line in the picture",
    ),
    "a line on the ground": (
        lambda: [ControlPoint(x, y, PLANE.to_geo(10 * i, 20 * i)) for i, (x, y) in enumerate(SPOTS)],
        "one line on the ground",
    ),
    "three of four on a line": (
        lambda: [*marked(2), ControlPoint(0.5, 0.5, TRUTH.locate(0.5, 0.5, 1080).place), marked(3)[2]],
        "1, 2, 3 lie on one line in the picture",
    ),
    "crossed, of four": (lambda: swapped(marked(4), 0, 1), "two of the four are taken for each other"),
    "crossed, of five": (lambda: swapped(marked(5), 0, 4), "control point [15] is crossed with others"),
    "crossed, of seven": (lambda: swapped(marked(7), 0, 4), "control point [15] "),
    "mirrored": (
        lambda: [ControlPoint(1 - point.x, point.y, point.place) for point in marked(6)],
        "left and right, or longitude and latitude",
    ),
    "one far off": (lambda: [*marked(5, 0.1), moved(marked(6)[5], 3, 4), marked(7)[6]], "control point 6 lies"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_points_that_are_wrong_are_named(name: str) -> None:
    spoilt, word = SPOILT[name]
    with pytest.raises(InvalidInput, match=word):
        check_control_points(spoilt())


def test_many_points_are_checked_soon() -> None:
    chance = random.Random(1)
    points = [
        ControlPoint(x, y, TRUTH.locate(x, y, 1080).place)
        for x, y in ((chance.uniform(0, 1), chance.uniform(0.5, 1)) for _ in range(40))
    ]
    check_control_points(points)
    assert GroundPlane.fit(points).residual_m < 1e-3
