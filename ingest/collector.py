"""From a stream's RTP packets to access units, and from a unit with a keyframe to a picture that decodes by itself.

Packets are grouped as they are; only units that hold a keyframe or parameter sets are ever taken apart.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.rtp import (
    DOLLAR,
    FRAMING_BYTES,
    HEADER,
    carried,
    is_key,
    is_parameter_set,
    is_picture,
    nal_type,
    nal_units,
)
from ingest.sdp import Codec
from models.errors import CameraCorrupt

MAX_UNIT_BYTES = 8 * 1024 * 1024
"""A 4K keyframe at the best quality is about 2 MB."""
MAX_UNIT_PACKETS = 16_384
MAX_PARAMETER_SET_BYTES = 64 * 1024
START_CODE = b"\x00\x00\x00\x01"
FRAMED = struct.Struct(">BBH" + HEADER.format.removeprefix(">"))
_unpack_framed = FRAMED.unpack_from


@dataclass(frozen=True, slots=True)
class Unit:
    """An access unit as it came: ``runs`` of interleaved RTP packets (RFC 2326, section 10.12) with one timestamp.

    ``key``: it holds an IDR or IRAP picture. ``learns``: it holds parameter sets.
    """

    rtp: int
    runs: tuple[bytes, ...]
    size_bytes: int
    key: bool
    learns: bool = True

    def packets(self) -> list[bytes]:
        """The RTP packets, whole, in order."""
        found = []
        for run in self.runs:
            at = 0
            while at < len(run):
                stop = at + FRAMING_BYTES + (run[at + 2] << 8 | run[at + 3])
                found.append(run[at + FRAMING_BYTES : stop])
                at = stop
        return found


class Collector:
    """Groups the RTP packets of one stream into units.

    After a loss everything is dropped up to the next whole keyframe: what refers to a lost picture cannot be shown.
    ``dropped_packets`` counts it, ``lost_packets`` what never came.
    """

    def __init__(self, codec: Codec, payload_type: int) -> None:
        self._codec: Codec = codec
        self._payload_type = payload_type
        self._runs: list[bytes] = []
        self._packets = 0
        self._size = 0
        self._key = False
        self._is_judged = False
        self._learns = False
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

    def take(self, data: bytes, at: int, channel: int) -> tuple[list[Unit], int]:
        """Takes the whole interleaved packets of ``channel`` that ``data`` holds from ``at`` on.

        Gives the units that they complete, and where the first byte is that was not taken. What goes on as expected,
        nearly all of it, is passed over by its headers and kept as it lies. Raises CameraCorrupt.
        """
        done: list[Unit] = []
        end = len(data)
        while end - at >= FRAMING_BYTES and data[at] == DOLLAR and data[at + 1] == channel:
            stop = self._pass(data, at, channel) if self._is_judged else at
            if stop > at:
                at = stop
                continue
            stop = at + FRAMING_BYTES + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                break
            done += self.feed(data[at + FRAMING_BYTES : stop])
            at = stop
        return done, at

    def _pass(self, data: bytes, at: int, channel: int) -> int:
        """Takes the packets that go on with a picture, as expected, but not its last one. Gives where it stopped.

        Nearly all packets are such: this loop is what receiving costs.
        """
        begin, last, packets = at, len(data) - FRAMED.size, 0
        expected, this_rtp, this_ssrc, plain = self._next_sequence, self._rtp, self._ssrc, self._payload_type
        while at <= last:
            dollar, its_channel, length, first, second, sequence, rtp, ssrc = _unpack_framed(data, at)
            stop = at + FRAMING_BYTES + length
            if (
                sequence != expected
                or second != plain
                or rtp != this_rtp
                or ssrc != this_ssrc
                or its_channel != channel
                or dollar != DOLLAR
                or first & 0xC0 != 0x80
                or length < HEADER.size
                or stop > len(data)
            ):
                break
            expected = (sequence + 1) & 0xFFFF
            packets += 1
            at = stop
        if packets:
            self._next_sequence = expected
            self._keep(data[begin:at], packets)
        return at

    def feed(self, packet: bytes) -> list[Unit]:
        """Takes one packet, whatever it is; gives the units that it completes. Raises CameraCorrupt."""
        if len(packet) < HEADER.size or packet[0] >> 6 != 2:
            raise CameraCorrupt("what the camera sends is not RTP")
        _, second, sequence, rtp, ssrc = HEADER.unpack_from(packet)
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
        if not self._is_judged:
            self._judge(packet)
        self._keep(framed(packet), 1)
        if second & 0x80:
            done += self._finish()
        return done

    def _keep(self, run: bytes, packets: int) -> None:
        self._runs.append(run)
        self._packets += packets
        self._size += len(run)
        if self._size > MAX_UNIT_BYTES or self._packets > MAX_UNIT_PACKETS:
            raise CameraCorrupt(f"one picture of the camera is larger than {MAX_UNIT_BYTES} bytes")

    def _judge(self, packet: bytes) -> None:
        """Whether the unit is a keyframe: its first slice tells, what comes before it does not."""
        if self._spoilt:
            self._is_judged = True
            return
        kinds = carried(self._codec, packet)
        self._learns |= any(is_parameter_set(self._codec, kind) for kind in kinds)
        self._key = any(is_key(self._codec, kind) for kind in kinds)
        self._is_judged = self._key or any(is_picture(self._codec, kind) for kind in kinds)

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
        self.dropped_packets += self._packets
        self._runs, self._packets, self._size, self._rtp = [], 0, 0, rtp
        self._key = self._is_judged = self._learns = self._spoilt = False

    def _finish(self) -> list[Unit]:
        if not self._packets:
            return []
        if self._spoilt or (self._waiting and not self._key):
            spoilt = self._spoilt
            self._restart(self._rtp)
            self._spoilt = spoilt  # the rest of a picture whose beginning was lost stays lost
            return []
        unit = Unit(self._rtp, tuple(self._runs), self._size, self._key, self._learns)
        self._waiting = False
        self._packets = 0
        self._restart(self._rtp)
        return [unit]


def framed(packet: bytes) -> bytes:
    """An RTP packet as it lies between RTSP messages, on channel 0."""
    return b"$\x00" + len(packet).to_bytes(2, "big") + packet


class ParameterSets:
    """The parameter sets in force: those of the SDP, replaced by those in the stream."""

    def __init__(self, codec: Codec, initial: Sequence[bytes] = ()) -> None:
        self._codec: Codec = codec
        self._sets: dict[int, tuple[bytes, ...]] = {}
        self._take(initial)

    @property
    def nals(self) -> tuple[bytes, ...]:
        """In the order of their kinds."""
        return tuple(nal for kind in sorted(self._sets) for nal in self._sets[kind])

    def annexb(self, unit: Unit) -> bytes:
        """A keyframe that decodes by itself: parameter sets, then slices, each after a start code.

        SEI, delimiters and filler are left out. Raises CameraCorrupt for a damaged unit and for one whose parameter
        sets were never sent.
        """
        nals = nal_units(self._codec, unit.packets())
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
        """Takes note of parameter sets sent with another timestamp than their keyframe. Raises CameraCorrupt."""
        if unit.learns:
            self._take(nal_units(self._codec, unit.packets()))

    def _take(self, nals: Sequence[bytes]) -> None:
        found: dict[int, list[bytes]] = {}
        for nal in nals:
            kind = nal_type(self._codec, nal)
            if is_parameter_set(self._codec, kind) and len(nal) <= MAX_PARAMETER_SET_BYTES:
                found.setdefault(kind, []).append(nal)
        for kind, sets in found.items():
            self._sets[kind] = tuple(sets[:64])
