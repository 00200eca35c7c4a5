"""What perception found in one frame: a struct of arrays, not a list of objects."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Detections:
    """n boxes of one frame.

    ``boxes_px``: (n, 4) float32, left, top, right, bottom in pixels of the frame. ``scores``: (n,) float32, 0..1.
    ``labels``: (n,) int32, index into ``names``. ``names``: the labels of the model that saw them.
    """

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes_px.shape != (n, 4) or self.labels.shape != (n,):
            raise InvalidInput(f"{n} scores do not fit boxes {self.boxes_px.shape} and labels {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls, names: tuple[str, ...]) -> Self:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), names)

    def joined(self, other: "Detections") -> "Detections":
        """These and those of the same model's other look, doubles included. Raises InvalidInput for another model's."""
        if other.names != self.names:
            raise InvalidInput("detections of two models cannot be joined")
        return Detections(
            np.concatenate([self.boxes_px, other.boxes_px]),
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.labels, other.labels]),
            self.names,
        )

    def where(self, keep: NDArray[np.bool_]) -> "Detections":
        """Those boxes for which ``keep`` (n,) is true."""
        return Detections(self.boxes_px[keep], self.scores[keep], self.labels[keep], self.names)

    def of(self, names: frozenset[str], min_score: float = 0.0) -> "Detections":
        """Those with a label in ``names`` and at least ``min_score``."""
        wanted = np.array([name in names for name in self.names] or [False])
        return self.where(wanted[self.labels] & (self.scores >= min_score))

    @property
    def feet_px(self) -> NDArray[np.float64]:
        """(n, 2) where each box stands: the middle of its bottom edge, x, y in pixels."""
        left, _, right, bottom = self.boxes_px.astype(np.float64).T
        return np.stack([(left + right) / 2, bottom], axis=1)
