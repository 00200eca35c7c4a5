import numpy as np

from detectors.motion import USUAL_S, Scene

QUIET = np.random.default_rng(5).integers(60, 180, (90, 160), dtype=np.uint8)


def with_somebody(picture: np.ndarray, left: int = 50) -> np.ndarray:
    changed = picture.copy()
    changed[40:52, left : left + 5] = 230
    return changed


def test_who_comes_has_moved_and_the_scene_has_not() -> None:
    moved = Scene.first(QUIET, 0.0).moved(with_somebody(QUIET))
    assert moved[40:52, 50:55].mean() > 0.9
    assert not moved[:38].any()
    assert not moved[:, 57:].any()


def test_who_stands_for_a_while_is_still_nobody_of_the_scene() -> None:
    scene = Scene.first(QUIET, 0.0)
    for at_s in range(2, 60, 2):
        scene = scene.after(with_somebody(QUIET), float(at_s))
    assert scene.moved(with_somebody(QUIET))[40:52, 50:55].mean() > 0.9


def test_what_stays_becomes_part_of_the_scene() -> None:
    scene = Scene.first(QUIET, 0.0)
    for at_s in range(2, int(5 * USUAL_S), 2):
        scene = scene.after(with_somebody(QUIET), float(at_s))
    assert not scene.moved(with_somebody(QUIET)).any()


def test_a_place_that_is_never_quiet_needs_more() -> None:
    """Leaves: 12 grey levels to and fro. Elsewhere so much is a movement."""
    scene, random = Scene.first(QUIET, 0.0), np.random.default_rng(6)
    for at_s in range(2, 1000, 2):
        leaves = QUIET.copy()
        leaves[:20] += random.integers(0, 25, (20, 160)).astype(np.uint8)
        scene = scene.after(leaves, float(at_s))
    now = QUIET.copy()
    now[:20] += random.integers(0, 25, (20, 160)).astype(np.uint8)
    now[60:70, 60:70] += 12
    moved = scene.moved(now)
    assert moved[:20].mean() < 0.05
    assert moved[60:70, 60:70].all()


def test_a_change_of_exposure_moves_nothing() -> None:
    assert not Scene.first(QUIET, 0.0).moved(QUIET + 30).any()


def test_another_view_begins_anew() -> None:
    other = QUIET[::-1, ::-1].copy()
    assert not Scene.first(QUIET, 0.0).moved(other).any()
    assert not Scene.first(QUIET, 0.0).after(other, 2.0).moved(other).any()


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    scene = Scene.first(QUIET, 100.0).after(with_somebody(QUIET), 50.0)
    assert scene.moved(with_somebody(QUIET))[40:52, 50:55].any()
