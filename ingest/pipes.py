"""Messages between the camera worker's parent and its children: a JSON header, then blobs. Never pickle.

A message on the wire: 4 bytes big-endian length of the header, the header (a JSON object, UTF-8, with the lengths of
the blobs under "blobs"), the blobs. Children decode what strangers send: their words are read like a stranger's.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import InvalidInput

MAX_HEADER_BYTES = 1024 * 1024
MAX_BLOBS = 8
MAX_BLOB_BYTES = 16 * 1024 * 1024
"""All blobs of a message together: the largest photo (10 MiB) and room to spare."""
MAX_DEPTH = 24
"""Of JSON: what is deeper could be read here and yet break whoever writes it again."""
LONGEST_NUMBER = 300
"""Digits of a whole number that still is a finite one of 64 bits (1.8e308)."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class Message:
    """``op`` says what is wanted or told; ``fields`` is JSON; blobs are bytes such as a JPEG."""

    op: str
    fields: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


def encode(op: str, fields: Mapping[str, Any] | None = None, blobs: Sequence[bytes] = ()) -> bytes:
    """Raises InvalidInput for what is larger than a reader takes, and for numbers that JSON has not (NaN)."""
    header: dict[str, Any] = {"op": op, "fields": dict(fields or {}), "blobs": [len(blob) for blob in blobs]}
    try:
        data = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"message {op} cannot be written as JSON: {error}") from None
    if len(data) > MAX_HEADER_BYTES:
        raise InvalidInput(f"message {op} has {len(data)} bytes of JSON, {MAX_HEADER_BYTES} are allowed")
    _check_blobs(header["blobs"])
    return b"".join((_LENGTH.pack(len(data)), data, *blobs))


class Reader:
    """Takes bytes as they come, gives whole messages. After InvalidInput it is of no further use."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = _LENGTH.size
        """Nothing is tried before this many bytes are there: a large blob comes in many pieces."""

    def feed(self, data: bytes) -> list[Message]:
        """Raises InvalidInput for what is no message, or one larger than allowed."""
        self._rest += data
        messages = []
        while len(self._rest) >= self._wanted:
            message = self._next()
            if message:
                messages.append(message)
        return messages

    def _next(self) -> Message | None:
        """The message at the beginning; None, with ``_wanted`` raised, where more must come first."""
        (length,) = _LENGTH.unpack_from(self._rest)
        if length > MAX_HEADER_BYTES:
            raise InvalidInput(f"a message announces {length} bytes of JSON, {MAX_HEADER_BYTES} are allowed")
        start = _LENGTH.size + length
        if len(self._rest) < start:
            self._wanted = start
            return None
        header = read_json(bytes(self._rest[_LENGTH.size : start]))
        op, fields, sizes = header.get("op"), header.get("fields"), header.get("blobs")
        if not isinstance(op, str) or not isinstance(fields, dict) or not isinstance(sizes, list):
            raise InvalidInput("a message lacks op, fields or blobs")
        _check_blobs(sizes)
        end = start + sum(sizes)
        if len(self._rest) < end:
            self._wanted = end
            return None
        blobs, at = [], start
        for size in sizes:
            blobs.append(bytes(self._rest[at : at + size]))
            at += size
        del self._rest[:end]
        self._wanted = _LENGTH.size
        return Message(op, fields, tuple(blobs))


def read_json(data: bytes) -> dict[str, Any]:
    """A JSON object with finite numbers only, at most MAX_DEPTH deep. Raises InvalidInput."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # half a character can be read, and never stored
    except (ValueError, RecursionError):
        raise InvalidInput("that is not JSON of whole characters and finite numbers") from None
    if not isinstance(value, dict):
        raise InvalidInput("that is not a JSON object")
    _check_depth(value, MAX_DEPTH)
    return value


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise InvalidInput(f"that is JSON of more than {MAX_DEPTH} levels")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)


def _check_blobs(sizes: Sequence[Any]) -> None:
    if len(sizes) > MAX_BLOBS or not all(type(size) is int and size >= 0 for size in sizes):
        raise InvalidInput(f"a message has at most {MAX_BLOBS} blobs, each with its length")
    if sum(sizes) > MAX_BLOB_BYTES:
        raise InvalidInput(f"a message carries {sum(sizes)} bytes, {MAX_BLOB_BYTES} are allowed")


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number that no float holds")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value
