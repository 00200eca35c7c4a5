"""`wangge model`: what people and programs are told of models, good and bad ones."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

import wangge
from tests.detectors.tiny_models import tiny_map, tiny_nanodet, write_zoo

CARD = {
    "accuracy": "none",
    "tested_on": "nothing",
    "ms": 1.5,
    "ms_on": "a test",
    "use": "tests",
    "limits": "sees brightness",
}


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("WANGGE_DATA", str(tmp_path / "data"))

    def run(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["wangge", "model", *map(str, words)])
        try:
            status = wangge.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


def test_every_command_has_an_example(run: Run) -> None:
    for command in ("list", "check", "bench"):
        assert "Example" in run(command, "--help").out


def test_the_list_says_what_is_in_use_and_how_good_it_is(run: Run) -> None:
    (shipped,) = [each for each in json.loads(run("list", "--json").out) if each["name"] == "nanodet-g-416"]
    assert shipped["used_as"] == ["detector"]
    assert shipped["card"]["ms"] > 0
    assert "mAP" in shipped["card"]["accuracy"]
    assert "Apache-2.0" in run("list").out


def test_a_model_with_its_card_passes_and_a_picture_is_looked_at(run: Run, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path, tiny_nanodet().SerializeToString(), card=CARD)
    bgr = np.zeros((64, 64, 3), np.uint8)
    bgr[8:16, 8:16] = 255
    cv2.imwrite(str(tmp_path / "square.png"), bgr)
    said = run("check", zoo, "--picture", tmp_path / "square.png", "--json")
    assert said.status == 0
    loads, sees = json.loads(said.out)
    assert (loads["check"], loads["level"]) == ("model:tiny", "ok")
    assert "runs on cpu, 2 labels, layout nanodet; of use as detector" in loads["said"]
    assert sees["said"] == "in the picture: 1 person"


def test_a_detector_that_knows_no_vehicles_is_warned_of(run: Run, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path, tiny_nanodet(labels=1).SerializeToString(), labels=["person"], card=CARD)
    _, bare = json.loads(run("check", zoo, "--json").out)
    assert (bare["level"], "number plates are not masked" in bare["said"]) == ("warn", True)


def test_what_is_wrong_is_said_with_a_remedy(run: Run, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path, tiny_nanodet(labels=3).SerializeToString())
    said = run("check", zoo)
    assert said.status == 1
    assert "scores_8 tells 3 classes apart, the zoo names 2 labels" in said.out
    assert "compare the entry in the zoo.toml" in said.out
    (tmp_path / "tiny.onnx").write_bytes(b"another")
    assert "get the file again" in run("check", "tiny", "--zoo", zoo).out
    for wrong in ("nothing", tmp_path / "none.toml", tmp_path / "none.onnx"):
        said = run("check", wrong)
        assert said.status == 1
        assert said.err
        assert "Traceback" not in said.err


def test_a_card_that_says_nothing_and_a_provider_that_is_not_there_are_warned_of(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANGGE_PROVIDERS", "cann,cpu")
    zoo = write_zoo(tmp_path, tiny_map().SerializeToString(), layout="density", labels=["person"], card={"ms": 2})
    _, card, provider = json.loads(run("check", zoo, "--json").out)
    assert card["said"] == "its card does not say: accuracy, tested_on, ms_on, use, limits"
    assert provider["said"].startswith("asked to run models on cann, this ONNX Runtime has cpu")
    assert "onnxruntime-cann" in provider["said"]


def test_a_bare_file_is_described(run: Run, tmp_path: Path) -> None:
    write_zoo(tmp_path, tiny_map().SerializeToString())
    said = run("check", tmp_path / "tiny.onnx").out
    assert "takes image [1, 3, 'height', 'width'] tensor(float)" in said
    assert 'sha256 = "' in said


def test_a_bench_times_each_form_of_each_model(run: Run, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path, tiny_nanodet(side=64).SerializeToString())
    rows = json.loads(run("bench", "tiny", "tiny", "--zoo", zoo, "--rounds", "2", "--json").out)
    assert [(row["model"], row["side_px"], row["looks"]) for row in rows] == [("tiny", None, 2)] * 2
    assert all(0 < row["ms_p50"] <= row["ms_p99"] for row in rows)
    said = run("bench", "tiny", "--zoo", zoo, "--provider", "tpu")
    assert said.status == 1
    assert "it must be names out of cpu, cuda" in said.err
