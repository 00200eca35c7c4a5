from typing import Any

import pytest

from models.counting import Counting
from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint
from models.vision import Vision, vision_from_json, vision_to_json

COUNTING = Counting("tiny@1", 2, 2, 320, ((0.2, 0.5),), 10, 41, 2.4, 4.9)


@pytest.mark.parametrize("vision", [Vision(), Vision(counting=COUNTING)])
def test_vision_is_the_same_after_json(vision: Vision) -> None:
    assert vision_from_json(vision_to_json(vision)) == vision


def test_what_is_not_set_is_not_written_and_null_sets_nothing() -> None:
    assert vision_to_json(Vision()) == {}
    assert vision_from_json({"counting": None}) == Vision()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "vision is an object"),
        ([], "vision is an object"),
        ({"colour": "red"}, "vision has no 'colour'; it has: counting"),
        ({"counting": {}}, "has exactly columns"),
    ],
)
def test_what_is_no_vision_is_refused(data: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        vision_from_json(data)


FULL: dict[str, Any] = {
    "pose": {"height_m": 7.0, "tilt_deg": 20.0, "heading_deg": 90.0, "view_deg": 70.0, "roll_deg": 0.0, "aspect": 1.5},
    "levels": {"crowding": {"enter_persons": 9.0}},
    "night": {"spans": [[1140, 360]], "weekdays": [0, 1, 2, 3, 4, 5, 6], "zone": "Asia/Shanghai"},
    "night_levels": {"intrusion": {"dwell_s": 1.0}},
}


def test_pose_levels_and_night_are_stored_and_read_again() -> None:
    assert vision_to_json(vision_from_json(FULL)) == FULL


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"pose": {"height_m": 7}}, "lacks tilt_deg"),
        ({"levels": {"crowding": 5}}, "parameters by kind"),
        ({"levels": [1]}, "parameters by kind"),
        ({"night": {"spans": [[0, 5]]}}, "as in"),
        ({"night": 7}, "as in"),
        ({"view": True}, "a count"),
        ({"view": -1}, "a count"),
        ({"ptz": 1}, "true or false"),
        ({"night": FULL["night"] | {"zone": "Mars/Olympus"}}, "no time zone"),
    ],
)
def test_what_cannot_be_is_refused_in_words(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        vision_from_json(wrong)


def test_control_points_go_before_the_pose() -> None:
    here = GeoPoint(109.0, 32.7)
    posed = vision_from_json({"pose": FULL["pose"]})
    ground = posed.ground(here, ())
    assert ground is not None
    corners = ((0.1, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9))
    points = tuple(ControlPoint(x, y, ground.locate(x, y, 1080).place) for x, y in corners)
    fitted = posed.ground(here, points)
    assert fitted is not None
    assert fitted.residual_m < 1e-6
    assert fitted is posed.ground(here, points), "fitted once"
    assert Vision().ground(here, ()) is None
