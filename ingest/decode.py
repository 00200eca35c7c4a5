"""Keyframes to pictures: PyAV decodes bytes that we received ourselves; it never opens a network address."""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from ingest.sdp import Codec
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
        options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
        context = av.CodecContext.create(codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise RuntimeError(f"{codec} is no video codec of this build of FFmpeg")
        context.options = options
        context.thread_count = 1
        self._contexts[codec] = context
        return context


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
