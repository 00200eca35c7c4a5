import numpy as np

from detectors.motion import RESTED_S, USUAL_S, Scene

QUIET = np.random.default_rng(5).integers(60, 180, (90, 160), dtype=np.uint8)


def with_somebody(picture: np.ndarray, left: int = 50) -> np.ndarray:
    changed = picture.copy()
    changed[40:52, left : left + 5] = 230
    return changed


def after(pictures: list[np.ndarray], every_s: float = 2.0) -> Scene:
    scene = Scene.first(QUIET, 0.0)
    for number, picture in enumerate(pictures, 1):
        scene = scene.after(picture, number * every_s)
    return scene


def test_who_comes_has_moved_and_the_scene_has_not() -> None:
    moved = Scene.first(QUIET, 0.0).moved(with_somebody(QUIET), 2.0)
    assert moved[40:52, 50:55].mean() > 0.9
    assert not moved[:38].any()
    assert not moved[:, 57:].any()


def test_who_stands_about_is_still_nobody_of_the_scene() -> None:
    """To and fro by a step, for a minute."""
    scene = after([with_somebody(QUIET, 50 + number % 2 * 4) for number in range(30)])
    assert scene.moved(with_somebody(QUIET, 50), 62.0)[40:52, 51:54].mean() > 0.9


def test_what_was_put_down_and_lies_still_is_to_be_seen() -> None:
    """A bag: it is no movement, though it does not belong to the scene yet."""
    scene = after([with_somebody(QUIET)] * 4)
    assert scene.moved(with_somebody(QUIET), 10.0)[40:52, 50:55].any()
    assert not after([with_somebody(QUIET)] * 10).moved(with_somebody(QUIET), 2.0 + RESTED_S + 4).any()


def test_where_a_bag_was_taken_away_something_moved() -> None:
    scene = after([with_somebody(QUIET)] * int(5 * USUAL_S / 2))
    assert not scene.moved(with_somebody(QUIET), scene.at_s + 2).any()
    assert scene.moved(QUIET, scene.at_s + 2)[40:52, 50:55].mean() > 0.9


def test_a_place_that_is_never_quiet_needs_more() -> None:
    """Leaves: 12 grey levels to and fro. Elsewhere so much is a movement."""
    random = np.random.default_rng(6)

    def leaves() -> np.ndarray:
        picture = QUIET.copy()
        picture[:20] += random.integers(0, 25, (20, 160)).astype(np.uint8)
        return picture

    scene, now = after([leaves() for _ in range(500)]), leaves()
    now[60:70, 60:70] += 12
    moved = scene.moved(now, scene.at_s + 2)
    assert moved[:20].mean() < 0.05
    assert moved[60:70, 60:70].all()


def test_a_change_of_exposure_moves_nothing() -> None:
    assert not Scene.first(QUIET, 0.0).moved(QUIET + 30, 2.0).any()


def test_another_view_begins_anew() -> None:
    other = QUIET[::-1, ::-1].copy()
    assert not Scene.first(QUIET, 0.0).moved(other, 2.0).any()
    assert not Scene.first(QUIET, 0.0).after(other, 2.0).moved(other, 4.0).any()


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    scene = Scene.first(QUIET, 100.0).after(with_somebody(QUIET), 50.0)
    assert scene.moved(with_somebody(QUIET), 52.0)[40:52, 50:55].any()
