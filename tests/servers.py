"""Cameras for tests: made footage, our simulator in a thread, GStreamer's server as the independent second."""

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import numpy as np

from ingest.simulator import Served, Simulator
from models.camera import AllowedNetworks, Credentials, SourceUrl

LOOPBACK = AllowedNetworks.parse("127.0.0.0/8")
_GST_CAMERA = Path(__file__).with_name("gst_camera.py")


def draw_video(path: Path, seconds: float = 3.0, fps: int = 5, size_px: tuple[int, int] = (320, 240)) -> Path:
    """A lossless video of a white square that crosses a grey ramp from left to right, then begins again."""
    width, height = size_px
    ramp = np.broadcast_to(np.linspace(30, 150, width, dtype=np.uint8)[None, :, None], (height, width, 3))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(round(seconds * fps)):
            picture = ramp.copy()
            left = i * 20 % (width - 40)
            picture[height // 3 : height // 3 + 40, left : left + 40] = 255
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode(None))
    return path


class RunningSimulator:
    """A simulator in a thread of this process."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.simulator = simulator
        self.port = port
        self._loop = loop

    def url(self, name: str, account: Credentials | None = None) -> SourceUrl:
        return SourceUrl("rtsp", "127.0.0.1", self.port, f"/{name}", account)

    def call(self, function, *arguments) -> None:
        """Runs a function of the simulator in its own thread."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(*arguments), done.set()))
        assert done.wait(5)


@contextlib.contextmanager
def run_simulator(streams: Mapping[str, Served], port: int = 0) -> Iterator[RunningSimulator]:
    simulator = Simulator(streams)
    loop = asyncio.new_event_loop()
    bound = loop.run_until_complete(simulator.serve("127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield RunningSimulator(simulator, loop, bound)
    finally:
        asyncio.run_coroutine_threadsafe(simulator.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def gst_camera(
    codec: str = "h264", gop: int = 10, scheme: str | None = None, account: Credentials | None = None
) -> Iterator[SourceUrl]:
    """GStreamer's server with a test picture at 10 fps; its address, without the account that it asks for."""
    arguments = [codec, str(gop)] + ([scheme, account.username] if scheme and account else [])
    process = subprocess.Popen(
        ["/usr/bin/python3", str(_GST_CAMERA), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            if account:
                process.stdin.write(account.password + "\n")
                process.stdin.flush()
            port = process.stdout.readline().strip()
            assert port.isdigit(), (
                "GStreamer's RTSP server does not start; apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi "
                "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly: " + process.stderr.read()
            )
            yield SourceUrl("rtsp", "127.0.0.1", int(port), "/cam")
        finally:
            process.kill()
