"""Footage played as a camera: its own keyframes, other rates, folders of pictures, and files that break off."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from ingest.decode import KeyframeDecoder
from ingest.film import Film, Footage, _thinned
from ingest.stream import Keyframe
from models.camera import SourceUrl
from models.errors import InvalidInput
from tests.ops.replay_scene import FPS, LENGTH_S, draw, frame

HERE = SourceUrl("rtsp", "10.0.0.1", 554, "/")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("film") / "clip.mp4")


def played(footage: Footage, every_s: float | None) -> tuple[Film, list[Keyframe]]:
    film = Film(footage, every_s, begins_s=1000.0)
    film.add("cam", HERE)
    keyframes = []
    while not film.is_over:
        keyframes += film.poll(0.1)
    return film, keyframes


def test_a_camera_s_keyframes_come_byte_for_byte_and_decode(clip: Path) -> None:
    footage = Footage.open(clip)
    film, keyframes = played(footage, None)
    assert (footage.fps, footage.length_s) == (FPS, LENGTH_S)
    assert [keyframe.at_s for keyframe in keyframes] == [1000.0 + second for second in range(int(LENGTH_S))]
    assert film.cut is None
    assert keyframes[7].annexb.rsplit(b"\0\0\1", 1)[1] in clip.read_bytes()
    decoder = KeyframeDecoder()
    assert {decoder.decode(each.codec, each.annexb).width for each in keyframes} == {160}


@pytest.mark.parametrize(("every_s", "wanted"), [(1.0, 40), (2.0, 20), (0.5, 80), (3.0, 14)])
def test_another_rate_takes_as_many_pictures(clip: Path, every_s: float, wanted: int) -> None:
    _, keyframes = played(Footage.open(clip), every_s)
    assert len(keyframes) == wanted
    assert [round(keyframe.at_s - 1000.0, 3) for keyframe in keyframes[:3]] == [0.0, every_s, 2 * every_s]


def test_time_stamps_that_leap_cost_no_time() -> None:
    """Of a damaged file they say any number: the next picture's moment is reckoned, not counted up to."""
    frames = [(at_s, VideoFrame(16, 16)) for at_s in (0.0, 0.4, 1e12, 1e12 + 0.2, 1e12 + 0.5)]
    kept = [at_s for at_s, frame in _thinned(frames, 0.5, 10.0) if frame]
    assert kept == [0.0, 1e12, 1e12 + 0.5]


def test_what_is_encoded_again_looks_as_it_did(clip: Path) -> None:
    _, keyframes = played(Footage.open(clip), 1.0)
    shown = KeyframeDecoder().decode("h264", keyframes[8].annexb).to_ndarray(format="bgr24")
    assert np.abs(shown.astype(int) - frame(8.0)).mean() < 4


def test_a_codec_that_no_camera_sends_has_a_keyframe_every_other_second(tmp_path: Path) -> None:
    _, keyframes = played(Footage.open(draw(tmp_path / "old.avi", "mpeg4", 9.0)), None)
    assert [round(keyframe.at_s - 1000.0, 2) for keyframe in keyframes] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_folder_is_played_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.full((40, 60, 3), 20 * number, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    _, keyframes = played(Footage.open(tmp_path, 0.5), None)
    decoder = KeyframeDecoder()
    greys = [decoder.decode("h264", each.annexb).to_ndarray(format="gray").mean() for each in keyframes]
    assert [round(each.at_s - 1000.0, 2) for each in keyframes] == [0.0, 2.0, 4.0]
    assert greys == sorted(greys)


def test_a_rate_that_the_footage_has_not_is_refused(clip: Path) -> None:
    with pytest.raises(InvalidInput, match="2 pictures a second: it cannot be replayed at 5"):
        Film(Footage.open(clip), 0.2, begins_s=0.0)


def test_footage_that_ends_in_the_middle_of_a_frame_is_played_up_to_there(tmp_path: Path) -> None:
    whole = draw(tmp_path / "whole.avi", "mpeg4")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    film, keyframes = played(Footage.open(cut), 1.0)
    assert film.cut is not None
    assert film.cut == f"cut.avi breaks off at {film.read_s:.1f} s of 40.0 s"
    assert len(keyframes) == int(film.read_s) + 1


def test_a_picture_of_a_folder_that_cannot_be_read_is_where_it_breaks_off(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    film, keyframes = played(Footage.open(tmp_path, 1.0), None)
    assert len(keyframes) == 1
    assert film.cut is not None
    assert "breaks off at 1.0 s, at 2.png" in film.cut


def test_what_is_no_footage_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:9/secret.mp4\n")
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("empty.mp4", "cannot be read as video"),
        ("text.mp4", "cannot be read as video"),
        ("none.mp4", "is not there"),
        ("folder", "holds no pictures"),
    ):
        with pytest.raises(InvalidInput, match=said):
            Footage.open(tmp_path / name)
    cv2.imwrite(str(tmp_path / "folder" / "1.png"), np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(InvalidInput, match='must say its pictures a second, as "fps"'):
        Footage.open(tmp_path / "folder")
