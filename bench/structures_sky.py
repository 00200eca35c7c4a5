"""Light and weather over a simulated camera: sun, clouds, lamps, rain, wet ground, fog, and snow that lies for days.

tuning   shadows of houses; lamps at night; even snow; rain that falls straight
judging  shadows of houses and trees; lamps or infrared at night; patchy snow; slanting rain; thicker fog
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, WIDTH_PX, Points, Pose
from bench.structures_places import Split, rough
from bench.structures_solids import Face, Texture, frustum

DAY_S = 86_400.0
LOCAL_S = 8 * 3600.0
"""China Standard Time: sun and working hours follow it."""
START_S = 1_772_294_400.0
"""Midnight there, 1 March 2026: when every simulation begins."""
SMALL = (WIDTH_PX // 4, HEIGHT_PX // 4)
"""Light is computed on a quarter of each side."""
_RISE_H, _SET_H, _NOON_DEG = 6.3, 18.2, 52.0
_NO_TEXTURE: Texture = np.full((2, 2, 4), 255, np.uint8)

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Air:
    """What hangs over the scene at one moment. ``sun``: the unit vector towards it in the camera's world, None when it
    is down; all others 0 to 1."""

    sun: tuple[float, float, float] | None
    direct: float
    daylight: float
    rain: float
    wet: float
    snow: float
    fog: float

    @property
    def is_day(self) -> bool:
        return self.daylight > 0.5

    @property
    def named(self) -> str:
        """The nuisance that rules the picture, for the score."""
        told = {"snow": self.snow, "fog": self.fog, "rain": self.rain, "wet ground": self.wet}
        name = max(told, key=lambda name: told[name])
        if told[name] > 0.25:
            return name
        return "day light" if self.is_day else "night"


class Sky:
    """The weather of a camera's days, drawn once from its seed."""

    def __init__(self, split: Split, seed: int, days: int, pose: Pose, indoor: bool) -> None:
        chance = np.random.default_rng([seed, 17])
        self._pose, self._indoor, self._split = pose, indoor, split
        kinds = ["clear", "cloudy", "rain", "fog", "snow"]
        winter = chance.random() < 0.35
        odds = np.array([0.42, 0.3, 0.16, 0.06, 0.06 if winter else 0.0])
        self._days = [kinds[int(n)] for n in chance.choice(5, days + 1, p=odds / odds.sum())]
        self._clouds = chance.random((days + 1) * 24 * 3 + 2)
        self._begins_h = chance.uniform(2, 16, days + 1)
        self._lasts_h = chance.uniform(2, 9, days + 1)
        self._snow_days = chance.uniform(1.5, 5.0 if split is Split.TUNING else 7.0, days + 1)
        self._thickness = chance.uniform(0.3, 0.7 if split is Split.TUNING else 1.0, days + 1)

    def air(self, at_s: float) -> Air:
        """The weather at Unix time ``at_s``."""
        since_h = (at_s - START_S) / 3600
        day, hour = int(since_h // 24), since_h % 24
        noon = math.sin(math.pi * (hour - _RISE_H) / (_SET_H - _RISE_H))
        elevation = math.radians(_NOON_DEG) * max(noon, 0.0)
        daylight = float(np.clip(0.5 + noon * 4, 0, 1))
        if self._indoor:
            return Air(None, 0.0, daylight, 0.0, 0.0, 0.0, 0.0)
        kind = self._days[day]
        passing = np.interp(since_h * 3, np.arange(len(self._clouds)), self._clouds)
        cloud = {"clear": 0.35 * passing, "cloudy": 0.5 + 0.5 * passing}.get(kind, 1.0)
        rain, wet = self._rain(since_h)
        fog = self._thickness[day] * max(0.0, 1 - abs(hour - 6) / 5) if kind == "fog" else 0.0
        direct = (1 - cloud) * min(1.0, math.sin(elevation) / 0.35)
        bearing = math.radians(95 + 170 * (hour - _RISE_H) / (_SET_H - _RISE_H) - self._pose.heading_deg)
        flat = math.cos(elevation)
        sun = (math.sin(bearing) * flat, math.cos(bearing) * flat, math.sin(elevation)) if elevation > 0.06 else None
        return Air(sun, float(direct), daylight, rain, wet, self._snow(since_h), float(fog))

    def _rain(self, since_h: float) -> tuple[float, float]:
        day = int(since_h // 24)
        rain = wet = 0.0
        for number in range(max(0, day - 1), day + 1):
            if self._days[number] != "rain":
                continue
            since = since_h - (24 * number + self._begins_h[number])
            lasts = float(self._lasts_h[number])
            if 0 <= since < lasts:
                rain, wet = 0.4 + 0.6 * float(self._thickness[number]), min(1.0, since * 3)
            elif lasts <= since < lasts + 3:
                wet = max(wet, 1 - (since - lasts) / 3)
        return rain, wet

    def _snow(self, since_h: float) -> float:
        """How much of the ground it covers: falls for hours, melts over days."""
        covered = 0.0
        for number, kind in enumerate(self._days):
            since = since_h - (24 * number + self._begins_h[number])
            if kind == "snow" and since > 0:
                left = 1 - (since - self._lasts_h[number]) / (24 * self._snow_days[number])
                covered = max(covered, min(since / float(self._lasts_h[number]), float(left), 1.0))
        return covered


class Light:
    """How a scene is lit: off-screen houses and trees that throw shadows, lamps at night, infrared."""

    def __init__(self, split: Split, seed: int, pose: Pose, indoor: bool) -> None:
        chance = np.random.default_rng([seed, 23])
        self.infrared = split is Split.JUDGING and not indoor and chance.random() < 0.4
        self.casters = [] if indoor else _casters(split, chance)
        self._pose, self._indoor = pose, indoor
        x, y = np.meshgrid(np.arange(SMALL[0]) * 4.0 + 2, np.arange(SMALL[1]) * 4.0 + 2)
        ground = pose.on_ground(np.c_[x.ravel(), y.ravel()])
        far = np.nan_to_num(np.hypot(*ground.T), nan=90.0)
        self.far_m: Map = np.minimum(far, 90.0).reshape(y.shape).astype(np.float32)
        self._lamps = np.zeros(y.shape, np.float32)
        for _ in range(int(chance.integers(1, 4))):
            lamp = (chance.uniform(-14, 14), chance.uniform(4, 30))
            apart = np.nan_to_num(np.hypot(ground[:, 0] - lamp[0], ground[:, 1] - lamp[1]), nan=40.0)
            self._lamps += (0.5 / (1 + (apart.reshape(y.shape) / 6) ** 2)).astype(np.float32)
        self._lamp_tint = np.array(chance.choice([(0.55, 0.85, 1.1), (1.0, 1.0, 0.95)]), np.float32)

    def map(self, air: Air, shadow: Map) -> tuple[Map, NDArray[np.float32]]:
        """(90, 160, 3) light on the ground, and (3,) what of it comes straight from the sun where nothing shades it.

        ``shadow`` (90, 160): 1 where the sun does not reach.
        """
        if self._indoor:
            level = 0.75 + 0.25 * air.daylight
            return np.full((*shadow.shape, 3), level, np.float32), np.zeros(3, np.float32)
        low = 1.0 if air.sun is None else max(0.0, 1 - air.sun[2] / 0.45)
        tint = np.array([1.0 - 0.35 * low, 1.0 - 0.12 * low, 1.0 + 0.06 * low], np.float32)
        cool = np.array([1.07, 1.0, 0.95], np.float32) if air.direct > 0.3 else np.ones(3, np.float32)
        direct = np.float32(0.58 * air.direct) * tint
        skylight = np.float32((0.42 + 0.42 * (1 - air.direct)) * air.daylight) * cool
        light = skylight + direct * (1 - shadow)[:, :, None]
        dark = np.float32(1 - air.daylight)
        if self.infrared:
            light = light + dark * (0.9 / (1 + (self.far_m / 13) ** 2))[:, :, None]
        else:
            light = light + dark * (self._lamps[:, :, None] * self._lamp_tint + np.float32(0.035))
        return light.astype(np.float32), direct


def _casters(split: Split, chance: np.random.Generator) -> list[Face]:
    """Houses beside and behind the picture; for judging trees as well, whose crowns are many small leaves of cloth."""
    faces: list[Face] = []
    for _ in range(int(chance.integers(1, 4))):
        side = chance.choice([-1, 1])
        where = (side * chance.uniform(13, 26), chance.uniform(-12, 22))
        tall = chance.uniform(5, 16)
        faces += frustum(where, (0.0, tall), (chance.uniform(6, 14), 8.0), chance.uniform(0, 90), [_NO_TEXTURE])
    if split is Split.JUDGING:
        for _ in range(int(chance.integers(1, 4))):
            trunk = np.array([chance.choice([-1, 1]) * chance.uniform(4, 14), chance.uniform(-4, 22)])
            for _ in range(26):
                x, y = trunk + chance.normal(0, 1.3, 2)
                size, z = chance.uniform(0.3, 0.9), chance.uniform(3.5, 7.5)
                faces += frustum((x, y), (z, z + size), (size, size), chance.uniform(0, 90), [_NO_TEXTURE])
    return faces


def shadows(polygons: list[NDArray[np.int32]]) -> Map:
    """(90, 160): 1 where one of the polygons (pixels of that size) lies, soft at its border."""
    dark = np.zeros((SMALL[1], SMALL[0]), np.uint8)
    for polygon in polygons:
        cv2.fillConvexPoly(dark, polygon, 255)
    return np.asarray(cv2.blur(dark, (3, 3)) / 255, np.float32)


def snow_field(split: Split, seed: int) -> Map:
    """(360, 640), 0..1: in what order the ground goes white and green again; for judging in patches and tracks."""
    chance = np.random.default_rng([seed, 31])
    cells = (60, 140) if split is Split.TUNING else (12, 40, 90)
    field = rough(chance, (HEIGHT_PX, WIDTH_PX), cells) + 0.35 * rough(chance, (HEIGHT_PX, WIDTH_PX), (3, 8))
    if split is Split.JUDGING:
        for _ in range(2):
            start, end = chance.uniform(0, WIDTH_PX, 2).astype(int).tolist()
            cv2.line(field, (start, HEIGHT_PX), (end, HEIGHT_PX // 4), 3.0, int(chance.integers(4, 14)))
    return np.clip(0.5 + 0.25 * field, 0, 1).astype(np.float32)


def streaks(split: Split, chance: np.random.Generator) -> NDArray[np.float32]:
    """(360, 640) rain that falls through the picture, 0..1."""
    fallen = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    slant = 0 if split is Split.TUNING else int(chance.integers(-9, 10))
    for x, y in chance.uniform((0, 0), (WIDTH_PX, HEIGHT_PX), (260, 2)).astype(int).tolist():
        length = int(chance.integers(6, 22))
        cv2.line(fallen, (x, y), (x + slant * length // 14, y + length), 1.0, 1)
    return fallen


def faces_lit(normals: Points, air: Air) -> NDArray[np.float32]:
    """(n,) how much sun falls on faces, beside what falls on the ground (1)."""
    if air.sun is None:
        return np.ones(len(normals), np.float32)
    towards = np.maximum(normals @ np.array(air.sun), 0.0) / max(air.sun[2], 0.3)
    return np.asarray(np.minimum(towards, 1.6), np.float32)
