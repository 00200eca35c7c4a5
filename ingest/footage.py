"""Video files for the simulator: read as a camera would send them, or made into such files."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import ffmpeg
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.stream import VideoStream

from ingest.rtp import is_parameter_set, nal_type
from ingest.sdp import Codec
from models.errors import InvalidInput, Misconfigured

_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc"}
_ENCODERS: dict[Codec, str] = {"h264": "libx264", "hevc": "libx265"}


@dataclass(frozen=True)
class Sample:
    """One access unit: seconds from the beginning of the file, and its NAL units without start codes."""

    at_s: float
    key: bool
    nals: tuple[bytes, ...]


@dataclass(frozen=True)
class Footage:
    """A video to loop. It begins with a keyframe; ``duration_s`` includes the last picture's time."""

    codec: Codec
    samples: tuple[Sample, ...]
    duration_s: float
    parameter_sets: tuple[bytes, ...]


def load(path: Path) -> Footage:
    """Raises InvalidInput, with the reason, for a file that cannot be served as it is."""
    try:
        with av.open(str(path)) as container:
            video = _video(container, path)
            codec = _CODECS.get(video.codec_context.name)
            if codec is None:
                raise InvalidInput(f"{path.name} is {video.codec_context.name}: transcode it to h264 or hevc first")
            samples = list(_samples(container, video, codec))
            rate = video.average_rate
    except (av.FFmpegError, OSError) as error:
        raise InvalidInput(f"{path.name} cannot be read as video: {type(error).__name__}") from None
    if not samples or not samples[0].key:
        raise InvalidInput(f"{path.name} does not begin with a keyframe")
    if any(later.at_s <= earlier.at_s for earlier, later in itertools.pairwise(samples)):
        raise InvalidInput(f"{path.name} has B-frames, which cameras do not send: transcode it first")
    frame_s = float(1 / rate) if rate else 0.04
    sets = tuple(dict.fromkeys(nal for nal in samples[0].nals if is_parameter_set(codec, nal_type(codec, nal))))
    if len(sets) < (2 if codec == "h264" else 3):
        raise InvalidInput(f"{path.name} has no parameter sets at its beginning")
    return Footage(codec, tuple(samples), samples[-1].at_s + frame_s, sets)


def ffmpeg_exe() -> str:
    """The ffmpeg program: the system's, else the one of the extra ``embedded``. Raises Misconfigured without one."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg  # in the extra only

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise Misconfigured("there is no ffmpeg program: install ffmpeg, or the extra wangge[embedded]") from None


def transcode(
    source: Path,
    target: Path,
    codec: Codec = "h264",
    *,
    fps: int = 10,
    gop_s: float = 2.0,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Writes ``target`` (.mp4 or .mkv) as a camera would send it: no B-frames, a keyframe every ``gop_s`` seconds.

    Written under a temporary name first, so that ``target`` is whole or absent. ``progress`` hears 0..1.
    Raises InvalidInput for a source that cannot be read, Misconfigured without an ffmpeg program.
    """
    try:
        with av.open(str(source)) as container:
            _video(container, source)
            length_s = float(container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise InvalidInput(f"{source.name} cannot be read as video: {type(error).__name__}") from None
    part = target.with_name(f".{target.stem}.part{target.suffix}")
    command = (
        ffmpeg.input(str(source), protocol_whitelist="file")
        .video.filter("fps", fps)
        .filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2")
        .output(str(part), vcodec=_ENCODERS[codec], pix_fmt="yuv420p", **_options(codec, round(fps * gop_s)))
        .global_args("-nostdin", "-loglevel", "quiet", "-progress", "pipe:1")
        .overwrite_output()
    )
    process = command.run_async(cmd=ffmpeg_exe(), pipe_stdout=True)
    try:
        with process:
            for line in process.stdout:
                name, _, value = line.decode().strip().partition("=")
                if progress and name == "out_time_us" and value.isdigit() and length_s > 0:
                    progress(min(int(value) / 1e6 / length_s, 1.0))
        if process.returncode != 0 or _is_empty(part):
            raise InvalidInput(f"{source.name} cannot be transcoded: it holds no picture that can be read")
        os.replace(part, target)
        if progress:
            progress(1.0)
    finally:
        process.kill()
        process.wait()
        part.unlink(missing_ok=True)


def _is_empty(path: Path) -> bool:
    with av.open(str(path)) as container:
        return next(container.demux(video=0)).size == 0


def _video(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise InvalidInput(f"{path.name} has no video")
    return container.streams.video[0]


def _samples(container: InputContainer, video: VideoStream, codec: Codec) -> Iterator[Sample]:
    if video.time_base is None:
        raise InvalidInput("the video has no time base")
    unpack = BitStreamFilterContext(f"{codec}_mp4toannexb", video)
    first: int | None = None
    for packet in container.demux(video):
        end = packet.size == 0
        for unit in unpack.filter(None if end else packet):
            if unit.size == 0 or unit.pts is None:
                continue
            first = unit.pts if first is None else first
            yield Sample(float((unit.pts - first) * video.time_base), unit.is_keyframe, tuple(_split(bytes(unit))))
        if end:
            return


def _split(annexb: bytes) -> Iterator[bytes]:
    """NAL units between start codes of three or four bytes; zeros before a start code belong to it."""
    for nal in annexb.split(b"\x00\x00\x01"):
        if nal := nal.rstrip(b"\x00"):
            yield nal


def _options(codec: Codec, gop: int) -> dict[str, str]:
    keys = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:open-gop=0"
    if codec == "h264":
        return {"preset": "veryfast", "crf": "23", "x264-params": keys}
    return {"preset": "ultrafast", "crf": "26", "x265-params": keys + ":repeat-headers=1:log-level=error"}
