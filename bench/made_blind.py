"""Made scenes of cameras that go blind for five minutes, in real recordings, and of light that only looks like it."""

from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from bench.made_pictures import Ground, Weather
from bench.made_scenes import NOBODY, Scene, Shown, camera, happening
from models.frame import Pixels
from ops.replay_truth import Truth

LENGTH_S, EVERY_S = 900.0, 2.0
BLIND_S, WELL_S = 360.0, 660.0


def _black(picture: Pixels) -> Pixels:
    return cv2.convertScaleAbs(picture, alpha=0.06).astype(np.uint8)


def _covered(picture: Pixels) -> Pixels:
    """A cloth: one colour, a little light from one side."""
    shade = np.linspace(70, 95, picture.shape[1], dtype=np.float32)[None, :, None]
    return np.broadcast_to(shade, picture.shape).astype(np.uint8).copy()


def _blurred(picture: Pixels) -> Pixels:
    height_px, width_px = picture.shape[:2]
    small = cv2.resize(picture, (width_px // 10, height_px // 10), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _moved(picture: Pixels) -> Pixels:
    """Turned by an eighth of the picture."""
    by_px = picture.shape[1] // 8
    return np.ascontiguousarray(np.concatenate([picture[:, by_px:], picture[:, -by_px:][:, ::-1]], axis=1))


FAULTS: Mapping[str, Callable[[Pixels], Pixels] | None] = {
    "camera_black": _black,
    "camera_frozen": None,
    "camera_covered": _covered,
    "camera_blurred": _blurred,
    "camera_moved": _moved,
}


def blind(ground: Ground, kind: str, seed: int) -> Scene:
    """Well, blind for five minutes, well again."""
    truth = Truth(incidents=[happening(kind, BLIND_S, WELL_S)], tolerance_s=30.0)
    return _scene(ground, kind, seed, kind.removeprefix("camera_"), truth, FAULTS[kind], kind == "camera_frozen")


def dusk(ground: Ground, kind: str, seed: int) -> Scene:
    """The light falls to a quarter and comes back."""
    return _scene(ground, kind, seed, "dusk", Truth(), None, False, dips=0.75)


def _scene(
    ground: Ground,
    kind: str,
    seed: int,
    name: str,
    truth: Truth,
    fault: Callable[[Pixels], Pixels] | None,
    freezes: bool,
    dips: float = 0.0,
) -> Scene:
    def looks() -> Iterator[Shown]:
        weather, last = Weather(seed), None
        for look in range(round(LENGTH_S / EVERY_S)):
            at_s = look * EVERY_S
            is_blind = bool(truth.incidents) and BLIND_S <= at_s < WELL_S
            picture = ground.at(look + 5 * seed)[0]
            if is_blind and fault is not None:
                picture = fault(picture)
            light = 1 - dips * float(np.sin(np.pi * at_s / LENGTH_S)) ** 2
            sent = last if is_blind and freezes and last is not None else weather.over(picture, light)
            last = sent
            yield Shown(at_s, NOBODY, sent.shape[1], sent.shape[0], sent)

    return Scene(f"{name}, {ground.name} {seed}", kind, camera(kind), LENGTH_S, truth, looks)
