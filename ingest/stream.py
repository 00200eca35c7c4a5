"""One camera's stream after PLAY: packets in, keyframes with their time out; the ring filled on the way. No I/O."""

from dataclasses import dataclass

from ingest.clock import FrameClock
from ingest.collector import Collector, ParameterSets
from ingest.ring import Kept, Ring
from ingest.rtp import sender_report
from ingest.sdp import Codec, Media
from models.errors import CameraCorrupt


@dataclass(frozen=True)
class Limits:
    """What a camera is allowed. Seconds and bytes.

    ``answer_s`` caps each of name resolution, connecting, TLS and every RTSP answer; ``stall_s`` is how long frame
    time may stand still; ``keyframe_s`` how long video may go without a keyframe that can be read.
    """

    answer_s: float = 5.0
    stall_s: float = 8.0
    keyframe_s: float = 60.0
    ring_s: float = 10.0
    ring_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True)
class Keyframe:
    """A picture that decodes by itself.

    ``at_s``: frame clock, ``arrival_s``: when its last packet was read, both Unix seconds. ``annexb``: parameter sets
    and slices, each NAL unit after a start code.
    """

    camera_id: str
    at_s: float
    arrival_s: float
    codec: Codec
    annexb: bytes


@dataclass(frozen=True, eq=False)
class Recent:
    """Units of a stream in order, the first one a keyframe, and the parameter sets in force."""

    codec: Codec
    parameter_sets: tuple[bytes, ...]
    kept: tuple[Kept, ...]


class Stream:
    """Holds the ring, the frame clock and the counts of one camera."""

    def __init__(self, camera_id: str, media: Media, limits: Limits) -> None:
        self._camera_id = camera_id
        self._media = media
        self._collector = Collector(media.codec, media.payload_type)
        self._sets = ParameterSets(media.codec, media.parameter_sets)
        self._clock = FrameClock(media.clock_hz)
        self.ring = Ring(limits.ring_s, limits.ring_bytes)
        self.damaged_keyframes = 0

    @property
    def rtp(self) -> int:
        """The newest RTP timestamp; liveness is this one changing."""
        return self._collector.rtp

    @property
    def lost_packets(self) -> int:
        return self._collector.lost_packets

    def take(self, data: bytes, at: int, channel: int, arrival_s: float) -> tuple[list[Keyframe], int]:
        """Takes the interleaved packets of ``channel`` that ``data`` holds from ``at`` on, as ``Collector.take`` does.

        Gives the keyframes in them, and where the first byte is that was not taken. Raises CameraCorrupt for what is no
        RTP and for pictures past the caps. A damaged keyframe is counted.
        """
        keyframes = []
        units, at = self._collector.take(data, at, channel)
        for unit in units:
            self._clock = self._clock.tick(unit.rtp, arrival_s)
            self.ring.append(self._clock.at_s, unit)
            try:
                if unit.key:
                    annexb = self._sets.annexb(unit)
                    keyframes.append(Keyframe(self._camera_id, self._clock.at_s, arrival_s, self._media.codec, annexb))
                else:
                    self._sets.learn(unit)
            except CameraCorrupt:
                self.damaged_keyframes += unit.key
        return keyframes, at

    def recent(self, since_s: float, until_s: float) -> Recent:
        """What came from the last keyframe at or before ``since_s`` on and before ``until_s``, as far as it is kept."""
        kept = tuple(each for each in self.ring.since(since_s) if each.at_s < until_s)
        return Recent(self._media.codec, self._sets.nals, kept)

    def control_packet(self, packet: bytes, arrival_s: float) -> None:
        """RTCP: sender reports set the clock, everything else is ignored."""
        report = sender_report(packet)
        if report:
            self._clock = self._clock.report(report.ntp_unix_s, report.rtp, arrival_s)
