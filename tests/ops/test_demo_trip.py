import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ops.demo_trip import SignIn, made_photo, write_json


def test_the_photo_is_a_picture_and_says_where_it_was_taken() -> None:
    photo = made_photo()
    picture = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert b"Exif\0\0" in photo
    assert b"109.0293E" in photo


def test_the_report_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "trip.json"
    write_json(path, {"alert": "人群聚集"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"alert": "人群聚集"}
    with pytest.raises(TypeError):
        write_json(path, {"alert": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"alert": "人群聚集"}
    assert [found.name for found in tmp_path.iterdir()] == ["trip.json"]


def test_a_one_time_password_is_not_in_the_repr() -> None:
    assert "hunter2hunter2" not in repr(SignIn("operator", "hunter2hunter2"))
