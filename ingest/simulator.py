"""Cameras for the demo and for tests: an RTSP server that loops files, each under a name.

``python -m ingest.simulator --port 8554 plaza=plaza.mp4 gate=gate.mp4`` serves rtsp://127.0.0.1:8554/plaza and
/gate: RTP over TCP, one clock for all viewers, timestamps that run on over the loop, sender reports every 5 s. It
sends H.264 and H.265 as they are in the file (see footage.transcode) and can misbehave as cameras do (see Fault).
"""

import argparse
import asyncio
import contextlib
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from ingest import digest
from ingest.footage import Footage, Sample, load
from ingest.sender import Sender, describe
from models.camera import Credentials
from models.errors import InvalidInput, WanggeError

REPORT_EVERY_S = 5.0


class Fault(StrEnum):
    """What a camera can do wrong. Those after MUTE begin ``fault_after_s`` seconds after PLAY."""

    UNAUTHORISED = "unauthorised"  # refuses whoever asks
    REDIRECT = "redirect"  # points to itself under another name
    NO_VIDEO = "no-video"  # describes a sound track only
    MUTE = "mute"  # takes the connection, says nothing
    STALL = "stall"  # stops sending, keeps the connection
    DROP = "drop"  # resets the connection
    DRIP = "drip"  # sends one byte a second
    GARBAGE = "garbage"  # random bytes for video in a third of the packets
    LOSS = "loss"  # leaves out one packet in twenty
    JUMP = "jump"  # timestamps leap an hour ahead


@dataclass(frozen=True)
class Served:
    """A name's footage and behaviour. ``scheme`` is "digest" (MD5), "digest-sha256" or "basic"; it needs ``account``.

    A viewer that says nothing for ``session_timeout_s`` seconds is dropped.
    """

    footage: Footage
    account: Credentials | None = None
    scheme: str = "digest"
    fault: Fault | None = None
    fault_after_s: float = 0.0
    session_timeout_s: float = 60.0

    def challenge(self, nonce: str) -> digest.Challenge:
        if self.scheme == "basic":
            return digest.Challenge("", realm="camera")
        algorithm = "sha-256" if self.scheme == "digest-sha256" else "md5"
        return digest.Challenge(algorithm, realm="camera", nonce=nonce, qop_auth=algorithm == "sha-256")


