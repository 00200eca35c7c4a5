"""Made scenes: what a camera would show or a detector would see, and what is true of it; played through the real rules.

A scene is exact where real footage is not: whoever makes it knows what happens when. It says nothing of how well a
detector sees; that is measured on real footage (``wangge replay``).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from detectors import health
from detectors.crossing import Walkers, gates
from detectors.detector import Look, judge, pursue
from ingest.decode import LUMA_SHAPE
from ingest.replay import Alarm, Replayed
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.frame import Pixels
from models.gate import GateLog
from models.geo import ControlPoint, GeoPoint
from models.incident import Phase, Sighting
from ops.replay_truth import BEGINS_AT, Happening, Truth

BEGINS_S = BEGINS_AT.timestamp()
HERE = GeoPoint(109.0293, 32.6845)
WIDE = ((0.02, 0.3), (0.98, 0.3), (0.98, 0.98), (0.02, 0.98))
LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
NOBODY = Detections.none(LABELS)


@dataclass(frozen=True, eq=False)
class Shown:
    """One look: seconds from the scene's beginning, what the detector sees, the picture where there is one, and what
    gates have said by then."""

    at_s: float
    detections: Detections
    width_px: int
    height_px: int
    bgr: Pixels | None = None
    gate: GateLog | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """``looks`` gives the same at every call. ``truth`` holds incidents of ``kind`` only."""

    name: str
    kind: str
    camera: CameraPoint
    length_s: float
    truth: Truth
    looks: Callable[[], Iterable[Shown]]


@dataclass(frozen=True)
class Played:
    """``rule_ms``: what the rules took for a look, without whatever made the scene; the median, since a machine that
    does something else now and then would be measured otherwise."""

    played: Replayed
    rule_ms: float


def camera(
    kind: str,
    polygon: Sequence[tuple[float, float]] = WIDE,
    levels: Mapping[str, float] | None = None,
    control_points: Sequence[ControlPoint] = (),
) -> CameraPoint:
    """One camera with one zone ("zone"), or none for what is of the camera itself."""
    zones = () if kind in health.KINDS else (Zone("zone", "Zone", tuple(polygon), (kind,), {kind: dict(levels or {})}),)
    source = SourceUrl("rtsp", "made", 554, "/")
    return CameraPoint("made", "made", "made", HERE, source, "bench", None, zones, tuple(control_points))


def happening(kind: str, onset_s: float, end_s: float | None) -> Happening:
    return Happening(kind=kind, zone=None if kind in health.KINDS else "zone", onset_s=onset_s, end_s=end_s)


def play(scene: Scene) -> Played:
    """A scene through the rules, or through what watches the camera itself."""
    sightings, took_s = list[Sighting](), list[float]()
    for said, step_s in _steps(scene):
        took_s.append(step_s)
        sightings.extend(said)
    looks = len(took_s)
    played = Replayed(looks, looks, 0, 0, scene.length_s, sum(took_s), None, _alarms(sightings), {}, {})
    return Played(played, 1000 * median(took_s))


def _steps(scene: Scene) -> Iterator[tuple[Sequence[Sighting], float]]:
    state: Mapping[str, Any] = {}
    well, walkers, is_followed = health.State(), Walkers(), bool(gates(scene.camera))
    for shown in scene.looks():
        began_s, at_s = time.perf_counter(), BEGINS_S + shown.at_s
        if scene.kind in health.KINDS:
            if shown.bgr is None:
                raise ValueError("a scene of the camera itself has pictures")
            examined = health.step(well, scene.camera, small(at_s, shown.bgr))
            well, said = examined.state, examined.sightings
            yield [each for each in said if each.kind == scene.kind], time.perf_counter() - began_s
            continue
        look = Look(at_s, shown.width_px, shown.height_px, shown.detections, "made", shown.bgr, gate=shown.gate)
        if is_followed:
            observed, walkers = pursue(scene.camera, look, state, walkers)
        else:
            observed = judge(scene.camera, look, state)
        state = observed.state
        yield observed.sightings, time.perf_counter() - began_s


def small(at_s: float, bgr: Pixels) -> health.Picture:
    """As ``ingest.decode`` makes it of a frame's brightness plane."""
    grey = bgr @ np.array([0.114, 0.587, 0.299], np.float32)
    y = np.arange(LUMA_SHAPE[0]) * grey.shape[0] // LUMA_SHAPE[0]
    x = np.arange(LUMA_SHAPE[1]) * grey.shape[1] // LUMA_SHAPE[1]
    rows = grey[:: max(1, grey.shape[0] // 64)]
    steps = np.bincount(np.abs(np.diff(rows, axis=1)).astype(np.int64).ravel(), minlength=256)
    sharpness = float(np.searchsorted(np.cumsum(steps), 0.98 * steps.sum()) / (rows.std() + 1.0))
    return health.Picture(at_s, grey[np.ix_(y, x)].astype(np.uint8), sharpness)


def _alarms(sightings: Sequence[Sighting]) -> tuple[Alarm, ...]:
    """From onset to end; one camera with one zone at most, so that they follow one another."""
    alarms: list[Alarm] = []
    for each in sightings:
        if each.phase is Phase.ONSET:
            alarms.append(Alarm(each, each.onset_s - BEGINS_S, each.at_s - BEGINS_S))
        elif each.phase is Phase.CLEARED and alarms:
            alarms[-1] = replace(alarms[-1], cleared_s=each.at_s - BEGINS_S)
    return tuple(alarms)
