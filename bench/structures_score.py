"""How well a contender told what was built from what was not: matched by overlap in the picture, and counted.

A suspicion hits a structure that stands by then if at least 30 % of it lies on the structure (or within 4 pixels of it)
and it covers at least 10 % of it. Each further one on the same structure is a repeat; all others are false, and go to
the nuisance that they lie on, else to the weather.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_scene import SimulatedCamera
from bench.structures_sky import DAY_S, START_S
from bench.structures_truth import Mask, Structure
from models.camera import CameraPoint
from models.frame import Pixels

CAMERA_DAYS = 20 * 30
"""What the aim speaks of: figures of false suspicions are stated for so many."""
WATCHED_SHARE, WATCHED_GREY = 0.015, 20.0
"""Issue 4: the aim holds for structures above both."""
SHARE_BANDS = (0.0, 0.007, 0.015, 0.04, 1.0)
GREY_BANDS = (0.0, 12.0, 20.0, 35.0, 256.0)
GROUND_KINDS = frozenset({"shed", "scaffold", "container"})
"""Kinds whose ground area is what one sees: a fence covers none, a roof addition stands above the ground."""
_ON, _COVERS = 0.3, 0.1
_GRID = (160, 90)
_LEFT_BEHIND_S = 2 * DAY_S


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What a contender says: ``id`` is one alert, and what is said later under the same id goes on with it.

    ``mask``: bool of any (rows, columns) that cover the whole picture. ``level``: the threshold at which it was said,
    for contenders that are tried at several.
    """

    id: str
    mask: NDArray[np.bool_]
    at_s: float
    onset_s: float | None = None
    area_m2: float | None = None
    level: float = 0.0


class Contender(Protocol):
    """Sees the looks of one camera in order of time; what the admin accepts is known from the start."""

    name: str

    def begin(self, camera: CameraPoint, accepted_s: float, /) -> None:
        """A new camera."""

    def look(self, at_s: float, bgr: Pixels, /) -> Sequence[Suspicion]:
        """What is new or has changed with this look."""


@dataclass(frozen=True)
class Found:
    """A structure, and what was said of it: ``alert_days`` after its onset, None where nothing was."""

    camera: str
    id: str
    kind: str
    size_share: float
    contrast_grey: float
    alert_days: float | None
    repeats: int
    area_m2: float
    said_m2: float | None
    said_at_once_m2: float | None
    true_at_once_m2: float | None

    @property
    def is_watched(self) -> bool:
        return self.size_share >= WATCHED_SHARE and self.contrast_grey >= WATCHED_GREY


@dataclass(frozen=True)
class FalseAlarm:
    camera: str
    day: float
    cause: str
    share: float


@dataclass(frozen=True)
class Judged:
    """One camera."""

    camera: str
    days: float
    found: tuple[Found, ...]
    false: tuple[FalseAlarm, ...]


def judge(camera: SimulatedCamera, said: Sequence[Suspicion]) -> Judged:
    """What was ``said`` of a camera, in order of time, against its truth."""
    first: dict[str, Suspicion] = {}
    last: dict[str, Suspicion] = {}
    for suspicion in said:
        first.setdefault(suspicion.id, suspicion)
        last[suspicion.id] = suspicion
    hits: dict[str, list[Suspicion]] = {structure.id: [] for structure in camera.truth.structures}
    false = []
    for suspicion in first.values():
        structure = _hit(camera, suspicion)
        if structure is None:
            share = float(_gridded(suspicion.mask).mean())
            day = (suspicion.at_s - START_S) / DAY_S
            false.append(FalseAlarm(camera.name, round(day, 2), cause(camera, suspicion), round(share, 4)))
        else:
            hits[structure.id].append(suspicion)
    found = [_found(camera.name, s, hits[s.id], last) for s in camera.truth.structures]
    return Judged(camera.name, camera.days, tuple(found), tuple(false))


