"""What is said of a new structure, as a sighting: where it stands, how large it is and how long it has stood."""

import cv2
import numpy as np

from detectors.counting import UNCALIBRATED_ACCURACY_M
from detectors.structure import KIND, Said, Told
from detectors.structure_memory import DAY_S
from models.camera import CameraPoint
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import GeoPoint, GroundPlane
from models.incident import Phase, Severity, Sighting, kind_of

LARGE_M2 = 60.0
"""From so much ground on it is a level more severe. Our own choice."""
CONFIDENCE = 0.9
"""That something new stands there for days; whether it may, a person says."""
RED = (0, 0, 255)


def sighting_of(
    camera: CameraPoint, said: Said, at_s: float, ground: GroundPlane | None, height_px: int, begun_s: float
) -> Sighting:
    """``height_px``: of the picture; ``begun_s``: when its scene was first seen."""
    told = said.structure
    place, accuracy_m = _place(camera, told, ground, height_px)
    severity = kind_of(KIND).severity
    stood_days = round((at_s - told.since_s) / DAY_S, 2)
    measure = {"stood_days": stood_days, "picture_share": round(told.share, 4), "threshold": 1.0, "unit": "d"}
    measure |= {} if told.area_m2 is None else {"area_m2": told.area_m2}
    measure |= {} if said.grown_m2 is None else {"grown_m2_per_day": round(said.grown_m2, 1)}
    return Sighting(
        kind=KIND,
        phase=Phase(said.phase),
        zone_id=told.zone_id,
        severity=severity.worse if (told.area_m2 or 0.0) >= LARGE_M2 else Severity(severity),
        confidence=CONFIDENCE,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=told.since_s,
        at_s=at_s,
        measure=measure,
        reason=said.reason,
        part=f"{begun_s:.0f}-{told.number}",
    )


def _place(camera: CameraPoint, told: Told, ground: GroundPlane | None, height_px: int) -> tuple[GeoPoint, float]:
    """Of the middle of its lower edge."""
    rows, columns = np.nonzero(told.cells)
    if ground is not None and len(rows):
        x, y = (columns.mean() + 0.5) / told.cells.shape[1], (rows.max() + 1) / told.cells.shape[0]
        try:
            found = ground.locate(float(x), float(y), height_px)
        except InvalidInput:
            pass
        else:
            return found.place, found.accuracy_m
    return camera.place, UNCALIBRATED_ACCURACY_M


def beside(before: Pixels, now: Pixels, told: Told, dates: tuple[str, str]) -> Pixels:
    """Both pictures side by side, as high as the second, (height, 2 * width, 3), with the structure's outline in the
    second and a date in each. Both must be masked already."""
    height, width = now.shape[:2]
    first = np.asarray(cv2.resize(before, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    cells = cv2.resize(told.cells.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(cells, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    second = now.copy()
    thick = max(2, width // 300)
    cv2.drawContours(second, outlines, -1, RED, thick)
    for picture, date in ((first, dates[0]), (second, dates[1])):
        for colour, weight in (((0, 0, 0), 3 * thick), ((255, 255, 255), thick)):
            cv2.putText(picture, date, (12, height - 16), cv2.FONT_HERSHEY_SIMPLEX, width / 900, colour, weight)
    return np.hstack([first, second])
