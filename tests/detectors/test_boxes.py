import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.boxes import Tiling, cut_by, intersection, iou, merge
from models.errors import InvalidInput

A = np.array([0, 0, 10, 10], np.float32)


def merged(boxes: list[list[float]], scores: list[float], labels=None, tile=None, cut=None):
    n = len(boxes)
    return merge(
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores, np.float32),
        np.array(labels or [0] * n, np.int32),
        np.array(tile or [0] * n, np.int32),
        np.array(cut or [False] * n, bool),
    )


def test_overlap_by_hand() -> None:
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [30, 30, 40, 40], [3, 3, 3, 3]], np.float32)
    assert intersection(A, others).tolist() == [100, 50, 0, 0, 0]
    assert iou(A, others) == pytest.approx([1, 50 / 150, 0, 0, 0])


def test_two_boxes_on_one_thing_leave_the_surer() -> None:
    kept, scores = merged([[0, 0, 10, 10], [0, 0, 10, 9]], [0.6, 0.9])
    assert kept.tolist() == [1]
    assert scores == pytest.approx([0.9])


def test_neighbours_and_other_labels_stay() -> None:
    kept, _ = merged([[0, 0, 10, 10], [6, 0, 16, 10], [0, 0, 10, 10]], [0.5, 0.6, 0.7], labels=[0, 0, 1])
    assert kept.tolist() == [2, 1, 0]


def test_a_whole_box_takes_in_its_cut_half_and_the_half_s_score() -> None:
    kept, scores = merged([[0, 0, 10, 20], [0, 0, 5, 20]], [0.4, 0.8], tile=[0, 1], cut=[False, True])
    assert kept.tolist() == [0]
    assert scores == pytest.approx([0.8])


def test_a_small_box_inside_a_large_one_of_the_same_tile_stays() -> None:
    """A child before an adult is no half of the adult."""
    kept, _ = merged([[0, 0, 10, 20], [2, 10, 6, 20]], [0.9, 0.5])
    assert len(kept) == 2


def test_no_boxes() -> None:
    kept, scores = merged([], [])
    assert len(kept) == len(scores) == 0


def test_cut_boxes_are_those_at_inner_edges() -> None:
    boxes = np.array([[0, 10, 50, 60], [30, 10, 100, 60], [30, 10, 60, 60]], np.float32)
    assert cut_by((0, 0, 100, 100), boxes, 200, 100).tolist() == [False, True, False]
    assert cut_by((0, 0, 100, 100), boxes, 100, 100).tolist() == [False, False, False]


@given(
    columns=st.integers(1, 8),
    rows=st.integers(1, 8),
    overlap=st.floats(0, 0.5),
    width=st.integers(1, 500),
    height=st.integers(1, 500),
)
def test_tiles_cover_the_picture_and_none_is_empty(columns: int, rows: int, overlap: float, width: int, height: int):
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in Tiling(columns, rows, overlap).tiles_px(width, height):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        covered[top:bottom, left:right] = True
    assert covered.all()


def test_tiles_reach_into_their_neighbours() -> None:
    assert Tiling(2, 1, 0.1).tiles_px(200, 100) == [(0, 0, 110, 100), (90, 0, 200, 100)]
    assert Tiling(1, 2, 0).tiles_px(200, 100) == [(0, 0, 200, 50), (0, 50, 200, 100)]


def test_a_closer_look_cuts_each_tile_in_four_as_far_as_there_are_tilings() -> None:
    assert Tiling(2, 1, 0.2, 320).closer() == Tiling(4, 2, 0.2, 320)
    assert Tiling(8, 5).closer() == Tiling(8, 8)


def test_tiling_from_text() -> None:
    assert Tiling.parse("2x1") == Tiling(2, 1)
    for wrong in ("", "2", "x", "2x", "0x1", "9x1", "-1x2", "1.5x2", "²x1", "2X1"):
        with pytest.raises(InvalidInput, match="tiling"):
            Tiling.parse(wrong)


def test_a_tile_s_side_has_bounds() -> None:
    with pytest.raises(InvalidInput, match="32 to 4096"):
        Tiling(long_side_px=8)
