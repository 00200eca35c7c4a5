from pathlib import Path

import av
import numpy as np

from ops.gate_footage import FPS, LENGTH_S, gate_frame, make_gate_footage


def test_the_last_picture_runs_on_into_the_first() -> None:
    assert np.array_equal(gate_frame(0.0), gate_frame(LENGTH_S))


def test_something_moves_and_the_barrier_opens_for_it() -> None:
    shut, open_ = gate_frame(5.0), gate_frame(8.5)
    assert not np.array_equal(shut, open_)
    arm = (slice(154, 159), slice(425, 515))
    assert (shut[arm] != open_[arm]).mean() > 0.5


def test_the_file_is_h265_with_a_keyframe_every_two_seconds_and_nothing_half_made_is_left(tmp_path: Path) -> None:
    heard: list[float] = []
    make_gate_footage(tmp_path / "gate.mkv", heard.append)
    with av.open(str(tmp_path / "gate.mkv")) as media:
        stream = media.streams.video[0]
        packets = [packet for packet in media.demux(stream) if packet.size]
        keys = [round(float(packet.pts * packet.time_base), 3) for packet in packets if packet.is_keyframe]
        assert stream.codec_context.name == "hevc"
    assert len(packets) == LENGTH_S * FPS
    assert keys == [float(at) for at in range(0, int(LENGTH_S), 2)]
    assert heard[-1] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["gate.mkv"]
