"""One camera's socket: connect, TLS, dialogue, packets. Non-blocking; whoever owns it calls it when it is ready."""

import contextlib
import errno
import selectors
import socket
import ssl
import time
from dataclasses import dataclass
from enum import Enum

from ingest.rtp import FRAMING_BYTES
from ingest.rtsp import Dialogue, Step
from ingest.sdp import Media
from ingest.stream import Keyframe, Limits, Stream
from models.camera import SourceUrl
from models.errors import (
    CameraCorrupt,
    CameraError,
    CameraRefused,
    CameraStalled,
    CameraUnreachable,
    CameraUntrusted,
)

LOW_WATER_BYTES = 32 * 1024
"""While playing, the kernel wakes us only for this much; the receiver's sweep takes what is less."""
READ_BYTES = 256 * 1024
MAX_UNSENT_BYTES = 64 * 1024
"""What a camera has not taken of our answers; one that asks on and on and takes none is left."""
READS_A_TURN = 4
"""A camera that sends faster than that is taken up again on the next turn, after the others."""


@dataclass(frozen=True)
class Connected:
    """The camera plays ``media``."""

    camera_id: str
    media: Media


class _Phase(Enum):
    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    DIALOGUE = "dialogue"


class Connection:
    """Runs until it fails, then raises CameraError from ``ready`` or ``check``. Times are seconds, monotonic."""

    def __init__(
        self,
        camera_id: str,
        source: SourceUrl,
        address: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
        now_s: float,
    ) -> None:
        """Begins to connect to ``address`` (already checked). Raises CameraError if that fails at once."""
        self.camera_id = camera_id
        self.stream: Stream | None = None
        self._source = source
        self._limits = limits
        self._tls = tls
        self._phase = _Phase.CONNECTING
        self._dialogue = Dialogue(source)
        self._outgoing = b""
        self._deadline_s = now_s + limits.answer_s
        self._keepalive_s = self._frame_s = self._keyframe_s = now_s
        self._rtp = -1
        # Within a connection time advances by the monotonic clock alone: a step of the wall clock bends no dwell time.
        self._unix_offset_s = time.time() - now_s
        self.socket: socket.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.setblocking(False)
        error = self.socket.connect_ex((address, source.port))
        if error not in (0, errno.EINPROGRESS):
            self.socket.close()
            raise self._connect_fault(error)

    @property
    def wants(self) -> int:
        """The selector events to wait for."""
        if self._phase is _Phase.CONNECTING:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)

    def ready(self, now_s: float) -> list[Connected | Keyframe]:
        """Goes on as far as the socket lets it. Raises CameraError."""
        try:
            if self._phase is _Phase.CONNECTING:
                self._connect()
            if self._phase is _Phase.HANDSHAKE:
                self._handshake()
            if self._phase is _Phase.DIALOGUE:
                events = self._read(now_s)
                self._send()
                return events
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except ssl.SSLCertVerificationError:
            raise self._fault(
                CameraUntrusted, "its certificate is not trusted: add its issuer to those that are"
            ) from None
        except ssl.SSLError:
            raise self._fault(CameraCorrupt, "TLS with it fails: check that this port speaks rtsps") from None
        except OSError as error:
            raise self._broken(error) from None
        return []

    def check(self, now_s: float) -> None:
        """Deadlines and keepalive; to be called a few times a second. Raises CameraError."""
        if self.stream is None:
            if now_s > self._deadline_s:
                raise self._silent()
            return
        if self.stream.rtp != self._rtp:
            self._rtp, self._frame_s = self.stream.rtp, now_s
        if now_s - self._frame_s > self._limits.stall_s:
            raise self._fault(CameraStalled, f"no new picture for {self._limits.stall_s:g} s: check camera and network")
        if now_s - self._keyframe_s > self._limits.keyframe_s:
            raise self._fault(
                CameraCorrupt,
                f"no readable keyframe for {self._limits.keyframe_s:g} s: set its keyframe interval to 2 s, check loss",
            )
        if now_s >= self._keepalive_s:
            self._keepalive_s = now_s + self._dialogue.keepalive_s
            self._dialogue.keepalive()
            try:
                self._send()
            except OSError as error:
                raise self._broken(error) from None

    def close(self) -> None:
        """Says goodbye if the socket takes it at once, and closes."""
        with contextlib.suppress(OSError, CameraError):
            self._dialogue.teardown()
            self._send()
        self.socket.close()

    def _connect(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise self._connect_fault(error)
        try:
            self.socket.getpeername()
        except OSError:
            raise BlockingIOError from None  # a sweep came before the connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._source.scheme == "rtsps":
            context = self._tls or ssl.create_default_context()
            self.socket = context.wrap_socket(
                self.socket, server_hostname=self._source.host, do_handshake_on_connect=False
            )
            self._phase = _Phase.HANDSHAKE
        else:
            self._begin()

    def _handshake(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket):
            self.socket.do_handshake()
        self._begin()

    def _begin(self) -> None:
        self._phase = _Phase.DIALOGUE
        self._dialogue.begin()
        self._send()

    def _read(self, now_s: float) -> list[Connected | Keyframe]:
        events: list[Connected | Keyframe] = []
        for _ in range(READS_A_TURN):
            try:
                data = self.socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            if not data:
                raise self._ended()
            step = self._dialogue.step
            events += self._receive(data, now_s)
            if self._dialogue.step is not step:
                self._deadline_s = now_s + self._limits.answer_s
        return events

    def _play(self, events: list[Connected | Keyframe], now_s: float) -> Stream:
        self.stream = Stream(self.camera_id, self._dialogue.media, self._limits)
        self._keepalive_s = now_s + self._dialogue.keepalive_s
        self._frame_s = self._keyframe_s = now_s
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LOW_WATER_BYTES)
        events.append(Connected(self.camera_id, self._dialogue.media))
        return self.stream

    def _receive(self, data: bytes, now_s: float) -> list[Connected | Keyframe]:
        events: list[Connected | Keyframe] = []

        def take(data: bytes, at: int, stop: int) -> int:
            if self._dialogue.step is not Step.PLAYING:
                return stop  # a few packets may overtake the answer to PLAY
            stream, channel = self.stream or self._play(events, now_s), self._dialogue.rtp_channel
            if data[at + 1] == channel:
                found, stop = self._take(stream, data, at, now_s)
                events.extend(found)
            elif data[at + 1] == channel + 1:
                stream.control_packet(data[at + FRAMING_BYTES : stop], now_s + self._unix_offset_s)
            return stop

        self._dialogue.receive(data, take)
        if self.stream is None and self._dialogue.step is Step.PLAYING:
            self._play(events, now_s)
        return events

    def _take(self, stream: Stream, data: bytes, at: int, now_s: float) -> tuple[list[Keyframe], int]:
        try:
            keyframes, at = stream.take(data, at, self._dialogue.rtp_channel, now_s + self._unix_offset_s)
        except CameraCorrupt as error:
            raise self._fault(CameraCorrupt, str(error)) from None
        if keyframes:
            self._keyframe_s = now_s
        return keyframes, at

    def _send(self) -> None:
        self._outgoing += self._dialogue.take_outgoing()
        if self._outgoing:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self._outgoing = self._outgoing[self.socket.send(self._outgoing) :]
        if len(self._outgoing) > MAX_UNSENT_BYTES:
            raise self._fault(CameraCorrupt, "it asks on and on and takes no answer: restart it, check the port")

    def _connect_fault(self, error: int) -> CameraError:
        if error == errno.ECONNREFUSED:
            return self._fault(CameraRefused, "the host answers but nothing listens on that port: check the port")
        return self._fault(CameraUnreachable, "no way to that host: check address, cable and route")

    def _broken(self, error: OSError) -> CameraError:
        if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT) and self.stream is None:
            return self._connect_fault(error.errno)
        return self._ended()

    def _ended(self) -> CameraError:
        if self.stream is None:
            return self._fault(CameraUnreachable, "it closed the connection without an answer: check the port")
        return self._fault(CameraStalled, "it ended the stream")

    def _silent(self) -> CameraError:
        wait_s = self._limits.answer_s
        if self._phase is _Phase.CONNECTING:
            return self._fault(CameraUnreachable, f"no answer from the host within {wait_s:g} s: check the address")
        return self._fault(
            CameraUnreachable, f"it took the connection but gave no answer within {wait_s:g} s: check the port"
        )

    def _fault(self, kind: type[CameraError], what: str) -> CameraError:
        return kind(f"{self._source.shown}: {what}")
