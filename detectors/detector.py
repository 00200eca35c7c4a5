"""The detector: a frame and what was known before, to sightings and what is known now."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import Tiling
from detectors.catalog import RULES
from detectors.counting import MIN_SCORE
from detectors.crossing import Crossing, Walkers, gates, surroundings, walk
from detectors.crowding import KIND as CROWDING
from detectors.density import DensityMap
from detectors.headcount import PERSONS, needs_closer
from detectors.rule import Observation, Rule
from detectors.tracking import WEAK
from models.camera import CameraPoint, Zone, zone_at, zone_with_levels
from models.detections import Detections
from models.errors import Fault, InvalidInput
from models.frame import Frame, Pixels
from models.gate import GateLog
from models.geo import GroundPlane
from models.incident import Sighting, kind_of

STATE_VERSION = 1
LOOK_SCORE = 0.2
"""Lowest score of a box that is looked for. Before a picture is shown it is looked at again for what must be masked."""
_MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a rule raises that has a mistake in it: it costs that zone and kind the look, not the others."""


BURST_SIDE_PX = 320
"""What is around a gate is looked at in so many pixels, five times a second."""


class Sight(Protocol):
    """What the detector needs of ``perception.Seen``."""

    @property
    def detections(self) -> Detections: ...
    @property
    def model(self) -> str: ...


class Eyes(Protocol):
    """What the detector needs of ``perception.Perception``."""

    @property
    def model(self) -> str: ...
    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight: ...


class Counting(Protocol):
    """What the detector needs of ``perception.CrowdCounter``."""

    def count(self, bgr: Pixels) -> DensityMap: ...


@dataclass(frozen=True, eq=False)
class Look:
    """What perception saw at one moment of the frame clock (``at_s``, Unix seconds), in pixels of that picture.

    ``closer``: what a look twice as close found, where one was taken. ``crossings``: of a look between keyframes, by
    zone, see ``pursue``; None of a keyframe. ``gate``: what the camera's gates say, None where none reports. ``preset``
    and ``arrived_s`` as of ``Frame``.
    """

    at_s: float
    width_px: int
    height_px: int
    detections: Detections
    model: str
    bgr: Pixels | None = None
    density: DensityMap | None = None
    closer: Detections | None = None
    crossings: Mapping[str, tuple[Crossing, ...]] | None = None
    gate: GateLog | None = None
    preset: str | None = None
    arrived_s: float | None = None


@dataclass(frozen=True, eq=False)
class Observed:
    """``state``: JSON-able, to be given back with the camera's next frame. ``reasons``: per rule and zone, as
    "crowding/plaza", why it spoke or did not. ``is_running``: a rule waits for time to pass, so the next frame must be
    looked at even if nothing in it has changed. ``broken``: the rules that failed on it by a mistake of their own, and
    how.
    """

    state: dict[str, Any]
    sightings: tuple[Sighting, ...]
    look: Look
    reasons: Mapping[str, tuple[str, ...]]
    is_running: bool
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def detections(self) -> Detections:
        """All of ``LOOK_SCORE`` or more, for masking."""
        return self.look.detections


class Detector:
    """Keeps nothing between frames but its model: a camera may move between detectors at any frame."""

    def __init__(self, perception: Eyes, tiling: Tiling | None = None, crowds: Counting | None = None) -> None:
        self._perception = perception
        self._tiling = tiling or Tiling()
        self._crowds = crowds

    def observe(
        self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], gate: GateLog | None = None
    ) -> Observed:
        """One frame further. ``state`` is the last ``Observed.state`` of this camera, or {} for none.

        A zone that cannot be judged (see ``faults``) says so in its reasons and does not keep the others from it.
        """
        watches_crowds = any(CROWDING in zone.kinds for zone in camera.zones if zone.preset == frame.preset)
        tiling, low = self._tiling, LOOK_SCORE
        fitted = camera.vision.counting
        if watches_crowds and fitted is not None and fitted.model == self._perception.model:
            tiling = Tiling(fitted.columns, fitted.rows, long_side_px=fitted.long_side_px)
            low = min(low, fitted.lowest_score)
        sight = self._perception.look(frame.bgr, tiling, low)
        density, broken = self._density(frame) if watches_crowds else (None, {})
        closer = None
        if watches_crowds and density is None and needs_closer(sight.detections, frame.at_s, _closer_s(state)):
            closer = self._perception.look(frame.bgr, tiling.closer(), MIN_SCORE).detections
        size_px = (frame.width_px, frame.height_px)
        found = sight.detections.where(_is_of_use(sight.detections))
        view = frame.preset, frame.arrived_s
        look = Look(frame.at_s, *size_px, found, sight.model, frame.bgr, density, closer, None, gate, *view)
        observed = judge(camera, look, state)
        return replace(observed, broken={**observed.broken, **broken})

    def _density(self, frame: Frame) -> tuple[DensityMap | None, dict[str, str]]:
        """And why there is none, if the counter gives no numbers: then boxes are counted, which the reasons say."""
        try:
            return (self._crowds.count(frame.bgr) if self._crowds else None), {}
        except InvalidInput as error:
            return None, {"crowd counter": str(error)}

    def follow(
        self,
        camera: CameraPoint,
        frame: Frame,
        state: Mapping[str, Any],
        walkers: Walkers,
        gate: GateLog | None = None,
    ) -> tuple[Observed, Walkers]:
        """A look between keyframes at what is around the camera's gates, of which it has one at least.

        Raises InvalidInput for a frame that is not after the last one that was followed.
        """
        found, model = self._around(gates(camera), frame)
        look = Look(frame.at_s, frame.width_px, frame.height_px, found, model, frame.bgr, gate=gate)
        return pursue(camera, look, state, walkers)

    def _around(self, zones: Sequence[Zone], frame: Frame) -> tuple[Detections, str]:
        """And the model. Only a part of the picture, and that smaller: five looks a second cost a share of a core."""
        left, top, right, bottom = surroundings(zones)
        x, y = int(left * frame.width_px), int(top * frame.height_px)
        part = frame.bgr[y : math.ceil(bottom * frame.height_px), x : math.ceil(right * frame.width_px)]
        sight = self._perception.look(np.ascontiguousarray(part), Tiling(long_side_px=BURST_SIDE_PX), WEAK)
        found = sight.detections
        return replace(found, boxes_px=found.boxes_px + np.array([x, y, x, y], np.float32)), sight.model


