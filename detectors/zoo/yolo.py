"""The layouts of YOLOX and of the YOLOs without objectness (v8, v9, 11, 12), as their own exporters write them."""

import numpy as np
from numpy.typing import NDArray

from detectors.zoo.outputs import Candidates, Outputs, Task, beyond, from_centres

MAX_LOG_SIDE = 12.0
"""exp of more is wider than any picture, and of much more an overflow."""


class Yolox:
    """YOLOX: one output (1, cells, 5 + labels): box, objectness, class scores, the last two with sigmoid applied.

    ``is_decoded`` False reads what ``tools/export_onnx.py`` writes by itself: centre as offset from the cell and
    logarithm of width and height, both in strides, cells of stride 8, 16, 32 row by row (Ge et al. 2021,
    arXiv:2107.08430; demo_postprocess). True reads an export with ``--decode_in_inference``: pixels of the input.
    """

    task = Task.BOXES
    is_final = False
    strides = (8, 16, 32)
    multiple_px = 32
    outputs = ("output",)

    def __init__(self, is_decoded: bool) -> None:
        self._is_decoded = is_decoded

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        found = outputs["output"]
        cells = sum((height_px // stride) * (width_px // stride) for stride in self.strides)
        if found.ndim == 3 and found.shape[:2] == (1, cells) and found.shape[2] != 5 + labels:
            return f"the output tells {found.shape[2] - 5} classes apart, the zoo names {labels} labels"
        if found.shape != (1, cells, 5 + labels):
            return f"the output has shape {found.shape}, expected {(1, cells, 5 + labels)}"
        if (score := beyond(found[0, :, 4:], 0, 1)) is not None:
            return f"objectness or class scores reach {score:.3g}, scores are 0 to 1: is the sigmoid missing?"
        sides = found[0, :, 2:4]
        if self._is_decoded and float(sides.min()) < 0:
            return "boxes have negative sides: it is an export that is not decoded, whose layout is yolox"
        if not self._is_decoded and float(sides.max()) > MAX_LOG_SIDE:
            return "boxes are wider than any picture: it is a decoded export, whose layout is yolox-decoded"
        return None

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        found = outputs["output"][0]
        scores = found[:, 4:5] * found[:, 5:]
        cell, label = np.nonzero(scores >= min_score)
        boxes = found[cell, :4]
        if not self._is_decoded:
            corner, stride = self._grid(height_px, width_px)
            sides = np.exp(np.minimum(boxes[:, 2:], MAX_LOG_SIDE))
            boxes = np.concatenate([boxes[:, :2] + corner[cell], sides], axis=1) * stride[cell]
        return from_centres(boxes), scores[cell, label], label.astype(np.int32)

    def _grid(self, height_px: int, width_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(cells, 2) column and row of each cell, (cells, 1) its stride."""
        corners, strides = [], []
        for stride in self.strides:
            rows, columns = np.mgrid[: height_px // stride, : width_px // stride]
            corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
            strides.append(np.full((rows.size, 1), stride))
        return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)


class YoloV8:
    """YOLOv8 and its like: one output (1, 4 + labels, cells): centre, width, height in pixels of the input, class
    scores with sigmoid applied, no objectness; exported without non-maximum suppression.
    """

    task = Task.BOXES
    is_final = False
    multiple_px = 32
    outputs = ("output0",)

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        found = outputs["output0"]
        expected = f"(1, {4 + labels}, cells)"
        if found.ndim == 3 and found.shape[2] == 6 and found.shape[1] > 6:
            return f"the output has shape {found.shape}, expected {expected}: export it without NMS (end-to-end off)"
        if found.ndim == 3 and found.shape[2] in (4 + labels, 5 + labels):
            return f"the output has shape {found.shape}, expected {expected}: is it turned on its side, or YOLOX?"
        if found.ndim == 3 and found.shape[0] == 1 and found.shape[1] != 4 + labels:
            return f"the output tells {found.shape[1] - 4} classes apart, the zoo names {labels} labels"
        if found.ndim != 3 or found.shape[:2] != (1, 4 + labels):
            return f"the output has shape {found.shape}, expected {expected}"
        if (score := beyond(found[0, 4:], 0, 1)) is not None:
            return f"class scores reach {score:.3g}, scores are 0 to 1: is the sigmoid missing?"
        if float(found[0, :4].max()) <= 2 < min(height_px, width_px):
            return "boxes are fractions of the picture, pixels are expected"
        return None

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        del height_px, width_px  # boxes are in pixels
        found = outputs["output0"][0]
        label, cell = np.nonzero(found[4:] >= min_score)
        return from_centres(found[:4, cell].T), found[4 + label, cell], label.astype(np.int32)
