import numpy as np
import pytest

from detectors.masking import mask
from models.detections import Detections

NAMES = ("person", "car", "dog")


def picture(height: int = 200, width: int = 300) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def found(*boxes: tuple[float, float, float, float], score: float = 0.5, label: int = 0) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.full(n, score, np.float32), np.full(n, label, np.int32), NAMES
    )


def colours(bgr: np.ndarray) -> int:
    return len(np.unique(bgr.reshape(-1, 3), axis=0))


def test_a_head_is_left_with_few_colours_and_feet_stay() -> None:
    bgr = picture()
    masked = mask(bgr, found((100, 50, 160, 170)))
    assert colours(masked[50:92, 100:160]) <= 9
    assert (masked[95:170, 100:160] == bgr[95:170, 100:160]).all()
    assert (masked[:, :80] == bgr[:, :80]).all()


def test_what_was_hidden_cannot_be_told_from_what_is_left() -> None:
    """Shuffled pixels of equal mean give the same masked picture: there is nothing left to undo."""
    bgr = picture()
    shuffled = bgr.copy()
    random = np.random.default_rng(4)
    for top in (35, 54, 73):  # the hidden rectangle is 88..172 x 35..92, in 3 x 3 blocks
        for left in (88, 116, 144):
            block = shuffled[top : top + 19, left : left + 28].reshape(-1, 3)
            shuffled[top : top + 19, left : left + 28] = random.permutation(block).reshape(19, 28, 3)
    person = found((100, 50, 160, 170))
    assert (bgr != shuffled).any()
    assert np.abs(mask(bgr, person).astype(int) - mask(shuffled, person)).max() <= 1


def test_small_heads_become_one_block() -> None:
    masked = mask(picture(), found((100, 50, 106, 70)))
    assert colours(masked[48:57, 99:107]) <= 2


def test_a_vehicle_loses_its_lower_half() -> None:
    bgr = picture()
    masked = mask(bgr, found((40, 40, 240, 140), label=1))
    assert colours(masked[90:140, 40:240]) <= 9
    assert (masked[:90] == bgr[:90]).all()


def test_unsure_people_are_masked_and_the_surely_not_are_not() -> None:
    bgr = picture()
    assert (mask(bgr, found((100, 50, 160, 170), score=0.15)) != bgr).any()
    assert (mask(bgr, found((100, 50, 160, 170), score=0.14)) == bgr).all()
    assert (mask(bgr, found((100, 50, 160, 170), label=2)) == bgr).all()


def test_who_stands_near_shows_more_head_than_legs() -> None:
    """A box as wide as high is a head and shoulders."""
    masked = mask(picture(), found((100, 50, 200, 150)))
    assert colours(masked[50:118, 100:200]) <= 9


def moved_at(*places: tuple[slice, slice]) -> np.ndarray:
    moved = np.zeros((20, 30), dtype=bool)
    for place in places:
        moved[place] = True
    return moved


def test_what_moves_and_is_no_body_is_masked_where_it_is() -> None:
    bgr = picture()
    masked = mask(bgr, Detections.none(NAMES), moved=moved_at((slice(4, 8), slice(10, 14))))
    assert colours(masked[40:80, 100:140]) <= 16
    assert (masked[:40] == bgr[:40]).all()
    assert (masked[:, 140:] == bgr[:, 140:]).all()


def test_a_sure_body_accounts_for_what_moves_in_it_and_an_unsure_one_does_not() -> None:
    bgr, moved = picture(), moved_at((slice(5, 17), slice(10, 16)))
    sure = mask(bgr, found((100, 50, 160, 170)), moved=moved)
    assert (sure[95:170, 100:160] == bgr[95:170, 100:160]).all()
    unsure = mask(bgr, found((100, 50, 160, 170), score=0.3), moved=moved)
    assert colours(unsure[100:170, 100:160]) <= 30


def test_a_rider_is_not_explained_by_the_motorcycle() -> None:
    names = ("person", "motorcycle")
    machine = Detections(
        np.array([[100, 50, 160, 170]], np.float32), np.ones(1, np.float32), np.ones(1, np.int32), names
    )
    masked = mask(picture(), machine, moved=moved_at((slice(5, 10), slice(10, 16))))
    assert colours(masked[50:100, 100:160]) <= 30


def test_faces_of_a_face_model_are_masked_with_their_hair() -> None:
    bgr = picture()
    face = Detections(
        np.array([[100, 60, 130, 100]], np.float32), np.full(1, 0.2, np.float32), np.zeros(1, np.int32), ("face",)
    )
    masked = mask(bgr, Detections.none(NAMES), face)
    assert colours(masked[50:110, 92:138]) <= 9
    assert (masked[115:] == bgr[115:]).all()


def test_the_given_picture_stays_as_it_was() -> None:
    bgr = picture()
    before = bgr.copy()
    mask(bgr, found((100, 50, 160, 170)))
    assert (bgr == before).all()


@pytest.mark.parametrize(
    "box", [(-50, -50, 20, 20), (290, 190, 400, 400), (0, 0, 300, 200), (10, 10, 10, 10), (500, 500, 600, 600)]
)
def test_boxes_at_and_beyond_the_edge_are_no_trouble(box: tuple[float, float, float, float]) -> None:
    for label in (0, 1):
        assert mask(picture(), found(box, label=label)).shape == (200, 300, 3)


def test_nobody_there_changes_nothing() -> None:
    bgr = picture()
    assert (mask(bgr, Detections.none(NAMES)) == bgr).all()
