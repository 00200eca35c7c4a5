"""The made footage says what it is to say: the rules are found good on it, and a detector that sees nobody is not."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.kinds import main, measure, missed
from bench.made_boxes import hour
from bench.made_dumping import left
from bench.made_gates import held_open_hour
from bench.made_gates import hour as gate_hour
from bench.made_pictures import Ground
from bench.made_scenes import NOBODY, Scene, Shown


def ground() -> Ground:
    """Bare ground of coarse patches, somebody's feet nowhere near it."""
    rough = np.random.default_rng(3).integers(90, 130, (15, 20, 3), np.uint8)
    picture = np.asarray(cv2.resize(rough, (192, 144), interpolation=cv2.INTER_CUBIC), np.uint8)
    return Ground("made", (picture,), (NOBODY,), ((0.0, 0.1), (1.0, 0.1), (1.0, 1.0), (0.0, 1.0)))


def beginning(scene: Scene, length_s: float) -> Scene:
    def looks() -> Iterator[Shown]:
        yield from itertools.takewhile(lambda shown: shown.at_s < length_s, scene.looks())

    return replace(scene, length_s=length_s, looks=looks)


def unseen(scene: Scene) -> Scene:
    def looks() -> Iterator[Shown]:
        for shown in scene.looks():
            yield replace(shown, detections=NOBODY)

    return replace(scene, looks=looks)


def test_what_is_made_is_told_and_to_a_detector_that_sees_nobody_the_check_fails() -> None:
    scene, said = beginning(hour("gate_queue", 1), 900.0), list[str]()
    line = measure("gate_queue", [scene], said.append)
    assert (line["incidents"], line["found"], line["false"]) == (1, 1, 0)
    assert line["hours"] == 0.25
    assert line["false_per_day_bound"] == pytest.approx(287.6, abs=0.1)  # none in a quarter of an hour proves no more
    assert said == ["gate_queue, hour 1: 1 of 1 found, 0 false"]
    blind = measure("gate_queue", [unseen(scene)], said.append)
    faults = missed([line | {"rule_ms": 0.5}, blind])
    assert faults[0] == "gate_queue: 0 of 1 found, promised 90%"
    assert not missed([line | {"rule_ms": 0.5}])
    assert missed([line | {"rule_ms": 1.5}]) == ["gate_queue: 1.5 ms a look, promised 1"]
    assert {each["outcome"] for each in blind["wrong"]} == {"miss"}


def test_what_is_painted_is_told() -> None:
    line = measure("dumping", [beginning(left(ground(), 2, "heap"), 640.0)], lambda _: None)
    assert (line["incidents"], line["found"], line["false"]) == (1, 1, 0)


def test_a_scene_is_the_same_at_every_call() -> None:
    scene = left(ground(), 2, "bag")
    for first, second, _ in zip(scene.looks(), scene.looks(), range(5), strict=False):
        assert first.at_s == second.at_s
        assert first.bgr is not None
        np.testing.assert_array_equal(first.bgr, second.bgr)


def test_a_recording_that_is_not_there_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--kind", "camera_black", "--ground", "road", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kinds"] == []
    assert told["left_out"] == [
        f"road: it is not at {tmp_path}/roads/road.avi; left out",
        "camera_black: no recording to paint it into; left out",
    ]


def test_who_follows_at_a_made_gate_is_told_by_its_passes_and_by_sight_and_nobody_else() -> None:
    for by_sight in (False, True):
        scene = gate_hour(by_sight, 3, incidents=12)
        first = scene.truth.incidents[0]
        scene = beginning(scene, first.onset_s + 30.0)
        scene = replace(scene, truth=scene.truth.model_copy(update={"incidents": [first]}))
        line = measure("gate_tailgating", [scene], lambda _: None)
        assert (line["incidents"], line["found"], line["false"]) == (1, 1, 0)
    line = measure("gate_held_open", [beginning(held_open_hour(2, 12), 900.0)], lambda _: None)
    assert line["false"] == 0
