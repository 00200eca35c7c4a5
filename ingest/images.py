"""What a picture file says of itself, read from its first bytes, so that a bomb is refused before it is decoded."""

import struct

from models.errors import InvalidInput, TooLarge

MAX_PIXELS = 50_000_000
MAX_BYTES = 10 * 1024 * 1024

MAX_SEGMENTS = 10_000
"""Of a JPEG before its size is stated. Each holds up to 64 KiB; more than a few hundred were made to cost us time."""

_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that carry the size (ITU-T T.81, table B.1)."""
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
"""JPEG markers that no length follows; none belongs before the size. A decoder goes on right behind such a one: what we
passed over as its segment could hold another size."""


def check_picture(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a JPEG, PNG or WebP file, as its header has them.

    Raises InvalidInput for anything else, TooLarge past 10 MiB or 50 megapixels.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"the picture has {len(data)} bytes, {MAX_BYTES} are allowed: send a smaller one")
    try:
        width_px, height_px = _size(data)
    except (struct.error, IndexError):
        raise InvalidInput("the picture is cut off: send it again") from None
    if not width_px or not height_px:
        raise InvalidInput("the picture has no size: send it again")
    if width_px * height_px > MAX_PIXELS:
        raise TooLarge(
            f"the picture has {width_px}×{height_px} pixels, {MAX_PIXELS // 1_000_000} million are allowed: "
            "send a smaller one"
        )
    return width_px, height_px


def _size(data: bytes) -> tuple[int, int]:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        width_px, height_px = struct.unpack_from(">II", data, 16)
        return width_px, height_px
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise InvalidInput("that is no picture that can be used: send JPEG, PNG or WebP")


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(MAX_SEGMENTS):
        if data[at] != 0xFF:
            raise InvalidInput("the JPEG is damaged: send it again")
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
        elif marker in _WITHOUT_LENGTH:
            raise InvalidInput("the JPEG is damaged: send it again")
        elif marker in _START_OF_FRAME:
            height_px, width_px = struct.unpack_from(">HH", data, at + 5)
            return width_px, height_px
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    raise InvalidInput("the JPEG is damaged: send it again")


def _webp(data: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container and RFC 6386 section 9.1."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width_px, height_px = struct.unpack_from("<HH", data, 26)
        return width_px & 0x3FFF, height_px & 0x3FFF
    raise InvalidInput("the WebP is damaged: send it again")
