from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from detectors.structure import Look, Said, State, Watched, step
from detectors.structure_memory import DAY_S, Numbers
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane
from models.structure import Accepted, Permit
from models.vision import Vision

HERE = GeoPoint(121.47, 31.23)
WEST = Zone("west", "West yard", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), ("illegal_structure",))
EAST = Zone("east", "East yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)), ("illegal_structure",))
CAMERA = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None, zones=(WEST, EAST))
DAY_0_S = 1_772_294_400.0 + 9 * 3600
"""Nine o'clock of 1 March 2026 in Shanghai: when the scene is accepted, after a day of learning."""
ACCEPTED = Accepted(accepted_s=DAY_0_S - 3600)
HEIGHT, WIDTH = 144, 256

Told = list[tuple[float, Said]]
"""With days since it was accepted."""


def rough(seed: int, low: int, high: int, side: int = 6) -> Pixels:
    shape = (HEIGHT // side + 1, WIDTH // side + 1, 3)
    drawn = np.random.default_rng(seed).integers(low, high, shape, np.uint8)
    return np.repeat(np.repeat(drawn, side, 0), side, 1)[:HEIGHT, :WIDTH]


GROUND, WALL, LORRY = rough(1, 70, 150), rough(9, 150, 250), rough(5, 0, 90)


def building(days: float) -> Pixels:
    """West a wall that grows over five days; east one that is there at once, and above it a lorry for four days."""
    picture = GROUND.copy()
    right = round(20 + 90 * min(max((days - 0.06) / 5, 0.0), 1.0))
    if right > 20:
        picture[60:110, 20:right] = WALL[60:110, 20:right]
    if days >= 0.06:
        picture[90:130, 150:220] = WALL[90:130, 150:220]
    if 0.06 <= days < 4:
        picture[20:60, 170:230] = LORRY[20:60, 170:230]
    return picture // 2 + 60 if 1.1 < days < 1.2 else picture  # rain


def apart(reference: Pixels, look: Pixels) -> Numbers:
    """Stands in for the change network: how far cells of 8 x 8 pixels differ once both are equally bright."""
    both = [picture.astype(np.float32) / np.median(picture) for picture in (reference, look)]
    cells = cv2.resize(np.abs(both[0] - both[1]).mean(axis=2), (40, 22), interpolation=cv2.INTER_AREA)
    result: Numbers = 1 / (1 + np.exp(-30 * (cells[None] - 0.2)))
    return result


NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ("person",))


CORNERS = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
POINTS = tuple(ControlPoint(x, y, LocalPlane(HERE).to_geo(32 * x, 18 * (1 - y))) for x, y in CORNERS)


def look(state: State, at_s: float, bgr: Pixels, seen: Detections = NOBODY, accepted: Accepted = ACCEPTED) -> Watched:
    camera = replace(CAMERA, vision=Vision(structures=accepted))
    return step(state, camera, Look(at_s, bgr, bgr, seen, GroundPlane.fit(POINTS)), apart)


def watch(
    paint: Callable[[float], Pixels],
    days: range,
    state: State | None = None,
    accepted: Accepted = ACCEPTED,
    detections: Detections = NOBODY,
) -> tuple[State, Told, Watched]:
    """A look an hour from nine to four, in light that changes by the hour, under noise."""
    said: Told = []
    watched = Watched(state or State(), (), {})
    for day in days:
        for hour in range(8):
            chance = np.random.default_rng([day + 100, hour])
            light = 0.75 + 0.25 * np.sin(hour / 8 * np.pi) + chance.normal(0, 0.02)
            noisy = paint(day + hour / 24) * light + chance.normal(0, 3, (HEIGHT, WIDTH, 3))
            bgr = np.clip(noisy, 0, 255).astype(np.uint8)
            at_s = DAY_0_S + day * DAY_S + hour * 3600
            watched = look(watched.state, at_s, bgr, detections, accepted)
            said += [(day + hour / 24, each) for each in watched.said]
    return watched.state, said, watched


def phases(said: Told) -> list[str]:
    return [each.phase for _, each in said]


@pytest.fixture(scope="module")
def built() -> tuple[State, Told]:
    state, said, _ = watch(building, range(-1, 8))
    return state, said


def test_what_grows_is_told_once_while_it_grows_and_said_again_daily(built: tuple[State, Told]) -> None:
    said = [(days, each) for days, each in built[1] if each.structure.zone_id == "west"]
    assert phases(said) == ["onset"] + ["continuing"] * (len(said) - 1)
    assert len(said) >= 5
    days, first = said[0]
    assert 1.0 <= days <= 3.5
    assert "has grown over hours and days" in first.reason
    rows, columns = np.nonzero(first.structure.cells)
    assert 2 <= columns.min() <= 4
    assert 8 <= rows.min() <= 10
    assert said[-1][1].structure.share > 1.4 * first.structure.share


