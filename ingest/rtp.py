"""RTP (RFC 3550) and what H.264 (RFC 6184) and H.265 (RFC 7798) put into it.

Packets are grouped into access units as they are; only units that hold a keyframe are ever taken apart. Everything
here reads hostile bytes: the only error that leaves is CameraCorrupt.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.sdp import Codec
from models.errors import CameraCorrupt

MAX_UNIT_BYTES = 8 * 1024 * 1024
"""A 4K keyframe at the best quality is about 2 MB."""
MAX_UNIT_PACKETS = 16_384
MAX_PARAMETER_SET_BYTES = 64 * 1024
START_CODE = b"\x00\x00\x00\x01"
NTP_TO_UNIX_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 868)."""

_HEADER = struct.Struct(">BBHII")
_SENDER_REPORT = struct.Struct(">BBHIIII")


@dataclass(frozen=True, slots=True)
class Unit:
    """An access unit as it came: whole RTP packets with one timestamp. ``key``: it holds an IDR or IRAP picture."""

    rtp: int
    packets: tuple[bytes, ...]
    size_bytes: int
    key: bool


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RTCP SR: at ``ntp_unix_s`` (Unix seconds, camera's clock) the stream's timestamp was ``rtp``."""

    ntp_unix_s: float
    rtp: int


class Collector:
    """Groups the RTP packets of one stream into units.

    After a loss everything is dropped up to the next whole keyframe: what refers to a lost picture cannot be shown.
    ``dropped_packets`` counts it, ``lost_packets`` what never came.
    """

    def __init__(self, codec: Codec, payload_type: int) -> None:
        self._codec: Codec = codec
        self._payload_type = payload_type
        self._packets: list[bytes] = []
        self._size = 0
        self._key = False
        self._rtp = -1
        self._ssrc = -1
        self._next_sequence = -1
        self._spoilt = False
        self._waiting = True
        self.dropped_packets = 0
        self.lost_packets = 0

    @property
    def rtp(self) -> int:
        """The newest timestamp of the stream, lost frames included; -1 before the first packet."""
        return self._rtp

    def feed(self, packet: bytes) -> list[Unit]:
        """Takes one packet; gives the units that it completes. Raises CameraCorrupt."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            raise CameraCorrupt("what the camera sends is not RTP")
        _, second, sequence, rtp, ssrc = _HEADER.unpack_from(packet)
        if second & 0x7F != self._payload_type:
            return []
        gap = self._gap(sequence, ssrc)
        if gap < 0:
            return []
        done = []
        if gap:
            self.lost_packets += gap
            self._waiting = True
            self._restart(rtp)
            self._spoilt = True
        elif rtp != self._rtp:
            done += self._finish()
            self._restart(rtp)
        self._packets.append(packet)
        self._size += len(packet)
        if self._size > MAX_UNIT_BYTES or len(self._packets) > MAX_UNIT_PACKETS:
            raise CameraCorrupt(f"one picture of the camera is larger than {MAX_UNIT_BYTES} bytes")
        if not self._key and not self._spoilt:
            self._key = holds_key(self._codec, packet)
        if second & 0x80:
            done += self._finish()
        return done

    def _gap(self, sequence: int, ssrc: int) -> int:
        """Packets lost before this one; -1 for one that came twice or late."""
        expected, known = self._next_sequence, ssrc == self._ssrc
        ahead = (sequence - expected) & 0xFFFF
        if known and expected >= 0 and ahead >= 0x8000:
            return -1
        self._next_sequence = (sequence + 1) & 0xFFFF
        first, self._ssrc = self._ssrc < 0, ssrc
        if first:
            return 0
        return ahead if known else 1

    def _restart(self, rtp: int) -> None:
        self.dropped_packets += len(self._packets)
        self._packets, self._size, self._key, self._spoilt, self._rtp = [], 0, False, False, rtp

    def _finish(self) -> list[Unit]:
        if not self._packets:
            return []
        if self._spoilt or (self._waiting and not self._key):
            spoilt = self._spoilt
            self._restart(self._rtp)
            self._spoilt = spoilt  # the rest of a picture whose beginning was lost stays lost
            return []
        unit = Unit(self._rtp, tuple(self._packets), self._size, self._key)
        self._waiting = False
        self._packets = []
        self._restart(self._rtp)
        return [unit]


def payload(packet: bytes) -> bytes:
    """What an RTP packet carries, less CSRCs, extension and padding. Raises CameraCorrupt."""
    start, end = _payload_start(packet), len(packet)
    if packet[0] & 0x20:
        end -= packet[-1]
    if start > end:
        raise CameraCorrupt("an RTP packet is shorter than its own header says")
    return packet[start:end]


def _payload_start(packet: bytes) -> int:
    if len(packet) < 12:
        raise CameraCorrupt("an RTP packet is shorter than its header")
    first = packet[0]
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if len(packet) < start + 4:
            raise CameraCorrupt("an RTP packet is shorter than its own header says")
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    return start


def nal_type(codec: Codec, nal: bytes) -> int:
    """The NAL unit type (H.264 table 7-1, H.265 table 7-1); -1 for one too short to have any."""
    if codec == "h264":
        return nal[0] & 0x1F if nal else -1
    return nal[0] >> 1 & 0x3F if len(nal) > 1 else -1


def is_key(codec: Codec, kind: int) -> bool:
    """IDR in H.264; any IRAP (BLA, IDR, CRA) in H.265."""
    return kind == 5 if codec == "h264" else 16 <= kind <= 21


def is_parameter_set(codec: Codec, kind: int) -> bool:
    return kind in ((7, 8) if codec == "h264" else (32, 33, 34))


def is_picture(codec: Codec, kind: int) -> bool:
    """A slice of a picture (VCL), as against SEI, delimiters, filler."""
    return 1 <= kind <= 5 if codec == "h264" else 0 <= kind <= 31


def holds_key(codec: Codec, packet: bytes) -> bool:
    """Whether a packet carries (a part of) a keyframe. A damaged one does not."""
    start = 12 if packet[0] == 0x80 else _payload_start(packet)
    head = packet[start : start + 3]
    kind = nal_type(codec, head)
    if kind in (28, 29) and codec == "h264":
        return len(head) > 1 and head[1] & 0x1F == 5
    if kind == 49 and codec == "hevc":
        return len(head) > 2 and is_key(codec, head[2] & 0x3F)
    if kind == (24 if codec == "h264" else 48):
        try:
            return any(is_key(codec, nal_type(codec, nal)) for nal in _aggregated(codec, payload(packet)))
        except CameraCorrupt:
            return False
    return is_key(codec, kind)


def nal_units(codec: Codec, packets: Iterable[bytes]) -> list[bytes]:
    """The NAL units of one access unit: single, aggregated (STAP-A, AP) and fragmented (FU-A, FU).

    Raises CameraCorrupt for fragments out of order, cut lengths and packet types of the interleaved mode.
    """
    whole: list[bytes] = []
    fragments: list[bytes] = []
    aggregate, fragment, header = (24, 28, 2) if codec == "h264" else (48, 49, 3)
    for packet in packets:
        data = payload(packet)
        kind = nal_type(codec, data)
        if kind == fragment:
            if len(data) <= header:
                raise CameraCorrupt("a fragment of a picture is empty")
            flags = data[header - 1]
            if bool(flags & 0x80) == bool(fragments):
                raise CameraCorrupt("fragments of a picture are out of order")
            if flags & 0x80:
                fragments.append(_fragment_header(codec, data))
            fragments.append(data[header:])
            if flags & 0x40:
                whole.append(b"".join(fragments))
                fragments = []
            continue
        if fragments:
            raise CameraCorrupt("a picture is cut off within a fragment")
        if kind == aggregate:
            whole.extend(_aggregated(codec, data))
        elif 0 <= kind < aggregate:
            whole.append(data)
        else:
            raise CameraCorrupt("the camera packs its video in a way that is not supported: set packetization mode 1")
    if fragments:
        raise CameraCorrupt("a picture is cut off within a fragment")
    return whole


def _fragment_header(codec: Codec, data: bytes) -> bytes:
    """The NAL header that the first fragment stands for."""
    if codec == "h264":
        return bytes([data[0] & 0xE0 | data[1] & 0x1F])
    return bytes([data[0] & 0x81 | (data[2] & 0x3F) << 1, data[1]])


def _aggregated(codec: Codec, data: bytes) -> Iterator[bytes]:
    at = 1 if codec == "h264" else 2
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        nal = data[at + 2 : at + 2 + size]
        if not nal or len(nal) != size:
            raise CameraCorrupt("an aggregation packet is cut off")
        yield nal
        at += 2 + size


class ParameterSets:
    """The parameter sets in force: those of the SDP, replaced by those in the stream."""

    def __init__(self, codec: Codec, initial: Sequence[bytes] = ()) -> None:
        self._codec: Codec = codec
        self._sets: dict[int, tuple[bytes, ...]] = {}
        self._take(initial)

    def annexb(self, unit: Unit) -> bytes:
        """A keyframe that decodes by itself: parameter sets, then slices, each after a start code.

        SEI, delimiters and filler are left out. Raises CameraCorrupt for a damaged unit and for one whose parameter
        sets were never sent.
        """
        nals = nal_units(self._codec, unit.packets)
        self._take(nals)
        kinds = (7, 8) if self._codec == "h264" else (32, 33, 34)
        if not all(kind in self._sets for kind in kinds):
            raise CameraCorrupt("the camera never sent the parameter sets (SPS, PPS) of its video")
        slices = [nal for nal in nals if is_picture(self._codec, nal_type(self._codec, nal))]
        if not any(is_key(self._codec, nal_type(self._codec, nal)) for nal in slices):
            raise CameraCorrupt("a keyframe holds no picture")
        return b"".join(START_CODE + nal for kind in kinds for nal in self._sets[kind]) + b"".join(
            START_CODE + nal for nal in slices
        )

    def learn(self, unit: Unit) -> None:
        """Takes note of parameter sets sent with another timestamp than their keyframe (a first packet tells)."""
        kind = nal_type(self._codec, payload(unit.packets[0]))
        if is_parameter_set(self._codec, kind) or kind == (24 if self._codec == "h264" else 48):
            self._take(nal_units(self._codec, unit.packets))

    def _take(self, nals: Sequence[bytes]) -> None:
        found: dict[int, list[bytes]] = {}
        for nal in nals:
            kind = nal_type(self._codec, nal)
            if is_parameter_set(self._codec, kind) and len(nal) <= MAX_PARAMETER_SET_BYTES:
                found.setdefault(kind, []).append(nal)
        for kind, sets in found.items():
            self._sets[kind] = tuple(sets[:64])


def sender_report(packet: bytes) -> SenderReport | None:
    """The sender report at the head of an RTCP packet, if there is one (RFC 3550, section 6.4.1)."""
    if len(packet) < 20 or packet[0] >> 6 != 2 or packet[1] != 200:
        return None
    _, _, _, _, seconds, fraction, rtp = _SENDER_REPORT.unpack_from(packet)
    return SenderReport(seconds - NTP_TO_UNIX_S + fraction / 2**32, rtp)
