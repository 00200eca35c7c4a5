"""Tries a camera once: what it sends, how large, how often a keyframe comes."""

import ssl
import time
from dataclasses import dataclass

from ingest.decode import KeyframeDecoder
from ingest.receiver import Failed, Receiver
from ingest.sdp import Codec
from ingest.stream import Keyframe, Limits
from models.camera import AllowedNetworks, SourceUrl
from models.errors import CameraCorrupt, CameraStalled

LONG_GOP_S = 2.0


@dataclass(frozen=True)
class Probe:
    """What was seen. ``gop_s`` (seconds between keyframes) is None if no second one came in time; ``fps`` is None if
    too little was seen. ``keyframe`` is the last one. ``warnings`` are sentences that say what to change."""

    codec: Codec
    width_px: int
    height_px: int
    fps: float | None
    gop_s: float | None
    keyframe: Keyframe
    warnings: tuple[str, ...]


def probe(
    source: SourceUrl,
    networks: AllowedNetworks,
    timeout_s: float = 12.0,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> Probe:
    """Watches until two keyframes came, at most ``timeout_s`` seconds. Raises CameraError.

    It decodes what the camera sends: call it where a decoder's crash may be borne.
    """
    seen: list[Keyframe] = []
    deadline_s = time.monotonic() + timeout_s
    with Receiver(networks, limits, tls) as receiver:
        receiver.add("probe", source)
        while len(seen) < 2 and (left_s := deadline_s - time.monotonic()) > 0:
            for event in receiver.poll(left_s):
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Keyframe):
                    seen.append(event)
        ring = receiver.ring("probe")
        times_s = [kept.at_s for kept in ring.since(0.0)] if ring else []
    if not seen:
        raise CameraStalled(f"{source.shown}: no keyframe within {timeout_s:g} s: set its keyframe interval to 2 s")
    try:
        frame = KeyframeDecoder().decode(seen[-1].codec, seen[-1].annexb)
    except CameraCorrupt as error:
        raise CameraCorrupt(f"{source.shown}: {error}") from None
    gop_s = seen[1].at_s - seen[0].at_s if len(seen) > 1 else None
    span_s = times_s[-1] - times_s[0] if times_s else 0.0
    fps = (len(times_s) - 1) / span_s if span_s > 0 else None
    warnings = _gop_warnings(gop_s, timeout_s)
    return Probe(seen[-1].codec, frame.width, frame.height, fps, gop_s, seen[-1], warnings)


def _gop_warnings(gop_s: float | None, timeout_s: float) -> tuple[str, ...]:
    advice = "set its keyframe (I-frame) interval to 2 s, or incidents are seen late"
    if gop_s is None:
        return (f"the camera sent no second keyframe within {timeout_s:g} s: {advice}",)
    if gop_s > LONG_GOP_S * 1.1:
        return (f"the camera sends a keyframe only every {gop_s:.1f} s: {advice}",)
    return ()
