import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rtsp import Dialogue, Step
from models.camera import Credentials, SourceUrl
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

SDP = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
SOURCE = SourceUrl.parse("rtsp://admin:s3cret-pw@192.0.2.1:8554/live?channel=1")
DIGEST = 'WWW-Authenticate: Digest realm="r", nonce="{}"'


class Server:
    """Answers a dialogue's requests one at a time; keeps them."""

    def __init__(self, source: SourceUrl = SOURCE) -> None:
        self.dialogue = Dialogue(source)
        self.requests: list[str] = []
        self.dialogue.begin()

    def next_request(self) -> str:
        self.requests.append(self.dialogue.take_outgoing().decode())
        return self.requests[-1]

    def hear(self, data: bytes) -> list[tuple[int, bytes]]:
        """What is said to the dialogue; the packets that it finds in it, with their channels."""
        packets: list[tuple[int, bytes]] = []

        def take(data: bytes, at: int, stop: int) -> int:
            packets.append((data[at + 1], data[at + 4 : stop]))
            return stop

        self.dialogue.receive(data, take)
        return packets

    def answer(self, status: int = 200, *headers: str, body: str = "") -> list[tuple[int, bytes]]:
        """Answers the newest request."""
        cseq = re.search(r"CSeq: (\d+)", self.next_request())
        lines = [f"RTSP/1.0 {status} Whatever", f"CSeq: {cseq[1] if cseq else ''}", *headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return self.hear(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def play(self, session: str = "Session: abc;timeout=10", transport: str = "interleaved=2-3") -> None:
        self.answer(200, "Public: OPTIONS, GET_PARAMETER")
        self.answer(200, "Content-Base: rtsp://10.0.0.9:1/live?channel=1/", body=SDP)
        self.answer(200, session, f"Transport: RTP/AVP/TCP;{transport}")
        self.answer(200)


def test_plays_and_names_only_the_host_that_was_dialled() -> None:
    server = Server()
    server.play()
    assert server.dialogue.step is Step.PLAYING
    assert server.dialogue.rtp_channel == 2
    assert server.dialogue.keepalive_s == 5
    assert [request.split(" RTSP/1.0")[0] for request in server.requests] == [
        "OPTIONS rtsp://192.0.2.1:8554/live?channel=1",
        "DESCRIBE rtsp://192.0.2.1:8554/live?channel=1",
        "SETUP rtsp://192.0.2.1:8554/live?channel=1/trackID=1",
        "PLAY rtsp://192.0.2.1:8554/live?channel=1/",
    ]
    assert "Session: abc\r\n" in server.requests[-1]
    assert not any("s3cret-pw" in request or "admin" in request for request in server.requests)


def test_keepalive_uses_what_the_camera_offers() -> None:
    server = Server()
    server.play()
    server.dialogue.keepalive()
    assert server.next_request().startswith("GET_PARAMETER ")
    plain = Server()
    plain.answer(501)
    plain.answer(200, body=SDP)
    plain.answer(200, "Session: abc")
    plain.answer(200)
    assert plain.dialogue.keepalive_s == 30
    plain.dialogue.keepalive()
    assert plain.next_request().startswith("OPTIONS ")


def test_an_unknown_keepalive_does_not_end_the_stream_but_a_lost_session_does() -> None:
    server = Server()
    server.play()
    server.dialogue.keepalive()
    server.answer(405)
    server.dialogue.keepalive()
    with pytest.raises(CameraStalled, match="session"):
        server.answer(454)


def test_packets_come_out_between_answers_however_the_bytes_are_cut() -> None:
    server = Server()
    server.play()
    server.dialogue.keepalive()
    server.next_request()
    data = (
        b"$\x02\x00\x05hello" + b"RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n" + b"\r\n" + b"$\x03\x00\x00" + b"$\x02\x00\x02RT"
    )
    got = [packet for i in range(len(data)) for packet in server.hear(data[i : i + 1])]
    assert got == [(2, b"hello"), (3, b""), (2, b"RT")]


def test_digest_is_answered_once_and_a_second_refusal_is_final() -> None:
    server = Server()
    server.answer(200)
    server.answer(401, DIGEST.format("one"))
    assert 'nonce="one"' in server.next_request()
    server.dialogue.begin()
    with pytest.raises(CameraUnauthorised, match="refuses the user name"):
        server.hear(b"RTSP/1.0 401 No\r\nCSeq: 3\r\n" + DIGEST.format("two").encode() + b"\r\n\r\n")


def test_an_old_nonce_is_replaced() -> None:
    server = Server()
    server.answer(200)
    server.answer(401, DIGEST.format("one"))
    server.answer(401, DIGEST.format("two") + ", stale=true")
    assert 'nonce="two"' in server.dialogue.take_outgoing().decode()


def test_a_nonce_for_each_request_is_answered() -> None:
    server = Server()
    server.answer(200)
    server.answer(401, DIGEST.format("one"))
    server.answer(200, body=SDP)
    server.answer(401, DIGEST.format("two"))
    assert server.next_request().startswith("SETUP")
    assert 'nonce="two"' in server.requests[-1]


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, (), CameraUnauthorised),
        (401, ("WWW-Authenticate: Negotiate",), CameraUnauthorised),
        (403, (), CameraUnauthorised),
        (404, (), CameraNotFound),
        (301, ("Location: rtsp://elsewhere/",), CameraRedirected),
        (302, (), CameraRedirected),
        (400, (), CameraCorrupt),
        (453, (), CameraRefused),
        (503, (), CameraRefused),
        (461, (), CameraNoVideo),
    ],
)
def test_each_refusal_is_an_error_of_its_own_without_secrets(
    status: int, headers: tuple[str, ...], kind: type[CameraError]
) -> None:
    server = Server()
    server.answer(200)
    with pytest.raises(kind) as error:
        server.answer(status, *headers)
    text = str(error.value) + repr(error.value)
    assert SOURCE.shown in text
    assert "s3cret-pw" not in text
    assert "admin" not in text
    assert "elsewhere" not in text


