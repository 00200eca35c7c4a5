"""Who steps over the lines of a camera's gates: tracks of persons, and on which side of each line they were last.

All of it lives in memory for the seconds that somebody is at a gate; what leaves is that a line was crossed, when and
which way. Pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detectors.tracking import Floats, Tracks, track
from models.camera import CameraPoint, Zone
from models.detections import Detections
from models.gate import Direction
from models.incident import KINDS

PERSONS = frozenset({"person"})
SURE_OFF = 0.15
"""Of a person's height: so far from the line one is surely on that side of it, for all that boxes tremble."""
BEGINS_OFF = 0.03
"""Of it, where a track begins: who comes out from behind somebody at the line was not on both sides of it before."""
MARGIN, LEAST_MARGIN = 0.5, 0.1
"""Of the zone's size, and of the picture: so far around a gate's zone people are followed, and waited for."""
BESIDE = 0.05
"""Of the line's length, beyond its ends: feet are not seen better."""


@dataclass(frozen=True)
class Crossing:
    """``at_s``: Unix seconds of the frame clock, when the line was stepped over. ``score``: of the person's box."""

    at_s: float
    direction: Direction
    score: float


@dataclass(frozen=True, eq=False)
class _Stood:
    """On one side of a line when last surely seen there: ``off_px`` from it, more than 0 on its right-hand side.

    ``over_s``: since then it was seen once on the other side, and stepped over the line at that time; infinite: around
    its ends. ``went``: the ways that it went already; who turns back and goes again went once.
    """

    at_s: float
    off_px: float
    foot_px: Floats
    over_s: float | None = None
    went: frozenset[Direction] = frozenset()


@dataclass(frozen=True, eq=False)
class Walkers:
    """``stood``: by track and zone."""

    tracks: Tracks = field(default_factory=Tracks)
    stood: Mapping[tuple[int, str], _Stood] = field(default_factory=dict)


def gates(camera: CameraPoint) -> tuple[Zone, ...]:
    """The zones across whose lines people are to be followed."""
    return tuple(z for z in camera.zones if z.line is not None and any(KINDS[k].burst for k in z.kinds if k in KINDS))


def surroundings(zones: Sequence[Zone]) -> tuple[float, float, float, float]:
    """left, top, right, bottom of the zones and what is around them, picture fractions."""
    corners = np.array([corner for zone in zones for corner in zone.polygon])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = np.maximum(MARGIN * (high - low), LEAST_MARGIN)
    left, top, right, bottom = np.clip(np.concatenate([low - margin, high + margin]), 0, 1).tolist()
    return left, top, right, bottom


def are_near(zones: Sequence[Zone], found: Detections, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """(n,) Which of ``found`` are persons in a gate's zone or around it, by their feet."""
    left, top, right, bottom = surroundings(zones)
    x, y = (found.feet_px / (width_px, height_px)).T
    persons = np.array([name in PERSONS for name in found.names] or [False])[found.labels]
    result: NDArray[np.bool_] = persons & (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return result


def walk(
    walkers: Walkers, zones: Sequence[Zone], at_s: float, found: Detections, width_px: int, height_px: int
) -> tuple[Walkers, dict[str, tuple[Crossing, ...]]]:
    """One look further: and by zone, who has stepped over its line since the last one.

    Raises InvalidInput for a look that is not after the last one.
    """
    near = found.where(are_near(zones, found, width_px, height_px))
    tracks = track(walkers.tracks, at_s, near.boxes_px, near.scores)
    known = set(tracks.ids.tolist())
    stood = {key: where for key, where in walkers.stood.items() if key[0] in known}
    crossed: dict[str, list[Crossing]] = {zone.id: [] for zone in zones}
    lines = {zone.id: np.array(zone.line) * (width_px, height_px) for zone in zones}
    for i in np.flatnonzero(tracks.seen_s == at_s).tolist():
        foot, tall, number = tracks.feet_px[i], float(tracks.sizes[i, 1]), int(tracks.ids[i])
        for zone_id, line in lines.items():
            off, before = _off_px(line, foot), stood.get((number, zone_id))
            if abs(off) < (SURE_OFF if before else BEGINS_OFF) * tall:
                continue
            now, when_s = _went_on(line, before, _Stood(at_s, off, foot))
            stood[number, zone_id] = now
            if when_s is not None:
                way = Direction.IN if off > 0 else Direction.OUT
                crossed[zone_id].append(Crossing(when_s, way, float(tracks.scores[i])))
    return Walkers(tracks, stood), {zone_id: tuple(each) for zone_id, each in crossed.items()}


def _went_on(line: Floats, before: _Stood | None, now: _Stood) -> tuple[_Stood, float | None]:
    """Where it stands after this look; and when it stepped over the line, once two looks have shown it behind that: one
    box may be somebody else's, or nobody's."""
    if before is None:
        return now, None
    now = replace(now, went=before.went)
    if (before.off_px > 0) == (now.off_px > 0):
        return now, None
    if before.over_s is None:
        return replace(before, over_s=_stepped_over_s(line, before, now)), None
    way = Direction.IN if now.off_px > 0 else Direction.OUT
    if before.over_s == math.inf or way in before.went:
        return now, None
    return replace(now, went=now.went | {way}), before.over_s


def _off_px(line: Floats, foot: Floats) -> float:
    """How far a point lies from the line (2, 2), to its right-hand side as one goes along it; y runs down."""
    along = line[1] - line[0]
    off = foot - line[0]
    return float((along[0] * off[1] - along[1] * off[0]) / math.hypot(*along))


def _stepped_over_s(line: Floats, before: _Stood, now: _Stood) -> float:
    """When somebody who went straight from one side to the other stepped over the line; infinite: around its ends."""
    share = before.off_px / (before.off_px - now.off_px)
    along, at = line[1] - line[0], before.foot_px + share * (now.foot_px - before.foot_px) - line[0]
    where = float(at @ along / (along @ along))
    if not -BESIDE <= where <= 1 + BESIDE:
        return math.inf
    return before.at_s + share * (now.at_s - before.at_s)
