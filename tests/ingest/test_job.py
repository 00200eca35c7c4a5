"""How closely a picture is looked at before it is shown."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from detectors.boxes import Tiling
from detectors.detector import LOOK_SCORE
from detectors.masking import MIN_SCORE
from detectors.perception import Seen
from ingest.job import CROWD_BOXES, Eyes
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

PICTURE = np.zeros((60, 80, 3), np.uint8)


def persons(count: int, names: tuple[str, ...] = ("person",)) -> Detections:
    boxes = np.tile(np.array([[10, 10, 20, 30]], np.float32), (count, 1))
    return Detections(boxes, np.full(count, 0.5, np.float32), np.zeros(count, np.int32), names)


@dataclass
class Looker:
    """Sees as many at every look."""

    count: int
    asked: list[tuple[int, int, float]] = field(default_factory=list)

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Seen:
        del bgr
        self.asked.append((tiling.columns, tiling.rows, min_score))
        return Seen(persons(self.count), (), "fake@1")


def looks(count: int, **given: Any) -> list[tuple[int, int, float]]:
    looker = Looker(count)
    assert Eyes(looker, Tiling()).masked_still(PICTURE, **given).startswith(b"\xff\xd8\xff")
    return looker.asked


def test_a_crowd_is_not_looked_at_twice_in_the_finest_tiles() -> None:
    """64 of them take seconds, in which a child is silent."""
    looker = Looker(CROWD_BOXES)
    Eyes(looker, Tiling(4, 4)).masked_still(PICTURE)
    assert [asked[:2] for asked in looker.asked] == [(4, 4), (8, 8)]


def test_a_picture_is_looked_at_as_a_whole_and_more_closely() -> None:
    assert looks(3) == [(1, 1, LOOK_SCORE), (2, 2, LOOK_SCORE)]


def test_what_the_rules_saw_is_not_looked_for_again() -> None:
    assert looks(3, seen=persons(1)) == [(2, 2, LOOK_SCORE)]


def test_a_crowd_is_looked_at_a_third_time_and_further_down() -> None:
    assert looks(CROWD_BOXES // 2) == [(1, 1, LOOK_SCORE), (2, 2, LOOK_SCORE), (4, 4, MIN_SCORE)]


def test_two_models_boxes_are_not_mixed() -> None:
    with pytest.raises(InvalidInput, match="two models"):
        persons(1).joined(persons(1, ("car",)))
