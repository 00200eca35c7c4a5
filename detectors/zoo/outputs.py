"""What every layout is given and gives back."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[np.float32]]
"""A model's outputs by the names that its layout has for them."""

Candidates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]
"""Boxes (n, 4) as left, top, right, bottom in pixels of the model's input, scores (n,) 0..1, labels (n,)."""


class Task(StrEnum):
    """What a model is for."""

    BOXES = "boxes"
    """A picture to boxes with labels."""
    DENSITY = "density"
    """A picture to persons per cell."""
    CHANGE = "change"
    """Two registered pictures to what is new in the second, per cell."""


class Layout(Protocol):
    @property
    def task(self) -> Task: ...

    @property
    def multiple_px(self) -> int:
        """The sides of its input are multiples of that, or its cells would lie elsewhere than they are read."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads, as the family's own export names them; zoo.toml may say otherwise."""

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        """What is wrong with the outputs that a trial input of this size gave, as part of a sentence. They are finite
        already."""


class BoxLayout(Layout, Protocol):
    @property
    def is_final(self) -> bool:
        """One box per thing: only what several tiles saw is merged."""

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        """All candidates that score at least ``min_score`` for an input of this size."""


class MapLayout(Layout, Protocol):
    def decode(self, outputs: Outputs) -> NDArray[np.float32]:
        """(channels, rows, columns), over the whole input: persons per cell, or 0..1 for each kind of change."""


def beyond(values: NDArray[np.float32], low: float, high: float) -> float | None:
    """The value that is farthest outside the range, None if all are in it (but for rounding)."""
    if not values.size:
        return None
    least, most = float(values.min()), float(values.max())
    slack = 1e-3 * (high - low)
    if least < low - slack:
        return least
    return most if most > high + slack else None


def from_centres(cx_cy_w_h: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) centre x, centre y, width, height to left, top, right, bottom."""
    half = cx_cy_w_h[:, 2:] / 2
    boxes: NDArray[np.float32] = np.concatenate([cx_cy_w_h[:, :2] - half, cx_cy_w_h[:, :2] + half], axis=1)
    return boxes.astype(np.float32)
