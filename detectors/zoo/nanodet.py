"""The layout of NanoDet."""

import numpy as np
from numpy.typing import NDArray

from detectors.zoo.outputs import Candidates, Outputs, Task, beyond


class NanoDet:
    """NanoDet: per stride 8, 16, 32 class scores (sigmoid applied) and box sides as distributions over 11 bins.

    A cell's centre is at (column + 0.5, row + 0.5) times the stride; each side's distance from it is the mean of its
    distribution, in strides (generalised focal loss, Li et al. 2020, arXiv:2006.04388; RangiLyu/nanodet).
    """

    task = Task.BOXES
    is_final = False
    strides = (8, 16, 32)
    bins = 11
    multiple_px = 32
    outputs = ("scores_8", "scores_16", "scores_32", "boxes_8", "boxes_16", "boxes_32")

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        for stride in self.strides:
            cells = (height_px // stride) * (width_px // stride)
            scores, boxes = outputs[f"scores_{stride}"], outputs[f"boxes_{stride}"]
            if scores.ndim == 3 and scores.shape[:2] == (1, cells) and scores.shape[2] != labels:
                return f"output scores_{stride} tells {scores.shape[2]} classes apart, the zoo names {labels} labels"
            if scores.shape != (1, cells, labels):
                return f"output scores_{stride} has shape {scores.shape}, expected {(1, cells, labels)}"
            if boxes.shape != (1, cells, 4 * self.bins):
                return f"output boxes_{stride} has shape {boxes.shape}, expected {(1, cells, 4 * self.bins)}"
            if (score := beyond(scores, 0, 1)) is not None:
                return f"output scores_{stride} reaches {score:.3g}, scores are 0 to 1: is its sigmoid missing?"
        return None

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        del height_px  # the number of cells says it
        parts = []
        for stride in self.strides:
            scores = outputs[f"scores_{stride}"][0]
            cell, label = np.nonzero(scores >= min_score)
            sides = self._sides_px(outputs[f"boxes_{stride}"][0, cell], stride)
            row, column = np.divmod(cell, width_px // stride)
            centre = np.stack([column, row], axis=1).astype(np.float32) * stride + stride / 2
            boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1)
            parts.append((boxes, scores[cell, label], label.astype(np.int32)))
        boxes, scores, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return boxes.astype(np.float32), scores, labels

    def _sides_px(self, logits: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """(n, 44) to (n, 4): distances left, up, right, down in pixels."""
        weights = np.exp(logits.reshape(-1, 4, self.bins) - logits.reshape(-1, 4, self.bins).max(axis=2, keepdims=True))
        mean = (weights @ np.arange(self.bins, dtype=np.float32)) / weights.sum(axis=2)
        result: NDArray[np.float32] = mean * stride
        return result
