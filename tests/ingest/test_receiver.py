import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingest.connection import Connected
from ingest.decode import pictures
from ingest.footage import Footage
from ingest.receiver import Event, Failed, Receiver
from ingest.simulator import Fault, Served
from ingest.stream import Keyframe, Limits
from models.camera import AllowedNetworks, Credentials, SourceUrl
from models.errors import (
    CameraAddressNotAllowed,
    CameraCorrupt,
    CameraError,
    CameraNotFound,
    CameraNoVideo,
    CameraRedirected,
    CameraRefused,
    CameraStalled,
    CameraUnauthorised,
    CameraUnreachable,
    CameraUntrusted,
    Conflict,
)
from tests.servers import LOOPBACK, RunningSimulator, run_simulator

QUICK = Limits(answer_s=0.8, stall_s=1.2, ring_s=2.0)
ACCOUNT = Credentials("admin", "s3cret-pw")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(LOOPBACK, QUICK) as one:
        yield one


@pytest.fixture(scope="module")
def cameras(footage: dict[str, Footage]) -> Iterator[RunningSimulator]:
    h264 = footage["h264"]
    streams = {fault.value: Served(h264, fault=fault, fault_after_s=0.3) for fault in Fault}
    streams |= {codec: Served(footage[codec]) for codec in footage}
    streams |= {scheme: Served(h264, ACCOUNT, scheme) for scheme in ("basic", "digest", "digest-sha256")}
    streams["short"] = Served(h264, session_timeout_s=1.0)
    with run_simulator(streams) as running:
        yield running


def watch(receiver: Receiver, seconds: float, until: type | None = None, count: int = 1) -> list[Event]:
    """Events of the next seconds, fewer if ``count`` of the kind ``until`` came."""
    events: list[Event] = []
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        events += receiver.poll(left_s)
        if until and sum(isinstance(event, until) for event in events) >= count:
            break
    return events


def failure(receiver: Receiver, source: SourceUrl, seconds: float = 5.0) -> CameraError:
    receiver.add("one", source)
    failed = [event for event in watch(receiver, seconds, Failed) if isinstance(event, Failed)]
    assert failed, "the camera did not fail"
    assert failed[0].camera_id == "one"
    assert "one" not in receiver.camera_ids
    error = failed[0].error
    assert source.shown in str(error)
    assert "s3cret" not in str(error) + repr(error) + repr(failed[0])
    return error


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_keyframes_come_with_their_time(receiver: Receiver, cameras: RunningSimulator, codec: str) -> None:
    receiver.add("one", cameras.url(codec))
    events = watch(receiver, 5, Keyframe, count=2)
    assert isinstance(events[0], Connected)
    assert events[0].media.codec == codec
    keyframes = [event for event in events if isinstance(event, Keyframe)]
    assert keyframes[1].at_s - keyframes[0].at_s == pytest.approx(1.0, abs=0.05)
    assert keyframes[-1].at_s == pytest.approx(time.time(), abs=1.0)
    assert abs(keyframes[-1].arrival_s - keyframes[-1].at_s) < 0.6
    ring = receiver.ring("one")
    assert ring is not None
    assert [kept.at_s for kept in ring.since(0) if kept.unit.key] == [keyframe.at_s for keyframe in keyframes]
    recent = receiver.recent("one", keyframes[0].at_s, keyframes[1].at_s)
    assert recent is not None
    times_s = [at_s for at_s, _ in pictures(recent, keyframes[0].at_s, 0.2)]
    assert (times_s[0], len(times_s)) == (keyframes[0].at_s, 5)  # 5 pictures a second, all of them decoded
    receiver.remove("one")
    assert receiver.ring("one") is None
    assert receiver.recent("one", 0.0, time.time()) is None


@pytest.mark.parametrize("scheme", ["basic", "digest", "digest-sha256"])
def test_signs_in(receiver: Receiver, cameras: RunningSimulator, scheme: str) -> None:
    receiver.add("one", cameras.url(scheme, ACCOUNT))
    assert any(isinstance(event, Keyframe) for event in watch(receiver, 3, Keyframe))