def test_a_camera_that_wants_a_password_and_got_none_says_so() -> None:
    server = Server(SourceUrl.parse("rtsp://192.0.2.1/live"))
    with pytest.raises(CameraUnauthorised, match="register it with them"):
        server.answer(401, DIGEST.format("n"))


def test_udp_only_is_no_video() -> None:
    server = Server()
    server.answer(200)
    server.answer(200, body=SDP)
    with pytest.raises(CameraNoVideo, match="TCP"):
        server.answer(200, "Session: x", "Transport: RTP/AVP;unicast;client_port=1-2")


def test_the_servers_own_requests_are_declined_and_its_redirect_is_an_error() -> None:
    server = Server()
    server.play()
    server.hear(b"SET_PARAMETER rtsp://x RTSP/1.0\r\nCSeq: 77\r\n\r\n")
    assert server.dialogue.take_outgoing() == b"RTSP/1.0 501 Not Implemented\r\nCSeq: 77\r\n\r\n"
    with pytest.raises(CameraRedirected):
        server.hear(b"REDIRECT rtsp://x RTSP/1.0\r\nCSeq: 78\r\nLocation: rtsp://y/\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01",
        b"hello",
        b"R" * 70_000,
        b"RTSP/1.0 200 OK\r\nX: " + b"y" * 70_000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"RTSP/1.0 xyz\r\n\r\n",
    ],
)
def test_what_is_no_rtsp_is_corrupt_at_once(data: bytes) -> None:
    server = Server()
    with pytest.raises(CameraCorrupt):
        server.hear(data)


@pytest.mark.parametrize("session", ["X: y", "Session:", "Session: a\x01b", "Session: " + "a" * 300])
def test_a_session_that_cannot_be_sent_back_is_corrupt(session: str) -> None:
    with pytest.raises(CameraCorrupt, match="session"):
        Server().play(session=session)


def test_the_goodbye_names_the_session() -> None:
    server = Server()
    server.dialogue.take_outgoing()
    server.dialogue.teardown()
    assert server.dialogue.take_outgoing() == b""
    playing = Server()
    playing.play()
    playing.dialogue.teardown()
    assert "Session: abc" in playing.next_request()


PIECES = [b"RTSP/1.0 200 OK\r\n", b"RTSP/1.0 401 No\r\n", b"CSeq: 1\r\n", b"CSeq: 2\r\n", b"\r\n", b"Session: a\r\n"]
PIECES += [b"Content-Length: 3\r\n", b"$\x00\x00\x02ab", b"WWW-Authenticate: Digest nonce=\r\n", SDP.encode()]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=20))
def test_only_camera_errors_escape_from_hostile_answers(pieces: list[bytes]) -> None:
    server = Server()
    with contextlib.suppress(CameraError):
        for piece in pieces:
            server.hear(piece)


def test_credentials_are_in_no_repr() -> None:
    assert "s3cret" not in repr(SOURCE) + repr(vars(Dialogue(SOURCE))) + repr(Credentials("admin", "s3cret"))
