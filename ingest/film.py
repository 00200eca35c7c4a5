"""Recorded footage played as a camera: what a watcher receives of it, picture by picture, on the footage's own clock.

A video in H.264 or H.265 gives its keyframes as they are. All else – another rate, another codec, a folder of pictures
– is decoded and encoded again as keyframes, so that the pipeline behind is the one that cameras go through.
"""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest.decode import MAX_PIXELS
from ingest.images import MAX_BYTES, check_picture
from ingest.receiver import Event
from ingest.render import open_photo
from ingest.sdp import Codec
from ingest.stream import Keyframe
from models.camera import SourceUrl
from models.errors import InvalidInput, WanggeError

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
MOST_PICTURES = 100_000
KEYFRAME_S = 2.0
"""Footage that no camera sends (another codec than H.264, H.265) has keyframes this far apart, as cameras have them."""
CUT_S = 2.0
"""Footage that ends so long before the end that it states was cut off."""
CRF = "18"
"""x264's quality of what is encoded again: losses that nobody sees."""
_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc"}


@dataclass(frozen=True)
class Shot:
    """A picture as a camera sends it: parameter sets and slices, each NAL unit after a start code."""

    codec: Codec
    annexb: bytes


Read = tuple[float, Shot | None]
"""How far the footage was read, seconds from its beginning, and the picture that is due there."""


@dataclass(frozen=True)
class Footage:
    """``fps``: pictures a second; ``length_s``: as the file states it; ``pictures``: a folder's, in order."""

    path: Path
    fps: float
    length_s: float
    pictures: tuple[Path, ...] = ()

    @classmethod
    def open(cls, path: Path, folder_fps: float | None = None) -> "Footage":
        """``folder_fps`` is for a folder of pictures, which knows no time. Raises InvalidInput."""
        if path.is_dir():
            return cls._folder(path, folder_fps)
        with _opened(path) as (container, video):
            fps = float(video.average_rate or 0) or 25.0
            length_s = _stated_s(container, video, fps)
            if length_s is None:  # a raw stream says nothing of itself
                length_s = sum(packet.size > 0 for packet in container.demux(video)) / fps
        return cls(path, fps, length_s)

    @classmethod
    def _folder(cls, path: Path, fps: float | None) -> "Footage":
        try:
            found = [each for each in path.iterdir() if each.suffix.lower() in PICTURES]
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
        if not found:
            raise InvalidInput(
                f"{path} holds no pictures: it needs JPEG, PNG or WebP files, in the order of their names"
            )
        if len(found) > MOST_PICTURES:
            raise InvalidInput(f"{path} holds {len(found)} pictures, {MOST_PICTURES} are allowed: replay it in parts")
        if fps is None:
            raise InvalidInput(f'{path.name} is a folder: the truth file must say its pictures a second, as "fps"')
        return cls(path, fps, len(found) / fps, tuple(sorted(found, key=_natural)))

    def has(self, every_s: float | None) -> bool:
        """Whether there are pictures as often as that."""
        return every_s is None or every_s * self.fps >= 0.99

    def read(self, every_s: float | None) -> Iterator[Read]:
        """Pictures at least ``every_s`` seconds apart; None: its keyframes, of a folder every picture.

        Raises InvalidInput for a rate that the footage has not, and later, with a sentence, where it breaks off.
        """
        if every_s is not None and not self.has(every_s):
            raise InvalidInput(
                f"{self.path.name} has {self.fps:g} pictures a second: it cannot be replayed at {1 / every_s:g}"
            )
        if self.pictures:
            return _encoded(_thinned(self._pictures(), every_s or 0.0, self.fps))
        return self._video(every_s)

    def _video(self, every_s: float | None) -> Iterator[Read]:
        at_s, is_damaged = 0.0, False
        try:
            with _opened(self.path) as (container, video):
                codec = _CODECS.get(video.codec_context.name)
                if every_s is None and codec:
                    found = _as_sent(container, video, codec, self.fps)
                else:
                    frames = _frames(container, video, self.fps)
                    found = _encoded(_thinned(frames, KEYFRAME_S if every_s is None else every_s, self.fps))
                for at_s, shot in found:
                    yield at_s, shot
        except (av.FFmpegError, OSError):
            is_damaged = True
        if is_damaged or at_s < self.length_s - max(CUT_S, 2 / self.fps):
            raise InvalidInput(f"{self.path.name} breaks off at {at_s:.1f} s of {self.length_s:.1f} s")

    def _pictures(self) -> "Iterator[tuple[float, VideoFrame]]":
        for number, path in enumerate(self.pictures):
            at_s = number / self.fps
            try:
                with path.open("rb") as file:
                    data = file.read(MAX_BYTES + 1)
                check_picture(data)
                pixels = open_photo(data)
            except (WanggeError, OSError) as error:
                raise InvalidInput(f"{self.path.name} breaks off at {at_s:.1f} s, at {path.name}: {error}") from None
            yield at_s, VideoFrame.from_ndarray(pixels, format="bgr24")