@pytest.mark.parametrize("scheme", ["basic", "digest", "digest-sha256"])
@pytest.mark.parametrize("account", [None, Credentials("admin", "s3cret-wrong")])
def test_a_wrong_or_missing_password_is_unauthorised(
    receiver: Receiver, cameras: RunningSimulator, scheme: str, account: Credentials | None
) -> None:
    assert isinstance(failure(receiver, cameras.url(scheme, account)), CameraUnauthorised)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("absent", CameraNotFound),
        (Fault.UNAUTHORISED, CameraUnauthorised),
        (Fault.REDIRECT, CameraRedirected),
        (Fault.NO_VIDEO, CameraNoVideo),
        (Fault.MUTE, CameraUnreachable),
        (Fault.STALL, CameraStalled),
        (Fault.DROP, CameraStalled),
        (Fault.DRIP, CameraStalled),
    ],
)
def test_each_fault_is_an_error_of_its_own(
    receiver: Receiver, cameras: RunningSimulator, name: str, kind: type[CameraError]
) -> None:
    assert type(failure(receiver, cameras.url(name, ACCOUNT), seconds=5)) is kind


def test_garbage_and_loss_are_survived_and_a_timestamp_jump_is_not_felt(
    receiver: Receiver, cameras: RunningSimulator
) -> None:
    names = [Fault.GARBAGE, Fault.LOSS, Fault.JUMP]
    for name in names:
        receiver.add(name, cameras.url(name))
    seen = dict.fromkeys(names, 0)
    end_s = time.monotonic() + 20
    while min(seen.values()) < 4 and time.monotonic() < end_s:
        for event in receiver.poll(end_s - time.monotonic()):
            assert not isinstance(event, Failed)
            if isinstance(event, Keyframe):
                seen[Fault(event.camera_id)] += 1
                assert event.at_s == pytest.approx(event.arrival_s, abs=1.5)
    assert min(seen.values()) >= 4, seen


def test_the_others_go_on_while_one_stalls(receiver: Receiver, cameras: RunningSimulator) -> None:
    receiver.add("bad", cameras.url(Fault.STALL))
    receiver.add("good", cameras.url("h264"))
    before = watch(receiver, 20, Failed)
    after = watch(receiver, 20, Keyframe, count=2)
    assert [event.camera_id for event in before + after if isinstance(event, Failed)] == ["bad"]
    for events, least in ((before, 1), (after, 2)):
        assert len([event for event in events if isinstance(event, Keyframe) and event.camera_id == "good"]) >= least
    assert receiver.camera_ids == {"good"}


def test_keepalives_hold_a_short_session(receiver: Receiver, cameras: RunningSimulator) -> None:
    receiver.add("one", cameras.url("short"))
    assert not [event for event in watch(receiver, 2.2) if isinstance(event, Failed)]


def test_video_without_a_readable_keyframe_is_corrupt(cameras: RunningSimulator) -> None:
    with Receiver(LOOPBACK, Limits(keyframe_s=0.5)) as receiver:
        assert isinstance(failure(receiver, cameras.url("h264")), CameraCorrupt)


def test_a_camera_is_watched_once_and_may_be_removed_at_any_time(receiver: Receiver, cameras: RunningSimulator) -> None:
    receiver.add("one", cameras.url("h264"))
    with pytest.raises(Conflict):
        receiver.add("one", cameras.url("hevc"))
    receiver.remove("one")
    receiver.remove("one")
    receiver.add("one", cameras.url("hevc"))
    assert watch(receiver, 3, Keyframe)


