"""Calibration of counts: from a few frames that a person counted to how a camera counts. Pure.

A detector's count depends on its threshold: on one camera 0.30 is right, on another 0.45, and a single best threshold
chosen from ten frames is mostly chance. So every threshold gets its own scale, persons counted per box found, and the
count is the mean of them. Boxes add up, so a zone counts its own and an empty zone is empty: fits with a constant term
or a slope drawn to the mean are nearer on frames like the fit's, and invent people at night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import Tiling
from detectors.counting import MIN_SCORE
from detectors.headcount import PERSONS
from models.counting import MOST_FRAMES, MOST_PERSONS, MOST_SCALE, Counting
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

FORM_SIDE_PX = 320
FORM = Tiling(2, 2, long_side_px=FORM_SIDE_PX)
"""How a calibrated camera is looked at: of 18 forms (whole pictures, columns, tiles, bands by perspective) the least
error per millisecond; choosing one per camera from ten frames did worse than always this (``wangge bench crowd``)."""
SCORES = (0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55)
FEWEST_FRAMES = 5
LEAST_SPREAD = 3
"""Persons between the emptiest frame and the fullest: less, and no frame says how the count grows."""
MOST_BOXES = 10_000


class Sight(Protocol):
    """What is needed of ``perception.Seen``."""

    @property
    def detections(self) -> Detections: ...


class Eyes(Protocol):
    """What is needed of ``perception.Perception``."""

    @property
    def model(self) -> str: ...
    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight: ...


@dataclass(frozen=True, eq=False)
class Sample:
    """What ``model`` saw in a frame of ``width_px`` x ``height_px`` that is to be counted by a person.

    ``scores``: (n,) of the boxes of persons found looking as ``FORM``, from ``SCORES[0]`` on; ``plain``: how many
    persons it counts without calibration. No boxes: who stands where is nobody's business.
    """

    width_px: int
    height_px: int
    model: str
    scores: NDArray[np.float32]
    plain: int

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"scores": [round(score, 3) for score in self.scores.tolist()]}


def sample_from_json(data: Any) -> Sample:
    """Raises InvalidInput for anything that is none."""
    try:
        scores = np.array(data["scores"], np.float32).reshape(-1)
        if not np.isfinite(scores).all() or len(scores) > MOST_BOXES:
            raise ValueError
        return Sample(int(data["width_px"]), int(data["height_px"]), str(data["model"]), scores, int(data["plain"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InvalidInput("that is no sample of a frame: collect the frames anew with `wangge calibrate`") from None


def take_sample(eyes: Eyes, bgr: Pixels, tiling: Tiling) -> Sample:
    """``bgr``: (height, width, 3) uint8; ``tiling``: how pictures are looked at without calibration."""
    plain = eyes.look(bgr, tiling, MIN_SCORE).detections.of(PERSONS, MIN_SCORE)
    scores = eyes.look(bgr, FORM, SCORES[0]).detections.of(PERSONS, SCORES[0]).scores
    return Sample(bgr.shape[1], bgr.shape[0], eyes.model, scores, len(plain))


def fit(samples: Mapping[str, Sample], persons: Mapping[str, int]) -> Counting:
    """From frames by name and the persons that someone counted in some of them.

    Raises InvalidInput, saying what to do, for frames that do not serve, or that the fit does not make better.
    """
    _check(samples, persons)
    taken = [samples[name] for name in persons]
    found = np.array([[np.count_nonzero(sample.scores >= score) for score in SCORES] for sample in taken], float)
    counted = np.array(list(persons.values()), float)
    scales = _scales(found, counted)
    if not scales:
        raise InvalidInput(
            f"the model finds fewer than one in {MOST_SCALE:g} of those who were counted: they are too small or stand "
            "too close for it. Move the camera nearer, or install a model that counts crowds (WANGGE_DENSITY_MODEL)"
        )
    error = _left_out_error(found, counted)
    plain = float(np.abs(np.array([sample.plain for sample in taken]) - counted).mean())
    if error >= plain:
        raise InvalidInput(
            f"calibration does not help here: off by {error:.1f} persons on frames left out of the fit, by {plain:.1f} "
            "without it. Check that each count belongs to its frame; count more frames, of quiet and busy hours"
        )
    return Counting(
        model=taken[0].model,
        columns=FORM.columns,
        rows=FORM.rows,
        long_side_px=FORM_SIDE_PX,
        scales=tuple((score, round(scale, 4)) for score, scale in scales.items()),
        frames=len(taken),
        most_persons=int(counted.max()),
        mae_persons=round(error, 2),
        plain_mae_persons=round(plain, 2),
    )


def _scales(found: NDArray[np.float64], persons: NDArray[np.float64]) -> dict[float, float]:
    """Persons per box by score, of ``found`` (frames, SCORES); a score that too few reach has none."""
    boxes, counted = found.sum(axis=0), persons.sum()
    return {
        score: float(counted / n) for score, n in zip(SCORES, boxes, strict=True) if n and counted <= MOST_SCALE * n
    }


def _left_out_error(found: NDArray[np.float64], persons: NDArray[np.float64]) -> float:
    """Mean error, persons, of each frame by a fit to the others."""
    errors = []
    for i in range(len(persons)):
        others = np.arange(len(persons)) != i
        scales = _scales(found[others], persons[others])
        said = [scale * found[i, SCORES.index(score)] for score, scale in scales.items()]
        errors.append(abs(float(np.mean(said or [0.0])) - persons[i]))
    return float(np.mean(errors))


def _check(samples: Mapping[str, Sample], persons: Mapping[str, int]) -> None:
    if not FEWEST_FRAMES <= len(persons) <= MOST_FRAMES:
        raise InvalidInput(f"{len(persons)} frames are counted; {FEWEST_FRAMES} to {MOST_FRAMES} are needed, better 10")
    for name, count in persons.items():
        if name not in samples:
            raise InvalidInput(
                f"{name} is counted, but there is no such frame; there are {', '.join(list(samples)[:3])} …"
            )
        if not 0 <= count <= MOST_PERSONS:
            raise InvalidInput(f"{name}: {count} persons are no count; it is 0 to {MOST_PERSONS}")
    first_name = next(iter(persons))
    first = samples[first_name]
    for name in persons:
        sample = samples[name]
        if (sample.width_px, sample.height_px) != (first.width_px, first.height_px):
            raise InvalidInput(
                f"{name} has {sample.width_px} × {sample.height_px} pixels, {first_name} {first.width_px} × "
                f"{first.height_px}: use frames of one camera at one resolution"
            )
        if sample.model != first.model:
            raise InvalidInput(f"{name} was seen by {sample.model}, {first_name} by {first.model}: take them anew")
    least, most = min(persons.values()), max(persons.values())
    if most - least < LEAST_SPREAD:
        raise InvalidInput(
            f"all frames show {least} to {most} persons: take some of quiet and some of busy hours, {LEAST_SPREAD} "
            "persons apart at least"
        )