def pursue(camera: CameraPoint, look: Look, state: Mapping[str, Any], walkers: Walkers) -> tuple[Observed, Walkers]:
    """Who stepped over the lines of the camera's gates, and what the rules of gates make of it; the others rest."""
    size_px = (look.width_px, look.height_px)
    walkers, crossings = walk(walkers, gates(camera), look.at_s, look.detections, *size_px)
    return judge(camera, replace(look, crossings=crossings), state), walkers


def judge(camera: CameraPoint, look: Look, state: Mapping[str, Any]) -> Observed:
    """What the rules make of a look, see ``Detector.observe``."""
    ground, notes = _ground(camera, look.preset)
    known = _known(state)
    kept: dict[str, Any] = {}
    sightings: list[Sighting] = []
    reasons: dict[str, tuple[str, ...]] = {}
    broken: dict[str, str] = {}
    running = False
    for key, zone, rule in _watches(camera):
        is_elsewhere = zone.preset != look.preset
        if is_elsewhere or (look.crossings is not None and not kind_of(rule.kind).burst):
            kept |= {key: known[key]} if key in known else {}
            reasons |= {key: (_resting(zone, look),)} if is_elsewhere else {}
            continue
        try:
            step = rule.step(rule.restore(known.get(key)), _observation(camera, zone, look, ground))
        except (InvalidInput, *_MISTAKES) as error:
            reasons[key] = (*notes, str(error))
            if not isinstance(error, InvalidInput):
                broken[key] = f"{type(error).__name__}: {error}"
                reasons[key] = (*notes, f"{zone.name}: not judged, the rule failed ({broken[key]})")
            if key in known:
                kept[key] = known[key]
            continue
        kept[key] = step.state.to_json()
        running = running or step.state.is_running
        sightings.extend(step.sightings)
        reasons[key] = notes + step.reasons
    closer_s = _closer_s(state) if look.closer is None else look.at_s
    after = {"version": STATE_VERSION, "rules": kept, "closer_s": closer_s}
    return Observed(after, tuple(sightings), look, reasons, running, broken)


def _resting(zone: Zone, look: Look) -> str:
    there, here = (f"preset {token}" if token else "the home view" for token in (zone.preset, look.preset))
    return f"{zone.name}: of {there}, rests while the camera is at {here}"


def _observation(camera: CameraPoint, zone: Zone, look: Look, ground: GroundPlane | None) -> Observation:
    return Observation(
        camera=camera,
        zone=zone_at(camera, zone, look.at_s),
        at_s=look.at_s,
        detections=look.detections,
        width_px=look.width_px,
        height_px=look.height_px,
        ground=ground,
        model=look.model,
        bgr=look.bgr,
        density=look.density,
        closer=look.closer,
        crossings=None if look.crossings is None else look.crossings.get(zone.id, ()),
        gate=look.gate,
        arrived_s=look.arrived_s,
    )


def faults(camera: CameraPoint) -> tuple[Fault, ...]:
    """What keeps this camera's zones from being judged as they are set up: to be said once, when it is taken on."""
    views = [None, *(preset.token for preset in camera.vision.presets)]
    found = [Fault("control points", note) for view in views for note in _ground(camera, view)[1]]
    for _, zone, rule in _watches(camera):
        try:
            for is_night in (False, True):
                rule.check(zone_with_levels(camera, zone, is_night=is_night))
        except InvalidInput as error:
            found.append(Fault(f"zone {zone.id}", str(error)))
    return tuple(found)


def _watches(camera: CameraPoint) -> Iterator[tuple[str, Zone, Rule[Any]]]:
    """Every zone with each rule that it asks for; a kind that no camera can see has none."""
    for zone in camera.zones:
        for kind in zone.kinds:
            if kind in RULES:
                yield f"{kind}/{zone.id}", zone, RULES[kind]


def _ground(camera: CameraPoint, preset: str | None) -> tuple[GroundPlane | None, tuple[str, ...]]:
    try:
        return camera.vision.ground(camera.place, camera.control_points, preset), ()
    except InvalidInput as error:
        return None, (f"not calibrated: {error}",)


def _is_of_use(detections: Detections) -> NDArray[np.bool_]:
    """(n,) All of ``LOOK_SCORE`` or more, and persons below it, where a calibration counts by them."""
    persons = np.array([name in PERSONS for name in detections.names] or [False])
    kept: NDArray[np.bool_] = (detections.scores >= LOOK_SCORE) | persons[detections.labels]
    return kept


def _closer_s(state: Mapping[str, Any]) -> float | None:
    """When the camera's picture was last looked at closer, Unix seconds."""
    at_s = state.get("closer_s")
    return at_s if isinstance(at_s, float) else None


def _known(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rules' states, none if they are of another version."""
    rules = state.get("rules") if state.get("version") == STATE_VERSION else None
    return rules if isinstance(rules, dict) else {}
