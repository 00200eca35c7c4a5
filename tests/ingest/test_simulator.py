import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ingest.footage import Footage
from ingest.probe import probe
from ingest.receiver import Receiver
from ingest.simulator import Fault, Served, main
from ingest.stream import Keyframe
from models.camera import SourceUrl
from tests.servers import LOOPBACK, run_simulator


def test_the_timeline_goes_on_over_the_loop_and_all_viewers_share_it(footage: dict[str, Footage]) -> None:
    times: dict[str, list[float]] = {"a": [], "b": []}
    pictures: dict[str, list[bytes]] = {"a": [], "b": []}
    with run_simulator({"cam": Served(footage["h264"])}) as cameras, Receiver(LOOPBACK) as receiver:
        receiver.add("a", cameras.url("cam"))
        receiver.add("b", cameras.url("cam"))
        end_s = time.monotonic() + 8
        while min(map(len, times.values())) < 4 and time.monotonic() < end_s:
            for event in receiver.poll(1.0):
                if isinstance(event, Keyframe):
                    times[event.camera_id].append(event.at_s)
                    pictures[event.camera_id].append(event.annexb)
    steps = [later - earlier for earlier, later in pairwise(times["a"])]
    assert len(steps) >= 3  # three keyframes a loop: the loop's end was passed
    assert steps == pytest.approx([1.0] * len(steps), abs=0.05)
    assert times["a"][:4] == pytest.approx(times["b"][:4], abs=0.1)
    assert pictures["a"][0] != pictures["a"][1]
    assert pictures["a"][0] == pictures["a"][3]
    assert pictures["a"][:4] == pictures["b"][:4]


def test_a_fault_can_be_set_and_lifted_while_it_plays(footage: dict[str, Footage]) -> None:
    with run_simulator({"cam": Served(footage["h264"])}) as cameras, Receiver(LOOPBACK) as receiver:
        receiver.add("one", cameras.url("cam"))
        assert count(receiver, 0.5) >= 1
        cameras.call(cameras.simulator.set_fault, "cam", Fault.STALL)
        count(receiver, 0.5)
        assert count(receiver, 1.2) == 0
        cameras.call(cameras.simulator.set_fault, "cam", None)
        assert count(receiver, 1.5) >= 1


def count(receiver: Receiver, seconds: float) -> int:
    end_s, keyframes = time.monotonic() + seconds, 0
    while (left_s := end_s - time.monotonic()) > 0:
        keyframes += sum(isinstance(event, Keyframe) for event in receiver.poll(left_s))
    return keyframes


def test_viewers_that_speak_no_rtsp_are_dropped(footage: dict[str, Footage]) -> None:
    with run_simulator({"cam": Served(footage["h264"])}) as cameras:
        for noise in (
            b"GET / HTTP/1.1\r\n\r\n\r\n",
            b"x y\r\n\r\n",
            b"\xff" * 100_000,
            b"OPTIONS * RTSP/1.0\r\n",
            b"$",
        ):
            with socket.create_connection(("127.0.0.1", cameras.port), 5) as viewer:
                viewer.sendall(noise)
                viewer.shutdown(socket.SHUT_WR)
                while viewer_left(viewer):
                    pass
        assert probe(cameras.url("cam"), LOOPBACK, timeout_s=0.5).codec == "h264"


def viewer_left(viewer: socket.socket) -> bool:
    """Whether there is more to read; False once the server has closed."""
    try:
        return bool(viewer.recv(1000))
    except ConnectionResetError:
        return False


@pytest.mark.usefixtures("footage")
def test_runs_as_a_program_and_ends_on_a_signal(drawn: Path) -> None:
    files = [f"plaza={drawn.with_name('h264.mp4')}", f"gate={drawn.with_name('hevc.mkv')}"]
    with subprocess.Popen(
        [sys.executable, "-m", "ingest.simulator", "--port", "0", *files], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            addresses = [process.stdout.readline().strip() for _ in files]
            assert [address.rsplit("/")[-1] for address in addresses] == ["plaza", "gate"]
            assert probe(SourceUrl.parse(addresses[1]), LOOPBACK, timeout_s=1).codec == "hevc"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a=/no/such/file.mp4"], "file.mp4 cannot be read"),
        (["no-equals-sign"], "NAME=FILE"),
        (["../x=y"], "NAME=FILE"),
        (["--fault", "a=explode", "a=b"], "explode"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("footage")
def test_a_taken_port_is_told(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), f"a={drawn.with_name('h264.mp4')}"]) == 2
    assert "in use" in capsys.readouterr().err