class Film:
    """Footage as a receiver: each poll gives its next picture. ``cut``: a sentence, if it broke off.

    ``now_s`` is the frame clock, Unix seconds: ``begins_s`` and how far the footage was read.
    """

    def __init__(self, footage: Footage, every_s: float | None, begins_s: float) -> None:
        self._read = footage.read(every_s)
        self._begins_s = begins_s
        self._camera_id: str | None = None
        self.read_s = 0.0
        self.pictures = 0
        self.cut: str | None = None
        self.is_over = False

    @property
    def now_s(self) -> float:
        return self._begins_s + self.read_s

    def add(self, camera_id: str, source: SourceUrl) -> None:
        del source  # the footage is what this camera sends
        self._camera_id = camera_id

    def remove(self, camera_id: str) -> None:
        """The watcher wants no more of it: before it plays, or since nothing of it can be decoded."""
        self.is_over = self.is_over or camera_id == self._camera_id

    def recent(self, camera_id: str, since_s: float, until_s: float) -> None:
        """What is played is all there is."""
        del camera_id, since_s, until_s

    def poll(self, timeout_s: float) -> list[Event]:
        del timeout_s  # footage keeps nobody waiting
        if self._camera_id is None or self.is_over:
            return []
        try:
            for at_s, shot in self._read:
                self.read_s = at_s
                if shot:
                    self.pictures += 1
                    return [Keyframe(self._camera_id, self.now_s, self.now_s, shot.codec, shot.annexb)]
        except InvalidInput as error:
            self.cut = str(error)
        self.is_over = True
        return []


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Raises InvalidInput for what is no video."""
    if not path.is_file():
        raise InvalidInput(f"{path} is not there: name a video file, or a folder of pictures")
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InvalidInput(f"{path.name} cannot be read as video ({type(error).__name__}): was it cut off?") from None
    with container:
        if not container.streams.video:
            raise InvalidInput(f"{path.name} has no video")
        video = container.streams.video[0]
        video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, video


def _stated_s(container: InputContainer, video: VideoStream, fps: float) -> float | None:
    """By the header's count of pictures, too: of an AVI that was cut off FFmpeg guesses the duration from its size."""
    counted_s = video.frames / fps
    if video.duration and video.time_base:
        return max(float(video.duration * video.time_base), counted_s)
    return float(container.duration) / av.time_base if container.duration else counted_s or None


def _as_sent(container: InputContainer, video: VideoStream, codec: Codec, fps: float) -> Iterator[Read]:
    """Its keyframes, byte for byte."""
    unpack = BitStreamFilterContext(f"{codec}_mp4toannexb", video)
    first: int | None = None
    number = 0
    for packet in container.demux(video):
        if packet.size == 0:
            continue
        at_s, first = _at_s(packet.pts, first, video.time_base, number / fps)
        number += 1
        if not packet.is_keyframe:
            yield at_s, None
            continue
        yield at_s, Shot(codec, b"".join(bytes(unit) for unit in unpack.filter(packet)))


def _frames(container: InputContainer, video: VideoStream, fps: float) -> Iterator[tuple[float, VideoFrame]]:
    first: int | None = None
    for number, frame in enumerate(container.decode(video)):
        at_s, first = _at_s(frame.pts, first, frame.time_base, number / fps)
        if not frame.is_corrupt:
            yield at_s, frame


def _at_s(pts: int | None, first: int | None, unit_s: Fraction | None, counted_s: float) -> tuple[float, int | None]:
    """Seconds from the first picture: by the time stamps, else by counting. And the first time stamp."""
    if pts is None or unit_s is None:
        return counted_s, first
    first = pts if first is None else first
    return float((pts - first) * unit_s), first


def _thinned(
    frames: Iterable[tuple[float, VideoFrame]], every_s: float, fps: float
) -> Iterator[tuple[float, VideoFrame | None]]:
    """Of many pictures the first at or after each multiple of ``every_s``, give or take half a picture."""
    due_s, slack_s = 0.0, 0.5 / fps
    for at_s, frame in frames:
        if at_s < due_s - slack_s:
            yield at_s, None
            continue
        yield at_s, frame
        if every_s:  # time stamps may leap by years
            due_s = every_s * (math.floor((at_s + slack_s) / every_s) + 1)


def _encoded(frames: Iterable[tuple[float, VideoFrame | None]]) -> Iterator[Read]:
    encoder: VideoCodecContext | None = None
    for at_s, frame in frames:
        if frame is None:
            yield at_s, None
            continue
        size_px = (max(frame.width // 2 * 2, 2), max(frame.height // 2 * 2, 2))
        if encoder is None or (encoder.width, encoder.height) != size_px:
            encoder = _encoder(*size_px)
        picture = frame.reformat(*size_px, "yuv420p")
        picture.pts = None
        yield at_s, Shot("h264", b"".join(bytes(packet) for packet in encoder.encode(picture)))


def _encoder(width_px: int, height_px: int) -> VideoCodecContext:
    """Every picture a keyframe, and out at once."""
    context = av.CodecContext.create("libx264", "w")
    if not isinstance(context, VideoCodecContext):
        raise RuntimeError("libx264 is no video encoder of this build of FFmpeg")
    context.width, context.height, context.pix_fmt = width_px, height_px, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": CRF, "x264-params": "keyint=1"}
    return context


def _natural(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]
