"""A certificate authority of one's own, and the server certificate that it signs: HTTPS where no public one reaches.

Phones take camera and position only from a page that came by HTTPS, and a city's internal network has no public names.
"""

import ipaddress
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from alerts.files import write_durably
from api.tls import Pair, read_certificate
from models.errors import Conflict, InvalidInput, Misconfigured, NotFound
from models.settings import Settings

SERVER_DAYS = 398
"""The longest that browsers take (CA/Browser Forum, Baseline Requirements 6.3.2)."""
AUTHORITY_DAYS = 3650
_EARLY = timedelta(days=1)
"""Clocks of phones are behind at times."""


def init(settings: Settings, names: Sequence[str], addresses: Sequence[str], now_s: float) -> Pair:
    """Makes authority and server certificate. Raises Conflict if there is an authority, InvalidInput, Misconfigured."""
    pair = own_pair(settings)
    if (settings.tls / "ca.key").exists():
        raise Conflict(f"there is an authority in {settings.tls}, which phones may trust: use `wangge tls renew`")
    subject = _subject(names, addresses)
    now = datetime.fromtimestamp(now_s, UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Wangge {socket.gethostname()}"[:64])])
    authority = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    _write(settings, "ca.crt", authority.public_bytes(Encoding.PEM))
    _write(settings, "ca.key", _pem(key))
    _issue(settings, authority, key, subject, now)
    return pair


def renew(settings: Settings, names: Sequence[str], addresses: Sequence[str], now_s: float) -> Pair:
    """Another server certificate of the same authority, for the same names where none are given.

    Raises NotFound if there is no authority, Misconfigured, InvalidInput.
    """
    pair = own_pair(settings)
    try:
        authority = x509.load_pem_x509_certificate((settings.tls / "ca.crt").read_bytes())
        key = load_pem_private_key((settings.tls / "ca.key").read_bytes(), None)
    except FileNotFoundError:
        raise NotFound(f"there is no authority in {settings.tls}: `wangge tls init` makes one") from None
    except (OSError, ValueError, TypeError):
        raise Misconfigured(f"the authority in {settings.tls} cannot be read: restore ca.crt and ca.key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
        raise Misconfigured(f"ca.key in {settings.tls} is not the key of ca.crt: restore both from one backup")
    if names or addresses:
        subject = _subject(names, addresses)
    else:
        subject = x509.SubjectAlternativeName([_general(name) for name in read_certificate(pair.cert).names])
    _issue(settings, authority, key, subject, datetime.fromtimestamp(now_s, UTC))
    return pair


def own_pair(settings: Settings) -> Pair:
    """Where ours stand. Raises Misconfigured if others are given: what is made here would not be served."""
    if settings.tls_cert:
        raise Misconfigured("WANGGE_TLS_CERT names a certificate that is served instead: renew that, or unset it")
    return Pair(settings.tls / "server.crt", settings.tls / "server.key", settings.tls / "ca.crt")


def _issue(
    settings: Settings,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    subject: x509.SubjectAlternativeName,
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Wangge")])
    made = (
        _builder(name, authority.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(subject, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, SHA256())
    )
    _write(settings, "server.key", _pem(key))
    _write(settings, "server.crt", made.public_bytes(Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now - _EARLY + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(names: Sequence[str], addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    """This machine's own names and loopback beside those given, each once."""
    for address in addresses:
        if not _is_address(address):
            raise InvalidInput(f"--ip {address!r} is no IP address")
    for name in names:
        if _is_address(name):
            raise InvalidInput(f"--name {name} is an address: give it as --ip {name}")
    mine = [name for name in (socket.gethostname(),) if _is_name(name)]
    wanted = [*names, *addresses, *mine, "localhost", "127.0.0.1", "::1"]
    return x509.SubjectAlternativeName([_general(text) for text in dict.fromkeys(wanted)])


def _general(text: str) -> x509.GeneralName:
    if _is_address(text):
        return x509.IPAddress(ipaddress.ip_address(text))
    if not _is_name(text):
        raise InvalidInput(f"{text!r} is no DNS name: labels of a-z, 0-9 and -, joined by dots")
    return x509.DNSName(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    """RFC 1123, 2.1; a wildcard may stand in the first label."""
    labels = text.removeprefix("*.").split(".")
    return len(text) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "a").isalnum()
        and not (label.startswith("-") or label.endswith("-"))
        for label in labels
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(settings: Settings, name: str, data: bytes) -> None:
    try:
        write_durably(settings.tls / name, data, replace=True)
    except OSError as error:
        raise Misconfigured(f"{settings.tls} cannot be written ({error.strerror}): mend its owner") from None
