"""What is put into the scenes: structures that grow, and what stands for hours or days without being one.

Structures: shed, fence, roof addition, scaffold, container.
Standing nuisances: truck, van, tent, laundry, and for judging heap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench import structures_skins as skins
from bench.structures_ground import Points, polygon_area_m2
from bench.structures_places import Split
from bench.structures_skins import Colour
from bench.structures_solids import Face, footprint, frustum, upright

STRUCTURES = ("shed", "fence", "roof", "scaffold", "container")
STANDING = ("truck", "van", "tent", "laundry", "heap")
AT_ONCE = frozenset({"container", *STANDING})
"""What comes whole between two looks."""
_FENCE_THICK_M = 0.2

Centre = tuple[float, float]


@dataclass(frozen=True)
class Thing:
    """Something of ``sides_m`` (length, width) and ``height_m``, on ``base_m`` above the ground.

    ``seed`` fixes its looks, ``colour`` (BGR) and ``depth`` (grey levels) how far they stand out.
    """

    kind: str
    split: Split
    seed: int
    centre_m: Centre
    heading_deg: float
    sides_m: tuple[float, float]
    height_m: float
    base_m: float = 0.0
    colour: Colour = (128.0, 128.0, 128.0)
    depth: float = 6.0

    def faces(self, grown: float = 1.0) -> list[Face]:
        """As it stands when the share ``grown`` of it is built; nothing at 0."""
        return [] if grown <= 0 else _faces(self, grown)

    def plan_m(self, grown: float = 1.0) -> Points:
        """(4, 2) metres right and forward: the corners of what it covers of the ground."""
        length, width = self.sides_m
        share = _laid_out(self.kind, grown)
        middle = footprint(self.centre_m, (length, width), self.heading_deg)
        along = middle[1] - middle[0]
        return np.asarray(middle - np.array([[0, 0], [1, 1], [1, 1], [0, 0]]) * along * (1 - share))

    def area_m2(self, grown: float = 1.0) -> float:
        return 0.0 if grown <= 0 else polygon_area_m2(self.plan_m(grown))


@lru_cache(maxsize=64)
def _faces(thing: Thing, grown: float) -> list[Face]:
    return _BUILT[thing.kind](thing, np.random.default_rng(thing.seed), grown)


def sides_of(kind: str, chance: np.random.Generator) -> tuple[tuple[float, float], float]:
    """(length, width) and height in metres of one of its kind."""
    low, high = {
        "shed": ((3.0, 2.4, 2.3), (7.0, 4.5, 3.0)),
        "fence": ((6.0, _FENCE_THICK_M, 1.8), (16.0, _FENCE_THICK_M, 2.6)),
        "roof": ((2.2, 2.2, 0.9), (4.5, 3.0, 1.8)),
        "scaffold": ((4.0, 1.2, 3.6), (9.0, 1.6, 7.0)),
        "container": ((6.06, 2.44, 2.59), (6.06, 2.44, 2.59)),
        "block": ((5.0, 2.4, 1.6), (8.0, 3.4, 2.2)),
        "truck": ((6.0, 2.3, 2.9), (8.0, 2.5, 3.5)),
        "van": ((4.4, 1.8, 1.7), (5.4, 2.0, 2.4)),
        "tent": ((2.6, 2.6, 2.5), (4.0, 3.2, 3.0)),
        "laundry": ((2.0, 0.2, 2.3), (4.0, 0.2, 2.6)),
        "heap": ((2.5, 2.0, 0.9), (5.0, 4.0, 1.8)),
    }[kind]
    length, width, height = chance.uniform(low, high)
    return (float(length), float(width)), float(height)


def _laid_out(kind: str, grown: float) -> float:
    """The share of its length that is begun: the plan is laid out before the walls are up."""
    if kind in AT_ONCE:
        return 1.0
    if kind == "fence":
        return max(grown, 0.1)
    return float(min(1.0, 0.35 + 0.65 * grown / 0.6))


def _shed(thing: Thing, chance: np.random.Generator, grown: float) -> list[Face]:
    """Walls that grow in length and height, then a roof."""
    length = thing.sides_m[0] * _laid_out(thing.kind, grown)
    width, tall = thing.sides_m[1], thing.height_m * float(np.clip(0.25 + grown, 0, 1))
    plan = thing.plan_m(grown)
    centre = (float(plan[:, 0].mean()), float(plan[:, 1].mean()))
    looks = [
        skins.wall(thing.split, chance, (side, thing.height_m), thing.colour, thing.depth)
        for side in (thing.sides_m[0], width, thing.sides_m[0], width)
    ]
    looks[0] = skins.with_opening(looks[0], chance)
    for number in (0, 2):
        # Cut, not squeezed: what is built already does not change while the rest is added.
        looks[number] = looks[number][:, : max(6, round(looks[number].shape[1] * _laid_out(thing.kind, grown)))]
    cover = tuple(float(v * chance.uniform(0.8, 1.1)) for v in thing.colour)
    top = skins.wall(thing.split, chance, thing.sides_m, (cover[0], cover[1], cover[2]), thing.depth)
    z = (thing.base_m, thing.base_m + tall)
    roofed = grown > 0.7
    faces = frustum(centre, z, (length, width), thing.heading_deg, [*looks, top], open_top=not roofed)
    if roofed and chance.random() < 0.5:
        faces = faces[:4] + frustum(
            centre, (z[1], z[1] + 0.8), (length + 0.3, width + 0.3), thing.heading_deg, [top], (1.0, 0.03)
        )
    return faces


def _fence(thing: Thing, chance: np.random.Generator, grown: float) -> list[Face]:
    plan = thing.plan_m(grown)
    texture = skins.wall(thing.split, chance, (thing.sides_m[0], thing.height_m), thing.colour, thing.depth)
    columns = max(6, int(texture.shape[1] * _laid_out(thing.kind, grown)))
    (x1, y1), (x2, y2) = plan[0], plan[1]
    return [upright((x1, y1), (x2, y2), (0.0, thing.height_m), texture[:, :columns])]


def _scaffold(thing: Thing, chance: np.random.Generator, grown: float) -> list[Face]:
    """Storeys of 1.9 m; planks lie on each."""
    plan = thing.plan_m(grown)
    tall = max(1.9, thing.height_m * grown)
    rows = round(tall * skins.PX_PER_M)
    columns = round(thing.sides_m[0] * _laid_out(thing.kind, grown) * skins.PX_PER_M)
    side = skins.net(thing.split, chance, (thing.sides_m[0], thing.height_m), thing.colour)[-rows:, :columns]
    small = skins.net(thing.split, chance, (thing.sides_m[1], thing.height_m), thing.colour)[-rows:]
    planks = skins.wall(thing.split, chance, thing.sides_m, thing.colour, thing.depth)[:, :columns]
    faces = []
    for number, texture in zip(range(4), (side, small, side, small), strict=True):
        (x1, y1), (x2, y2) = plan[number], plan[(number + 1) % 4]
        faces.append(upright((x1, y1), (x2, y2), (0.0, tall), texture))
    for level in np.arange(1.9, tall + 0.01, 1.9):
        high = np.c_[plan, np.full(4, level)]
        faces.append(Face(high[[3, 2, 1, 0]], planks, True))
    return faces


def _container(thing: Thing, chance: np.random.Generator, _: float) -> list[Face]:
    (length, width), tall = thing.sides_m, thing.height_m
    pattern = skins.WALLS[thing.split][0 if thing.split is Split.TUNING else 1]
    looks = [
        skins.covered(pattern, chance, (side, tall), thing.colour, thing.depth)
        for side in (length, width, length, width)
    ]
    if thing.split is Split.JUDGING:
        looks[0] = skins.with_opening(looks[0], chance)
    top = skins.covered(pattern, chance, (length, width), thing.colour, thing.depth / 2)
    return frustum(thing.centre_m, (0.0, tall), thing.sides_m, thing.heading_deg, [*looks, top])


def _truck(thing: Thing, chance: np.random.Generator, _: float) -> list[Face]:
    """A box with a cab; a van is one body."""
    (length, width), tall = thing.sides_m, thing.height_m
    box_share = 0.74 if thing.kind == "truck" else 0.78
    plan = footprint(thing.centre_m, thing.sides_m, thing.heading_deg)
    along = (plan[1] - plan[0]) / length
    rear, front = thing.centre_m - along * length * (1 - box_share) / 2, thing.centre_m + along * length * box_share / 2
    side = skins.truck_side(thing.split, chance, (length * box_share, tall), thing.colour)
    back = skins.cab_front(chance, (width, tall), thing.colour)
    top = skins.covered(skins.WALLS[thing.split][0], chance, (length, width), thing.colour, 3.0)
    box = frustum(
        (rear[0], rear[1]), (0.25, tall), (length * box_share, width), thing.heading_deg, [side, back, side, back, top]
    )
    low = tall * (0.72 if thing.kind == "truck" else 0.6)
    tint = thing.colour if thing.kind == "van" or chance.random() < 0.4 else (150.0, 90.0, 40.0)
    cab_side = skins.truck_side(Split.TUNING, chance, (length * (1 - box_share), low), tint)
    screen = skins.cab_front(chance, (width, low), tint)
    cab = frustum(
        (front[0], front[1]), (0.25, low), (length * (1 - box_share), width), thing.heading_deg,
        [cab_side, screen, cab_side, screen, top], (0.85, 0.95),
    )  # fmt: skip
    return box + cab


def _tent(thing: Thing, chance: np.random.Generator, _: float) -> list[Face]:
    """Four legs and a roof of cloth."""
    eaves = thing.height_m * 0.75
    open_side = skins.legs((thing.sides_m[0], eaves), float(chance.choice([0.0, 0.35])))
    plan = thing.plan_m()
    faces = []
    for number in range(4):
        (x1, y1), (x2, y2) = plan[number], plan[(number + 1) % 4]
        faces.append(upright((x1, y1), (x2, y2), (0.0, eaves), open_side))
    cloth = skins.canopy(thing.split, chance, thing.sides_m, thing.colour)
    wider = (thing.sides_m[0] + 0.2, thing.sides_m[1] + 0.2)
    taper = (0.06, 0.06) if thing.split is Split.TUNING else (1.0, 0.04)
    return faces + frustum(thing.centre_m, (eaves - 0.2, thing.height_m), wider, thing.heading_deg, [cloth], taper)


def _laundry(thing: Thing, chance: np.random.Generator, _: float) -> list[Face]:
    """Clothes or a banner on a line between two poles."""
    plan = thing.plan_m()
    texture = skins.legs((thing.sides_m[0], thing.height_m), 0.0)
    for left in range(4, texture.shape[1] - 12, 14):
        texture[4 : int(chance.integers(16, 40)), left : left + 10] = [*chance.integers(30, 235, 3).tolist(), 255]
    (x1, y1), (x2, y2) = plan[0], plan[1]
    return [upright((x1, y1), (x2, y2), (0.0, thing.height_m), texture)]


def _heap(thing: Thing, chance: np.random.Generator, _: float) -> list[Face]:
    looks = [skins.heap(chance, (thing.sides_m[0], thing.height_m), thing.colour) for _ in range(5)]
    return frustum(thing.centre_m, (0.0, thing.height_m), thing.sides_m, thing.heading_deg, looks, (0.35, 0.3))


_BUILT: dict[str, Callable[[Thing, np.random.Generator, float], list[Face]]] = {
    "shed": _shed,
    "fence": _fence,
    "roof": _shed,
    "scaffold": _scaffold,
    "container": _container,
    "truck": _truck,
    "van": _truck,
    "tent": _tent,
    "laundry": _laundry,
    "heap": _heap,
    "block": _container,
}
"""``block``: a building that has always stood there, for roof additions to be put on."""
