"""Web push: a message to a browser that subscribed, by its maker's push service, which cannot read it.

RFC 8030 (the request), RFC 8291 with RFC 8188 (aes128gcm: encrypted for that one subscription), RFC 8292 (VAPID: signed
by this installation). In mainland China browsers reach no push service: there it is no channel.
"""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alerts.channel_kinds import Message
from alerts.egress import Egress, http_target
from alerts.vault import Vault
from models.errors import EgressRefused, InvalidInput
from models.settings import Settings
from models.text import checked_text

PUSH_SERVICES = (
    "https://fcm.googleapis.com",
    "https://push.services.mozilla.com",
    "https://push.apple.com",
    "https://notify.windows.com",
)
"""Those of the browsers, each with the hosts below it. People subscribe by themselves: an address of their own choice
would let anyone who signs in have this server call it."""

LIVES_S = 3600
"""How long a push service keeps what it cannot deliver: as long as a notification is worth telling."""
_TOKEN_S = 12 * 3600
_RECORD_BYTES = 4096
_AUTH_BYTES, _POINT_BYTES, _SALT_BYTES = 16, 65, 16
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (FIPS 186-4, D.1.2.3)."""


@dataclass(frozen=True)
class WebPush:
    """This installation towards push services. ``contact`` is a mailto: or https: address at which they may complain;
    its key pair follows from the vault's key, so that a backup that restores the one restores the other."""

    vault: Vault
    contact: str
    clock: Callable[[], float]
    services: tuple[str, ...] = PUSH_SERVICES

    def public_key(self) -> str:
        """What a browser subscribes with (``applicationServerKey``). Raises Misconfigured."""
        return _text_of(_point(self._key().public_key()))

    def channel(self, config: Mapping[str, Any]) -> "PushChannel":
        """Of a subscription's ``endpoint``, ``p256dh`` and ``auth``. Raises InvalidInput, EgressRefused."""
        endpoint = checked_text(config.get("endpoint"), "the subscription's endpoint", 2000)
        http_target(endpoint)
        parts = urlsplit(endpoint)
        if not any(_is_of(parts.scheme, parts.hostname or "", service) for service in self.services):
            raise EgressRefused("the subscription is of no push service that is known")
        point = _bytes_of(config, "p256dh", _POINT_BYTES)
        try:
            PublicKey.from_encoded_point(SECP256R1(), point)
        except ValueError:
            raise InvalidInput("the subscription's p256dh is no point of the curve") from None
        return PushChannel(endpoint, point, _bytes_of(config, "auth", _AUTH_BYTES), self)

    def authorization(self, endpoint: str) -> str:
        """The header that says who sends it. Raises Misconfigured."""
        parts, key = urlsplit(endpoint), self._key()
        expires_s = int(self.clock()) + _TOKEN_S
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": expires_s, "sub": self.contact}
        head = {"typ": "JWT", "alg": "ES256"}
        signed = ".".join(_text_of(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        r, s = decode_dss_signature(key.sign(signed.encode(), ECDSA(SHA256())))
        token = f"{signed}.{_text_of(r.to_bytes(32) + s.to_bytes(32))}"
        return f"vapid t={token}, k={_text_of(_point(key.public_key()))}"

    def _key(self) -> EllipticCurvePrivateKey:
        # 48 bytes: what is left over of so many is as good as even (FIPS 186-5, A.2.1).
        drawn = int.from_bytes(self.vault.derived("web push", 48))
        return derive_private_key(drawn % (_ORDER - 1) + 1, SECP256R1())


def web_push(settings: Settings, vault: Vault) -> WebPush | None:
    """As this installation is set up; None where it names no contact."""
    return WebPush(vault, settings.push_contact, time.time) if settings.push_contact else None


@dataclass(frozen=True)
class PushChannel:
    """A browser's subscription. ``endpoint`` is a secret: whoever knows it may bother the browser."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)
    sender: WebPush = field(repr=False)

    @property
    def shown(self) -> str:
        return f"{urlsplit(self.endpoint).hostname}/…"

    def send(self, egress: Egress, message: Message) -> None:
        """Raises EgressRefused, EgressFailed; EgressGone where the browser is subscribed no more."""
        plain = json.dumps({"id": message.id, "title": message.title, "text": message.text}, ensure_ascii=False)
        headers = {
            "Authorization": self.sender.authorization(self.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(LIVES_S),
            "Urgency": "high",
            "Topic": message.id,  # one that is sent twice replaces itself
        }
        egress.send("POST", self.endpoint, headers, encrypted(plain.encode(), self.p256dh, self.auth))


def encrypted(
    plain: bytes,
    p256dh: bytes,
    auth: bytes,
    once: EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """One record for that subscription (RFC 8291, 3.4). ``once`` and ``salt`` are drawn anew but for a test."""
    once = once or generate_private_key(SECP256R1())
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    sender = _point(once.public_key())
    shared = once.exchange(ECDH(), PublicKey.from_encoded_point(SECP256R1(), p256dh))
    secret = _hkdf(auth, shared, b"WebPush: info\0" + p256dh + sender, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    head = salt + _RECORD_BYTES.to_bytes(4) + bytes([len(sender)]) + sender
    return head + AESGCM(key).encrypt(nonce, plain + b"\x02", None)


def _hkdf(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)


def _point(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _is_of(scheme: str, host: str, service: str) -> bool:
    its_scheme, _, its_host = service.partition("://")
    return scheme == its_scheme and (host == its_host or host.endswith("." + its_host))


def _text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes_of(config: Mapping[str, Any], name: str, size: int) -> bytes:
    text = config.get(name)
    try:
        if not isinstance(text, str) or len(text) > 200 or not text.isascii():
            raise binascii.Error
        data = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except binascii.Error:
        data = b""
    if len(data) != size:
        raise InvalidInput(f"the subscription's {name} is {size} bytes in base64url")
    return data
