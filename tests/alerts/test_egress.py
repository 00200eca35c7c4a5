"""The one door out: where it leads, and what it never does."""

import socket
import threading
import time

import pytest
from receivers import receiver

from alerts.egress import Egress, allowed, http_target
from models.camera import AllowedNetworks
from models.errors import EgressFailed, EgressRefused

PUBLIC = AllowedNetworks.parse("0.0.0.0/0,::/0")
LOOPBACK = AllowedNetworks.parse("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "169.254.169.254", "10.1.2.3", "192.168.1.1", "100.100.100.200", "240.0.0.1", "224.0.0.1"),
        *("::1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::"),
    ],
)
def test_what_is_not_public_needs_a_name_of_its_own(address: str) -> None:
    assert not allowed(PUBLIC, address)


def test_what_is_named_is_allowed() -> None:
    assert allowed(PUBLIC, "8.8.8.8")
    assert allowed(PUBLIC, "2606:4700::1111")
    assert allowed(AllowedNetworks.parse("10.0.0.0/8"), "10.1.2.3")
    assert allowed(LOOPBACK, "::ffff:127.0.0.1")
    assert not allowed(AllowedNetworks(()), "8.8.8.8")
    assert not allowed(AllowedNetworks.parse("10.0.0.0/7"), "10.1.2.3")


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "file:///etc/passwd", "http://", "http://u:p@h/", "http://h:99999/", "http://[::1", "gopher://h", "h"],
)
def test_no_other_addresses(url: str) -> None:
    with pytest.raises(EgressRefused):
        http_target(url)


def test_the_metadata_service_is_refused_by_its_number_and_by_a_name() -> None:
    with pytest.raises(EgressRefused, match="WANGGE_EGRESS_NETWORKS"):
        Egress(PUBLIC).send("GET", "http://169.254.169.254/latest/meta-data/", {}, b"")
    rebound = Egress(PUBLIC, resolve=lambda _host, _port: ["8.8.8.8", "169.254.169.254"])
    with pytest.raises(EgressRefused):
        rebound.send("POST", "http://innocent.example/", {}, b"")


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with receiver() as far:
        assert (
            Egress(LOOPBACK, resolve).send("POST", f"http://name.example:{far.port}/a?b=1", {"X": "y"}, b"z") == b"ok"
        )
    assert asked == ["name.example"]
    assert (far.got[0].path, far.got[0].body, far.got[0].headers["x"]) == ("/a?b=1", b"z", "y")
    assert far.got[0].headers["host"] == f"name.example:{far.port}"


def test_a_redirect_is_a_failure_and_not_followed() -> None:
    with receiver() as far:
        far.answers = [302]
        with pytest.raises(EgressFailed, match="302, a redirect"):
            Egress(LOOPBACK).send("POST", far.url(), {}, b"")
    assert len(far.got) == 1


def test_a_receiver_that_drips_is_cut_off_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            link, _ = door.accept()
            with link:
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100:
                    try:
                        link.send(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.03)

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(EgressFailed, match="within"):
            Egress(LOOPBACK, longest_s=0.4).send("POST", f"http://127.0.0.1:{door.getsockname()[1]}/", {}, b"")
        assert time.monotonic() - begun < 1.5
        thread.join(5)


def test_nobody_there_is_said_without_the_address() -> None:
    with pytest.raises(EgressFailed) as caught:
        Egress(LOOPBACK, longest_s=1).send("POST", "http://127.0.0.1:1/token-in-path", {}, b"")
    assert "token" not in str(caught.value)
