import av
import numpy as np
import pytest

from ingest.collector import START_CODE
from ingest.decode import KeyframeDecoder, Looked, bgr, luma, reason_to_look
from ingest.footage import Footage
from models.errors import CameraCorrupt


def keyframe(footage: Footage) -> bytes:
    return b"".join(START_CODE + nal for nal in footage.samples[0].nals)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_decodes_one_keyframe_at_a_time(footage: dict[str, Footage], codec: str) -> None:
    decoder = KeyframeDecoder()
    first = decoder.decode(codec, keyframe(footage[codec]))
    again = decoder.decode(codec, keyframe(footage[codec]))
    assert (first.width, first.height) == (320, 240)
    assert np.array_equal(first.to_ndarray(), again.to_ndarray())


def test_cameras_of_several_codecs_and_sizes_share_a_decoder(footage: dict[str, Footage]) -> None:
    decoder = KeyframeDecoder()
    small = encode_keyframe(64, 48)
    alone = KeyframeDecoder().decode("h264", keyframe(footage["h264"])).to_ndarray()
    for codec in ("h264", "hevc"):
        assert decoder.decode("h264", small).width == 64
        assert decoder.decode(codec, keyframe(footage[codec])).width == 320
    assert np.array_equal(decoder.decode("h264", keyframe(footage["h264"])).to_ndarray(), alone)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_garbage_is_corrupt_and_the_decoder_goes_on(footage: dict[str, Footage], codec: str) -> None:
    decoder = KeyframeDecoder()
    good = keyframe(footage[codec])
    dice = np.random.default_rng(4)
    for bad in (b"", b"\0" * 500, dice.bytes(3000), good[:40], good[: len(good) // 2] + dice.bytes(len(good) // 2)):
        with pytest.raises(CameraCorrupt):
            decoder.decode(codec, bad)
        assert decoder.decode(codec, good).width == 320


def test_a_picture_too_large_is_refused_before_it_is_made(footage: dict[str, Footage]) -> None:
    decoder = KeyframeDecoder()
    with pytest.raises(CameraCorrupt):
        decoder.decode("h264", encode_keyframe(8208, 64))
    rest = [nal for nal in footage["h264"].samples[0].nals if nal[0] & 0x1F in (5, 8)]
    with pytest.raises(CameraCorrupt):
        decoder.decode("h264", huge_sps() + b"".join(START_CODE + nal for nal in rest))
    assert decoder.decode("h264", keyframe(footage["h264"])).height == 240


def test_luma_is_the_brightness_picked_by_stride() -> None:
    values = np.tile(np.arange(352, dtype=np.uint8)[None, :] // 2, (180, 1))
    frame = av.VideoFrame.from_ndarray(np.vstack([values, np.full((90, 352), 128, np.uint8)]), format="yuv420p")
    picked = luma(frame)
    assert picked.shape == (90, 160)
    assert picked.dtype == np.uint8
    assert np.array_equal(picked[0], values[0, np.arange(160) * 352 // 160])


@pytest.mark.parametrize("name", ["yuv420p10le", "bgr24", "yuv420p10be", "nv12", "gray"])
def test_luma_reads_other_pixel_formats_alike(name: str) -> None:
    picture = np.full((240, 320, 3), 128, np.uint8)
    picture[:, 160:] = 250
    plain = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
    assert np.abs(luma(plain.reformat(format=name)).astype(int) - luma(plain)).max() <= 25


def test_bgr_keeps_the_shape_and_never_enlarges() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, :, 2] = 255
    frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
    assert bgr(frame, 160).shape == (120, 160, 3)
    large = bgr(frame, 4000)
    assert large.shape == (240, 320, 3)
    assert large[0, 0].tolist() == [0, 0, 255]


def grey(value: int = 100) -> np.ndarray:
    return np.full((90, 160), value, np.uint8)


def test_a_look_is_taken_at_the_first_picture_at_a_change_and_after_a_while() -> None:
    last = Looked(grey(), 1000.0)
    changed = grey()
    changed[20:30, 50:60] = 130
    assert reason_to_look(None, grey(), 1000.0) == "first picture"
    assert reason_to_look(last, grey(), 1030.0) is None
    assert "changed by 30.0" in (reason_to_look(last, changed, 1002.0) or "")
    assert "60 s" in (reason_to_look(last, grey(), 1060.0) or "")


def test_slow_change_adds_up_and_darkening_counts_as_much_as_brightening() -> None:
    last = Looked(grey(100), 0.0)
    reasons = [reason_to_look(last, grey(100 - i), float(i)) for i in range(12)]
    assert reasons[:9] == [None] * 9
    assert reasons[9] is not None


def encode_keyframe(width: int, height: int) -> bytes:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width, height, "yuv420p", 5
    encoder.time_base = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def huge_sps() -> bytes:
    """An SPS of 16383 × 16383 macroblocks: profile 66, level 3.0, then Exp-Golomb codes (H.264, 7.3.2.1.1)."""

    def ue(value: int) -> str:
        code = f"{value + 1:b}"
        return "0" * (len(code) - 1) + code

    bits = ue(0) + ue(0) + ue(0) + ue(0) + ue(1) + "0" + ue(16382) + ue(16382) + "1" + "0" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return START_CODE + bytes([0x67, 66, 0, 30]) + int(bits, 2).to_bytes(len(bits) // 8, "big")
