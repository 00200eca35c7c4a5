"""A camera's mounting against trigonometry done by hand."""

import math
from typing import Any

import numpy as np
import pytest

from models.errors import InvalidInput
from models.geo import GeoPoint, LocalPlane, distance_m
from models.pose import Pose, pose_from_json, pose_to_json

HERE = GeoPoint(109.0293, 32.6845)


def at_m(pose: Pose, x: float, y: float) -> tuple[float, float]:
    return LocalPlane(HERE).to_m(pose.ground(HERE).locate(x, y, 1080).place)


@pytest.mark.parametrize(
    ("heading_deg", "wanted"), [(0, (0, 10)), (90, (10, 0)), (180, (0, -10)), (270, (-10, 0)), (-90, (-10, 0))]
)
def test_the_middle_of_the_picture_lies_ahead(heading_deg: float, wanted: tuple[float, float]) -> None:
    assert at_m(Pose(10.0, 45.0, heading_deg, 60.0), 0.5, 0.5) == pytest.approx(wanted, abs=1e-6)


def test_edges_lie_where_the_field_of_view_ends() -> None:
    pose = Pose(10.0, 45.0, 0.0, 90.0, aspect=2.0)
    east, north = at_m(pose, 1.0, 0.5)  # 45° to the right of a ray of 10 √2 m
    assert (east, north) == pytest.approx((10 * math.sqrt(2), 10), abs=1e-6)
    lower = math.degrees(math.atan(0.5 / 0.5 / 2.0))  # half a picture's height, in focal lengths
    assert at_m(pose, 0.5, 1.0)[1] == pytest.approx(10 / math.tan(math.radians(45 + lower)), abs=1e-6)


def test_a_roll_clockwise_lifts_the_right_of_the_ground() -> None:
    # The camera turned clockwise, what is level falls to the left: its right half sees nearer ground.
    straight, rolled = Pose(10.0, 30.0, 0.0, 60.0), Pose(10.0, 30.0, 0.0, 60.0, roll_deg=10.0)
    assert at_m(rolled, 0.9, 0.5)[1] < at_m(straight, 0.9, 0.5)[1]
    assert at_m(rolled, 0.1, 0.5)[1] > at_m(straight, 0.1, 0.5)[1]


def test_above_the_horizon_there_is_no_place_and_far_away_little_is_sure() -> None:
    ground = Pose(8.0, 10.0, 0.0, 90.0).ground(HERE)
    with pytest.raises(InvalidInput, match="horizon"):
        ground.locate(0.5, 0.05, 1080)
    near, far = ground.locate(0.5, 0.95, 1080), ground.locate(0.5, 0.5, 1080)
    assert near.accuracy_m < 2 < far.accuracy_m
    assert np.isfinite(ground.area_m2([(0.1, 0.5), (0.9, 0.5), (0.9, 1), (0.1, 1)]))
    assert distance_m(near.place, HERE) < distance_m(far.place, HERE)


def test_it_is_stored_and_read_again() -> None:
    pose = Pose(7.5, 20.0, 123.0, 80.0, 1.5, 4 / 3)
    assert pose_from_json(pose_to_json(pose)) == pose
    assert pose_from_json({"height_m": 5, "tilt_deg": 30, "heading_deg": 0, "view_deg": 60}).aspect == pytest.approx(
        16 / 9
    )


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"tilt_deg": 0}, "sees no ground"),
        ({"tilt_deg": 95}, "tilt_deg"),
        ({"height_m": -3}, "above the ground"),
        ({"height_m": float("nan")}, "height_m"),
        ({"view_deg": 180}, "control points"),
        ({"height_m": True}, "of numbers"),
        ({"height_m": "7"}, "of numbers"),
        ({"name": "east"}, "an object of"),
        ({"heading_deg": 1e300}, "heading_deg"),
    ],
)
def test_a_pose_that_cannot_be_is_refused_in_words(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        pose_from_json({"height_m": 5, "tilt_deg": 30, "heading_deg": 0, "view_deg": 60} | wrong)
    with pytest.raises(InvalidInput, match="lacks tilt_deg"):
        pose_from_json({"height_m": 5, "heading_deg": 0, "view_deg": 60})
