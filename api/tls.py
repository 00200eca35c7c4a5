"""The certificate that the API serves with: one that is given, or one of this installation's own authority."""

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from models.errors import Misconfigured
from models.settings import Settings

WARN_S = 30 * 86_400.0


@dataclass(frozen=True)
class Pair:
    """Certificate chain and private key, as PEM files. ``ca``: the authority that people must trust, if it is ours."""

    cert: Path
    key: Path
    ca: Path | None = None

    @property
    def remedy(self) -> str:
        return "`wangge tls renew` makes another" if self.ca else "name another in WANGGE_TLS_CERT and WANGGE_TLS_KEY"


@dataclass(frozen=True)
class Facts:
    """What a certificate says. Times are Unix seconds; ``names`` are its DNS names and addresses."""

    names: tuple[str, ...]
    begins_s: float
    ends_s: float
    sha256: str


def pair_of(settings: Settings) -> Pair | None:
    """The pair to serve with; None: plain HTTP. One that is given comes before our own."""
    if settings.tls_cert and settings.tls_key:
        return Pair(settings.tls_cert, settings.tls_key)
    own = Pair(settings.tls / "server.crt", settings.tls / "server.key", settings.tls / "ca.crt")
    return own if own.cert.exists() or own.key.exists() else None


def read_certificate(path: Path) -> Facts:
    """The first certificate of a PEM file. Raises Misconfigured."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"the certificate {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise Misconfigured(f"{path} is no certificate in PEM (-----BEGIN CERTIFICATE-----)") from None
    try:
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*said.get_values_for_type(x509.DNSName), *map(str, said.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        names = []
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    sha256 = hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    return Facts(tuple(names), begins.timestamp(), ends.timestamp(), sha256)


def context_of(pair: Pair, now_s: float) -> ssl.SSLContext:
    """TLS 1.2 or newer with this pair. Raises Misconfigured, with the fix: expired, unreadable, or key of another."""
    facts = read_certificate(pair.cert)
    if not facts.begins_s <= now_s < facts.ends_s:
        word, at_s = ("expired on", facts.ends_s) if now_s >= facts.ends_s else ("is not valid before", facts.begins_s)
        raise Misconfigured(f"the certificate {pair.cert} {word} {day(at_s)}: {pair.remedy}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key under a passphrase would be asked for on a terminal that a service has not got.
        context.load_cert_chain(pair.cert, pair.key, password="")
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            raise Misconfigured(f"{pair.key} is not the key of {pair.cert}: {pair.remedy}") from None
        raise Misconfigured(f"{pair.key} is no private key in PEM without a passphrase: {pair.remedy}") from None
    except OSError as error:
        raise Misconfigured(f"the key {pair.key} cannot be read: {error.strerror}") from None
    return context


def covers(facts: Facts, host: str) -> bool:
    """Whether browsers accept the certificate under this address or name."""
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        return any(host == name or (name[:2] == "*." and host.partition(".")[2] == name[2:]) for name in facts.names)
    return host in facts.names


def day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def spelt(sha256: str) -> str:
    """A fingerprint as browsers and phones show it."""
    return ":".join(sha256[i : i + 2] for i in range(0, len(sha256), 2)).upper()
