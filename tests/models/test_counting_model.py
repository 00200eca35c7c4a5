import json
from typing import Any

import numpy as np
import pytest

from models.counting import Counting, counting_from_json
from models.errors import InvalidInput

FITTED = Counting("tiny@1", 2, 2, 320, ((0.2, 0.5), (0.4, 2.0)), 10, 41, 2.4, 4.9)


def test_a_box_stands_for_persons_by_its_score_and_an_empty_zone_for_none() -> None:
    scores = np.array([0.1, 0.2, 0.39, 0.4, 0.9], np.float32)
    assert FITTED.weigh(scores).tolist() == [0, 0.25, 0.25, 1.25, 1.25]
    assert FITTED.weigh(scores[:0]).sum() == 0


def test_it_is_the_same_after_json() -> None:
    assert counting_from_json(json.loads(json.dumps(FITTED.to_json()))) == FITTED


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": 9}, "1 to 8 columns"),
        ({"columns": True}, "is what `wangge calibrate` fits"),
        ({"rows": 2.5}, "is what `wangge calibrate` fits"),
        ({"long_side_px": 10**9}, "32 to 4096 pixels"),
        ({"columns": 8, "rows": 8, "long_side_px": 320}, "more than a look may cost"),
        ({"scales": []}, "1 to 20 scales"),
        ({"scales": [[0.2, 1.0]] * 21}, "1 to 20 scales"),
        ({"scales": [[0.2, -1.0]]}, "up to 5 persons per box"),
        ({"scales": [[0.2, float("nan")]]}, "is what `wangge calibrate` fits"),
        ({"scales": [[0.4, 1.0], [0.2, 1.0]]}, "in the order of their scores"),
        ({"scales": [[0.2]]}, "is what `wangge calibrate` fits"),
        ({"scales": 3}, "is what `wangge calibrate` fits"),
        ({"model": ""}, "names the model"),
        ({"frames": 0}, "how many frames"),
        ({"mae_persons": -1.0}, "errors are 0 to 2000"),
        ({"threshold": 0.3}, "has exactly columns, frames,"),
    ],
)
def test_what_is_no_counting_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        counting_from_json(FITTED.to_json() | change)


@pytest.mark.parametrize("data", [None, [], "counting", {}])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="has exactly"):
        counting_from_json(data)
