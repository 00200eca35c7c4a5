from typing import Any

import pytest

from models.counting import Counting
from models.errors import InvalidInput
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
