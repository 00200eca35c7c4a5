"""RTP (RFC 3550) and what H.264 (RFC 6184) and H.265 (RFC 7798) put into it.

Everything here reads hostile bytes: the only error that leaves is CameraCorrupt.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.sdp import Codec
from models.errors import CameraCorrupt

NTP_TO_UNIX_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 868)."""

DOLLAR = 0x24
FRAMING_BYTES = 4
"""Before an interleaved packet: "$", its channel, two bytes of length (RFC 2326, section 10.12)."""

HEADER = struct.Struct(">BBHII")
"""Of RTP: flags, marker and payload type, sequence number, timestamp, SSRC."""
_SENDER_REPORT = struct.Struct(">BBHIIII")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RTCP SR: at ``ntp_unix_s`` (Unix seconds, camera's clock) the stream's timestamp was ``rtp``."""

    ntp_unix_s: float
    rtp: int


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


def carried(codec: Codec, packet: bytes) -> tuple[int, ...]:
    """The types of the NAL units that a packet carries, or parts of. None of a damaged one."""
    start = 12 if packet[0] == 0x80 else _payload_start(packet)
    head = packet[start : start + 3]
    kind = nal_type(codec, head)
    if kind in (28, 29) and codec == "h264":
        return (head[1] & 0x1F,) if len(head) > 1 else ()
    if kind == 49 and codec == "hevc":
        return (head[2] & 0x3F,) if len(head) > 2 else ()
    if kind == (24 if codec == "h264" else 48):
        try:
            return tuple(nal_type(codec, nal) for nal in _aggregated(codec, payload(packet)))
        except CameraCorrupt:
            return ()
    return (kind,)


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


def sender_report(packet: bytes) -> SenderReport | None:
    """The sender report at the head of an RTCP packet, if there is one (RFC 3550, section 6.4.1)."""
    if len(packet) < 20 or packet[0] >> 6 != 2 or packet[1] != 200:
        return None
    _, _, _, _, seconds, fraction, rtp = _SENDER_REPORT.unpack_from(packet)
    return SenderReport(seconds - NTP_TO_UNIX_S + fraction / 2**32, rtp)