def test_a_closed_port_is_refused(receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it
        source = SourceUrl("rtsp", "127.0.0.1", taken.getsockname()[1], "/", ACCOUNT)
        assert isinstance(failure(receiver, source), CameraRefused)


def test_a_host_that_takes_no_connection_is_unreachable(receiver: Receiver) -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # with its queue full the kernel answers no further connection
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        source = SourceUrl("rtsp", "127.0.0.1", full.getsockname()[1], "/", ACCOUNT)
        error = failure(receiver, source)
    assert isinstance(error, CameraUnreachable)
    assert "no answer from the host" in str(error)


def test_a_name_that_does_not_resolve_is_unreachable(receiver: Receiver) -> None:
    assert isinstance(failure(receiver, SourceUrl.parse("rtsp://camera.invalid/live")), CameraUnreachable)
    assert isinstance(failure(receiver, SourceUrl("rtsp", "." * 80, 554, "/", None)), CameraUnreachable)


OUTSIDE = ["127.0.0.1", "localhost", "2130706433", "::1", "::ffff:127.0.0.1", "::", "224.0.0.1", "169.254.169.254"]


@pytest.mark.parametrize("host", OUTSIDE)
def test_an_address_outside_the_networks_is_never_dialled(host: str) -> None:
    with socket.socket() as listening, Receiver(AllowedNetworks.parse("0.0.0.0/0, ::/0"), QUICK) as receiver:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        source = SourceUrl("rtsp", host, listening.getsockname()[1], "/", ACCOUNT)
        assert isinstance(failure(receiver, source), CameraAddressNotAllowed)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_name_is_resolved_and_dialled_by_the_address_that_was_checked(
    receiver: Receiver, cameras: RunningSimulator
) -> None:
    receiver.add("one", SourceUrl("rtsp", "localhost", cameras.port, "/h264"))
    assert any(isinstance(event, Keyframe) for event in watch(receiver, 3, Keyframe))


@contextlib.contextmanager
def one_shot(answer: bytes) -> Iterator[int]:
    """A port that takes one connection, sends ``answer`` and closes."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", CameraCorrupt),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", CameraCorrupt),
        (bytes(range(256)) * 100, CameraCorrupt),
        (b"", CameraUnreachable),
    ],
)
def test_other_services_are_told_apart(receiver: Receiver, answer: bytes, kind: type[CameraError]) -> None:
    with one_shot(answer) as port:
        assert isinstance(failure(receiver, SourceUrl("rtsp", "127.0.0.1", port, "/", ACCOUNT)), kind)


def test_a_camera_that_asks_on_and_on_and_takes_no_answer_is_left() -> None:
    done = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            while not done.is_set():
                connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n" * 2000)

    patient = Limits(answer_s=20)  # the heap of answers is tested, not the clock: a slow machine piles it up later
    with Receiver(LOOPBACK, patient) as receiver, socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            source = SourceUrl("rtsp", "127.0.0.1", listening.getsockname()[1], "/", ACCOUNT)
            error = failure(receiver, source, patient.answer_s + 5)
        finally:
            done.set()
            thread.join(10)
    assert isinstance(error, CameraCorrupt)
    assert "takes no answer" in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "camera.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


@contextlib.contextmanager
def tls_front(certificate: Path, plain_port: int) -> Iterator[int]:
    """One TLS connection, passed on to a plain port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        connection, _ = listening.accept()
        with (
            connection,
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", plain_port)) as plain,
        ):
            back = threading.Thread(target=copy, args=(plain, secure))
            back.start()
            copy(secure, plain)
            back.join(5)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def test_rtsps_plays_with_a_trusted_certificate(certificate: Path, cameras: RunningSimulator) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with tls_front(certificate, cameras.port) as port, Receiver(LOOPBACK, QUICK, trusting) as receiver:
        receiver.add("one", SourceUrl("rtsps", "127.0.0.1", port, "/digest", ACCOUNT))
        keyframes = [event for event in watch(receiver, 4, Keyframe, 2) if isinstance(event, Keyframe)]
        assert len(keyframes) >= 2


def test_rtsps_verifies_unless_told_otherwise(receiver: Receiver, certificate: Path, cameras: RunningSimulator) -> None:
    with tls_front(certificate, cameras.port) as port:
        error = failure(receiver, SourceUrl("rtsps", "127.0.0.1", port, "/h264", ACCOUNT))
    assert isinstance(error, CameraUntrusted)


def test_rtsps_to_a_plain_port_says_so(receiver: Receiver) -> None:
    with one_shot(b"RTSP/1.0 400 Bad Request\r\n\r\n") as port:
        assert isinstance(failure(receiver, SourceUrl("rtsps", "127.0.0.1", port, "/", ACCOUNT)), CameraCorrupt)
