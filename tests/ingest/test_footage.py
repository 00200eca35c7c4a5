from pathlib import Path

import av
import pytest

from ingest.footage import Footage, load, transcode
from models.errors import InvalidInput


def test_transcodes_to_what_cameras_send(footage: dict[str, Footage]) -> None:
    for codec in ("h264", "hevc"):
        made = footage[codec]
        assert made.codec == codec
        assert len(made.samples) == 15
        assert made.duration_s == pytest.approx(3.0, abs=0.01)
        assert [sample.at_s for sample in made.samples if sample.key] == pytest.approx([0, 1, 2], abs=0.01)
        assert len(made.parameter_sets) == (2 if codec == "h264" else 3)


def test_frame_rate_can_be_lowered_and_progress_is_told(drawn: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    transcode(drawn, tmp_path / "out.mp4", fps=2, gop_s=2, progress=heard.append)
    made = load(tmp_path / "out.mp4")
    assert [sample.at_s for sample in made.samples] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.01)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_source_that_is_no_video_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    for name in ("text.avi", "cut.mp4", "absent.avi"):
        with pytest.raises(InvalidInput, match=name):
            transcode(tmp_path / name, tmp_path / "out.mp4")
        with pytest.raises(InvalidInput, match=name):
            load(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.mp4", "text.avi"]


def test_a_break_half_way_leaves_the_old_file(drawn: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transcode(drawn, target, progress=stop)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_files_that_no_camera_would_send_are_refused_with_the_reason(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ffv1"):
        load(drawn)
    with av.open(str(tmp_path / "b.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"bf": "2", "b_strategy": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(InvalidInput, match="B-frames"):
        load(tmp_path / "b.mp4")
