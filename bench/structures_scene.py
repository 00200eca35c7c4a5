"""Simulated cameras before which things are built: the test set for new structures. Synthetic, and to be called so.

Real frames of fixed cameras (or scenes made by code) with structures put on their ground in perspective, lit and shaded
by the scene's own sun, growing over days; and with what must not count: light by the hour, shadows that wander, rain,
wet ground, fog, snow that lies, trucks, vans, tents and laundry that stay for days, leaves that turn, drops on the
lens, exposure that jumps, a mount that shakes and sags, people and cars that pass. Everything is drawn from the seed;
a look depends on nothing but seed and time. Backgrounds, textures and nuisances are split into ``tuning`` and
``judging``: each module says its own split on top.

No two looks share their pixels: of a recording each takes another frame, and all are shaken, blurred, made noisy and
coded anew after everything was put in. Who passes stays in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_compose import Composed, Composer, with_cutouts
from bench.structures_ground import HEIGHT_PX, ORIGIN, WIDTH_PX, Pose
from bench.structures_lens import Lens
from bench.structures_places import Cutout, Place, Shot, Split, load, made_place, places
from bench.structures_plan import ACCEPTED_DAYS, Planner
from bench.structures_sky import DAY_S, START_S, Air, Light, Sky, faces_lit, shadows, snow_field, streaks
from bench.structures_solids import cast
from bench.structures_truth import Truth
from models.camera import CameraPoint, SourceUrl, Zone
from models.frame import Pixels

LOOKS_A_DAY = 144
_AUTUMN = np.array([0.82, 0.92, 1.22], np.float32)
"""What leaves do to blue, green and red in a month of the fastest change."""
_CLOUD_GREY = 205.0
_SHED_SEED = 7


@dataclass(frozen=True, eq=False)
class Look:
    """A picture (360, 640, 3) uint8 BGR, the Unix time of its frame, and what the weather is."""

    at_s: float
    bgr: Pixels
    is_day: bool
    weather: str


SHED_M, SHED_GROWS_DAYS = (5.0, 4.0), 5.0
SHED_ONSET_S = START_S + (ACCEPTED_DAYS + 2) * DAY_S + 8 * 3600


class SimulatedCamera:
    """One camera for ``days`` days from ``START_S``. ``camera`` has control points and one zone of kind
    illegal_structure; the admin accepts at ``accepted_s`` what was seen until then. ``with_shed``: nothing happens but
    that a shed of 20 m² grows over five days."""

    def __init__(self, seed: int, place: Place, days: int, *, with_shed: bool = False) -> None:
        chance = np.random.default_rng([seed, 7])
        split = place.shot.split
        self.seed, self.split, self.days, self.name = seed, split, days, f"{place.shot.name}#{seed}"
        self.accepted_s = START_S + min(ACCEPTED_DAYS, days / 2) * DAY_S
        zoom, self._is_mirrored = float(chance.uniform(1, 1.2)), bool(chance.random() < 0.5)
        self.pose = _zoomed(place.shot.pose, zoom, float(chance.uniform(0, 360)))
        self._place = _framed(place, zoom, self._is_mirrored)
        top = 0.5 + (place.shot.top - 0.5) * zoom
        self.camera = _camera(self.name, self.pose, max(top, 0.02))
        planner = Planner(split, seed, self.pose, self._place.plate, max(top, 0.02), days)
        self.plan = planner.shed(SHED_M, SHED_ONSET_S, SHED_GROWS_DAYS) if with_shed else planner.plan()
        self._foliage = _foliage(self._place.plate, place.shot.indoor)
        self.truth = Truth(self.plan.structures, self.plan.nuisances, self._foliage > 0.5)
        self.sky = Sky(split, seed, days, self.pose, place.shot.indoor)
        self._light = Light(split, seed, self.pose, place.shot.indoor)
        self._lens = Lens(split, seed)
        self._snow = snow_field(split, seed)
        self._ground = _below(top)
        self._rain = [streaks(split, chance) for _ in range(4)]
        self._leaf_turn = float(chance.uniform(0, 1))
        self._composer = Composer(self.pose, self.plan)

    def looks(self, looks_a_day: int = LOOKS_A_DAY, from_day: int = 0) -> Iterator[Look]:
        """In order of time."""
        for number in range(from_day * looks_a_day, self.days * looks_a_day):
            yield self.look(START_S + number * DAY_S / looks_a_day)

    def look(self, at_s: float) -> Look:
        """What the camera shows at Unix time ``at_s``."""
        chance = np.random.default_rng([self.seed, int(at_s)])
        air = self.sky.air(at_s)
        scene = self._composer.at(at_s)
        albedo = self._albedo(scene, air, chance)
        light, gain = self._lit(scene, air, at_s)
        lit = np.asarray(cv2.multiply(albedo, light), np.float32)
        self._weather(lit, air, gain, chance)
        bgr = self._lens.take(lit, air, gain, at_s, chance)
        if self._light.infrared and air.daylight < 0.3:
            bgr = np.asarray(cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
        return Look(at_s, bgr, air.is_day, air.named)

    def _albedo(self, scene: Composed, air: Air, chance: np.random.Generator) -> NDArray[np.float32]:
        """(360, 640, 3) float32: a frame of the scene with what stands there, and in front of it who passes."""
        number = int(chance.integers(len(self._place.frames)))
        frame = self._place.frames[number]
        stirred = np.roll(frame, (int(chance.integers(-2, 3)), int(chance.integers(-2, 3))), (0, 1))
        frame = np.asarray(cv2.copyTo(stirred, self._foliage_px, frame.copy()), np.uint8)
        passing = self._place.passing[number]
        built = scene.over(frame, passing)
        if air.snow > 0.02:
            covered = np.clip((np.float32(1.25 * air.snow) - self._snow) * 7, 0, 0.9) * self._ground
            covered[scene.is_upright | (passing > 0)] = 0
            white = self._snow[::-1, ::-1, None] * np.float32(36) + np.float32(205)
            built = (built + (white - built) * covered[:, :, None]).astype(np.uint8)
        busy = (0.6 if len(self._place.frames) == 1 else 0.2) * (1.0 if air.is_day else 0.3)
        return with_cutouts(built, self.pose, self._place.cutouts, chance, busy).astype(np.float32)

    @property
    def _foliage_px(self) -> NDArray[np.uint8]:
        return (self._foliage * 255).astype(np.uint8)

    def _lit(self, scene: Composed, air: Air, at_s: float) -> tuple[NDArray[np.float32], float]:
        """(360, 640, 3) light on each pixel, and the exposure that the camera chooses for it."""
        polygons = []
        if air.sun is not None and air.direct > 0.05:
            polygons = cast(self.pose, [*self._light.casters, *scene.faces], np.array(air.sun), 0.25)
        light, direct = self._light.map(air, shadows(polygons))
        turned = 1 + (_AUTUMN - 1) * np.float32(self._leaf_turn * (1 - air.snow) * (at_s - START_S) / DAY_S / 30)
        light *= (
            1 + (turned - 1) * cv2.resize(self._foliage, light.shape[1::-1], interpolation=cv2.INTER_AREA)[:, :, None]
        )
        if air.wet > 0:
            light *= np.float32(1 - 0.22 * air.wet)
        # Metered on the mean, held back by what would burn out.
        level, brightest = float(light.mean()), float(np.quantile(light[::4, ::4], 0.9))
        gain = min(3.2, (0.95 / max(level, 0.05)) ** 0.85, 1.5 / max(brightest, 0.05))
        full = np.asarray(cv2.resize(light, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR), np.float32)
        if scene.normals is not None:
            # Faces of solids take the sun by the way they look; the shadow on the ground behind them is not theirs.
            amount = faces_lit(scene.normals, air)[scene.facing[scene.part]][:, :, None]
            sky = float(np.clip(1 - 0.12 * air.daylight, 0, 1))
            open_sky = self._light.map(air, np.ones((1, 1), np.float32) * np.ones_like(self._light.far_m))[0]
            near = cv2.resize(open_sky, (WIDTH_PX, HEIGHT_PX))[scene.part] * np.float32(sky) + direct * amount
            where = scene.alpha[scene.part][:, :, None] > 0.5
            full[scene.part] = np.where(where, near, full[scene.part])
        return full, gain

    def _weather(self, lit: NDArray[np.float32], air: Air, gain: float, chance: np.random.Generator) -> None:
        """Fog, rain and what wet ground mirrors, between the scene and the lens; in place."""
        sky_grey = _CLOUD_GREY / max(gain, 1.0) * (0.25 + 0.75 * air.daylight)
        if air.wet > 0.05:
            mirrored = cv2.resize(cv2.blur(lit[::-8, ::8], (3, 5)), (WIDTH_PX, HEIGHT_PX))
            puddles = np.clip(self._snow - 0.35, 0, 0.5) * self._ground * np.float32(0.7 * air.wet)
            lit += (0.6 * mirrored + 0.3 * np.float32(sky_grey) - lit) * puddles[:, :, None]
        haze = max(air.fog, 0.25 * air.rain)
        if haze > 0.02:
            thick = 1 - np.exp(-self._light.far_m * np.float32(0.045 * haze))
            veil = cv2.resize(thick, (WIDTH_PX, HEIGHT_PX))[:, :, None]
            lit += (np.float32(sky_grey) - lit) * veil
        if air.rain > 0.05:
            drops = self._rain[int(chance.integers(len(self._rain)))]
            lit += (drops * np.float32(0.16 * sky_grey * air.rain))[:, :, None]


def simulated_cameras(
    split: Split | str,
    cameras: int,
    days: int = 30,
    *,
    seed: int = 0,
    data: Path | None = None,
    footage: Path | None = None,
) -> Iterator[SimulatedCamera]:
    """``cameras`` of them, one after the other over the split's scenes; scenes made by code where there is no data.

    ``data``: the folder of development data; ``footage``: that of vtest.avi.
    """
    split = Split(split)
    for number in range(cameras):
        yield simulated_camera(split, number, days, seed=seed, data=data, footage=footage)


def simulated_camera(
    split: Split, number: int, days: int, *, seed: int = 0, data: Path | None = None, footage: Path | None = None
) -> SimulatedCamera:
    """The one of that number: the same whether others were made before or not."""
    shots = places(split, data, footage)
    own = 1000 * seed + 2 * number + (split is Split.JUDGING)
    place = load(shots[number % len(shots)], data, footage) if shots else made_place(split, own)
    if len(place.frames) == 1 and shots:
        # A still has nobody who moves: those of the split's recordings walk there.
        place = replace(place, cutouts=_passers(tuple(shots), data, footage))
    return SimulatedCamera(own, place, days)


def camera_with_shed(split: Split, days: int, *, data: Path | None, footage: Path | None) -> SimulatedCamera:
    """Always the same one: in the first recorded scene of the split under the open sky."""
    shots = [s for s in places(split, data, footage) if s.has_passers and not s.indoor]
    place = load(shots[0], data, footage) if shots else made_place(split, _SHED_SEED)
    return SimulatedCamera(_SHED_SEED, place, days, with_shed=True)


@lru_cache(maxsize=2)
def _passers(shots: tuple[Shot, ...], data: Path | None, footage: Path | None) -> tuple[Cutout, ...]:
    recorded = [load(shot, data, footage) for shot in shots if shot.has_passers]
    return tuple(cutout for place in recorded for cutout in place.cutouts)


def _zoomed(pose: Pose, zoom: float, heading_deg: float) -> Pose:
    half = np.tan(np.radians(pose.hfov_deg) / 2) / zoom
    return replace(pose, hfov_deg=float(np.degrees(2 * np.arctan(half))), heading_deg=heading_deg)


def _framed(place: Place, zoom: float, is_mirrored: bool) -> Place:
    """The same place seen narrower, and the other way round."""
    turned = cv2.getRotationMatrix2D((WIDTH_PX / 2, HEIGHT_PX / 2), 0, zoom)

    def frame(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        moved = cv2.warpAffine(image, turned, (WIDTH_PX, HEIGHT_PX), flags=cv2.INTER_LINEAR)
        return np.ascontiguousarray(moved[:, ::-1] if is_mirrored else moved).astype(np.uint8)

    return replace(
        place,
        plate=frame(place.plate),
        frames=tuple(map(frame, place.frames)),
        passing=tuple(map(frame, place.passing)),
    )


def _camera(name: str, pose: Pose, top: float) -> CameraPoint:
    """As an admin would have set it up: all of the ground, and what stands on it, is to be watched."""
    above = max(0.0, top - 0.12)
    zone = Zone(
        "no-build", "No-build ground", ((0.0, above), (1.0, above), (1.0, 1.0), (0.0, 1.0)), ("illegal_structure",)
    )
    source = SourceUrl.parse("rtsp://127.0.0.1/simulated")
    points = pose.control_points(top)
    return CameraPoint(name, name, name, ORIGIN, source, "bench", None, zones=(zone,), control_points=points)


def _foliage(plate: Pixels, indoor: bool) -> NDArray[np.float32]:
    """(360, 640), 0..1: what is green and rough."""
    if indoor:
        return np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    hue, saturation, value = cv2.split(cv2.cvtColor(plate, cv2.COLOR_BGR2HSV))
    green = (hue > 28) & (hue < 90) & (saturation > 55) & (value > 25)
    return np.asarray(cv2.blur(green.astype(np.float32), (7, 7)), np.float32)


def _below(top: float) -> NDArray[np.float32]:
    """(360, 640): 1 on the ground, softly 0 above ``top``."""
    rows = np.arange(HEIGHT_PX, dtype=np.float32)[:, None] / HEIGHT_PX
    return np.broadcast_to(np.clip((rows - top) * 12, 0, 1), (HEIGHT_PX, WIDTH_PX)).astype(np.float32)
