"""Light, weather and lens: what changes a picture although nothing was built. All of it after everything is drawn."""

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from bench.train_patterns import noise
from bench.train_street import DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX, HEIGHT_PX, WIDTH_PX, Canvas, Light, Pixels, Reals, Rng

WEATHERS = ("clear", "cloud_shadow", "cast_shadow", "night", "rain", "wet", "snow", "fog", "drops", "exposure", "shake")


def draw_light(rng: Rng, weather: str) -> Light:
    cast = rng.normal(0, 0.07)
    warmth = np.array((1 - cast, 1, 1 + cast))
    if weather == "night":
        ambient = np.array((0.5, 0.57, 0.62)) * rng.uniform(0.7, 1.2) * warmth
        return Light((0, 0, 1), 0.0, _three(ambient), night=True)
    if weather in ("rain", "snow", "fog", "wet") or rng.random() < 0.25:
        return Light((0, 0, 1), float(rng.uniform(0, 0.1)), _three(rng.uniform(0.7, 1.3) * warmth))
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(10, 65))
    sun = (math.cos(elevation) * math.sin(azimuth), math.cos(elevation) * math.cos(azimuth), math.sin(elevation))
    return Light(sun, float(rng.uniform(0.35, 1.0)), _three(rng.uniform(0.45, 0.75) * warmth))


def weathered(canvas: Canvas, weather: str, rng: Rng) -> Pixels:
    """The drawn picture with this weather on it, still at the size it was drawn at."""
    effect = _EFFECTS.get(weather)
    return canvas.bgr if effect is None else effect(canvas, rng)


def taken(bgr: Pixels, weather: str, rng: Rng, shift_px: float) -> Pixels:
    """(192, 320, 3): what a camera sends of it, and registration makes of it. ``shift_px`` is what that leaves over."""
    if weather == "shake":
        shift_px *= 2
    turn, grow = rng.normal(0, 0.0012), 1 + rng.normal(0, 0.0012)
    middle = (DRAWN_WIDTH_PX / 2, DRAWN_HEIGHT_PX / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, math.degrees(turn), grow), np.float64)
    matrix[:, 2] += np.clip(rng.normal(0, 0.5, 2), -1, 1) * shift_px * 1.5
    size = (DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX)
    moved = cv2.warpAffine(bgr, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(moved, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    blur = rng.uniform(0.3, 1.1)
    if rng.random() < 0.6:
        small = cv2.GaussianBlur(small, (5, 5), blur).astype(np.float32)
    strong = 2.0 if weather == "exposure" else 1.0
    gain = np.exp(rng.normal(0, 0.13 * strong)) * np.exp(rng.normal(0, 0.035 * strong, 3))
    values = np.clip(small * gain / 255, 0, None) ** np.exp(rng.normal(0, 0.13 * strong))
    grain = rng.standard_normal(small.shape, np.float32) * rng.uniform(0.5, 5)
    values = np.clip(values * 255 + rng.normal(0, 5) + grain, 0, 255)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))]
    _, packed = cv2.imencode(".jpg", values.astype(np.uint8), quality)
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _three(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _field(rng: Rng, slope: float = 1.8) -> Reals:
    """Smooth noise over the picture, mean 0, deviation about 1."""
    return np.asarray(cv2.resize(noise(rng, slope, 64), (DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX)), np.float32)


def _back(values: Reals) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


def _cloud_shadow(canvas: Canvas, rng: Rng) -> Pixels:
    """Patches of shade with soft or, as under trees, hard edges."""
    edge = rng.uniform(1, 12)
    shade = 1 / (1 + np.exp(-edge * (_field(rng, rng.uniform(1.0, 2.2)) - rng.uniform(-0.5, 1))))
    return _back(canvas.bgr * (1 - rng.uniform(0.25, 0.6) * shade)[..., None])


def _cast_shadow(canvas: Canvas, rng: Rng) -> Pixels:
    """The shadow of something outside the picture: straight edges, over ground and walls alike."""
    mask = np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        base = rng.uniform(-100, DRAWN_WIDTH_PX), rng.uniform(0.2, 0.8) * DRAWN_HEIGHT_PX
        size, lean = rng.uniform(40, 300), rng.uniform(-150, 150)
        x, y = base
        outline = [(x, y), (x + size, y + rng.uniform(-20, 20)), (x + size + lean, 400), (x + lean, 400)]
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 1.0)
    return _back(canvas.bgr * (1 - rng.uniform(0.3, 0.65) * cv2.blur(mask, (3, 3)))[..., None])


