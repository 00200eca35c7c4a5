"""Sheets of looks with what is true drawn in, so that a person can see whether the set looks right."""

import cv2
import numpy as np

from bench.structures_scene import SimulatedCamera
from bench.structures_sky import DAY_S, START_S
from models.frame import Pixels

_HOURS = (12.0, 9.0, 15.0, 12.5, 17.2, 22.5, 11.0, 13.5, 7.0, 10.0, 16.0, 14.0)
"""Of one look each, over the days."""
_STRUCTURE, _NUISANCE, _TEXT = (0, 0, 255), (255, 160, 0), (0, 255, 255)


def sheet(camera: SimulatedCamera) -> Pixels:
    """Twelve looks, four in a row, half as large each: structures outlined in red, nuisances in blue."""
    looks = []
    for number, hour in enumerate(_HOURS):
        day = int(number * (camera.days - 1) / (len(_HOURS) - 1))
        at_s = START_S + day * DAY_S + hour * 3600
        look = camera.look(at_s)
        picture = look.bgr.copy()
        for structure in camera.truth.structures:
            _outline(picture, structure.mask_at(at_s), _STRUCTURE)
        for nuisance in camera.truth.nuisances:
            if nuisance.stands(at_s):
                _outline(picture, nuisance.mask, _NUISANCE)
        text = f"{camera.name} day {day} {hour:04.1f} h {look.weather}"
        cv2.putText(picture, text, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _TEXT, 2)
        looks.append(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return np.asarray(np.vstack([np.hstack(looks[row : row + 4]) for row in range(0, 12, 4)]), np.uint8)


def _outline(
    picture: Pixels, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], colour: tuple[int, int, int]
) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, contours, -1, colour, 1)
