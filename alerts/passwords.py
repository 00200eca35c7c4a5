"""Passwords: the rule, the hash, and one-time ones."""

import secrets
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from models.errors import InvalidInput

SHORTEST, LONGEST = 12, 128
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing that is read for something else: no i, l, o, 0, 1."""

_HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))
"""argon2id, 19 MiB, 2 passes, 1 lane: OWASP Password Storage Cheat Sheet."""


def _bytes(password: str) -> bytes:
    # NFKC, so that a password typed on another keyboard is the same one: NIST SP 800-63B-4, section 3.1.1.2.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def hash_password(password: str) -> str:
    return _HASHER.hash(_bytes(password))


def verify_password(password: str, password_hash: str) -> bool:
    """Takes tens of milliseconds whatever the answer. Nothing longer than LONGEST is anyone's password."""
    return _HASHER.verify(_bytes(password[: LONGEST + 1]), password_hash)


def check_password(password: str, username: str) -> None:
    """The rule for a password that a person chooses (NIST SP 800-63B-4): long, and no forced mix of characters.

    Raises InvalidInput, with a sentence that does not repeat the password.
    """
    if len(password) < SHORTEST:
        raise InvalidInput(f"a password has at least {SHORTEST} characters; a few words do well")
    if len(password) > LONGEST:
        raise InvalidInput(f"a password has at most {LONGEST} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in password):
        raise InvalidInput("a password holds no control characters")
    if password.casefold() == username.casefold():
        raise InvalidInput("a password must not be the user name")
    if len(set(password)) < 4:
        raise InvalidInput("a password must not repeat a character or two")


def one_time_password() -> str:
    """About 99 bits, in four groups that are easy to read out."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(5)) for _ in range(4))