def test_the_ground_it_covers_grows_with_it(built: tuple[State, Told]) -> None:
    said = [each for _, each in built[1] if each.structure.zone_id == "west"]
    areas = [each.structure.area_m2 for each in said]
    assert areas[0] is not None
    assert areas[-1] is not None
    assert areas[0] < areas[-1]
    assert said[1].grown_m2 is not None
    assert said[1].grown_m2 > 0
    assert "m² of ground" in said[0].reason


def test_what_came_at_once_waits_a_week_and_a_lorry_of_four_days_is_nothing(built: tuple[State, Told]) -> None:
    said = [(days, each) for days, each in built[1] if each.structure.zone_id == "east"]
    assert phases(said)[0] == "onset"
    assert phases(said).count("onset") == 1
    assert said[0][0] >= 7
    assert "came at once" in said[0][1].reason
    rows, _ = np.nonzero(said[0][1].structure.cells)
    assert rows.min() >= 13  # the lorry stood above


def test_until_someone_accepts_the_scene_it_is_only_learned() -> None:
    _, said, watched = watch(building, range(1), accepted=Accepted())
    assert phases(said) == []
    assert "nobody has accepted" in watched.reasons["west"]


def test_a_permit_ends_it_where_it_holds(built: tuple[State, Told]) -> None:
    permit = Permit("west", DAY_0_S + 8 * DAY_S - 10, DAY_0_S + 9 * DAY_S, "2026-117")
    after, said, watched = watch(building, range(8, 9), built[0], replace(ACCEPTED, permits=(permit,)))
    assert [(each.phase, each.structure.zone_id) for _, each in said if each.phase != "continuing"] == [
        ("cleared", "west")
    ]
    assert "2026-117" in watched.reasons["west"]
    assert [told.zone_id for told in after.told] == ["east"]


def test_a_new_acceptance_ends_all_and_is_how_it_should_look(built: tuple[State, Told]) -> None:
    accepted = Accepted(accepted_s=DAY_0_S + 8 * DAY_S)
    after, said, watched = watch(building, range(8, 9), built[0], accepted)
    assert phases(said) == ["cleared", "cleared"]
    assert not after.told
    assert "accepted" in said[0][1].reason
    assert watched.reasons["west"] == "West yard: nothing new stands there"


def test_what_is_torn_down_is_gone_after_days(built: tuple[State, Told]) -> None:
    after, said, _ = watch(lambda _: GROUND.copy(), range(8, 12), built[0])
    assert [(days >= 10, each.phase) for days, each in said if each.phase != "continuing"] == [(True, "cleared")] * 2
    assert not after.told


def test_what_stands_when_a_permit_ends_is_accepted(built: tuple[State, Told]) -> None:
    permit = Permit("west", DAY_0_S + 8 * DAY_S - 10, DAY_0_S + 10.9 * DAY_S, "2026-117")
    accepted = replace(ACCEPTED, permits=(permit,))
    after, _, _ = watch(building, range(8, 11), built[0], accepted)
    _, said, watched = watch(building, range(11, 13), after, accepted)
    assert [each.phase for _, each in said if each.structure.zone_id == "west"] == []
    assert watched.reasons["west"] == "West yard: nothing new stands there"


def test_snow_the_night_and_no_time_are_not_compared(built: tuple[State, Told]) -> None:
    state, at_s = built[0], DAY_0_S + 8 * DAY_S
    elsewhere = look(state, at_s, rough(77, 0, 255, 11))
    assert "of the scene looks otherwise" in elsewhere.reasons["west"]
    assert elsewhere.state.told == state.told
    night = look(state, at_s + 12 * 3600, GROUND)
    assert "by day only" in night.reasons["west"]
    with pytest.raises(InvalidInput):
        look(state, float("nan"), GROUND)


def test_a_body_before_it_hides_and_does_not_deny(built: tuple[State, Told]) -> None:
    state, at_s = built[0], DAY_0_S + 8 * DAY_S
    box = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)
    person = Detections(box, np.array([0.9], np.float32), np.array([0], np.int32), ("person",))
    hidden = look(state, at_s, GROUND, person).state
    bare = look(state, at_s, GROUND).state
    assert hidden.memory is not None
    assert bare.memory is not None
    _, looks, _ = hidden.memory.sums
    assert not looks.any()
    assert bare.memory.sums[1].all()


def test_what_came_at_once_and_is_taken_for_a_vehicle_is_not_told_of() -> None:
    box = np.array([[150, 90, 220, 130]], np.float32)
    truck = Detections(box, np.array([0.9], np.float32), np.array([0], np.int32), ("truck",))
    _, _, watched = watch(building, range(-1, 3), detections=truck)
    assert "show a vehicle there" in watched.reasons["east"]


def test_a_clock_that_is_set_back_does_not_blind_it(built: tuple[State, Told]) -> None:
    state = built[0]
    back = look(state, DAY_0_S + 5 * DAY_S, building(5.0))
    assert back.state.memory is not None
    assert back.state.memory.at_s == DAY_0_S + 5 * DAY_S
    assert back.state.memory.log_s.max() < DAY_0_S + 5 * DAY_S


