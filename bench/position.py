"""How far located places are off, and whether ``accuracy_m`` says so: `wangge bench position --help`.

Cameras of known pose over flat ground; control points marked and surveyed with errors, or the pose itself measured with
errors; feet seen with errors. The truth is the pinhole's own.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane, distance_m
from models.pose import (
    HEADING_DEG,
    PLACE_M,
    ROLL_DEG,
    SHARE_OF_HEIGHT,
    SHARE_OF_VIEW,
    TILT_DEG,
    Pose,
)

HERE = GeoPoint(109.0293, 32.6845)
HEIGHT_PX = 1080
BANDS_M = (10.0, 20.0, 40.0, 80.0, 160.0)
LEAST_INSIDE = 0.95


@dataclass(frozen=True)
class Wanted:
    """``survey_m``, ``click_px``, ``foot_px``: standard errors along each axis of what people and detector do."""

    cameras: int = 200
    feet: int = 100
    survey_m: float = 0.3
    click_px: float = 1.5
    foot_px: float = 2.0
    seed: int = 1


@dataclass(frozen=True)
class Miss:
    """One foot: how far away it was, how far off it was placed, and what was said of that. Metres."""

    way: str
    range_m: float
    off_m: float
    accuracy_m: float


def misses(wanted: Wanted) -> Iterator[Miss]:
    rng = np.random.default_rng(wanted.seed)
    for _ in range(wanted.cameras):
        pose = Pose(
            height_m=float(rng.uniform(3, 15)),
            tilt_deg=float(rng.uniform(12, 45)),
            heading_deg=float(rng.uniform(0, 360)),
            view_deg=float(rng.uniform(40, 95)),
            roll_deg=float(rng.normal(0, 1)),
        )
        truth = pose.ground(HERE)
        for count in (4, 6, 10):
            yield from _misses(f"{count} control points", _marked(truth, count, wanted, rng), truth, wanted, rng)
        yield from _misses("mounting pose", _mounted(pose, rng), truth, wanted, rng)


def _visible(truth: GroundPlane, count: int, rng: np.random.Generator, far_m: float) -> NDArray[np.float64]:
    """(count, 2) picture fractions of ground within ``far_m``, spread over the picture."""
    found: list[NDArray[np.float64]] = []
    while len(found) < count:
        points = rng.uniform(0.03, 0.97, (64, 2))
        near = np.hypot(*truth.ground_m(points).T) < far_m
        found.extend(points[near])
    return np.array(found[:count])


def _marked(truth: GroundPlane, count: int, wanted: Wanted, rng: np.random.Generator) -> GroundPlane | None:
    """As a careful person calibrates: points far apart from each other, up to 60 m away."""
    candidates = _visible(truth, 40, rng, 60.0)
    chosen = [int(rng.integers(40))]
    while len(chosen) < count:
        apart = np.min(np.linalg.norm(candidates[:, None] - candidates[chosen], axis=2), axis=1)
        chosen.append(int(np.argmax(apart)))
    places = truth.ground_m(candidates[chosen]) + rng.normal(0, wanted.survey_m, (count, 2))
    click = rng.normal(0, wanted.click_px / HEIGHT_PX, (count, 2)) / (16 / 9, 1)
    plane = LocalPlane(HERE)
    points = [
        ControlPoint(x, y, plane.to_geo(east, north))
        for (x, y), (east, north) in zip((candidates[chosen] + click).tolist(), places.tolist(), strict=True)
    ]
    try:
        return GroundPlane.fit(points)
    except InvalidInput:
        return None


def _mounted(pose: Pose, rng: np.random.Generator) -> GroundPlane:
    measured = replace(
        pose,
        height_m=pose.height_m * (1 + float(rng.normal(0, SHARE_OF_HEIGHT))),
        tilt_deg=max(1.0, pose.tilt_deg + float(rng.normal(0, TILT_DEG))),
        heading_deg=(pose.heading_deg + float(rng.normal(0, HEADING_DEG))) % 360,
        roll_deg=pose.roll_deg + float(rng.normal(0, ROLL_DEG)),
        view_deg=pose.view_deg * (1 + float(rng.normal(0, SHARE_OF_VIEW))),
    )
    east_m, north_m = rng.normal(0, PLACE_M, 2).tolist()
    return measured.ground(LocalPlane(HERE).to_geo(east_m, north_m))


def _misses(
    way: str, ground: GroundPlane | None, truth: GroundPlane, wanted: Wanted, rng: np.random.Generator
) -> Iterator[Miss]:
    if ground is None:
        return
    for x, y in _visible(truth, wanted.feet, rng, BANDS_M[-1]).tolist():
        east, north = truth.ground_m(np.array([[x, y]]))[0].tolist()
        seen = rng.normal(0, wanted.foot_px / HEIGHT_PX, 2) / (16 / 9, 1)
        try:
            found = ground.locate(x + seen[0], y + seen[1], HEIGHT_PX)
        except InvalidInput:
            continue  # near the horizon there is no answer, which is one
        off_m = distance_m(found.place, LocalPlane(HERE).to_geo(east, north))
        yield Miss(way, math.hypot(east, north), off_m, found.accuracy_m)


def summary(found: Sequence[Miss]) -> list[dict[str, float | str | int]]:
    """By way and band of range: the errors' median and 95th percentile, the accuracy's median, the share inside."""
    rows: list[dict[str, float | str | int]] = []
    for way in dict.fromkeys(miss.way for miss in found):
        for low, high in zip((0.0, *BANDS_M), (*BANDS_M, math.inf), strict=True):
            band = [miss for miss in found if miss.way == way and low <= miss.range_m < high]
            if not band:
                continue
            off = np.array([miss.off_m for miss in band])
            said = np.array([miss.accuracy_m for miss in band])
            rows.append(
                {
                    "way": way,
                    "from_m": low,
                    "to_m": high if math.isfinite(high) else BANDS_M[-1],
                    "feet": len(band),
                    "off_p50_m": round(float(np.median(off)), 2),
                    "off_p95_m": round(float(np.quantile(off, 0.95)), 2),
                    "accuracy_p50_m": round(float(np.median(said)), 2),
                    "inside": round(float(np.mean(off <= said)), 4),
                }
            )
    return rows


def measure(wanted: Wanted) -> dict[str, object]:
    found = list(misses(wanted))
    inside = {
        way: round(float(np.mean([miss.off_m <= miss.accuracy_m for miss in found if miss.way == way])), 4)
        for way in dict.fromkeys(miss.way for miss in found)
    }
    return {"bands": summary(found), "inside": inside, "holds": min(inside.values()) >= LEAST_INSIDE}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="wangge bench position", description=__doc__)
    parser.add_argument("--cameras", type=int, default=Wanted.cameras)
    parser.add_argument(
        "--survey", type=float, default=Wanted.survey_m, help="metres; more than 0.3 is more than is said"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help=f"fail below {LEAST_INSIDE:.0%}% inside accuracy_m")
    given = parser.parse_args(words)
    if not (1 <= given.cameras <= 100_000 and 0 <= given.survey <= 100):
        parser.error("1 to 100000 cameras, 0 to 100 m")
    report = measure(Wanted(cameras=given.cameras, survey_m=given.survey))
    if given.json:
        print(json.dumps(report, indent=1))
    else:
        for row in summary_rows(report):
            print(row)
    return 1 if given.check and not report["holds"] else 0


def summary_rows(report: dict[str, object]) -> Iterator[str]:
    bands, inside = report["bands"], report["inside"]
    assert isinstance(bands, list)
    assert isinstance(inside, dict)
    yield f"{'calibrated by':20} {'range':>10} {'feet':>6} {'off p50':>8} {'p95':>7} {'said p50':>9} {'inside':>7}"
    for row in bands:
        span = f"{row['from_m']:.0f}–{row['to_m']:.0f} m"
        yield (
            f"{row['way']:20} {span:>10} {row['feet']:6} {row['off_p50_m']:8} {row['off_p95_m']:7} "
            f"{row['accuracy_p50_m']:9} {row['inside']:7.1%}"
        )
    for way, share in inside.items():
        yield f"{way}: {share:.1%} inside accuracy_m"


if __name__ == "__main__":
    raise SystemExit(main())