class Simulator:
    """Serves ``streams``; ``set_fault`` changes one while it plays. ``serve`` binds, ``close`` ends all viewers."""

    def __init__(self, streams: Mapping[str, Served]) -> None:
        self.streams = dict(streams)
        self.started_s = time.monotonic()
        self._viewers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def serve(self, host: str, port: int) -> int:
        """Listens; gives the port, chosen by the system for 0. Raises OSError for one that is taken."""
        self._server = await asyncio.start_server(self._welcome, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def set_fault(self, name: str, fault: Fault | None) -> None:
        self.streams[name] = replace(self.streams[name], fault=fault, fault_after_s=0.0)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._viewers:
            task.cancel()
        await asyncio.gather(*self._viewers, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_Viewer(self, reader, writer).run())
        self._viewers.add(task)
        task.add_done_callback(self._viewers.discard)


@dataclass
class _Request:
    method: str
    url: str
    headers: dict[str, str]

    @property
    def name(self) -> str:
        """The stream asked for: the first part of the path."""
        match = re.match(r"rtsps?://[^/]*/([^/?]*)", self.url)
        return match[1] if match else ""


@dataclass
class _Viewer:
    """One connection."""

    simulator: Simulator
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    session: str = field(default_factory=lambda: secrets.token_hex(4))
    playing: asyncio.Task[None] | None = None
    timeout_s: float = 60.0

    async def run(self) -> None:
        try:
            while True:
                request = await asyncio.wait_for(self._request(), self.timeout_s)
                if request and not await self._answer(request):
                    return
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError, ValueError):
            return  # the viewer left, fell silent, or speaks no RTSP
        finally:
            if self.playing:
                self.playing.cancel()
            self.writer.transport.abort()

    async def _request(self) -> _Request | None:
        """The next request; None for interleaved data (the viewer's receiver reports)."""
        first = await self.reader.readexactly(1)
        if first == b"$":
            head = await self.reader.readexactly(3)
            await self.reader.readexactly(int.from_bytes(head[1:], "big"))
            return None
        lines = (first + await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace").split("\r\n")
        method, url, _ = lines[0].split(" ")
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        await self.reader.readexactly(int(headers.get("content-length", "0")))
        return _Request(method, url, headers)

    async def _answer(self, request: _Request) -> bool:
        """Answers; False ends the connection."""
        served = self.simulator.streams.get(request.name)
        if served and served.fault is Fault.MUTE:
            return True
        status, headers, body = self._decide(request, served)
        lines = [f"RTSP/1.0 {status}", f"CSeq: {request.headers.get('cseq', '0')}", *headers]
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        await self.writer.drain()
        if request.method == "PLAY" and status == "200 OK" and served and self.playing is None:
            self.playing = asyncio.ensure_future(self._play(request.name, served))
        return request.method != "TEARDOWN"

    def _decide(self, request: _Request, served: Served | None) -> tuple[str, list[str], str]:
        """Status, headers and body for a request."""
        if request.method == "OPTIONS":
            return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"], ""
        if served is None:
            return "404 Not Found", [], ""
        if served.fault is Fault.REDIRECT:
            return "302 Found", [f"Location: {request.url}-elsewhere"], ""
        if served.fault is Fault.UNAUTHORISED or not self._signed_in(request, served):
            return "401 Unauthorized", [digest.offer(served.challenge(self.nonce))], ""
        self.timeout_s = served.session_timeout_s
        session = f"Session: {self.session};timeout={served.session_timeout_s:.0f}"
        if request.method == "DESCRIBE":
            body = describe(None if served.fault is Fault.NO_VIDEO else served.footage)
            return "200 OK", [f"Content-Base: {request.url}/"], body
        if request.method == "SETUP":
            if "TCP" not in request.headers.get("transport", ""):
                return "461 Unsupported Transport", [], ""
            return "200 OK", ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", session], ""
        if request.method in ("PLAY", "GET_PARAMETER", "TEARDOWN"):
            return "200 OK", [session], ""
        return "501 Not Implemented", [], ""

    def _signed_in(self, request: _Request, served: Served) -> bool:
        if served.account is None:
            return True
        header = request.headers.get("authorization", "")
        return digest.accepts(served.challenge(self.nonce), served.account, request.method, header)

    async def _play(self, name: str, served: Served) -> None:
        """Sends the loop from its last keyframe on, as all viewers of that name see it."""
        sender = Sender(served.footage.codec)
        began_s = reported_s = time.monotonic()
        self.writer.write(sender.report(began_s, began_s - self.simulator.started_s))
        with contextlib.suppress(ConnectionError):
            for sample, stream_s in _timeline(served.footage, began_s - self.simulator.started_s):
                due_s = self.simulator.started_s + stream_s
                await asyncio.sleep(max(due_s - time.monotonic(), 0))
                now = self.simulator.streams[name]
                fault = now.fault if time.monotonic() - began_s >= now.fault_after_s else None
                if fault in (Fault.STALL, Fault.DRIP):
                    await self._hold(name, fault, sender.packets(sample, stream_s))
                    continue
                if fault is Fault.DROP:
                    self.writer.transport.abort()
                    return
                self.writer.write(
                    sender.packets(
                        sample,
                        stream_s + (3600 if fault is Fault.JUMP else 0),
                        loss=0.05 if fault is Fault.LOSS else 0.0,
                        garbage=0.33 if fault is Fault.GARBAGE else 0.0,
                    )
                )
                if time.monotonic() - reported_s >= REPORT_EVERY_S:
                    reported_s = time.monotonic()
                    self.writer.write(sender.report(reported_s, reported_s - self.simulator.started_s))
                await self.writer.drain()

    async def _hold(self, name: str, fault: Fault, packets: bytes) -> None:
        """Sends nothing, or a byte a second, until the fault is lifted; then the rest, so that framing survives."""
        at = 0
        while self.simulator.streams[name].fault is fault:
            if fault is Fault.DRIP:
                self.writer.write(packets[at : at + 1])
                at += 1
            await asyncio.sleep(1.0 if fault is Fault.DRIP else 0.1)
        self.writer.write(packets[at:])


def _timeline(footage: Footage, from_s: float) -> Iterator[tuple[Sample, float]]:
    """Samples for ever, with their time on the simulator's clock, from the last keyframe at or before ``from_s``."""
    loops, within_s = divmod(from_s, footage.duration_s)
    begin = max(i for i, sample in enumerate(footage.samples) if sample.key and sample.at_s <= within_s)
    while True:
        for sample in footage.samples[begin:]:
            yield sample, loops * footage.duration_s + sample.at_s
        begin, loops = 0, loops + 1


async def _run(host: str, port: int, streams: Mapping[str, Served]) -> None:
    simulator = Simulator(streams)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bound = await simulator.serve(host, port)
    for name in streams:
        sys.stdout.write(f"rtsp://{host}:{bound}/{name}\n")
    sys.stdout.flush()
    await stop.wait()
    await simulator.close()


def main(arguments: list[str] | None = None) -> int:
    """Prints one address per line once it listens, then serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="ingest.simulator", description="Loop video files as RTSP cameras.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=FAULT", help=", ".join(Fault))
    parser.add_argument("files", nargs="+", metavar="NAME=FILE")
    given = parser.parse_args(arguments)
    try:
        faults = {name: Fault(text) for name, _, text in (item.partition("=") for item in given.fault)}
        streams = {}
        for item in given.files:
            name, _, file = item.partition("=")
            if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", name) or not file:
                raise InvalidInput(f"{item}: write NAME=FILE, the name of letters, digits, - or _")
            streams[name] = Served(load(Path(file)), fault=faults.get(name))
        asyncio.run(_run(given.host, given.port, streams))
    except (WanggeError, ValueError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
