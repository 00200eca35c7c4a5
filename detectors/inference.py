"""Inference: a model file to a network that runs. The only user of ONNX Runtime."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from detectors.zoo.layouts import LAYOUTS
from detectors.zoo.manifest import MAX_BYTES, MAX_SIDE_PX, ZooEntry, read_model
from detectors.zoo.outputs import Outputs, Task
from models.errors import ModelRefused
from models.frame import Pixels
from models.settings import PROVIDERS

_LOAD_FAILURES = (
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotFound,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
_PAIR_CHANNELS = 6
"""Of a change network with one input: the reference's three, then the look's."""
_CPU = "CPUExecutionProvider"
_FEATURES = re.compile(r"features_[1-9][0-9]{0,2}")
"""A backbone stage, by its stride in pixels of the input."""


class Network:
    """A loaded and tried model. Not to be shared between threads that run it at the same time."""

    def __init__(self, entry: ZooEntry, session: Any) -> None:
        self.entry = entry
        self._session = session
        self._inputs = [given.name for given in session.get_inputs()]
        names = [output.name for output in session.get_outputs()]
        self.features = sorted(filter(_FEATURES.fullmatch, names), key=lambda name: int(name.split("_")[1]))
        reads = _reads(entry, session)
        self._wanted = {**reads, **{name: name for name in self.features}}
        height, width = session.get_inputs()[0].shape[2:]
        self._fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._mean = np.array(entry.input.mean, np.float32)
        self._std = np.array(entry.input.std, np.float32)

    @classmethod
    def load(cls, entry: ZooEntry, providers: Sequence[str] = ()) -> "Network":
        """On the first of ``providers`` (see ``settings.PROVIDERS``) that there is, else on the CPU.

        One thread: cameras are spread over processes. Raises ModelRefused, with what is wrong with the model.
        """
        session = _session(entry.name, read_model(entry), providers)
        _refuse_signature(entry, session)
        network = cls(entry, session)
        network._try_out()
        return network

    @property
    def provider(self) -> str:
        """What it runs on, as ``settings.PROVIDERS`` names it."""
        first = self._session.get_providers()[0]
        return next((name for name, (theirs, _) in PROVIDERS.items() if theirs == first), str(first))

    @property
    def fixed_px(self) -> tuple[int, int] | None:
        """Height and width, if it takes one size only."""
        return self._fixed

    def fit(self, bgr: Pixels, long_side_px: int | None = None) -> tuple[NDArray[np.float32], tuple[float, float]]:
        """A picture as the model wants it, (1, 3, h, w) float32, filled right and below; and the scales of x and y."""
        height, width = bgr.shape[:2]
        spec = self.entry.input
        step = spec.multiple_px
        long_side_px = (long_side_px or spec.long_side_px) // step * step
        if spec.resize == "stretch":
            filled = self._fixed or (long_side_px, long_side_px)
            size = (filled[1], filled[0])
        else:
            room = self._fixed or (long_side_px, long_side_px)
            scale = min(room[0] / height, room[1] / width)
            scale = min(scale, 1.0) if spec.resize == "shrink" else scale
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            filled = self._fixed or (-(-size[1] // step) * step, -(-size[0] // step) * step)
        canvas = np.full((*filled, 3), spec.fill, np.uint8)
        canvas[: size[1], : size[0]] = resized(bgr, size)
        scales = (size[0] / width, size[1] / height) if spec.resize == "stretch" else (scale, scale)
        return self.values(canvas), scales

    def values(self, bgr: Pixels) -> NDArray[np.float32]:
        """(1, 3, h, w) float32 of a picture that has its size already."""
        canvas = bgr[:, :, ::-1] if self.entry.input.channels == "rgb" else bgr
        values = (canvas.astype(np.float32) - self._mean) / self._std
        return np.ascontiguousarray(values.transpose(2, 0, 1))[None]

    def run(self, *images: NDArray[np.float32]) -> Outputs:
        """The layout's outputs, and the features by their own names."""
        if len(self._inputs) < len(images):
            images = (np.concatenate(images, axis=1),)
        found = self._session.run([*self._wanted.values()], dict(zip(self._inputs, images, strict=True)))
        return dict(zip(self._wanted, found, strict=True))

    def _try_out(self) -> None:
        """One run on a picture that is half black, half noise: shapes that a model only promises are shapes that it
        need not keep, and a network that is broken gives what is no number."""
        entry = self.entry
        side = entry.input.long_side_px
        height_px, width_px = self._fixed or (side, side)
        made = np.zeros((height_px, width_px, 3), np.uint8)
        made[:, width_px // 2 :] = np.random.default_rng(0).integers(0, 256, made[:, width_px // 2 :].shape, np.uint8)
        image = self.values(made)
        try:
            outputs = self.run(*([image, image] if entry.task is Task.CHANGE else [image]))
        except _LOAD_FAILURES as error:
            raise ModelRefused(
                f"{entry.name}: the model fails on a {width_px} x {height_px} picture ({type(error).__name__})"
            ) from None
        broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
        if broken:
            raise ModelRefused(f"{entry.name}: the model's weights are broken: {', '.join(broken)} holds no numbers")
        fault = LAYOUTS[entry.layout].fault(outputs, len(entry.labels), height_px, width_px)
        if fault:
            raise ModelRefused(f"{entry.name}: {fault}")


def signature(path: Path) -> tuple[str, list[str], list[str]]:
    """A model file's sha256, and its inputs and outputs in words. Raises ModelRefused for what is no model."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelRefused(f"{path} has more than {MAX_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read: {error.strerror}") from None
    session = _session(path.name, data, ())
    takes, gives = (
        [f"{each.name} {list(each.shape)} {each.type}" for each in side]
        for side in (session.get_inputs(), session.get_outputs())
    )
    return hashlib.sha256(data).hexdigest(), takes, gives


def usable(providers: Sequence[str]) -> list[str]:
    """Those of the asked-for providers that this ONNX Runtime has, by its names, the CPU left out."""
    there = ort.get_available_providers()
    wanted = [PROVIDERS[name][0] for name in providers if name != "cpu"]
    return [name for name in wanted if name in there]


def lacking(providers: Sequence[str]) -> str | None:
    """A sentence about providers that were asked for and are not there, None if none is missing."""
    there = ort.get_available_providers()
    missing = [name for name in providers if PROVIDERS[name][0] not in there]
    if not missing:
        return None
    has = ", ".join(name for name, (theirs, _) in PROVIDERS.items() if theirs in there)
    bring = ", ".join(dict.fromkeys(f"{name} comes with {PROVIDERS[name][1]}" for name in missing))
    return f"asked to run models on {', '.join(missing)}, this ONNX Runtime has {has}: {bring}; going on without"


def _session(name: str, data: bytes, providers: Sequence[str]) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(data, options, providers=[*usable(providers), _CPU])
    except _LOAD_FAILURES as error:
        raise ModelRefused(f"{name}: not a model that ONNX Runtime can run ({type(error).__name__})") from None


def resized(bgr: Pixels, size: tuple[int, int]) -> Pixels:
    """To ``size``, width and height; means of areas where it becomes much smaller."""
    shrinking = cv2.INTER_AREA if size[0] * size[1] < 0.25 * bgr.shape[0] * bgr.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(bgr, size, interpolation=shrinking), dtype=np.uint8)


def _reads(entry: ZooEntry, session: Any) -> dict[str, str]:
    """The layout's names of the outputs, and the model's: of one alone, the name does not matter."""
    reads = dict(entry.reads)
    declared = [output.name for output in session.get_outputs() if not _FEATURES.fullmatch(output.name)]
    if len(reads) == 1 and len(declared) == 1 and not entry.outputs:
        return dict.fromkeys(reads, declared[0])
    return reads


def _refuse_signature(entry: ZooEntry, session: Any) -> None:
    """Refuse by what the model declares: float32 images in, the layout's float32 outputs out."""
    inputs = session.get_inputs()
    shapes = [list(given.shape) for given in inputs]
    channels = [shape[1] for shape in shapes if len(shape) == 4 and (not isinstance(shape[0], int) or shape[0] == 1)]
    is_pair = entry.task is Task.CHANGE
    if len(channels) != len(shapes) or channels not in ([[_PAIR_CHANNELS], [3, 3]] if is_pair else [[3]]):
        wanted = "one input of shape (1, 6, height, width) or two of (1, 3, height, width)" if is_pair else None
        wanted = wanted or "one input of shape (1, 3, height, width)"
        raise ModelRefused(
            f"{entry.name}: the model must take {wanted}, not {' and '.join(map(str, shapes)) or 'none'}"
        )
    step = entry.input.multiple_px
    for shape in shapes:
        if any(isinstance(side, int) and (side <= 0 or side % step) for side in shape[2:]):
            raise ModelRefused(f"{entry.name}: the model's input sides {shape[2:]} are not multiples of {step}")
        if any(isinstance(side, int) and side > MAX_SIDE_PX for side in shape[2:]):
            raise ModelRefused(f"{entry.name}: the model's input sides {shape[2:]} are more than {MAX_SIDE_PX} pixels")
    declared = {output.name: output.type for output in session.get_outputs()}
    needed = [*_reads(entry, session).values()]
    missing = [name for name in needed if name not in declared]
    if missing:
        raise ModelRefused(
            f"{entry.name}: layout {entry.layout} needs outputs that the model lacks: {', '.join(missing)}; "
            f"it has: {', '.join(declared)}"
        )
    wrong = {given.name: given.type for given in inputs} | {name: declared[name] for name in needed}
    wrong = {name: kind for name, kind in wrong.items() if kind != "tensor(float)"}
    if wrong:
        named = ", ".join(f"{name} is {kind}" for name, kind in wrong.items())
        raise ModelRefused(f"{entry.name}: input and outputs must be tensor(float): {named}")
