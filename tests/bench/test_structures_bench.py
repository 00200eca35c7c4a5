"""The set for new structures: the same each time, true to its geometry, split, and scored so that it can fail."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import structures_skins
from bench.structures import Watched, chosen, main, missed
from bench.structures_compose import Composed
from bench.structures_ground import HEIGHT_PX, WIDTH_PX
from bench.structures_places import SHOTS, Split
from bench.structures_scene import SHED_ONSET_S, SimulatedCamera, camera_with_shed, simulated_cameras
from bench.structures_score import FalseAlarm, Judged, Suspicion, judge, summary
from bench.structures_sky import DAY_S, START_S
from bench.structures_truth import Nuisance
from models.geo import GroundPlane

NOON_S = START_S + DAY_S / 2
DONE_S = SHED_ONSET_S + 6 * DAY_S


@pytest.fixture(scope="module")
def shed() -> SimulatedCamera:
    return camera_with_shed(Split.TUNING, 16, data=None, footage=None)


def test_a_look_depends_on_seed_and_time_alone_and_no_two_are_alike(shed: SimulatedCamera) -> None:
    again = camera_with_shed(Split.TUNING, 16, data=None, footage=None)
    later, look = shed.look(NOON_S + 600), shed.look(NOON_S)
    assert np.array_equal(look.bgr, again.look(NOON_S).bgr)
    assert look.bgr.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert (look.bgr == later.bgr).all(axis=2).mean() < 0.2


def test_nights_are_darker_than_days(shed: SimulatedCamera) -> None:
    noon, midnight = shed.look(NOON_S), shed.look(START_S + DAY_S)
    assert (noon.is_day, midnight.is_day) == (True, False)
    assert midnight.bgr.mean() < 0.7 * noon.bgr.mean()


def test_what_is_built_changes_its_own_place(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    mask = structure.mask_at(DONE_S)
    before = shed.look(SHED_ONSET_S - DAY_S).bgr.astype(float).mean(axis=2)
    after = shed.look(DONE_S - DONE_S % DAY_S + SHED_ONSET_S % DAY_S).bgr.astype(float).mean(axis=2)
    changed = np.abs(after - np.median(after) - before + np.median(before))
    assert changed[mask].mean() > 2 * changed[~mask].mean()
    assert abs(mask.mean() - structure.size_share) < 1e-9


def test_it_grows_in_working_hours_from_onset_to_end(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    assert structure.area_m2(SHED_ONSET_S - 1) == 0
    assert not structure.mask_at(SHED_ONSET_S - 1).any()
    areas = [structure.area_m2(SHED_ONSET_S + hour * 3600) for hour in range(0, 160, 4)]
    assert areas == sorted(areas)
    assert areas[0] < 10 < 19.99 < areas[-1] < 20.01
    evening, morning = SHED_ONSET_S + 11 * 3600, SHED_ONSET_S + 22 * 3600
    assert structure.grown(evening) == structure.grown(morning)


def test_the_control_points_measure_what_was_built(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    corners, depth = shed.pose.project(np.c_[structure.thing.plan_m(), np.zeros(4)])
    assert depth.min() > 0
    ground = GroundPlane.fit(shed.camera.control_points)
    polygon = [(float(x) / WIDTH_PX, float(y) / HEIGHT_PX) for x, y in corners]
    assert ground.area_m2(polygon) == pytest.approx(20, rel=0.01)


def test_who_passes_stays_in_front() -> None:
    white = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.float32)
    facing = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    whole = np.s_[0:HEIGHT_PX, 0:WIDTH_PX]
    built = Composed(white, np.ones(facing.shape, np.float32), facing, np.array([[0.0, -1.0, 0.0]]), (), whole)
    passing = facing.copy()
    passing[100:200, 100:150] = 255
    seen = built.over(np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8), passing)
    assert (seen[150, 120].tolist(), seen[50, 50].tolist()) == ([0, 0, 0], [255, 255, 255])


def test_tuning_and_judging_share_no_scene_and_no_wall() -> None:
    sources = {split: {shot.source for shot in SHOTS if shot.split is split} for split in Split}
    assert sources[Split.TUNING].isdisjoint(sources[Split.JUDGING])
    walls = {split: set(structures_skins.WALLS[split]) for split in Split}
    assert walls[Split.TUNING].isdisjoint(walls[Split.JUDGING])


def _said(at_s: float, mask: np.ndarray, name: str = "a", area: float | None = None) -> Suspicion:
    return Suspicion(name, mask, at_s, area_m2=area)


def test_the_truth_itself_scores_full_marks(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    early, late = SHED_ONSET_S + 1.5 * DAY_S, DONE_S
    said = [
        _said(early, structure.mask_at(early), area=structure.area_m2(early)),
        _said(late, structure.mask_at(late), area=22.0),
    ]
    told = summary([judge(shed, said)])
    assert (told["recall"], told["false"], told["repeats"]) == (1.0, 0, 0)
    assert (told["median_days_to_alert"], told["median_area_error"]) == (1.5, 0.1)


def test_too_early_elsewhere_and_all_over_are_false(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    mask = structure.mask_at(DONE_S)
    everywhere = np.ones((18, 32), bool)
    said = [
        _said(SHED_ONSET_S - 60, mask, "too early"),
        _said(DONE_S, np.roll(mask, 200, axis=1), "beside"),
        _said(DONE_S, everywhere, "all"),
    ]
    judged = judge(shed, said)
    assert [one.alert_days for one in judged.found] == [None]
    assert len(judged.false) == 3


def test_a_second_alert_on_one_structure_is_a_repeat(shed: SimulatedCamera) -> None:
    (structure,) = shed.truth.structures
    mask = structure.mask_at(DONE_S)
    (found,) = judge(shed, [_said(DONE_S, mask, "a"), _said(DONE_S + 600, mask, "b")]).found
    assert found.repeats == 1


def test_a_false_one_goes_to_what_stands_there() -> None:
    cameras = simulated_cameras("judging", 2)
    camera, nuisance = next((c, n) for c in cameras for n in c.truth.nuisances if n.mask.any())
    assert isinstance(nuisance, Nuisance)
    (false,) = judge(camera, [_said(nuisance.begin_s, nuisance.mask)]).false
    assert false.cause == nuisance.kind


def _watched(false_at: dict[float, int]) -> Watched:
    alarm = FalseAlarm("c", 1.0, "snow", 0.1)
    judged = {("absdiff", level): Judged("c", 600, (), (alarm,) * count) for level, count in false_at.items()}
    return Watched(judged, {}, 1)


def test_the_lowest_threshold_with_few_enough_false_is_chosen() -> None:
    levels = {float(level): 9 - level // 10 for level in range(4, 100, 2)}
    assert chosen("absdiff", [_watched(levels)]) == 60.0


def test_the_check_fails_where_simple_contenders_do_well_or_the_product_does_not() -> None:
    shed = {"alerts": 1, "alert_days": 1.0, "area_m2": 20.0, "said_m2": 27.0}
    told = {"recall_watched": 0.7, "false_per_20_cameras_30_days": 4.0, "shed": shed}
    faults = missed({"contenders": {"absdiff": told, "product": told}})
    assert [fault.split()[0] for fault in faults] == ["absdiff", "recall", "4.0", "the"]


def test_the_command_measures_and_says_what_it_measured_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ["--data", str(tmp_path), "--footage", str(tmp_path)]
    small = ["--cameras", "1", "--days", "9", "--looks-a-day", "2", "--contender", "absdiff", "--processes", "1"]
    assert main([*nowhere, *small, "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert (report["scenes"], report["set"]) == (["made by code"], "synthetic, tuning")
    assert "made by code" in told.err


def test_too_few_days_are_refused_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--days", "3"])
    assert "9 days" in capsys.readouterr().err
