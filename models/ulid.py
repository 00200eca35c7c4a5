"""ULIDs: 26 characters that sort by the time they were made (Crockford base32; https://github.com/ulid/spec)."""

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80


def new_ulid(now_s: float) -> str:
    """A new id: 48 bits of Unix time in milliseconds, then 80 random bits. Raises ValueError for a time before 1970."""
    milliseconds = int(now_s * 1000)
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"{now_s} s is no time that an id can be made of")
    value = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
