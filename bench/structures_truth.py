"""What is true of a simulated camera: what was built, how far, and what else stood or hung about."""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, WIDTH_PX, Points, Pose
from bench.structures_sky import DAY_S, LOCAL_S
from bench.structures_solids import draw
from bench.structures_things import AT_ONCE, Thing

STAGES = 20
"""In how many steps a structure grows: what is nailed on within an hour comes at once."""
_BEGIN_H, _END_H = 7.0, 18.0
"""When builders work, local time."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Structure:
    """Something that was built: ``onset_s`` and ``done_s`` in Unix seconds, ``size_share`` of the picture when done,
    ``contrast_grey`` the mean difference (0..255) to what was there, in the scene's own light."""

    id: str
    thing: Thing
    pose: Pose
    onset_s: float
    done_s: float
    size_share: float
    contrast_grey: float

    @property
    def kind(self) -> str:
        return self.thing.kind

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Its convex hull in the picture when done, in fractions."""
        points = np.argwhere(self.mask_at(math.inf))[:, ::-1].astype(np.int32)
        hull = cv2.convexHull(points).reshape(-1, 2) / (WIDTH_PX, HEIGHT_PX)
        return tuple((float(x), float(y)) for x, y in hull)

    @property
    def footprint_m(self) -> Points:
        """(4, 2) metres east and north of the camera's foot, when done."""
        return self.pose.east_north(self.thing.plan_m())

    def grown(self, at_s: float) -> float:
        """The share that stands, 0 to 1: what is built in working hours, at once what comes at once."""
        if at_s < self.onset_s:
            return 0.0
        if self.kind in AT_ONCE or at_s >= self.done_s:
            return 1.0
        share = (_worked_h(at_s) - _worked_h(self.onset_s)) / (_worked_h(self.done_s) - _worked_h(self.onset_s))
        return min(1.0, (math.floor(share * STAGES) + 1) / STAGES)

    def area_m2(self, at_s: float) -> float:
        """What it covers of the ground then; a fence covers hardly any."""
        return self.thing.area_m2(self.grown(at_s))

    def mask_at(self, at_s: float) -> Mask:
        """(360, 640): where it is in the picture."""
        return mask_of(self.pose, self.thing, self.grown(at_s))


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Something that stood there and is no structure: a truck, a van, a tent, a heap, laundry."""

    thing: Thing
    pose: Pose
    begin_s: float
    end_s: float

    @property
    def kind(self) -> str:
        return self.thing.kind

    def stands(self, at_s: float) -> bool:
        return self.begin_s <= at_s < self.end_s

    @property
    def mask(self) -> Mask:
        return mask_of(self.pose, self.thing, 1.0)


@dataclass(frozen=True, eq=False)
class Truth:
    """``foliage`` (360, 640): leaves that were there before, whose colour and place change."""

    structures: tuple[Structure, ...]
    nuisances: tuple[Nuisance, ...]
    foliage: Mask = field(default_factory=lambda: np.zeros((HEIGHT_PX, WIDTH_PX), bool))


def _worked_h(at_s: float) -> float:
    """Working hours since 1970."""
    days, of_day = divmod(at_s + LOCAL_S, DAY_S)
    return days * (_END_H - _BEGIN_H) + float(np.clip(of_day / 3600 - _BEGIN_H, 0, _END_H - _BEGIN_H))


@lru_cache(maxsize=256)
def mask_of(pose: Pose, thing: Thing, grown: float) -> Mask:
    """(360, 640): where ``thing`` is in the picture when the share ``grown`` of it stands."""
    layer = draw(pose, thing.faces(grown))
    return np.zeros((HEIGHT_PX, WIDTH_PX), bool) if layer is None else layer.mask
