"""RTSP 1.0 (RFC 2326), the client's side, without I/O: bytes in, bytes and RTP packets out.

RTP over the same TCP connection only. Every request goes to the host that was dialled: of the addresses in answers
only path and query are used, and a redirect is an error. Raises the subclasses of CameraError, each with a sentence
for the person who registered the camera; none holds a user name, a password or text of the camera's choosing.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ingest import digest
from ingest.rtp import DOLLAR, FRAMING_BYTES
from ingest.sdp import MAX_SDP_BYTES, Media, parse_sdp, resolve
from models.camera import SourceUrl
from models.errors import (
    CameraCorrupt,
    CameraError,
    CameraNotFound,
    CameraNoVideo,
    CameraRedirected,
    CameraRefused,
    CameraStalled,
    CameraUnauthorised,
)

MAX_HEADER_BYTES = 64 * 1024
DEFAULT_SESSION_TIMEOUT_S = 60
"""RFC 2326, section 12.37."""
MAX_KEEPALIVE_S = 30.0

_STATUS = re.compile(r"RTSP/1\.[0-9] ([1-9][0-9]{2})(?: |$)")
_REQUEST = re.compile(r"([A-Z_]{1,20}) \S+ RTSP/1\.[0-9]$")


class Step(Enum):
    """What the dialogue waits for an answer to; PLAYING once packets may come."""

    OPTIONS = "OPTIONS"
    DESCRIBE = "DESCRIBE"
    SETUP = "SETUP"
    PLAY = "PLAY"
    PLAYING = "playing"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


class Dialogue:
    """One stream's dialogue with one camera: OPTIONS, DESCRIBE, SETUP, PLAY, then packets and keepalives.

    ``begin`` once after connecting; then whatever arrives goes into ``receive``, and ``take_outgoing`` is sent.
    """

    def __init__(self, source: SourceUrl) -> None:
        self._source = source
        self._rest = b""
        self._outgoing = bytearray()
        self._cseq = 0
        self._pending: dict[int, tuple[str, str]] = {}
        self._challenge: digest.Challenge | None = None
        self._challenged = 0
        self._nonce_count = 0
        self._session = ""
        self._public = ""
        self._media: Media | None = None
        self.step = Step.OPTIONS
        self.rtp_channel = 0
        self.keepalive_s = MAX_KEEPALIVE_S

    @property
    def media(self) -> Media:
        """The track being played. Only once DESCRIBE was answered."""
        if self._media is None:
            raise RuntimeError("no track is known before DESCRIBE is answered")
        return self._media

    def begin(self) -> None:
        self._ask("OPTIONS", self._source.target)

    def keepalive(self) -> None:
        """To be sent every ``keepalive_s`` seconds while playing, or the camera ends the session."""
        method = "GET_PARAMETER" if "GET_PARAMETER" in self._public else "OPTIONS"
        self._ask(method, self.media.aggregate_path)

    def teardown(self) -> None:
        """A courtesy: cameras allow few viewers, and count those who left without a word."""
        if self._session:
            self._ask("TEARDOWN", self.media.aggregate_path)

    def take_outgoing(self) -> bytes:
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes, take: Callable[[bytes, int, int], int]) -> None:
        """Takes what arrived. Each interleaved packet in it is ``take``'s: the data, where the packet begins and ends.

        It says up to where it took, which may be farther: it may know the packets behind. Raises CameraError.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while at < end:
            if data[at] == DOLLAR:
                if end - at < FRAMING_BYTES:
                    break
                stop = at + FRAMING_BYTES + (data[at + 2] << 8 | data[at + 3])
                if stop > end:
                    break
                at = take(data, at, stop)
            elif data[at] in b"\r\n":
                at += 1
            else:
                stop = self._message(data, at)
                if stop == at:
                    break
                at = stop
        self._rest = data[at:]

    def _message(self, data: bytes, at: int) -> int:
        """Reads one answer or request at ``at``; gives where it ends, ``at`` itself if it is not all there yet."""
        if not 0x41 <= data[at] <= 0x5A:
            raise self._fault(CameraCorrupt, "what it sends is not RTSP: check the port")
        head_end = data.find(b"\r\n\r\n", at, at + MAX_HEADER_BYTES)
        if head_end < 0:
            if len(data) - at >= MAX_HEADER_BYTES:
                raise self._fault(CameraCorrupt, f"it sends more than {MAX_HEADER_BYTES} bytes of header")
            # A port that speaks another protocol says so in its first line and then waits.
            line_end = data.find(b"\n", at)
            if line_end >= 0:
                self._check_first_line(data[at:line_end].decode("latin-1").rstrip("\r"))
            return at
        lines = data[at:head_end].decode("utf-8", "replace").split("\r\n")
        self._check_first_line(lines[0])
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        length = headers.get("content-length", ["0"])[0]
        if not re.fullmatch(r"[0-9]{1,6}", length) or int(length) > MAX_SDP_BYTES:
            raise self._fault(CameraCorrupt, f"it announces a body that is no length up to {MAX_SDP_BYTES} bytes")
        stop = head_end + 4 + int(length)
        if stop > len(data):
            return at
        status = _STATUS.match(lines[0])
        if status:
            self._answered(_Answer(int(status[1]), headers, data[head_end + 4 : stop]))
        else:
            self._asked(lines[0], headers)
        return stop

    def _check_first_line(self, line: str) -> None:
        if not _STATUS.match(line) and not _REQUEST.match(line):
            raise self._fault(CameraCorrupt, "what it sends is not RTSP: check the port")

    def _asked(self, first_line: str, headers: dict[str, list[str]]) -> None:
        """The server asks something of us (RFC 2326 allows OPTIONS, ANNOUNCE, REDIRECT)."""
        if first_line.startswith("REDIRECT "):
            raise self._fault(CameraRedirected, "it sends us to another address, which is never followed")
        cseq = headers.get("cseq", [""])[0]
        if re.fullmatch(r"[0-9]{1,10}", cseq):
            self._outgoing += f"RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n".encode()

    def _answered(self, answer: _Answer) -> None:
        cseq = answer.header("cseq")
        key = int(cseq) if re.fullmatch(r"[0-9]{1,10}", cseq) else self._cseq
        asked = self._pending.pop(key, None)
        if asked is None or answer.status < 200:
            return
        method, path = asked
        if answer.status == 401:
            self._sign_in(answer, method, path)
            return
        self._challenged = 0
        if 300 <= answer.status < 400:
            raise self._fault(CameraRedirected, "it sends us to another address: register that one, if it is right")
        if self.step is Step.PLAYING:
            if answer.status == 454:
                raise self._fault(CameraStalled, "it ended the session")
            return  # cameras that know no keepalive answer with an error and play on
        if method != "OPTIONS":
            self._check_status(answer.status)
        if method == self.step.value:
            self._advance(answer, path)

    def _check_status(self, status: int) -> None:
        if status == 403:
            raise self._fault(CameraUnauthorised, "this user may not see the stream (403): allow it in the camera")
        if status in (404, 451, 454):
            raise self._fault(CameraNotFound, f"it has no stream of that path ({status}): check path and channel")
        if status == 461:
            raise self._fault(CameraNoVideo, "it gives no video over TCP (461): allow RTP over TCP or use a gateway")
        if status == 453 or status >= 500:
            raise self._fault(CameraRefused, f"it answers {status}: it may have too many viewers, or need a restart")
        if status >= 300:
            raise self._fault(CameraCorrupt, f"it answers {status} to {self.step.value}: check the path")

    def _advance(self, answer: _Answer, path: str) -> None:
        if self.step is Step.OPTIONS:
            self._public = answer.header("public").upper()
            self.step = Step.DESCRIBE
            self._ask("DESCRIBE", self._source.target)
        elif self.step is Step.DESCRIBE:
            self._media = self._described(answer, path)
            self.step = Step.SETUP
            self._ask("SETUP", self._media.path)
        elif self.step is Step.SETUP:
            self._set_up(answer)
            self.step = Step.PLAY
            self._ask("PLAY", self.media.aggregate_path)
        elif self.step is Step.PLAY:
            self.step = Step.PLAYING

    def _described(self, answer: _Answer, path: str) -> Media:
        base = answer.header("content-base") or answer.header("content-location")
        try:
            return parse_sdp(answer.body, resolve(path, base) if "://" in base else path)
        except CameraError as error:
            raise self._fault(type(error), str(error)) from None

    def _set_up(self, answer: _Answer) -> None:
        transport = answer.header("transport")
        channels = re.search(r"interleaved=([0-9]{1,3})", transport)
        if (transport and "TCP" not in transport.upper()) or (channels and int(channels[1]) > 254):
            raise self._fault(CameraNoVideo, "it gives no video over TCP: allow RTP over TCP or use a gateway")
        self.rtp_channel = int(channels[1]) if channels else 0
        session, _, rest = answer.header("session").partition(";")
        if not re.fullmatch(r"[!-~]{1,256}", session.strip()):
            raise self._fault(CameraCorrupt, "it gives no session: restart the camera")
        self._session = session.strip()
        timeout = re.search(r"timeout\s*=\s*([0-9]{1,6})", rest)
        timeout_s = int(timeout[1]) if timeout else DEFAULT_SESSION_TIMEOUT_S
        self.keepalive_s = min(max(timeout_s / 2, 0.5), MAX_KEEPALIVE_S)

    def _sign_in(self, answer: _Answer, method: str, path: str) -> None:
        """Once per challenge, and once more only for a nonce that grew old: accounts lock after a few failures."""
        if self._source.credentials is None:
            raise self._fault(CameraUnauthorised, "it asks for a user name and password: register it with them")
        challenge = digest.strongest(answer.headers.get("www-authenticate", []))
        if challenge is None:
            raise self._fault(
                CameraUnauthorised, "it asks for a sign-in other than Basic or Digest: change its setting"
            )
        if self._challenged >= 2 or (self._challenged and not challenge.stale):
            raise self._fault(CameraUnauthorised, "it refuses the user name and password: check them in the camera")
        self._challenged += 1
        self._challenge, self._nonce_count = challenge, 0
        self._ask(method, path)

    def _ask(self, method: str, path: str) -> None:
        url = self._url(path)
        self._cseq += 1
        if len(self._pending) >= 8:  # a camera that never answers keepalives
            self._pending.clear()
        self._pending[self._cseq] = (method, path)
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", "User-Agent: Wangge"]
        if self._challenge and self._source.credentials:
            self._nonce_count += 1
            who, cnonce = self._source.credentials, secrets.token_hex(8)
            value = digest.answer(self._challenge, who, method, url, cnonce, self._nonce_count)
            lines.append(f"Authorization: {value}")
        if self._session:
            lines.append(f"Session: {self._session}")
        if method == "DESCRIBE":
            lines.append("Accept: application/sdp")
        elif method == "SETUP":
            lines.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        elif method == "PLAY":
            lines.append("Range: npt=0.000-")
        self._outgoing += ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _url(self, path: str) -> str:
        """An address on the host that was dialled, whatever the camera's answers say."""
        shown = self._source.shown
        return shown.removesuffix(self._source.target) + path

    def _fault(self, kind: type[CameraError], what: str) -> CameraError:
        return kind(f"{self._source.shown}: {what}")
