import cv2
import numpy as np
import pytest

from ingest.images import check_picture
from ingest.render import open_photo, still
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

NAMES = ("person",)


def striped(width_px: int, height_px: int) -> Pixels:
    """Black and white columns, two pixels each: what is masked loses them."""
    row = np.tile(np.array([0, 0, 255, 255], np.uint8), width_px // 4)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height_px, width_px, 3)))


def person(left: float, top: float, right: float, bottom: float) -> Detections:
    boxes = np.array([[left, top, right, bottom]], np.float32)
    return Detections(boxes, np.array([0.25], np.float32), np.zeros(1, np.int32), NAMES)


def test_a_still_shows_the_scene_and_no_head() -> None:
    picture = cv2.imdecode(
        np.frombuffer(still(striped(400, 300), person(100, 50, 160, 250)), np.uint8), cv2.IMREAD_GRAYSCALE
    )
    assert picture.shape == (300, 400)
    head, feet, far = picture[55:100, 105:155], picture[220:245, 105:155], picture[55:100, 300:350]
    assert head.std() < 30
    assert feet.std() > 80
    assert far.std() > 80


def test_a_still_is_made_smaller_after_it_was_masked() -> None:
    data = still(striped(3000, 1000), person(0, 0, 3000, 1000))
    assert check_picture(data) == (1280, 427)
    assert check_picture(still(striped(3000, 1000), Detections.none(NAMES), 2048)) == (2048, 683)


def test_a_photo_is_turned_upright_and_a_damaged_one_refused() -> None:
    done, data = cv2.imencode(".jpg", striped(80, 40))
    assert done
    jpeg = data.tobytes()
    # EXIF with the one entry "orientation 6": turn by 90° to the right.
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    assert open_photo(jpeg).shape == (40, 80, 3)
    assert open_photo(turned).shape == (80, 40, 3)
    assert b"Exif" not in still(open_photo(turned), Detections.none(NAMES))
    for broken in (b"", jpeg[:20], b"\x89PNG\r\n\x1a\n" + bytes(30)):
        with pytest.raises(InvalidInput):
            open_photo(broken)
