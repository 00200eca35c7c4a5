import time

import pytest

from ingest import digest
from models.camera import Credentials
from models.errors import CameraUrlInvalid

MUFASA = Credentials("Mufasa", "Circle of Life")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "right"),
    [
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("sha-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_section_3_9_1(algorithm: str, right: str) -> None:
    challenge = digest.Challenge(algorithm, "http-auth@example.org", NONCE, qop_auth=True)
    assert digest.response(challenge, MUFASA, "GET", "/dir/index.html", CNONCE, "00000001") == right


def test_the_example_of_rfc_2069_without_qop() -> None:
    challenge = digest.Challenge("md5", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    who = Credentials("Mufasa", "CircleOfLife")
    # The erratum of RFC 2069 gives this value for its example.
    assert digest.response(challenge, who, "GET", "/dir/index.html", "", "") == "1949323746fe6a43ef61f9606e7febea"


def test_the_strongest_offer_is_taken_whatever_the_order_and_lines() -> None:
    basic, md5 = 'Basic realm="x"', 'Digest realm="a, b", nonce="n", stale=TRUE'
    sha = 'Digest algorithm=SHA-256, realm="x", nonce="m", qop="auth,auth-int", opaque="o"'
    assert digest.strongest([basic, sha, md5]) == digest.Challenge("sha-256", "x", "m", True, "o")
    assert digest.strongest([f"{basic}, {md5}"]) == digest.Challenge("md5", "a, b", "n", stale=True)
    assert digest.strongest([basic]) == digest.Challenge("", "x")


@pytest.mark.parametrize(
    "offered", [[], ["Negotiate"], ["Digest algorithm=MD5-sess, nonce=x"], ['Digest qop="auth-int"']]
)
def test_what_we_cannot_answer_is_no_offer(offered: list[str]) -> None:
    assert digest.strongest(offered) is None


@pytest.mark.parametrize(
    "challenge",
    [digest.Challenge(""), digest.Challenge("md5", 'a "b" \\', "n"), digest.Challenge("sha-256", "r", "n", True)],
)
def test_a_server_accepts_the_right_answer_and_no_other(challenge: digest.Challenge) -> None:
    who = Credentials('us"er', "pä:ss")
    header = digest.answer(challenge, who, "DESCRIBE", "rtsp://h/x", "c", 1)
    assert digest.accepts(challenge, who, "DESCRIBE", header)
    assert not digest.accepts(challenge, Credentials('us"er', "other"), "DESCRIBE", header)
    assert not digest.accepts(challenge, who, "DESCRIBE", "")


def test_a_line_break_in_a_password_never_reaches_the_wire() -> None:
    for who in (Credentials("a\r\nX: y", "b"), Credentials("a", "b\n")):
        with pytest.raises(CameraUrlInvalid) as error:
            digest.answer(digest.Challenge("md5"), who, "OPTIONS", "rtsp://h/", "c", 1)
        assert "X: y" not in str(error.value)


def test_a_challenge_made_to_cost_time_costs_none() -> None:
    """64 KiB of letters held up all cameras of a process for minutes: each letter was tried as a name's beginning."""
    began_s = time.process_time()
    assert digest.strongest(["Digest " + "a" * 64_000] * 8) is not None
    assert time.process_time() - began_s < 0.5
