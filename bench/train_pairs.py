"""Pairs for the change network: a scene as it was accepted and a later look, and where the look shows something new.

Both looks are drawn apart, each in a light, weather and with passers of its own; what they share is the place. A pair
comes from its seed and the patterns alone, the same everywhere.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bench.train_cast import draw, invent
from bench.train_patterns import Patterns, colour, leaves, noise
from bench.train_street import (
    DRAWN_HEIGHT_PX,
    DRAWN_WIDTH_PX,
    HEIGHT_PX,
    LASTING,
    NOTHING,
    PASSING,
    WIDTH_PX,
    Canvas,
    Pixels,
    Pose,
    Reals,
    Rng,
    Vector,
)
from bench.train_things import PASSERS, STRUCTURES, Paint, Thing, shadow
from bench.train_weather import WEATHERS, draw_light, taken, weathered

CELL_PX = 8
SHARE_WITH_STRUCTURE = 0.6


@dataclass(frozen=True, eq=False)
class Pair:
    """``reference`` and ``look`` (192, 320, 3) BGR; ``lasting`` and ``passing`` (24, 40): share 0..1 of each cell that
    is covered by something new that stays, and by something in either look that does not.

    ``kind`` is "none" without a structure; ``nuisance`` is the look's weather, ``contrast`` how far the structure
    differs from what it covers, in grey levels, and ``share`` how much of the picture it takes.
    """

    reference: Pixels
    look: Pixels
    lasting: Reals
    passing: Reals
    kind: str
    nuisance: str
    contrast: float
    share: float


@dataclass(frozen=True, eq=False)
class Scene:
    pose: Pose
    patterns: Patterns
    ground: Paint
    strips: tuple[tuple[Vector, Vector, Vector, Paint], ...]
    things: tuple[Thing, ...]
    backdrop: Pixels | None
    """A picture of leaves in place of the street."""


def make_pair(seed: int, patterns: Patterns) -> Pair:
    rng = np.random.default_rng(seed)
    scene = _draw_scene(rng, patterns)
    structure = _place_structure(rng, scene) if rng.random() < SHARE_WITH_STRUCTURE else None
    before = replace(structure, growth=0.35 * structure.growth) if structure and rng.random() < 0.12 else None
    weather = str(rng.choice(WEATHERS))
    earlier = weather if rng.random() < 0.35 else "clear" if rng.random() < 0.6 else str(rng.choice(WEATHERS))
    season = rng.uniform(0, 1) if rng.random() < 0.3 else None
    then = _draw(scene, earlier, rng, before, _passers(rng, scene, 1.0), None)
    now = _draw(scene, weather, rng, structure, _passers(rng, scene, 1.6), season)
    new = (now.shows == LASTING) & (then.shows != LASTING)
    contrast = (
        float(np.abs(now.bgr[new].astype(np.float32).mean(axis=1) - then.bgr[new].mean(axis=1)).mean())
        if new.any()
        else 0.0
    )
    passing = (now.shows == PASSING) | (then.shows == PASSING)
    return Pair(
        taken(weathered(then, earlier, rng), earlier, rng, 0.5),
        taken(weathered(now, weather, rng), weather, rng, 1.5),
        _cells(new),
        _cells(passing & ~new),
        structure.kind if structure and new.any() else "none",
        "season" if season is not None and weather == "clear" else weather,
        contrast,
        float(new.mean()),
    )


def pairs(first: int, count: int, patterns: Patterns) -> Iterator[Pair]:
    """The pairs of the seeds from ``first`` on."""
    for seed in range(first, first + count):
        yield make_pair(seed, patterns)


def _cells(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Reals:
    rows, columns = HEIGHT_PX // CELL_PX, WIDTH_PX // CELL_PX
    step = DRAWN_HEIGHT_PX // rows
    return np.asarray(mask.reshape(rows, step, columns, step).mean(axis=(1, 3)), np.float32)


def _pick(rng: Rng, patterns: Patterns, *kinds: str) -> Paint:
    pool = patterns[kinds[int(rng.integers(len(kinds)))]]
    return pool[int(rng.integers(len(pool)))], colour(rng, 0.3)


def _draw_scene(rng: Rng, patterns: Patterns) -> Scene:
    pose = Pose.draw(rng)
    ground = _pick(rng, patterns, "plain", "plain", "paving", "grass")
    backdrop = leaves(rng, patterns, DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX) if rng.random() < 0.3 else None
    things: list[Thing] = []
    if backdrop is None:
        things += _buildings(rng, patterns)
        for _ in range(int(rng.integers(0, 6))):
            things.append(invent(rng, patterns, "tree", _spot(rng, pose), None))
            things[-1] = _green(rng, things[-1])
    for _ in range(int(rng.integers(0, 4))):
        kind = str(rng.choice([*STRUCTURES, "car", "truck", "flag"]))
        things.append(invent(rng, patterns, kind, _spot(rng, pose), None))
    return Scene(pose, patterns, ground, _strips(rng, patterns), tuple(things), backdrop)


def _strips(rng: Rng, patterns: Patterns) -> tuple[tuple[Vector, Vector, Vector, Paint], ...]:
    """A road, pavements and lines, some along the view and some across it."""
    found: list[tuple[Vector, Vector, Vector, Paint]] = []
    for _ in range(int(rng.integers(0, 5))):
        turn, width = rng.uniform(-0.5, 0.5) + (math.pi / 2 if rng.random() < 0.3 else 0), rng.uniform(1.5, 9)
        x, y = rng.uniform(-12, 12), rng.uniform(2, 30) if abs(turn) > 1 else 0
        along = (math.sin(turn) * 150, math.cos(turn) * 150, 0.0)
        if abs(turn) > 1:
            x = -75.0
        side = (math.cos(turn) * width, -math.sin(turn) * width, 0.0)
        found.append(((x, y, 0.0), side, along, _pick(rng, patterns, "plain", "paving", "grass", "brick")))
        if rng.random() < 0.5:
            line = (side[0] * 0.15 / width, side[1] * 0.15 / width, 0.0)
            white = (patterns["plain"][0], (205.0, 210.0, 210.0))
            found.append(((x + side[0] / 2, y + side[1] / 2, 0.0), line, along, white))
    return tuple(found)


def _buildings(rng: Rng, patterns: Patterns) -> list[Thing]:
    found = []
    for side in (-1, 1):
        y = rng.uniform(4, 15)
        while y < 90 and rng.random() < 0.85:
            at = (side * rng.uniform(9, 22), y)
            heading = -side * math.pi / 2 + rng.normal(0, 0.06)
            found.append(replace(invent(rng, patterns, "building", at, None), heading_rad=float(heading)))
            y += found[-1].width_m + rng.uniform(0, 8)
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(-35, 35), rng.uniform(25, 90))
        found.append(replace(invent(rng, patterns, "building", at, None), heading_rad=float(rng.normal(0, 0.1))))
    return found


def _green(rng: Rng, tree: Thing) -> Thing:
    leaf = (rng.uniform(20, 60), rng.uniform(70, 125), rng.uniform(40, 100))
    pattern, _, wood = tree.paints
    return replace(tree, paints=((tree.paints[0][0], leaf), pattern, wood))


def _spot(rng: Rng, pose: Pose) -> tuple[float, float]:
    """A place on the ground that is in the picture and not too far off."""
    low = max(pose.horizon_px + 35, 45)
    for _ in range(20):
        x, y = pose.ground(rng.uniform(20, DRAWN_WIDTH_PX - 20), rng.uniform(low, DRAWN_HEIGHT_PX * 0.97))
        if 7 < y < 60:
            return x, y
    return 0.0, max(9.0, 2 * pose.height_m)


def _place_structure(rng: Rng, scene: Scene) -> Thing:
    kind = str(rng.choice(STRUCTURES))
    near = None
    if rng.random() < 0.5:
        near = scene.ground[1]
    thing = invent(rng, scene.patterns, kind, _spot(rng, scene.pose), near)
    thing = replace(thing, growth=float(rng.uniform(0.25, 1)) if rng.random() < 0.4 else 1.0)
    hosts = [t for t in scene.things if t.kind == "building" and t.y_m > 6]
    if kind in ("roof", "scaffold") and hosts and rng.random() < 0.8:
        host = hosts[int(rng.integers(len(hosts)))]
        across = rng.uniform(-0.4, 0.4) * host.width_m
        if kind == "roof":
            place = host.at(float(across), float(rng.uniform(0.05, 0.3) * host.depth_m), host.height_m)
            lift = max(0.0, host.height_m if host.height_m < scene.pose.height_m * 1.6 else rng.uniform(2, 5))
            return replace(thing, x_m=place[0], y_m=place[1], z_m=float(lift), heading_rad=host.heading_rad)
        place = host.at(float(across), -1.3, 0)
        return replace(thing, x_m=place[0], y_m=place[1], heading_rad=host.heading_rad)
    if kind == "roof":  # no building in the picture: it stands on something of the backdrop
        return replace(thing, z_m=float(rng.uniform(0, 4)))
    return thing


def _passers(rng: Rng, scene: Scene, mean: float) -> tuple[Thing, ...]:
    kinds = [str(rng.choice(PASSERS, p=(0.35, 0.2, 0.15, 0.3))) for _ in range(int(rng.poisson(mean)))]
    return tuple(invent(rng, scene.patterns, kind, _spot(rng, scene.pose), None) for kind in kinds)


def _draw(
    scene: Scene, weather: str, rng: Rng, structure: Thing | None, passers: tuple[Thing, ...], season: float | None
) -> Canvas:
    canvas = Canvas(scene.pose, draw_light(rng, weather))
    if scene.backdrop is None:
        _sky(canvas, rng)
    reach = (-300.0, -5.0, 0.0), (600.0, 0.0, 0.0), (0.0, 500.0, 0.0)
    canvas.face(*reach, scene.ground)
    _ground_distance(canvas)
    for corner, side, along, paint in scene.strips:
        canvas.face(corner, side, along, paint)
    if scene.backdrop is not None:
        canvas.bgr[:] = np.clip(scene.backdrop * canvas.light.shade((0, 0, 1)), 0, 255).astype(np.uint8)
    fixed = [_stirred(thing, rng, season) for thing in scene.things]
    standing = [(thing, NOTHING) for thing in fixed] + [(thing, PASSING) for thing in passers]
    if structure is not None:
        standing.append((structure, LASTING))
    for thing, _ in standing:
        shadow(canvas, thing)
    for thing, shows in sorted(standing, key=lambda each: -_order_m(each[0])):
        draw(canvas, thing, shows)
    return canvas


def _order_m(thing: Thing) -> float:
    """How far off it counts when things are drawn from far to near: a thing on a building comes after it."""
    middle = thing.at(0, thing.depth_m / 2, 0)
    return math.hypot(middle[0], middle[1]) - (thing.depth_m + 8 if thing.z_m > 0 else 0)


def _stirred(thing: Thing, rng: Rng, season: float | None) -> Thing:
    if thing.kind not in ("tree", "flag"):
        return thing
    moved = replace(thing, growth=float(rng.random()))
    if season is None or thing.kind == "flag":
        return moved
    autumn = (30 + 40 * season, 95 + 60 * season, 110 + 80 * season)
    return replace(moved, paints=((thing.paints[0][0], autumn), *thing.paints[1:]))


def _sky(canvas: Canvas, rng: Rng) -> None:
    clouds = cv2.resize(noise(rng, 1.7, 64), (DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX))
    blue = np.array((215, 185, 150), np.float32) * rng.uniform(0.75, 1.1)
    white = np.clip(clouds * 0.4 + rng.uniform(0, 1), 0, 1)[..., None]
    values = blue * (1 - white) + rng.uniform(170, 240) * white
    canvas.bgr[:] = np.clip(values * (0.35 if canvas.light.night else 1), 0, 255).astype(np.uint8)


def _ground_distance(canvas: Canvas) -> None:
    rows = np.arange(DRAWN_HEIGHT_PX)
    seen = rows > canvas.pose.horizon_px + 1
    distance = [
        canvas.pose.ground(DRAWN_WIDTH_PX / 2, float(row))[1] if below else 399.0
        for row, below in zip(rows, seen, strict=True)
    ]
    canvas.far_m[seen] = np.minimum(399, np.array(distance, np.float32)[seen])[:, None]
