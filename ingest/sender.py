"""What a camera puts on the wire: SDP, RTP packets, sender reports. The simulator's half of ``rtp`` and ``sdp``."""

import base64
import random
import struct
import time
from collections.abc import Iterator

from ingest.footage import Footage, Sample
from ingest.rtp import NTP_TO_UNIX_S
from ingest.sdp import Codec

MTU_BYTES = 1400
CLOCK_HZ = 90_000
PAYLOAD_TYPE = 96


class Sender:
    """Sequence numbers and labels of one viewer's stream. Seeded anew each time: tests must not lean on them."""

    def __init__(self, codec: Codec) -> None:
        self._codec: Codec = codec
        self._dice = random.Random()  # noqa: S311 - faults and labels, no secrets
        self._ssrc = self._dice.getrandbits(32)
        self._sequence = self._dice.getrandbits(16)

    def packets(self, sample: Sample, stream_s: float, *, loss: float = 0.0, garbage: float = 0.0) -> bytes:
        """Interleaved RTP packets of one access unit (RFC 2326, section 10.12), ``stream_s`` on the stream's clock.

        ``loss`` and ``garbage`` are the shares of packets left out and of payloads made of random bytes.
        """
        out = bytearray()
        pieces = [piece for nal in sample.nals for piece in fragments(self._codec, nal)]
        rtp = int(stream_s * CLOCK_HZ) & 0xFFFFFFFF
        for i, piece in enumerate(pieces):
            self._sequence = (self._sequence + 1) & 0xFFFF
            if self._dice.random() < loss:
                continue
            sent = self._dice.randbytes(len(piece)) if self._dice.random() < garbage else piece
            marker = 0x80 if i == len(pieces) - 1 else 0
            out += struct.pack(">BBH", 0x24, 0, len(sent) + 12)
            out += struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, self._sequence, rtp, self._ssrc) + sent
        return bytes(out)

    def report(self, now_s: float, stream_s: float) -> bytes:
        """An interleaved RTCP sender report: the wall clock at ``now_s`` (monotonic) and the stream's time then."""
        unix_s = time.time() + now_s - time.monotonic() + NTP_TO_UNIX_S
        rtp = int(stream_s * CLOCK_HZ) & 0xFFFFFFFF
        ntp = (int(unix_s), int(unix_s % 1 * 2**32))
        return struct.pack(">BBHBBHIIIIII", 0x24, 1, 28, 0x80, 200, 6, self._ssrc, *ntp, rtp, 0, 0)


def fragments(codec: Codec, nal: bytes, size: int = MTU_BYTES) -> Iterator[bytes]:
    """RTP payloads for a NAL unit: itself, or FU-A (RFC 6184, 5.8) / FU (RFC 7798, 4.4.3) pieces."""
    if len(nal) <= size:
        yield nal
        return
    if codec == "h264":
        head, kind, body = bytes([nal[0] & 0xE0 | 28]), nal[0] & 0x1F, nal[1:]
    else:
        head, kind, body = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[0] >> 1 & 0x3F, nal[2:]
    for at in range(0, len(body), size):
        flags = (0x80 if at == 0 else 0) | (0x40 if at + size >= len(body) else 0)
        yield head + bytes([flags | kind]) + body[at : at + size]


def describe(footage: Footage | None) -> str:
    """The SDP of a stream; that of a camera with sound only for None."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=Wangge camera simulator", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
    if footage is None:
        return "\r\n".join([*lines, "m=audio 0 RTP/AVP 0", "a=control:track0", ""])
    sets = [base64.b64encode(nal).decode() for nal in footage.parameter_sets]
    if footage.codec == "h264":
        name, format_ = "H264", f"packetization-mode=1;sprop-parameter-sets={','.join(sets)}"
    else:
        name, format_ = "H265", f"sprop-vps={sets[0]};sprop-sps={sets[1]};sprop-pps={','.join(sets[2:])}"
    kind = PAYLOAD_TYPE
    video = [f"m=video 0 RTP/AVP {kind}", f"a=rtpmap:{kind} {name}/{CLOCK_HZ}", f"a=fmtp:{kind} {format_}"]
    return "\r\n".join([*lines, *video, "a=control:track0", ""])
