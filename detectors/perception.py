"""Perception: pixels to boxes and features. The only user of ONNX Runtime."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from detectors.boxes import Tiling, cut_by, merge
from detectors.zoo.layouts import LAYOUTS
from detectors.zoo.manifest import ZooEntry, read_model
from models.detections import Detections
from models.errors import ModelRefused
from models.frame import Pixels

MAX_CANDIDATES = 1000
"""Before merging, per look: NanoDet's own limit (nms_pre). A picture of noise must not cost seconds."""

_LOAD_FAILURES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """One backbone stage over one tile: ``values`` (channels, rows, columns) float32.

    Cell (row, column) covers the frame's pixels from (left_px + column * stride_px, top_px + row * stride_px) on; cells
    beyond the tile see filling only.
    """

    left_px: int
    top_px: int
    stride_px: float
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look at a picture gave. ``model`` is name@version; ``features`` are in order of tile, then stride."""

    detections: Detections
    features: tuple[FeatureMap, ...]
    model: str


@dataclass(frozen=True)
class _Glance:
    """What one tile gave, in pixels of the frame."""

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    features: tuple[FeatureMap, ...]


class Perception:
    """A loaded detector. Not to be shared between threads that look at the same time."""

    def __init__(self, entry: ZooEntry, session: Any) -> None:
        self._entry = entry
        self._layout = LAYOUTS[entry.layout]
        self._session = session
        names = {output.name for output in session.get_outputs()}
        self._features = sorted((n for n in names if n.startswith("features_")), key=lambda n: int(n.split("_")[1]))
        self._wanted = [*self._layout.outputs, *self._features]
        _, _, height, width = session.get_inputs()[0].shape
        self._fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._mean = np.array(entry.input.mean, np.float32)
        self._std = np.array(entry.input.std, np.float32)

    @classmethod
    def load(cls, entry: ZooEntry) -> "Perception":
        """One thread: cameras are spread over processes. Raises ModelRefused, with what is wrong with the model."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        data = read_model(entry)
        try:
            session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _LOAD_FAILURES as error:
            raise ModelRefused(
                f"{entry.name}: not a model that ONNX Runtime can run ({type(error).__name__})"
            ) from None
        _refuse_signature(entry, session)
        perception = cls(entry, session)
        perception._try_out()
        return perception

    @property
    def labels(self) -> tuple[str, ...]:
        return self._entry.labels

    @property
    def model(self) -> str:
        return self._entry.model

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Seen:
        """Everything in the picture, shape (height, width, 3) uint8, that scores at least ``min_score``."""
        height_px, width_px = bgr.shape[:2]
        tiles = tiling.tiles_px(width_px, height_px)
        glances = [self._glance(bgr, tile, tiling.long_side_px, min_score) for tile in tiles]
        boxes = np.concatenate([glance.boxes_px for glance in glances])
        labels = np.concatenate([glance.labels for glance in glances])
        kept, scores = merge(
            boxes,
            np.concatenate([glance.scores for glance in glances]),
            labels,
            np.repeat(np.arange(len(tiles), dtype=np.int32), [len(glance.scores) for glance in glances]),
            np.concatenate(
                [cut_by(t, g.boxes_px, width_px, height_px) for t, g in zip(tiles, glances, strict=True)],
            ),
        )
        detections = Detections(boxes[kept], scores, labels[kept], self.labels)
        return Seen(detections, tuple(f for glance in glances for f in glance.features), self.model)

    def _glance(self, bgr: Pixels, tile: tuple[int, int, int, int], long_side_px: int | None, low: float) -> _Glance:
        left, top, right, bottom = tile
        image, scale = self._letterbox(bgr[top:bottom, left:right], long_side_px or self._entry.input.long_side_px)
        height_px, width_px = image.shape[2:]
        outputs = self._run(image)
        boxes, scores, labels = self._layout.decode(outputs, height_px, width_px, low)
        if len(scores) > MAX_CANDIDATES:
            best = np.argpartition(-scores, MAX_CANDIDATES)[:MAX_CANDIDATES]
            boxes, scores, labels = boxes[best], scores[best], labels[best]
        boxes = boxes / scale + np.array([left, top, left, top], np.float32)
        boxes = np.clip(boxes, [left, top, left, top], [right, bottom, right, bottom]).astype(np.float32)
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        features = tuple(
            FeatureMap(left, top, int(name.split("_")[1]) / scale, outputs[name][0]) for name in self._features
        )
        return _Glance(boxes[solid], scores[solid], labels[solid], features)

    def _letterbox(self, bgr: Pixels, long_side_px: int) -> tuple[NDArray[np.float32], float]:
        """(1, 3, h, w) float32 for the model, filled with black right and below, and the scale that was applied."""
        height, width = bgr.shape[:2]
        step = self._entry.input.multiple_px
        if self._fixed:
            scale = min(self._fixed[0] / height, self._fixed[1] / width)
        else:
            scale = long_side_px // step * step / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        filled = self._fixed or (-(-size[1] // step) * step, -(-size[0] // step) * step)
        shrinking = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        canvas = np.zeros((*filled, 3), np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(bgr, size, interpolation=shrinking)
        if self._entry.input.channels == "rgb":
            canvas = canvas[:, :, ::-1]
        values = (canvas.astype(np.float32) - self._mean) / self._std
        return np.ascontiguousarray(values.transpose(2, 0, 1))[None], scale

    def _run(self, image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        found = self._session.run(self._wanted, {self._session.get_inputs()[0].name: image})
        return dict(zip(self._wanted, found, strict=True))

    def _try_out(self) -> None:
        """One run on black: shapes that a model only promises are shapes that it need not keep."""
        side = self._entry.input.long_side_px
        height_px, width_px = self._fixed or (side, side)
        try:
            outputs = self._run(np.zeros((1, 3, height_px, width_px), np.float32))
        except _LOAD_FAILURES as error:
            raise ModelRefused(
                f"{self._entry.name}: the model fails on a {width_px} x {height_px} picture ({type(error).__name__})"
            ) from None
        fault = self._layout.fault(outputs, len(self.labels), height_px, width_px)
        if fault:
            raise ModelRefused(f"{self._entry.name}: {fault}")


def _refuse_signature(entry: ZooEntry, session: Any) -> None:
    """Refuse by what the model declares: one float32 image in, the layout's float32 outputs out."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] != 3 or (isinstance(shape[0], int) and shape[0] != 1):
        raise ModelRefused(f"{entry.name}: the model must take one input of shape (1, 3, height, width), not {shape}")
    step = entry.input.multiple_px
    if any(isinstance(side, int) and (side <= 0 or side % step) for side in shape[2:]):
        raise ModelRefused(f"{entry.name}: the model's input sides {shape[2:]} are not multiples of {step}")
    declared = {output.name: output.type for output in session.get_outputs()}
    needed = LAYOUTS[entry.layout].outputs
    missing = [name for name in needed if name not in declared]
    if missing:
        raise ModelRefused(
            f"{entry.name}: layout {entry.layout} needs outputs that the model lacks: {', '.join(missing)}"
        )
    wrong = {inputs[0].name: inputs[0].type} | {name: declared[name] for name in needed}
    wrong = {name: kind for name, kind in wrong.items() if kind != "tensor(float)"}
    if wrong:
        named = ", ".join(f"{name} is {kind}" for name, kind in wrong.items())
        raise ModelRefused(f"{entry.name}: input and outputs must be tensor(float): {named}")
