"""The vault: camera credentials sealed at rest, under a key that is kept outside the database."""

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alerts.files import write_durably
from models.errors import Misconfigured

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\x01"


class Vault:
    """Seals with AES-256-GCM; each sealed text is bound to the thing that it belongs to.

    The key file is made at the first ``seal``, never by ``open``: a lost key must be restored, not replaced.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._cipher: AESGCM | None = None

    def __repr__(self) -> str:
        return f"Vault({self._key_file})"

    def seal(self, plain: bytes, belongs_to: str) -> bytes:
        """Raises Misconfigured when the key file cannot be made or used."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._key(make=True).encrypt(nonce, plain, belongs_to.encode())
        return _FORMAT + nonce + sealed

    def open(self, sealed: bytes, belongs_to: str) -> bytes:
        """Raises Misconfigured when this key did not seal it for ``belongs_to``, or it was changed since."""
        cipher = self._key(make=False)
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _FORMAT or len(nonce) < _NONCE_BYTES:
                raise InvalidTag
            return cipher.decrypt(nonce, rest, belongs_to.encode())
        except InvalidTag:
            raise Misconfigured(
                f"the sealed credentials of {belongs_to} do not open with {self._key_file}: restore the key file from"
                " the backup that belongs to this database, or enter the credentials again"
            ) from None

    def derived(self, purpose: str, size: int) -> bytes:
        """Secret bytes for that purpose, the same ones always under this key. Raises Misconfigured; makes the key file
        where there is none, as ``seal`` does."""
        self._key(make=True)
        return HKDF(SHA256(), size, None, b"wangge " + purpose.encode()).derive(_read_key(self._key_file))

    def _key(self, *, make: bool) -> AESGCM:
        if self._cipher is None:
            try:
                if make and not self._key_file.exists():
                    write_durably(self._key_file, secrets.token_bytes(KEY_BYTES), replace=False)
                self._cipher = AESGCM(_read_key(self._key_file))
            except FileNotFoundError:
                raise Misconfigured(f"{self._key_file} is missing: restore it from the backup") from None
            except OSError as error:
                raise Misconfigured(f"{self._key_file} cannot be used: {error.strerror}") from None
        return self._cipher


def _read_key(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"others may read {path}: run `chmod 600 {path}`")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Misconfigured(f"{path} holds {len(key)} bytes, a key has {KEY_BYTES}: restore it from the backup")
    return key