def cause(camera: SimulatedCamera, suspicion: Suspicion) -> str:
    """The nuisance that a false suspicion goes to: what stands or stood there of late, leaves, else the weather."""
    where = _gridded(suspicion.mask)
    area = max(int(where.sum()), 1)
    lying = [
        (float((where & _gridded(n.mask)).sum()) / area, n.kind)
        for n in camera.truth.nuisances
        if n.begin_s <= suspicion.at_s and suspicion.at_s < n.end_s + _LEFT_BEHIND_S
    ]
    share, kind = max(lying, default=(0.0, ""))
    if share >= 0.2:
        return kind
    if any((where & _grown(s, suspicion.at_s)).any() for s in camera.truth.structures if s.grown(suspicion.at_s) > 0):
        return "beside a structure"
    if float((where & _gridded(camera.truth.foliage)).sum()) >= 0.5 * area:
        return "leaves"
    return camera.sky.air(suspicion.at_s).named


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures over all cameras."""
    found = [one for camera in judged for one in camera.found]
    false = [one for camera in judged for one in camera.false]
    watched = [one for one in found if one.is_watched]
    days = sum(camera.days for camera in judged)
    waits = [one.alert_days for one in found if one.alert_days is not None]
    errors = [abs(one.said_m2 / one.area_m2 - 1) for one in found if one.said_m2 and one.kind in GROUND_KINDS]
    return {
        "structures": len(found),
        "recall": _recall(found),
        "watched": len(watched),
        "recall_watched": _recall(watched),
        "false_per_20_cameras_30_days": round(len(false) * CAMERA_DAYS / days, 2) if days else None,
        "false": len(false),
        "repeats": sum(one.repeats for one in found),
        "median_days_to_alert": round(median(waits), 2) if waits else None,
        "median_area_error": round(median(errors), 3) if errors else None,
        "recall_by_kind": _by(found, lambda one: one.kind),
        "recall_by_share": _by(found, lambda one: _band(one.size_share, SHARE_BANDS)),
        "recall_by_contrast": _by(found, lambda one: _band(one.contrast_grey, GREY_BANDS)),
        "false_by_cause": dict(Counter(one.cause for one in false).most_common()),
    }


def rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Each structure and each false suspicion, for whoever wants to look closer."""
    told = [asdict(one) for camera in judged for one in camera.found]
    told += [asdict(one) for camera in judged for one in camera.false]
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in told]


def _hit(camera: SimulatedCamera, suspicion: Suspicion) -> Structure | None:
    """The structure that stands by then and is overlapped most."""
    where = _gridded(suspicion.mask)
    best: tuple[float, Structure] | None = None
    for structure in camera.truth.structures:
        if structure.grown(suspicion.at_s) <= 0:
            continue
        there = _grown(structure, suspicion.at_s)
        near = cv2.dilate(there.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        on = float((where & near).sum()) / max(int(where.sum()), 1)
        covers = float((where & there).sum()) / max(int(there.sum()), 1)
        if on >= _ON and covers >= _COVERS and (best is None or on * covers > best[0]):
            best = on * covers, structure
    return None if best is None else best[1]


def _found(camera: str, structure: Structure, hits: Sequence[Suspicion], last: dict[str, Suspicion]) -> Found:
    early = min(hits, key=lambda hit: hit.at_s, default=None)
    final = None if early is None else last[early.id]
    return Found(
        camera=camera,
        id=structure.id,
        kind=structure.kind,
        size_share=structure.size_share,
        contrast_grey=structure.contrast_grey,
        alert_days=None if early is None else (early.at_s - structure.onset_s) / DAY_S,
        repeats=max(0, len(hits) - 1),
        area_m2=structure.thing.area_m2() if final is None else structure.area_m2(final.at_s),
        said_m2=None if final is None else final.area_m2,
        said_at_once_m2=None if early is None else early.area_m2,
        true_at_once_m2=None if early is None else structure.area_m2(early.at_s),
    )


def _grown(structure: Structure, at_s: float) -> Mask:
    return _gridded(structure.mask_at(at_s))


def _gridded(mask: NDArray[np.bool_]) -> Mask:
    """(90, 160): a cell counts where a third of it does."""
    shrinks = mask.shape[1] > _GRID[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(mask.astype(np.float32), _GRID, interpolation=how)) > 0.34


def _recall(found: Sequence[Found]) -> float | None:
    return round(sum(one.alert_days is not None for one in found) / len(found), 3) if found else None


def _by(found: Sequence[Found], group: Callable[[Found], str]) -> dict[str, str]:
    """Hits of how many, in each group."""
    groups = sorted({group(one) for one in found})
    told = {name: [one for one in found if group(one) == name] for name in groups}
    return {name: f"{sum(o.alert_days is not None for o in ones)}/{len(ones)}" for name, ones in told.items()}


def _band(value: float, bands: Sequence[float]) -> str:
    low, high = next((low, high) for low, high in pairwise(bands) if value < high)
    return f"{low:g}-{high:g}"
