"""HTTP authentication as RTSP uses it: Basic (RFC 7617) and Digest (RFC 7616: MD5, SHA-256; qop auth or none).

Shared by the client, which answers challenges, and the simulator, which checks answers.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.camera import Credentials
from models.errors import CameraUrlInvalid

LONGEST_CHALLENGE = 4096
"""Characters of a WWW-Authenticate line that are read: a challenge has a few hundred."""

_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'(?<![A-Za-z])([A-Za-z]++)\s*+=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_HASHES = {"md5": hashlib.md5, "sha-256": hashlib.sha256}


@dataclass(frozen=True)
class Challenge:
    """One way to sign in that a server offers. ``algorithm`` is "md5", "sha-256" or "" for Basic."""

    algorithm: str
    realm: str = ""
    nonce: str = ""
    qop_auth: bool = False
    opaque: str | None = None
    stale: bool = False


def parameters(text: str) -> dict[str, str]:
    """The name=value pairs of an authentication header, names in lower case, quotes removed."""
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(text)
    }


def strongest(headers: Sequence[str]) -> Challenge | None:
    """The best challenge of all WWW-Authenticate lines (SHA-256, then MD5, then Basic); None if none is understood."""
    offers: list[Challenge] = []
    for header in headers:
        parts = _SCHEME.split(header[:LONGEST_CHALLENGE])
        for scheme, rest in zip(parts[1::2], parts[2::2], strict=True):
            given = parameters(rest)
            algorithm = given.get("algorithm", "md5").lower() if scheme.lower() == "digest" else ""
            qops = [item.strip().lower() for item in given.get("qop", "").split(",") if item.strip()]
            if algorithm in ("", *_HASHES) and (not qops or "auth" in qops):
                offers.append(
                    Challenge(
                        algorithm,
                        given.get("realm", ""),
                        given.get("nonce", ""),
                        "auth" in qops,
                        given.get("opaque"),
                        given.get("stale", "").lower() == "true",
                    )
                )
    return max(offers, key=lambda offer: ("", "md5", "sha-256").index(offer.algorithm), default=None)


def offer(challenge: Challenge) -> str:
    """The WWW-Authenticate line that makes ``challenge``: the server's side."""
    if not challenge.algorithm:
        return f"WWW-Authenticate: Basic realm={_quote(challenge.realm)}"
    qop = ', qop="auth"' if challenge.qop_auth else ""
    algorithm = challenge.algorithm.upper()
    fields = f"realm={_quote(challenge.realm)}, nonce={_quote(challenge.nonce)}, algorithm={algorithm}{qop}"
    return f"WWW-Authenticate: Digest {fields}"


def answer(challenge: Challenge, who: Credentials, method: str, uri: str, cnonce: str, count: int) -> str:
    """The value of an Authorization header. ``count`` is the request's number under this nonce, from 1.

    Raises CameraUrlInvalid for a user name or password that no header can hold.
    """
    if any(ord(c) < 32 or ord(c) == 127 for c in who.username + who.password):
        raise CameraUrlInvalid("the camera's user name or password holds control characters: enter it again")
    if not challenge.algorithm:
        return "Basic " + base64.b64encode(f"{who.username}:{who.password}".encode()).decode()
    nc = f"{count:08x}"
    fields = {
        "username": who.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": response(challenge, who, method, uri, cnonce, nc),
    }
    if challenge.opaque is not None:
        fields["opaque"] = challenge.opaque
    text = ", ".join(f"{name}={_quote(value)}" for name, value in fields.items())
    if challenge.algorithm != "md5":
        text += f", algorithm={challenge.algorithm.upper()}"
    if challenge.qop_auth:
        text += f', qop=auth, nc={nc}, cnonce="{cnonce}"'
    return "Digest " + text


def response(challenge: Challenge, who: Credentials, method: str, uri: str, cnonce: str, nc: str) -> str:
    """The digest of RFC 7616, section 3.4.1."""

    def hashed(text: str) -> str:
        return _HASHES[challenge.algorithm](text.encode()).hexdigest()

    secret = hashed(f"{who.username}:{challenge.realm}:{who.password}")
    request = hashed(f"{method}:{uri}")
    if challenge.qop_auth:
        return hashed(f"{secret}:{challenge.nonce}:{nc}:{cnonce}:auth:{request}")
    return hashed(f"{secret}:{challenge.nonce}:{request}")


def accepts(challenge: Challenge, who: Credentials, method: str, header: str) -> bool:
    """Whether an Authorization header answers ``challenge`` for ``who``: the server's side."""
    if not challenge.algorithm:
        return hmac.compare_digest(header.encode(), answer(challenge, who, method, "", "", 1).encode())
    given = parameters(header.partition(" ")[2])
    if given.get("nonce") != challenge.nonce or given.get("username") != who.username:
        return False
    right = response(challenge, who, method, given.get("uri", ""), given.get("cnonce", ""), given.get("nc", ""))
    return hmac.compare_digest(right.encode(), given.get("response", "").encode())


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
