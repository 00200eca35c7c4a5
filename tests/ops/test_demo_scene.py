from pathlib import Path

import av
import numpy as np
import pytest

from models.errors import InvalidInput
from models.geo import GroundPlane, distance_m
from ops.demo_scene import PLAZA, gate, look_at_footage, plaza


def small_video(path: Path, fps: int = 5) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 20, np.uint8), format="bgr24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_footage_that_is_no_video_is_refused_with_its_own_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for path, sentence in (
        (tmp_path / "none.mp4", "there is no such file"),
        (tmp_path, "there is no such file"),
        (tmp_path / "words.mp4", "no video file that can be read"),
        (tmp_path / "empty.mp4", "no video file that can be read"),
        (sound_only(tmp_path / "sound.wav"), "holds no video"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            look_at_footage(path)


def test_footage_of_a_place_that_nobody_measured_is_watched_by_counting(tmp_path: Path) -> None:
    scene = plaza(small_video(tmp_path / "some.avi"))
    assert scene.control_points == ()
    assert set(scene.zones[0].levels["crowding"]) >= {"enter_persons", "leave_persons"}


def test_footage_is_made_ready_once(tmp_path: Path) -> None:
    scene = plaza(small_video(tmp_path / "some.avi"))
    first = scene.prepare(tmp_path / "cache", lambda _done: None)
    made_at = first.stat().st_mtime_ns
    assert scene.prepare(tmp_path / "cache", lambda _done: None) == first
    assert first.stat().st_mtime_ns == made_at


def test_the_plaza_lies_on_measured_ground_near_the_chosen_place(vtest: Path) -> None:
    scene = plaza(vtest)
    ground = GroundPlane.fit(scene.control_points)
    assert ground.residual_m < 0.1
    assert 200 < ground.area_m2(scene.zones[0].polygon) < 350
    assert distance_m(scene.place, PLAZA.origin) == pytest.approx(34.9, abs=0.5)
    # A person seen at the picture's middle stands in front of the camera, some 20 m away.
    assert 10 < distance_m(scene.place, ground.locate(0.5, 0.5, 576).place) < 30


def test_the_two_scenes_are_told_apart() -> None:
    assert gate().code == "demo-gate-1"
    assert distance_m(gate().place, PLAZA.origin) == pytest.approx(150, abs=1)
