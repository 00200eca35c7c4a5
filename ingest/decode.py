"""Keyframes to pictures: PyAV decodes bytes that we received ourselves; it never opens a network address."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from ingest.collector import START_CODE
from ingest.rtp import is_parameter_set, is_picture, nal_type, nal_units
from ingest.sdp import Codec
from ingest.stream import Recent
from models.errors import CameraCorrupt
from models.frame import Pixels

MAX_PIXELS = 40_000_000
MAX_SIDE_PX = 8192
LUMA_SHAPE = (90, 160)
BLOCK_PX = 10
CHANGED = 8.0
"""Mean absolute difference, 0..255, of the most changed block from which on a picture deserves a look."""
FORCED_S = 60.0
"""Also a still scene is looked at this often."""

Luma = NDArray[np.uint8]
"""A small grey picture: shape (90, 160), uint8, 0..255."""


class KeyframeDecoder:
    """One decoder context per codec, one thread, flushed after every keyframe, so that cameras can share it."""

    def __init__(self) -> None:
        self._contexts: dict[Codec, VideoCodecContext] = {}

    def decode(self, codec: Codec, annexb: bytes) -> VideoFrame:
        """The picture of one keyframe, parameter sets included.

        Raises CameraCorrupt for what cannot be decoded without errors or is larger than 8192 px a side or 40 MP;
        the decoder is usable after that.
        """
        context = self._contexts.get(codec) or self._open(codec)
        try:
            frames = [*context.decode(av.Packet(annexb)), *context.decode(None)]
            context.flush_buffers()
        except (av.FFmpegError, MemoryError):
            # A context that failed half-way is not trusted with the next camera's picture.
            self._contexts.pop(codec, None)
            raise CameraCorrupt("a keyframe of the camera cannot be decoded") from None
        if not frames or frames[0].is_corrupt:
            raise CameraCorrupt("a keyframe of the camera cannot be decoded")
        frame = frames[0]
        if max(frame.width, frame.height) > MAX_SIDE_PX or frame.width * frame.height > MAX_PIXELS:
            raise CameraCorrupt(
                f"the camera's picture of {frame.width}×{frame.height} is too large: choose a smaller resolution"
            )
        return frame

    def _open(self, codec: Codec) -> VideoCodecContext:
        context = self._contexts[codec] = _opened(codec)
        return context


def _opened(codec: Codec) -> VideoCodecContext:
    context = av.CodecContext.create(codec, "r")
    if not isinstance(context, VideoCodecContext):
        raise RuntimeError(f"{codec} is no video codec of this build of FFmpeg")
    context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
    context.thread_count = 1
    return context


def pictures(recent: Recent, from_s: float, every_s: float) -> Iterator[tuple[float, VideoFrame]]:
    """Of a group of pictures those at least ``every_s`` apart, from ``from_s`` on; all before them are decoded, too.

    A decoder of its own, since each picture leans on the one before it. Raises CameraCorrupt for a damaged group.
    """
    context, due_s = _opened(recent.codec), from_s
    times_s = [each.at_s for each in recent.kept]
    for number, annexb in enumerate([*_annexb(recent), None]):
        packet = None if annexb is None else av.Packet(annexb)
        if packet is not None:
            packet.pts = number
        try:
            frames = context.decode(packet)
        except (av.FFmpegError, MemoryError):
            raise CameraCorrupt("a picture between keyframes cannot be decoded") from None
        for frame in frames:
            at_s = times_s[min(frame.pts or 0, len(times_s) - 1)]
            if at_s >= due_s and not frame.is_corrupt:
                due_s = at_s + 0.9 * every_s  # pictures come in no whole number of that
                yield at_s, frame


def _annexb(recent: Recent) -> Iterator[bytes]:
    codec, first = recent.codec, b"".join(START_CODE + nal for nal in recent.parameter_sets)
    for each in recent.kept:
        nals = nal_units(codec, each.unit.packets())
        of_use = [n for n in nals if is_picture(codec, k := nal_type(codec, n)) or is_parameter_set(codec, k)]
        yield (first if each.unit.key else b"") + b"".join(START_CODE + nal for nal in of_use)


def luma(frame: VideoFrame) -> Luma:
    """160×90 grey values picked by stride from the frame's brightness plane: no conversion, no smoothing."""
    name = frame.format.name
    if not name.startswith(("yuv4", "yuvj4", "nv12", "gray")) or name.endswith("be"):
        frame = frame.reformat(LUMA_SHAPE[1], LUMA_SHAPE[0], "gray")
    bits = frame.format.components[0].bits
    plane = frame.planes[0]
    bytes_each = 1 if bits == 8 else 2
    values: NDArray[Any] = np.frombuffer(memoryview(plane), np.uint8 if bits == 8 else np.dtype("<u2"))
    rows = values.reshape(-1, plane.line_size // bytes_each)
    y = np.arange(LUMA_SHAPE[0]) * frame.height // LUMA_SHAPE[0]
    x = np.arange(LUMA_SHAPE[1]) * frame.width // LUMA_SHAPE[1]
    picked: Luma = (rows[np.ix_(y, x)] >> (bits - 8)).astype(np.uint8)
    return picked


def sharpness(frame: VideoFrame) -> float:
    """The step from pixel to pixel that one in 50 exceeds, along some 64 rows of the brightness plane, over their
    contrast: edges, which blur softens, and not the noise that lies over them.
    """
    name = frame.format.name
    if not name.startswith(("yuv4", "yuvj4", "nv12", "gray")) or frame.format.components[0].bits != 8:
        frame = frame.reformat(frame.width, frame.height, "gray")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    some = rows[:: max(1, frame.height // 64)].astype(np.int16)
    steps = np.bincount(np.abs(np.diff(some, axis=1)).ravel(), minlength=256)
    return float(np.searchsorted(np.cumsum(steps), 0.98 * steps.sum()) / (some.std() + 1.0))


def bgr(frame: VideoFrame, max_width_px: int) -> Pixels:
    """The picture in BGR, made smaller to at most ``max_width_px`` wide, its shape kept."""
    width_px = min(frame.width, max_width_px)
    height_px = max(round(frame.height * width_px / frame.width), 1)
    pixels = frame.reformat(width_px, height_px, "bgr24").to_ndarray()
    return np.ascontiguousarray(pixels, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Looked:
    """The last picture that was looked at, and when (frame clock, Unix seconds)."""

    luma: Luma
    at_s: float


def reason_to_look(last: Looked | None, now: Luma, at_s: float) -> str | None:
    """Why this picture deserves a look by the detector, or None.

    Compared with the last one *looked at*, not the last one seen, so that slow change adds up.
    """
    if last is None:
        return "first picture"
    difference = np.abs(now.astype(np.int16) - last.luma)
    blocks = difference.reshape(LUMA_SHAPE[0] // BLOCK_PX, BLOCK_PX, LUMA_SHAPE[1] // BLOCK_PX, BLOCK_PX)
    most = float(blocks.mean(axis=(1, 3)).max())
    if most > CHANGED:
        return f"changed by {most:.1f} of 255 where it changed most (level {CHANGED:g})"
    if at_s - last.at_s >= FORCED_S:
        return f"{at_s - last.at_s:.0f} s since the last look"
    return None
