"""What happens before a simulated camera in its days: drawn once from its seed.

tuning   trucks and vans stay 0.1 to 4 days, tents up to 4; no heaps
judging  trucks and vans stay 0.1 to 6 days, tents up to 6; heaps of sand as well
"""

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np

from bench.structures_ground import HEIGHT_PX, NEAREST_M, WIDTH_PX, Pose
from bench.structures_places import Split
from bench.structures_sky import DAY_S, START_S
from bench.structures_solids import draw
from bench.structures_things import AT_ONCE, STRUCTURES, Thing, sides_of
from bench.structures_truth import Mask, Nuisance, Structure, mask_of
from models.errors import NotFound
from models.frame import Pixels

ACCEPTED_DAYS = 6
"""After so many days the admin accepts what has been seen as the baseline; nothing is built before."""
LAST_ONSET_DAYS = 10
"""Nothing is begun in the last days: what comes at once takes long to be told from a truck."""
_TRIES = 60
_OF_ONE_SIZE = frozenset({"container", "block", "truck", "van", "scaffold"})
"""The others may be half as large as usual."""
_MAX_FAR_M = 45.0
_SHARES = (0.006, 0.12)
"""Of the picture: what is drawn evenly between their logarithms."""


Size = tuple[tuple[float, float], float]
"""(length, width) and height in metres."""


@dataclass(frozen=True)
class Plan:
    """``blocks`` have always stood there; roof additions stand on them."""

    structures: tuple[Structure, ...]
    nuisances: tuple[Nuisance, ...]
    blocks: tuple[Thing, ...]