def test_a_clock_that_was_a_year_ahead_does_not_keep_it_learning_for_a_year() -> None:
    ahead = look(State(), DAY_0_S + 365 * DAY_S, GROUND).state
    after = look(ahead, DAY_0_S, GROUND).state
    assert after.memory is not None
    assert after.memory.begun_s == DAY_0_S


def test_of_a_zone_that_is_gone_nothing_is_said_any_more(built: tuple[State, Told]) -> None:
    later = Accepted(accepted_s=DAY_0_S + 8 * DAY_S)
    camera = replace(CAMERA, zones=(EAST,), vision=Vision(structures=later))
    watched = step(built[0], camera, Look(DAY_0_S + 8 * DAY_S, GROUND, GROUND, NOBODY), apart)
    assert [said.structure.zone_id for said in watched.said] == ["east"]


def test_another_network_with_other_cells_begins_anew(built: tuple[State, Told]) -> None:
    def coarse(reference: Pixels, seen: Pixels) -> Numbers:
        return apart(reference, seen)[:, ::2, ::2]

    camera = replace(CAMERA, vision=Vision(structures=ACCEPTED))
    watched = step(built[0], camera, Look(DAY_0_S + 8 * DAY_S, GROUND, GROUND, NOBODY), coarse)
    assert watched.state.memory is not None
    assert (watched.state.memory.grid, watched.state.told) == ((11, 20), ())
    assert [said.phase for said in watched.said] == ["cleared", "cleared"]


def test_after_days_without_pictures_what_stands_is_not_gone(built: tuple[State, Told]) -> None:
    _, said, _ = watch(building, range(11, 12), built[0])
    assert set(phases(said)) == {"continuing"}


def test_after_weeks_without_pictures_what_stands_is_not_taken_for_accepted(built: tuple[State, Told]) -> None:
    after = look(built[0], DAY_0_S + 30 * DAY_S, building(30.0)).state
    assert built[0].memory is not None
    assert after.memory is not None
    assert np.array_equal(after.memory.accepted.pictures, built[0].memory.accepted.pictures)


def test_what_was_told_ends_where_the_picture_has_another_shape(built: tuple[State, Told]) -> None:
    watched = look(built[0], DAY_0_S + 8 * DAY_S, np.vstack([GROUND, GROUND]))
    assert [said.phase for said in watched.said] == ["cleared", "cleared"]
    assert watched.state.told == ()


def test_a_permit_for_one_zone_begins_nothing_in_one_that_overlaps_it(built: tuple[State, Told]) -> None:
    permit = Permit("west", DAY_0_S + 8 * DAY_S - 10, DAY_0_S + 9 * DAY_S, "2026-117")
    both = replace(EAST, id="both", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    vision = Vision(structures=replace(ACCEPTED, permits=(permit,)))
    camera = replace(CAMERA, zones=(WEST, EAST, both), vision=vision)
    picture = building(8.0)
    watched = step(built[0], camera, Look(DAY_0_S + 8 * DAY_S, picture, picture, NOBODY), apart)
    assert [(said.phase, said.structure.zone_id) for said in watched.said] == [("cleared", "west")]


def test_a_permit_for_one_zone_accepts_nothing_beside_it(built: tuple[State, Told]) -> None:
    permit = Permit("west", DAY_0_S + 8 * DAY_S - 10, DAY_0_S + 9 * DAY_S, "2026-117")
    after = look(built[0], DAY_0_S + 8 * DAY_S, building(8.0), accepted=replace(ACCEPTED, permits=(permit,))).state
    assert built[0].memory is not None
    assert after.memory is not None
    before, newest = built[0].memory.accepted.pictures, after.memory.accepted.pictures[-1]
    west, east = np.s_[..., :150, :], np.s_[..., 170:, :]
    assert any(np.array_equal(newest[east], known[east]) for known in before)
    assert not any(np.array_equal(newest[west], known[west]) for known in before)


def test_a_scene_quite_unlike_the_known_one_is_learned_when_it_is_accepted(built: tuple[State, Told]) -> None:
    accepted = Accepted(accepted_s=DAY_0_S + 8 * DAY_S)
    watched = look(built[0], DAY_0_S + 8 * DAY_S, rough(77, 0, 255, 11), accepted=accepted)
    assert [said.phase for said in watched.said] == ["cleared", "cleared"]
    assert watched.state.memory is not None
    assert watched.state.memory.begun_s == DAY_0_S + 8 * DAY_S
    assert "it is learned how it looks" in watched.reasons["west"]


def test_an_acceptance_waits_until_a_day_was_learned() -> None:
    early = Accepted(accepted_s=DAY_0_S - 1.5 * DAY_S)
    _, said, watched = watch(building, range(-1, 0), accepted=early)
    assert said == []
    assert "for 1 day at least" in watched.reasons["west"]
