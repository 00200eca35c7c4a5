"""`wangge calibrate`: frames are collected, counted by a person, and fitted; every bad input has its sentence."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import wangge
from ingest.desk import Desk
from models.errors import InvalidInput
from models.people import SYSTEM
from models.settings import read_settings
from models.vision import Vision
from ops.calibrate_command import COUNTS, SAMPLES, read_counts, take_frames
from ops.registry_commands import registry_of
from tests.detectors.tiny_models import tiny_nanodet, write_zoo

JPEG = b"\xff\xd8\xffpicture"
SQUARE = [[[109, 32], [110, 32], [110, 33], [109, 33], [109, 32]]]
GRID = {
    "type": "Feature",
    "properties": {"code": "1", "name": "市", "parent": None},
    "geometry": {"type": "Polygon", "coordinates": SQUARE},
}


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line on a ledger with one camera, gate-1."""
    monkeypatch.setenv("WANGGE_DATA", str(tmp_path / "data"))

    def run(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["wangge", *map(str, words)])
        before = os.umask(0o022)
        try:
            status = wangge.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        finally:
            os.umask(before)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    (tmp_path / "grids.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [GRID]}))
    about = ("--name", "东门", "--lon", "109.5", "--lat", "32.5", "--purpose", "safety", "--url", "rtsp://10.1.2.3/")
    assert run("db", "upgrade").status == 0
    assert run("grid", "import", tmp_path / "grids.geojson").status == 0
    assert run("camera", "add", "gate-1", *about).status == 0
    return run


def vision() -> Vision:
    with registry_of(read_settings(os.environ)) as registry:
        return registry.camera_named("gate-1", SYSTEM).vision


def sample(persons: int) -> dict[str, Any]:
    """A model that sees half of the persons well and all of them hardly."""
    scores = [0.9] * (persons // 2) + [0.2] * persons
    return {"width_px": 640, "height_px": 480, "model": "tiny@1", "scores": scores, "plain": persons // 2}


def test_frames_are_collected_counted_and_fitted(run: Run, tmp_path: Path) -> None:
    folder, asked = tmp_path / "frames", list[Mapping[str, Any]]()

    def sampled(fields: Mapping[str, Any], _data: bytes) -> tuple[dict[str, Any], bytes]:
        asked.append(fields)
        return {"ok": True, "sample": sample(2 * len(asked))}, JPEG

    with Desk(read_settings(os.environ).video_desk, {"sample": sampled}):
        told = run("calibrate", "gate-1", "--collect", folder, "--frames", "5", "--every-s", "0.1")
    assert told.status == 0
    assert f"wangge calibrate gate-1 --counts {folder / COUNTS}" in told.out
    assert [path.name for path in sorted(folder.iterdir())][:2] == ["001.jpg", "002.jpg"]
    assert (folder / "001.jpg").read_bytes() == JPEG
    table = (folder / COUNTS).read_text().splitlines()
    assert table[:2] == ["file,persons", "001.jpg,"]
    (folder / COUNTS).write_text("file,persons\n" + "".join(f"00{i}.jpg,{2 * i}\n" for i in range(1, 6)))
    tried = run("calibrate", "gate-1", "--counts", folder / COUNTS, "--dry-run")
    assert "nothing is stored" in tried.out
    assert vision().counting is None
    done = run("calibrate", "gate-1", "--counts", folder / COUNTS)
    assert "by 5 frames: off by 0.0 persons on a frame left out of the fit, 3.0 without it" in done.out
    counting = vision().counting
    assert counting is not None
    assert (counting.model, counting.frames, counting.most_persons) == ("tiny@1", 5, 10)


def test_own_frames_are_looked_at_by_the_model_in_use(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each person is two white squares."""
    monkeypatch.setenv("WANGGE_ZOO", str(write_zoo(tmp_path, tiny_nanodet().SerializeToString())))
    monkeypatch.setenv("WANGGE_DETECTOR", "tiny")
    counts = {}
    for persons in range(1, 7):
        bgr = np.zeros((64, 64, 3), np.uint8)
        for i in range(2 * persons):
            y, x = divmod(i, 4)
            bgr[y * 16 : y * 16 + 8, x * 16 : x * 16 + 8] = 255
        cv2.imwrite(str(tmp_path / f"{persons}.png"), bgr)
        counts[f"{persons}.png"] = persons
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    words = ("calibrate", "gate-1", "--footage", tmp_path, "--counts", tmp_path / "counts.json", "--json")
    done = run(*words)
    assert done.status == 0, done
    fitted = json.loads(done.out)
    assert fitted["stored"] is True
    assert fitted["plain_mae_persons"] == 3.5
    assert fitted["mae_persons"] < 0.5
    assert vision().counting is not None
    (tmp_path / "counts.json").write_text(json.dumps({"../data/key": 3} | counts))
    assert "is no JPEG, PNG or WebP file of" in run(*words).out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no table of file,persons"),
        ("frame,count\n1.jpg,3\n", "is no table of file,persons"),
        ("\x00\xff", "is no table of file,persons"),
        ("file,persons\n1.jpg,3\n1.jpg,4\n", "1.jpg is counted twice"),
        ("file,persons\n1.jpg,-3\n", "1.jpg: '-3' is no count of persons"),
        ("file,persons\n1.jpg,3.5\n", "'3.5' is no count"),
        ("file,persons\n1.jpg,多\n", "'多' is no count"),
        (f"file,persons\n1.jpg,{'9' * 5000}\n", "is no count"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / COUNTS
    path.write_text(text)
    with pytest.raises(InvalidInput, match=sentence):
        read_counts(path)


@pytest.mark.parametrize("document", ["[1, 2]", "3", '{"1.jpg": {"a": 1}}', '{"1.jpg": 3, "1.jpg": 4}', "[" * 100_000])
def test_a_json_table_that_is_none_is_refused(tmp_path: Path, document: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(document)
    with pytest.raises(InvalidInput, match=r"1.jpg|is no table"):
        read_counts(path)


def test_rows_that_are_not_counted_yet_are_left_out_and_a_bom_is_none(tmp_path: Path) -> None:
    path = tmp_path / COUNTS
    path.write_text("\ufefffile,persons\r\n1.jpg,3\r\n2.jpg,\r\n3.jpg\r\n\r\n4.jpg, 0 \r\n")
    assert read_counts(path) == {"1.jpg": 3, "4.jpg": 0}


def test_what_was_collected_stays_when_the_camera_fails_in_between(tmp_path: Path) -> None:
    answers = iter([(JPEG, sample(4)), (JPEG, None)])
    waits = list[float]()
    with pytest.raises(InvalidInput, match="collect the frames anew"):
        take_frames(lambda: next(answers), tmp_path, 3, 60.0, waits.append)
    assert waits == [60.0]
    assert list(json.loads((tmp_path / SAMPLES).read_text())) == ["001.jpg"]


def test_a_wrong_call_says_what_to_do(run: Run, tmp_path: Path) -> None:
    counts = tmp_path / COUNTS
    counts.write_text("file,persons\n1.jpg,3\n")
    used = tmp_path / "used"
    used.mkdir()
    (used / "holiday.jpg").write_bytes(JPEG)
    for words, sentence in (
        ((), "say --collect FOLDER to take frames, or --counts FILE"),
        (("--collect", used, "--counts", counts), "say --collect FOLDER"),
        (("--counts", counts), "samples.json is not there: give the counts.csv of collected frames, or --footage"),
        (("--counts", tmp_path / "none.csv"), "cannot be read"),
        (("--counts", counts, "--footage", counts), "is no folder of pictures"),
        (("--collect", used), "is not empty: name a new folder"),
        (("--collect", tmp_path / "new"), "the camera worker does not answer now"),
    ):
        said = run("calibrate", "gate-1", *words)
        assert said.status == 1
        assert sentence in said.err
    assert "no camera has the code" in run("calibrate", "gate-9", "--collect", tmp_path / "new").err
    (tmp_path / SAMPLES).write_text("[")
    assert "is damaged: collect the frames anew" in run("calibrate", "gate-1", "--counts", counts).err