class Planner:
    """Finds room for things in the picture. ``top``: the fraction of the picture below which there is ground."""

    def __init__(self, split: Split, seed: int, pose: Pose, plate: Pixels, top: float, days: int) -> None:
        self._chance = np.random.default_rng([seed, 53])
        self._split, self._pose, self._days, self._top = split, pose, days, top
        self._grey = np.asarray(cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY), np.float32)
        self._taken: Mask = np.zeros(self._grey.shape, bool)
        self._street_deg = float(self._chance.uniform(-40, 40))
        self._number = 0

    def plan(self) -> Plan:
        chance = self._chance
        blocks: list[Thing] = []
        structures = []
        first = int(chance.integers(len(STRUCTURES)))
        for number in range(int(chance.choice([0, 1, 2, 2, 3, 3]))):
            latest = max(self._days - LAST_ONSET_DAYS, ACCEPTED_DAYS + 0.5)
            onset_s = START_S + DAY_S * (int(chance.uniform(ACCEPTED_DAYS, latest)) + chance.uniform(8, 16) / 24)
            lasts_days = float(chance.uniform(1.5, 7))
            # Where there is no room for one kind, another is built.
            for other in range(len(STRUCTURES)):
                kind = STRUCTURES[(first + 2 * number + other) % len(STRUCTURES)]
                structure = self._structure(kind, onset_s, lasts_days, blocks)
                if structure is not None:
                    structures.append(structure)
                    break
        return Plan(tuple(structures), tuple(self._nuisances()), tuple(blocks))

    def _structure(self, kind: str, onset_s: float, days: float, blocks: list[Thing]) -> Structure | None:
        if kind == "roof":
            thing = self._roof(blocks)
        else:
            thing = self._placed(kind, float(np.exp(self._chance.uniform(*np.log(_SHARES)))), self._taken)
        if thing is None:
            return None
        return self._built(self._tinted(thing, float(self._chance.uniform(6, 60))), onset_s, days)

    def shed(self, sides_m: tuple[float, float], onset_s: float, days: float) -> Plan:
        """Nothing but a shed of that size that grows for so many days."""
        thing = self._placed("shed", 0.05, self._taken, (sides_m, 2.5))
        if thing is None:
            raise NotFound("there is no room for that shed in this scene")
        return Plan((self._built(self._tinted(thing, 40.0), onset_s, days),), (), ())

    def _roof(self, blocks: list[Thing]) -> Thing | None:
        """An addition on a building that is put there for it."""
        for _ in range(12):
            block = self._placed("block", float(self._chance.uniform(0.02, 0.08)), self._taken)
            if block is None:
                continue
            (length, _), height = sides_of("roof", self._chance)
            sides = (min(length, block.sides_m[0]), block.sides_m[1])
            thing = dataclasses.replace(block, kind="roof", sides_m=sides, height_m=height, base_m=block.height_m)
            if _in_picture(_hull(self._pose, thing)):
                blocks.append(block)
                self._taken |= mask_of(self._pose, block, 1.0)
                return thing
        return None

    def _built(self, thing: Thing, onset_s: float, days: float) -> Structure:
        mask = mask_of(self._pose, thing, 1.0)
        self._taken |= mask
        done_s = onset_s if thing.kind in AT_ONCE else onset_s + days * DAY_S
        self._number += 1
        share = float(mask.mean())
        return Structure(f"s{self._number}", thing, self._pose, onset_s, done_s, share, self._contrast(thing, mask))

    def _placed(self, kind: str, share: float, taken: Mask, size: Size | None = None) -> Thing | None:
        """Where it covers about ``share`` of the picture and hides nothing that is ``taken``; None without room."""
        best: tuple[float, Thing] | None = None
        for _ in range(_TRIES):
            (length, width), height = size or sides_of(kind, self._chance)
            small = 1.0 if size or kind in _OF_ONE_SIZE else float(self._chance.uniform(0.5, 1))
            thing = self._anywhere(kind, ((length * small, width * small), height * small))
            if thing is None:
                continue
            mask = _hull(self._pose, thing)
            if not _in_picture(mask) or (mask & taken).sum() > 0.02 * mask.sum():
                continue
            off = abs(float(np.log(mask.mean() / share)))
            if best is None or off < best[0]:
                best = off, thing
            if off < 0.2:
                break
        return None if best is None else best[1]

    def _anywhere(self, kind: str, size: Size) -> Thing | None:
        chance = self._chance
        pixel = chance.uniform((0.06, self._top + 0.04), (0.94, 0.92)) * (WIDTH_PX, HEIGHT_PX)
        x, y = self._pose.on_ground(pixel[None])[0].tolist()
        if not (np.isfinite(x) and np.hypot(x, y) < _MAX_FAR_M):
            return None
        heading = self._street_deg + float(chance.choice([0, 90])) + float(chance.normal(0, 6))
        seed = int(chance.integers(1 << 30))
        blue, green, red = np.clip(chance.uniform(50, 220) * chance.normal(1, 0.18, 3), 15, 240).tolist()
        return Thing(kind, self._split, seed, (x, y), heading, *size, colour=(blue, green, red))

    def _tinted(self, thing: Thing, contrast_grey: float) -> Thing:
        """As dark or as light as stands out by about so much from what is behind."""
        mask = mask_of(self._pose, thing, 1.0)
        behind = float(self._grey[mask].mean())
        light = (
            behind + contrast_grey
            if behind + contrast_grey < 225 and self._chance.random() < 0.6
            else behind - contrast_grey
        )
        light = light if light > 20 else behind + contrast_grey
        blue, green, red = np.clip(light * self._chance.normal(1, 0.09, 3), 10, 245).tolist()
        colour = (blue, green, red)
        return dataclasses.replace(thing, colour=colour, depth=float(self._chance.uniform(2, 4 + contrast_grey / 5)))

    def _contrast(self, thing: Thing, mask: Mask) -> float:
        """Mean difference of 4 x 4 blocks, in grey levels."""
        layer = draw(self._pose, thing.faces())
        if layer is None or not mask.any():
            return 0.0
        after = self._grey.copy()
        solid = layer.alpha.astype(np.float32) / 255
        drawn = np.asarray(cv2.cvtColor(layer.bgr, cv2.COLOR_BGR2GRAY), np.float32)
        after[layer.part] = after[layer.part] * (1 - solid) + drawn * (solid > 0)
        apart = np.abs(cv2.blur(after, (4, 4)) - cv2.blur(self._grey, (4, 4)))
        return float(apart[mask].mean())

    def _nuisances(self) -> list[Nuisance]:
        chance = self._chance
        longest = 4.0 if self._split is Split.TUNING else 6.0
        counts = {"truck": 3, "van": 3, "tent": 3, "laundry": 1, "heap": 0 if self._split is Split.TUNING else 1}
        found: list[Nuisance] = []
        for kind, most in counts.items():
            for _ in range(int(chance.integers(0, most + 1))):
                begin_s = START_S + DAY_S * float(chance.uniform(0, self._days - 0.2))
                briefly = float(np.exp(chance.uniform(np.log(0.08), np.log(longest))))
                stays = briefly if chance.random() < 0.6 else float(chance.uniform(1, longest))
                share = float(np.exp(chance.uniform(*np.log(_SHARES))))
                end_s = begin_s + DAY_S * stays
                beside = [n.mask for n in found if n.begin_s < end_s and begin_s < n.end_s]
                thing = self._placed(kind, share, np.logical_or.reduce([self._taken, *beside]))
                if thing is not None:
                    found.append(Nuisance(thing, self._pose, begin_s, end_s))
        return found


def _hull(pose: Pose, thing: Thing) -> Mask:
    """(360, 640): about where it is in the picture, without drawing it."""
    plan = thing.plan_m()
    corners = np.concatenate([np.c_[plan, np.full(4, z)] for z in (thing.base_m, thing.base_m + thing.height_m)])
    pixels, depth = pose.project(corners)
    filled = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    if depth.min() > NEAREST_M:
        cv2.fillConvexPoly(filled, cv2.convexHull(pixels.astype(np.int32)), 1)
    return filled.astype(bool)


def _in_picture(mask: Mask) -> bool:
    """Seen for the most part: something of it, and not too much of it at the border."""
    border = int(mask[:, 0].sum() + mask[:, -1].sum() + mask[0].sum() + mask[-1].sum())
    seen = int(mask.sum())
    return 200 < seen < 0.22 * mask.size and border < 0.8 * math.sqrt(seen)
