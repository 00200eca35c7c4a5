"""How one camera counts persons: fitted to frames that a person counted (``wangge calibrate``)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

MOST_TILES, MOST_SIDE_PX, MOST_SCALES = 8, 4096, 20
MOST_LOOKED_PX = 1_000_000
"""Of all tiles together, each a square: about six times what a look at a whole picture costs."""
MOST_SCALE = 5.0
"""Persons per box: a score that fewer than a fifth of the persons reach says nothing of how many there are."""
MOST_PERSONS = 2000
MOST_FRAMES = 1000


@dataclass(frozen=True)
class Counting:
    """A picture is looked at in ``columns`` x ``rows`` tiles whose longer side is scaled to ``long_side_px``.

    ``scales``: (score, persons per box of that score or more), by score; the count is the mean of what they say.
    ``model``: name@version of the weights that it was fitted for, and holds for. ``frames`` were counted, up to
    ``most_persons`` in one; a frame that was left out of the fit is off by ``mae_persons`` on average, without
    calibration by ``plain_mae_persons``.
    """

    model: str
    columns: int
    rows: int
    long_side_px: int
    scales: tuple[tuple[float, float], ...]
    frames: int
    most_persons: int
    mae_persons: float
    plain_mae_persons: float

    def __post_init__(self) -> None:
        if not (1 <= len(self.model) <= 200 and self.model.isprintable()):
            raise InvalidInput("counting names the model that it was fitted for")
        if not (1 <= self.columns <= MOST_TILES and 1 <= self.rows <= MOST_TILES):
            raise InvalidInput(f"counting looks at 1 to {MOST_TILES} columns and rows of tiles")
        if not 32 <= self.long_side_px <= MOST_SIDE_PX:
            raise InvalidInput(f"counting scales a tile to 32 to {MOST_SIDE_PX} pixels, not {self.long_side_px}")
        if self.columns * self.rows * self.long_side_px**2 > MOST_LOOKED_PX:
            raise InvalidInput("counting looks at more than a look may cost: fewer tiles, or smaller ones")
        if not 1 <= len(self.scales) <= MOST_SCALES:
            raise InvalidInput(f"counting has 1 to {MOST_SCALES} scales, each a score and persons per box")
        if any(not (0 < score < 1 and 0 < scale <= MOST_SCALE) for score, scale in self.scales):
            raise InvalidInput(f"a scale of counting is a score from 0 to 1 and up to {MOST_SCALE:g} persons per box")
        if any(a >= b for (a, _), (b, _) in zip(self.scales, self.scales[1:], strict=False)):
            raise InvalidInput("counting's scales are in the order of their scores")
        if not (1 <= self.frames <= MOST_FRAMES and 1 <= self.most_persons <= MOST_PERSONS):
            raise InvalidInput("counting says how many frames were counted, and the most persons in one of them")
        if not all(0 <= error <= MOST_PERSONS for error in (self.mae_persons, self.plain_mae_persons)):
            raise InvalidInput(f"counting's errors are 0 to {MOST_PERSONS} persons")

    @property
    def lowest_score(self) -> float:
        return self.scales[0][0]

    def weigh(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) how many persons each box stands for, by its score (n,): to be added up over any part of a picture."""
        lows, scales = np.array(self.scales).T
        found: NDArray[np.float64] = (scores[:, None] >= lows) @ scales / len(scales)
        return found

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"scales": [list(pair) for pair in self.scales]}


def counting_from_json(data: Any) -> Counting:
    """Raises InvalidInput for anything that is none."""
    known = {field.name for field in fields(Counting)}
    if not isinstance(data, Mapping) or set(data) != known:
        raise InvalidInput(f"counting, as `wangge calibrate` fits it, has exactly {', '.join(sorted(known))}")
    try:
        return Counting(
            model=str(data["model"]),
            **{name: _whole(data[name]) for name in ("columns", "rows", "long_side_px", "frames", "most_persons")},
            scales=tuple((_number(score), _number(scale)) for score, scale in data["scales"]),
            mae_persons=_number(data["mae_persons"]),
            plain_mae_persons=_number(data["plain_mae_persons"]),
        )
    except (TypeError, ValueError):
        raise InvalidInput("counting is what `wangge calibrate` fits: numbers, and pairs of them in scales") from None


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError
    return float(value)
