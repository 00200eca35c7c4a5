from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.messages import (
    camera_error,
    camera_from_json,
    camera_to_json,
    sighting_from_json,
    sighting_to_json,
)
from models.camera import Credentials
from models.counting import Counting
from models.errors import CameraError, CameraNotFound, InvalidInput
from models.vision import Vision
from tests.ingest.worker_samples import camera, sighting


def test_a_camera_goes_down_whole_with_its_password() -> None:
    counting = Counting("tiny@1", 2, 2, 320, ((0.2, 0.5),), 10, 41, 2.4, 4.9)
    sent = replace(camera(account=Credentials("admin", "s3cret")), vision=Vision(counting=counting))
    assert camera_from_json(camera_to_json(sent)) == sent


def test_a_sighting_comes_up_whole() -> None:
    assert sighting_from_json(sighting_to_json(sighting())) == sighting()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "dancing"),
        ("zone_id", ["plaza"]),
        ("zone_id", "z" * 2000),
        ("model", 3),
        ("reason", "x" * 2000),
        ("confidence", 2),
        ("place", [500, 0]),
        ("place", None),
        ("measure", 5),
        ("severity", 9),
        ("phase", None),
    ],
)
def test_a_bent_sighting_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        sighting_from_json(sighting_to_json(sighting()) | {name: value})


@given(st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()))
def test_what_is_no_sighting_is_refused(data: object) -> None:
    with pytest.raises(InvalidInput):
        sighting_from_json(data)


def test_errors_keep_their_kind_and_unknown_ones_are_plain() -> None:
    assert type(camera_error("camera_not_found", "gone")) is CameraNotFound
    assert type(camera_error(["x"], "y" * 5000)) is CameraError
    assert len(str(camera_error("x", "y" * 5000))) == 1000
