import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.images import MAX_BYTES, check_picture
from models.errors import InvalidInput, TooLarge

PNG_BOMB = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"


def drawn(extension: str, *options: int) -> bytes:
    done, data = cv2.imencode(extension, np.full((37, 53, 3), 90, np.uint8), list(options))
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        drawn(".jpg"),
        drawn(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        drawn(".png"),
        drawn(".webp", cv2.IMWRITE_WEBP_QUALITY, 50),
        drawn(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    ],
    ids=["jpeg", "progressive", "png", "webp", "lossless webp"],
)
def test_the_size_is_read_off_the_header(data: bytes) -> None:
    assert check_picture(data) == (53, 37)


def test_a_jpeg_with_exif_before_its_size() -> None:
    exif = b"\xff\xe1\x00\x0aExif\x00\x00\xff\xc0"
    plain = drawn(".jpg")
    assert check_picture(plain[:2] + exif + plain[2:]) == (53, 37)


@pytest.mark.parametrize("marker", [b"\xff\x01", b"\xff\xd0"])
def test_a_size_behind_a_marker_without_length_is_not_passed_over(marker: bytes) -> None:
    """OpenCV decodes the first of these pictures; we would have measured the second one."""
    first, second = drawn(".jpg")[2:], b"\xff\xc0\x00\x11\x08\x00\x0a\x00\x0a" + bytes(20)
    data = b"\xff\xd8" + marker + first.ljust(int.from_bytes(first[:2]), b"\0") + second
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (37, 53, 3)
    with pytest.raises(InvalidInput, match="damaged"):
        check_picture(data)


def test_bombs_and_giants_are_refused_by_their_header() -> None:
    with pytest.raises(TooLarge, match="50000×50000"):
        check_picture(PNG_BOMB)
    with pytest.raises(TooLarge, match="bytes"):
        check_picture(drawn(".jpg") + bytes(MAX_BYTES))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"GIF89a",
        b"<svg/>",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 20_000 + drawn(".jpg")[2:],
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 20_000 + drawn(".jpg")[2:],
        drawn(".png")[:18],
        b"RIFF\x00\x00\x00\x00WEBPVP9 " + bytes(20),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        check_picture(data)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8X", b"RIFF0000WEBPVP8L"]), st.binary())
def test_no_header_breaks_it(head: bytes, rest: bytes) -> None:
    try:
        width_px, height_px = check_picture(head + rest)
    except (InvalidInput, TooLarge):
        return
    assert 0 < width_px * height_px <= 50_000_000