def _night(canvas: Canvas, rng: Rng) -> Pixels:
    """Pools of lamplight, lit windows and glare; noise comes with the camera."""
    rows, columns = np.mgrid[:DRAWN_HEIGHT_PX, :DRAWN_WIDTH_PX].astype(np.float32)
    light = np.full((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX, 3), rng.uniform(0.12, 0.6), np.float32)
    glare = np.zeros_like(light)
    for _ in range(int(rng.integers(1, 7))):
        x, y, size = rng.uniform(0, DRAWN_WIDTH_PX), rng.uniform(60, DRAWN_HEIGHT_PX), rng.uniform(25, 130)
        tint = np.array((rng.uniform(0.45, 1), rng.uniform(0.75, 1), 1), np.float32)
        pool = np.exp(-((columns - x) ** 2 + ((rows - y) * 1.8) ** 2) / (2 * size**2))
        light += pool[..., None] * tint * rng.uniform(0.4, 1.4)
        if rng.random() < 0.6:
            lamp = np.exp(-((columns - x) ** 2 + (rows - y + 50) ** 2) / (2 * rng.uniform(3, 14) ** 2))
            glare += lamp[..., None] * tint * 230
    for _ in range(int(rng.integers(0, 12))):
        x, y = int(rng.uniform(0, DRAWN_WIDTH_PX)), int(rng.uniform(0, DRAWN_HEIGHT_PX * 0.5))
        glare[y : y + int(rng.integers(3, 14)), x : x + int(rng.integers(3, 10))] += rng.uniform(60, 200)
    return _back(canvas.bgr * light + glare)


def _wet(canvas: Canvas, rng: Rng) -> Pixels:
    """Dark ground with smeared reflections where water stands."""
    ground = (canvas.level > 0) & (canvas.shows == 0)
    stands = np.clip(_field(rng) * 0.5 + rng.uniform(0.1, 0.7), 0, 1) * ground
    horizon = int(np.clip(canvas.pose.horizon_px + 60, 30, DRAWN_HEIGHT_PX - 30))
    mirror = np.zeros_like(canvas.bgr)
    depth = min(horizon, DRAWN_HEIGHT_PX - horizon)
    mirror[horizon : horizon + depth] = canvas.bgr[horizon - depth : horizon][::-1]
    smeared = cv2.blur(mirror, (3, 31)).astype(np.float32)
    dark = canvas.bgr * (1 - rng.uniform(0.2, 0.5) * stands)[..., None]
    return _back(dark + (smeared * rng.uniform(0.1, 0.35)) * stands[..., None])


def _rain(canvas: Canvas, rng: Rng) -> Pixels:
    picture = _wet(canvas, rng)
    streaks = np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), np.uint8)
    slant, length = rng.uniform(-6, 6), rng.uniform(6, 26)
    for x, y in rng.uniform(0, (DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX), (int(rng.integers(60, 400)), 2)):
        cv2.line(streaks, (int(x), int(y)), (int(x + slant), int(y + length)), int(rng.integers(60, 200)), 1)
    veil = rng.uniform(0.05, 0.25)
    return _back(picture * (1 - veil) + 150 * veil + 0.4 * streaks[..., None].astype(np.float32))


def _snow(canvas: Canvas, rng: Rng) -> Pixels:
    lies = np.clip(_field(rng, 1.4) * 0.4 + rng.uniform(0.2, 1.3), 0, 1) * canvas.level
    lies *= canvas.far_m < 399
    white = np.array((235, 228, 222), np.float32) * rng.uniform(0.7, 1.0)
    picture = canvas.bgr * (1 - 0.93 * lies)[..., None] + white * (0.93 * lies)[..., None]
    if rng.random() < 0.5:
        for x, y in rng.uniform(0, (DRAWN_WIDTH_PX, DRAWN_HEIGHT_PX), (int(rng.integers(40, 300)), 2)):
            size = int(rng.integers(1, 3))
            picture[int(y) : int(y) + size, int(x) : int(x) + size] = 230
    return _back(picture)


def _fog(canvas: Canvas, rng: Rng) -> Pixels:
    clear = np.exp(-canvas.far_m / rng.uniform(15, 120))[..., None]
    return _back(canvas.bgr * clear + rng.uniform(120, 215) * (1 - clear))


def _drops(canvas: Canvas, rng: Rng) -> Pixels:
    """Water or dirt on the glass: round patches without detail."""
    soft = cv2.blur(cv2.blur(canvas.bgr, (17, 17)), (17, 17))
    mask = np.zeros((DRAWN_HEIGHT_PX, DRAWN_WIDTH_PX), np.float32)
    for _ in range(int(rng.integers(3, 16))):
        x, y = int(rng.uniform(0, DRAWN_WIDTH_PX)), int(rng.uniform(0, DRAWN_HEIGHT_PX))
        cv2.circle(mask, (x, y), int(rng.integers(5, 30)), float(rng.uniform(0.5, 1)), -1)
    blurred = cv2.blur(mask, (7, 7))[..., None]
    return _back(canvas.bgr * (1 - blurred) + soft * rng.uniform(0.8, 1.15) * blurred)


_EFFECTS: Mapping[str, Callable[[Canvas, Rng], Pixels]] = {
    "cloud_shadow": _cloud_shadow,
    "cast_shadow": _cast_shadow,
    "night": _night,
    "rain": _rain,
    "wet": _wet,
    "snow": _snow,
    "fog": _fog,
    "drops": _drops,
}
