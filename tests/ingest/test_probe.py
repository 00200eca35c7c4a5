import time
from pathlib import Path

import pytest

from ingest.footage import Footage, load, transcode
from ingest.probe import probe
from ingest.simulator import Fault, Served
from ingest.stream import Limits
from models.camera import Credentials, SourceUrl
from models.errors import CameraNotFound, CameraNoVideo, CameraRefused, CameraStalled, CameraUnauthorised
from tests.servers import LOOPBACK, draw_video, gst_camera, run_simulator

ACCOUNT = Credentials("vi ewer", 'p"ä:ss')


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_measures_our_simulator(footage: dict[str, Footage], codec: str) -> None:
    with run_simulator({"cam": Served(footage[codec])}) as cameras:
        began_s = time.monotonic()
        seen = probe(cameras.url("cam"), LOOPBACK)
    assert (seen.codec, seen.width_px, seen.height_px) == (codec, 320, 240)
    assert seen.fps == pytest.approx(5, abs=0.3)
    assert seen.gop_s == pytest.approx(1, abs=0.1)
    assert seen.warnings == ()
    assert time.monotonic() - began_s < 4


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_measures_gstreamers_server(codec: str) -> None:
    with gst_camera(codec) as source:
        seen = probe(source, LOOPBACK)
    assert (seen.codec, seen.width_px, seen.height_px) == (codec, 320, 240)
    assert seen.fps == pytest.approx(10, abs=1.5)
    assert seen.gop_s == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_signs_in_to_gstreamers_server(scheme: str) -> None:
    account = Credentials("viewer", "s3cret-pw")
    with gst_camera("h264", 5, scheme, account) as source:
        signed = SourceUrl(source.scheme, source.host, source.port, source.target, account)
        assert probe(signed, LOOPBACK).width_px == 320
        wrong = SourceUrl(source.scheme, source.host, source.port, source.target, Credentials("viewer", "s3cret-no"))
        for refused in (source, wrong):
            with pytest.raises(CameraUnauthorised) as error:
                probe(refused, LOOPBACK)
            assert "s3cret" not in str(error.value)


def test_gstreamers_server_without_that_path_or_without_our_codecs() -> None:
    with gst_camera("jpeg") as source:
        with pytest.raises(CameraNoVideo, match="JPEG"):
            probe(source, LOOPBACK)
        with pytest.raises(CameraNotFound):
            probe(SourceUrl(source.scheme, source.host, source.port, "/other"), LOOPBACK)


def test_signs_in_with_a_name_and_password_beyond_ascii(footage: dict[str, Footage]) -> None:
    with run_simulator({"cam": Served(footage["h264"], ACCOUNT)}) as cameras:
        assert probe(cameras.url("cam", ACCOUNT), LOOPBACK).codec == "h264"


def test_a_gop_of_ten_seconds_is_warned_of(tmp_path: Path) -> None:
    transcode(draw_video(tmp_path / "raw.mkv", 10, fps=5), tmp_path / "long.mp4", fps=5, gop_s=10)
    with run_simulator({"cam": Served(load(tmp_path / "long.mp4"))}) as cameras:
        cameras.simulator.started_s -= 8.5  # the second keyframe is due soon; the first comes late, as a burst
        seen = probe(cameras.url("cam"), LOOPBACK)
        assert seen.gop_s == pytest.approx(10, abs=0.3)
        assert "keyframe only every 10" in seen.warnings[0]
        early = probe(cameras.url("cam"), LOOPBACK, timeout_s=1.0)
    assert early.gop_s is None
    assert "no second keyframe within 1 s" in early.warnings[0]


def test_what_fails_is_raised(footage: dict[str, Footage]) -> None:
    with run_simulator({"cam": Served(footage["h264"], fault=Fault.STALL)}) as cameras:
        source = cameras.url("cam")
        with pytest.raises(CameraStalled):
            probe(source, LOOPBACK, limits=Limits(stall_s=0.6))
        with pytest.raises(CameraStalled, match=r"no keyframe within 0\.5 s"):
            probe(source, LOOPBACK, timeout_s=0.5)
    with pytest.raises(CameraRefused):
        probe(source, LOOPBACK)
