"""Whole replays: drawn footage through the real decoder, gate and rules; the report; the command line."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import wangge
from models.errors import InvalidInput
from models.frame import Frame
from models.settings import read_settings
from ops.replay import Result, judge_footage, open_pipeline
from ops.replay_report import report_html
from ops.replay_truth import camera_of
from tests.detectors.tiny_models import tiny_map, write_zoo
from tests.ops.replay_scene import Eyes, detector, document, draw, frame, truth


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("replay") / "clip.mp4")


@pytest.fixture(scope="module")
def result(clip: Path) -> Result:
    return judge(clip)


def judge(path: Path, *rates: str, **changed: object) -> Result:
    known = truth(**changed)
    return judge_footage(path, known, camera_of(known.camera), detector(), Eyes(), rates)


def test_every_rate_finds_what_happens_and_counts_who_is_there(result: Result) -> None:
    assert [rated.rate for rated in result.rates] == ["keyframes", "1", "0.5"]
    for rated in result.rates:
        assert rated.score.recall == 1.0
        assert [verdict.outcome for verdict in rated.score.verdicts] == ["hit", "hit"]
        assert rated.score.counts is not None
        assert (rated.score.counts.mae, rated.score.counts.correlation) == (0.0, pytest.approx(1.0))
    assert [kind.kind for kind in result.rates[0].score.kinds][:3] == ["intrusion", "crowding", "camera_black"]
    assert result.notes == ()


def test_the_pipeline_counts_crowds_as_the_worker_does(tmp_path: Path) -> None:
    model = tiny_map().SerializeToString()
    zoo = write_zoo(tmp_path, model, layout="density", labels=["person"])
    settings = read_settings({"WANGGE_ZOO": str(zoo), "WANGGE_DENSITY_MODEL": "tiny"})
    crowded = camera_of(truth().camera)
    seen, _ = open_pipeline(settings)
    observed = seen.observe(crowded, Frame("c", 0.0, np.full((64, 64, 3), 255, np.uint8)), {})
    assert [said for said in observed.reasons.values() if "by tiny@" in said[0]]


def test_the_gate_keeps_the_detector_from_what_has_not_changed(result: Result) -> None:
    assert 0.5 < (result.rates[0].pass_rate or 0) < 0.95


def test_through_a_gate_that_never_opens_nothing_is_found_and_the_report_says_why(clip: Path) -> None:
    known = truth()
    blind = judge_footage(clip, known, camera_of(known.camera), detector(), Eyes(), ["1"], gate=lambda *_: None)
    (rated,) = blind.rates
    assert (rated.pass_rate, rated.score.recall, rated.score.counts) == (0.0, 0.0, None)
    html = report_html(blind)
    assert html.count("the gate kept the detector from this picture") == 2
    assert html.count("data:image/jpeg;base64,") == 2


def test_the_report_shows_each_verdict_with_zone_and_boxes_and_needs_no_other_file(result: Result) -> None:
    html = report_html(result)
    assert html.count('class="zone"') == html.count('class="box"') == html.count("data:image/jpeg") == 6
    assert "命中 Hits: 2" in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert "<script" not in html


def test_footage_that_breaks_off_is_judged_up_to_there(tmp_path: Path) -> None:
    whole = draw(tmp_path / "whole.avi", "mpeg4")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7)])
    found = judge(cut, "1")
    assert found.rates[0].score.recall == 1.0
    assert re.fullmatch(
        r"1: cut.avi breaks off at [\d.]+ s of 40.0 s; judged up to there, 1 incidents of the truth come later",
        found.notes[0],
    )


def test_footage_whose_keyframes_are_damaged_is_judged_up_to_there(tmp_path: Path, clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    for at in range(len(data) // 3, len(data) - 8000, 50):
        data[at] ^= 0xA5
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    found = judge(damaged, "keyframes")
    assert "; judged up to there, 1 incidents of the truth come later" in found.notes[0]
    assert found.rates[0].score.recall == 1.0


def test_slow_footage_is_replayed_at_the_rates_that_it_has(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame(float(number)))
    empty = {"incidents": [], "counts": [], "fps": 0.6}
    found = judge(tmp_path, **empty)
    assert [(rated.rate, rated.played.pictures) for rated in found.rates] == [("keyframes", 4), ("0.5", 3)]
    assert found.notes == ("the footage has 0.6 pictures a second: it is replayed at keyframes, 0.5 only",)
    for rate, said in (("5", "cannot be replayed at 5"), ("fast", "is no rate"), ("-1", "is no rate")):
        with pytest.raises(InvalidInput, match=said):
            judge(tmp_path, rate, **empty)


@pytest.mark.parametrize(
    ("footage", "known", "said"),
    [
        ("clip.mp4", "{}", "there is no folder"),
        ("none.mp4", "{}", "none.mp4 is not there"),
        ("clip.mp4", "{", "t.json is not as it should be"),
        ("clip.mp4", '{"incidents": [{"kind": "flood", "onset_s": 1}]}', "the truth does not fit"),
    ],
)
def test_the_command_line_answers_with_a_sentence(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    footage: str, known: str, said: str,
) -> None:  # fmt: skip
    (tmp_path / "t.json").write_text(known)
    words = ["wangge", "replay", str(clip.with_name(footage)), "--truth", str(tmp_path / "t.json")]
    words += ["--report", str(tmp_path / "none" / "report.html")] if "folder" in said else []
    monkeypatch.setattr("sys.argv", words)
    assert wangge.main() == 1
    assert said in capsys.readouterr().err


def test_the_command_line_judges_with_the_model_that_ships(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.json").write_text(json.dumps(document() | {"incidents": []}))
    report = tmp_path / "report.html"
    words = ["--truth", str(tmp_path / "t.json"), "--fps", "0.05", "--report", str(report), "--json"]
    monkeypatch.setattr("sys.argv", ["wangge", "replay", str(clip), *words])
    with pytest.raises(SystemExit, match="0"):
        wangge.main()
    (rate,) = json.loads(capsys.readouterr().out)["rates"]
    assert (rate["rate"], rate["pictures"], rate["looked"], rate["cut"]) == ("0.05", 2, 1, None)
    assert rate["counts"]["n"] == 4
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
