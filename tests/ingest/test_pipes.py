import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipes import MAX_BLOB_BYTES, MAX_BLOBS, MAX_HEADER_BYTES, Message, Reader, encode, read_json
from models.errors import InvalidInput

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.builds(
    Message,
    st.text(max_size=10),
    st.dictionaries(st.text(), JSON, max_size=3),
    st.lists(st.binary(max_size=50), max_size=3).map(tuple),
)


def frame(header: object) -> bytes:
    data = json.dumps(header).encode()
    return struct.pack(">I", len(data)) + data


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_whatever_the_pieces_the_same_messages_come_out(messages: list[Message], cuts: list[int]) -> None:
    wire = b"".join(encode(m.op, m.fields, m.blobs) for m in messages)
    reader, found, at, turn = Reader(), [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        found += reader.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert found == messages
    assert reader.feed(encode("last")) == [Message("last", {})], "nothing of the others is left over"


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_on_and_nothing_else(data: bytes) -> None:
    with suppress(InvalidInput):
        Reader().feed(data)


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack(">I", MAX_HEADER_BYTES + 1),
        frame([1]),
        frame({"op": "x", "fields": {}}),
        frame({"op": 1, "fields": {}, "blobs": []}),
        frame({"op": "x", "fields": [], "blobs": []}),
        frame({"op": "x", "fields": {}, "blobs": [-1]}),
        frame({"op": "x", "fields": {}, "blobs": [True]}),
        frame({"op": "x", "fields": {}, "blobs": ["1"]}),
        frame({"op": "x", "fields": {}, "blobs": [0] * (MAX_BLOBS + 1)}),
        frame({"op": "x", "fields": {}, "blobs": [MAX_BLOB_BYTES, 1]}),
        struct.pack(">I", 4) + b"\xff\xfe\x00\x00",
        struct.pack(">I", 60_000) + b"[" * 60_000,
    ],
)
def test_what_is_no_message_or_too_large_is_refused_before_it_is_kept(wire: bytes) -> None:
    with pytest.raises(InvalidInput):
        Reader().feed(wire)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"{",
        b"3",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"9" * 400 + b"}",
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": ' + b"[" * 24 + b"]" * 24 + b"}",
    ],
)
def test_json_is_what_can_be_stored_and_written_again(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_json(text)


def test_whole_characters_and_shallow_json_are_read_as_they_are() -> None:
    text = b'{"a": "\\ud83d\\ude00", "b": ' + b"[" * 23 + b"]" * 23 + b', "c": 1' + b"0" * 299 + b"}"
    assert read_json(text)["a"] == "😀"


@pytest.mark.parametrize(
    ("fields", "blobs"),
    [({"a": float("nan")}, []), ({"a": "x" * MAX_HEADER_BYTES}, []), ({}, [b""] * 9), ({"a": {1, 2}}, [])],
)
def test_nothing_is_written_that_a_reader_would_refuse(fields: dict[str, object], blobs: list[bytes]) -> None:
    with pytest.raises(InvalidInput):
        encode("x", fields, blobs)
