import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sdp import Media, parse_sdp, resolve
from models.errors import CameraCorrupt, CameraError, CameraNoVideo


def sdp(*lines: str) -> bytes:
    return "\r\n".join(["v=0", "s=x", *lines, ""]).encode()


VIDEO = ("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=control:trackID=1")


def test_takes_the_first_video_that_it_can_decode() -> None:
    sps, pps = base64.b64encode(b"\x67sps").decode().rstrip("="), base64.b64encode(b"\x68pps").decode()
    media = parse_sdp(
        sdp(
            "a=control:*",
            "m=audio 0 RTP/AVP 8",
            "a=control:trackID=9",
            "m=video 0 RTP/AVP 26",
            "m=video 0 RTP/AVP 98 99",
            "a=rtpmap:99 h265/90000",
            "a=rtpmap:98 H264/90000",
            f"a=fmtp:98 packetization-mode=1; sprop-parameter-sets={sps},{pps},!!!",
            "a=control:trackID=1",
        ),
        "/cam?x=1",
    )
    assert media == Media("h264", 98, 90000, "/cam?x=1/trackID=1", "/cam?x=1", (b"\x67sps", b"\x68pps"))


def test_h265_parameter_sets_come_in_the_order_that_decoders_want() -> None:
    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    fmtp = f"a=fmtp:96 sprop-sps={b64(b'S')};sprop-pps={b64(b'P')};sprop-vps={b64(b'V')}"
    media = parse_sdp(sdp("m=video 0 RTP/AVP 96", "a=rtpmap:96 H265/90000", fmtp), "/")
    assert (media.codec, media.parameter_sets) == ("hevc", (b"V", b"S", b"P"))


@pytest.mark.parametrize(
    ("control", "path"),
    [
        ("trackID=1", "/live/main/trackID=1"),
        ("*", "/live/main"),
        ("", "/live/main"),
        ("rtsp://10.9.9.9:99/other/trackID=1?a=b", "/other/trackID=1?a=b"),
        ("rtsp://user:secret@evil", "/"),
        ("RTSP://evil/x", "/x"),
        ("/from/root", "/from/root"),
    ],
)
def test_control_gives_a_path_and_never_a_host(control: str, path: str) -> None:
    assert resolve("/live/main", control) == path


def test_a_base_with_a_slash_gets_no_second_one() -> None:
    assert resolve("/live/", "track1") == "/live/track1"


@pytest.mark.parametrize("control", ["a b", "a\x00b", "x" * 3000, "a\u2028b"])
def test_a_control_that_no_request_can_hold_is_corrupt(control: str) -> None:
    with pytest.raises(CameraCorrupt):
        resolve("/", control)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "no video track"),
        (("m=audio 0 RTP/AVP 0",), "no video track"),
        (("m=video 0 RTP/AVP 96", "a=rtpmap:96 JPEG/90000"), "JPEG"),
        (("m=video 0 RTP/AVP 26",), "H.264 or H.265"),
    ],
)
def test_without_video_that_we_decode_it_says_so(lines: tuple[str, ...], says: str) -> None:
    with pytest.raises(CameraNoVideo, match=says):
        parse_sdp(sdp(*lines), "/")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"v=0\n" + b"a" * 70_000, sdp("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/0")]
)
def test_what_is_no_sdp_is_corrupt(body: bytes) -> None:
    with pytest.raises(CameraCorrupt):
        parse_sdp(body, "/")


@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(VIDEO), st.just("a=fmtp:96 sprop-sps=\xff;;=,"))))
def test_only_camera_errors_escape_from_hostile_descriptions(lines: list[str]) -> None:
    body = "\n".join(["v=0", *lines]).encode("utf-8", "replace")
    try:
        media = parse_sdp(body, "/x")
    except CameraError:
        return
    assert media.path.startswith("/")
    assert " " not in media.path
