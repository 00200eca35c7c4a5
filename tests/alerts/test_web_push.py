"""Web push: encrypted as RFC 8291 shows it, signed as RFC 8292 asks, to push services that are known and no others."""

import json
from pathlib import Path
from typing import Any

import pytest
from browsers import Browser, coded, decoded
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from receivers import receiver

from alerts.channel_kinds import Message
from alerts.egress import Egress
from alerts.vault import Vault
from alerts.web_push import WebPush, encrypted
from models.camera import AllowedNetworks
from models.errors import EgressGone, EgressRefused, InvalidInput

NOW = 1_800_000_000.0
MOZILLA = Browser("https://updates.push.services.mozilla.com/wpush/v2/token").subscription


@pytest.fixture
def push(tmp_path: Path) -> WebPush:
    return WebPush(Vault(tmp_path / "secret.key"), "mailto:desk@example.com", lambda: NOW)


def test_it_encrypts_as_the_example_of_rfc_8291() -> None:
    """Appendix A."""
    sender = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        ec.derive_private_key(sender, ec.SECP256R1()),
        decoded("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert coded(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_a_push_service_can_tell_who_sends(push: WebPush) -> None:
    words = push.authorization("https://fcm.googleapis.com/fcm/send/abc").removeprefix("vapid ").split(", ")
    token, key = (word.partition("=")[2] for word in words)
    assert key == push.public_key()
    head, claims, signed = token.split(".")
    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
    told = {"aud": "https://fcm.googleapis.com", "exp": NOW + 43_200, "sub": "mailto:desk@example.com"}
    assert json.loads(decoded(claims)) == told
    raw = decoded(signed)
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(key))
    public.verify(signature, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))


def test_the_key_lives_as_long_as_the_vaults(push: WebPush, tmp_path: Path) -> None:
    again = WebPush(Vault(tmp_path / "secret.key"), "mailto:else@example.com", lambda: NOW)
    other = WebPush(Vault(tmp_path / "other.key"), "mailto:desk@example.com", lambda: NOW)
    assert push.public_key() == again.public_key() != other.public_key()
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "http://fcm.googleapis.com/x"},
        {"endpoint": "https://127.0.0.1/x"},
        {"endpoint": "https://fcm.googleapis.com.evil.example/x"},
        {"endpoint": "https://evilpush.apple.com/x"},
        {"endpoint": "https://me@fcm.googleapis.com/x"},
        {"endpoint": "https://fcm.googleapis.com@169.254.169.254/x"},
        {"endpoint": "https://[::1/x"},
        {"endpoint": "https://fcm.googleapis.com/" + "x" * 2000},
        {"endpoint": 7},
        {"endpoint": ""},
        {"p256dh": ""},
        {"p256dh": None},
        {"p256dh": coded(b"\x04" + b"\x01" * 64)},
        {"p256dh": coded(b"\x02" + b"\x01" * 64)},
        {"p256dh": "é" * 87},
        {"auth": coded(b"x" * 15)},
        {"auth": "~" * 22},
        {"auth": "A" * 10_000},
    ],
)
def test_what_is_no_subscription_is_refused(push: WebPush, change: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, EgressRefused)) as refused:
        push.channel(MOZILLA | change)
    assert str(change.get("endpoint") or "~~") not in str(refused.value)


def test_only_that_browser_reads_it_and_nothing_of_it_shows(tmp_path: Path) -> None:
    message = Message("d" * 32, "【网格】待接单", "人群聚集，网格 g1")
    egress = Egress(AllowedNetworks.parse("127.0.0.0/8"))
    with receiver() as far:
        push = WebPush(Vault(tmp_path / "secret.key"), "mailto:a@b", lambda: NOW, ("http://127.0.0.1",))
        mine, other = Browser(far.url("/secret-token")), Browser(far.url())
        channel = push.channel(mine.subscription)
        channel.send(egress, message)
        (got,) = far.got
        assert mine.opened(got.body) == {"id": message.id, "title": message.title, "text": message.text}
        with pytest.raises(InvalidTag):
            other.opened(got.body)
        assert (got.path, got.headers["content-encoding"], got.headers["ttl"]) == ("/secret-token", "aes128gcm", "3600")
        assert (got.headers["topic"], got.headers["urgency"]) == (message.id, "high")
        far.answers = [410]
        with pytest.raises(EgressGone):
            channel.send(egress, message)
    assert "secret-token" not in repr(channel) + channel.shown
