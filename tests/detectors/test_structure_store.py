import io
import json
import math
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest

from detectors.structure import State
from detectors.structure_memory import Memory
from detectors.structure_store import MOST_BYTES, from_bytes, to_bytes
from models.errors import InvalidInput
from tests.detectors.test_structure import DAY_0_S, DAY_S, building, look, watch


@pytest.fixture(scope="module")
def state() -> State:
    state, _, _ = watch(building, range(-1, 3))
    return replace(state, before=b"\xff\xd8 a picture", before_s=DAY_0_S)


@pytest.fixture(scope="module")
def kept(state: State) -> bytes:
    return to_bytes(state)


def test_what_is_kept_comes_back_but_for_what_jpeg_takes(state: State, kept: bytes) -> None:
    back = from_bytes(kept)
    assert (back.numbers, back.before, back.before_s) == (state.numbers, state.before, DAY_0_S)
    for was, now in zip(state.told, back.told, strict=True):
        assert np.array_equal(was.cells, now.cells)
        assert vars(was) | {"cells": None} == vars(now) | {"cells": None}
    assert back.memory is not None
    assert state.memory is not None
    for field in fields(Memory):
        was, now = getattr(state.memory, field.name), getattr(back.memory, field.name)
        if isinstance(was, np.ndarray):
            assert np.array_equal(was, now, equal_nan=True), field.name
            assert was.dtype == now.dtype
        elif field.name in ("accepted", "recent"):
            assert np.array_equal(was.taken_s, now.taken_s)
            assert np.abs(was.pictures.astype(int) - now.pictures).mean() < 8
        else:
            assert was == now, field.name


def test_after_a_restart_a_structure_is_told_of_no_second_time(state: State, kept: bytes) -> None:
    assert len(state.told) == 1
    at_s = DAY_0_S + 3 * DAY_S
    watched = look(from_bytes(kept), at_s, building(3.0))
    assert [said.phase for said in watched.said if said.structure.zone_id == "west"] in ([], ["continuing"])
    assert [told.number for told in watched.state.told] == [state.told[0].number]


def _with(kept: bytes, **changed: object) -> bytes:
    with np.load(io.BytesIO(kept)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    words = json.loads(arrays["words"].tobytes())
    for name, value in changed.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            words[name] = value
    arrays["words"] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _claiming(kept: bytes, shape: tuple[int, ...]) -> bytes:
    """With an array that says it is larger than any memory."""
    header, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(io.BytesIO(kept)) as known, zipfile.ZipFile(file, "w") as archive:
        for name in known.namelist():
            archive.writestr(name, header.getvalue() if name == "usual.npy" else known.read(name))
    return file.getvalue()


def _encrypted(kept: bytes) -> bytes:
    """With a password asked for in its directory (the flags lie 8 bytes behind where an entry begins)."""
    entries = kept.split(b"PK\x01\x02")
    return b"PK\x01\x02".join([entries[0], *(each[:4] + b"\x01" + each[5:] for each in entries[1:])])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda kept: kept[: len(kept) // 2],
        lambda _: b"\x00" * (MOST_BYTES + 1),
        lambda kept: _with(kept, version=99),
        lambda kept: _with(kept, usual=np.zeros((5, 5), np.float32)),
        lambda kept: _with(kept, usual=np.zeros((9_999, 1), np.float32)),
        lambda kept: _with(kept, told=[{"number": 1}]),
        lambda kept: _with(kept, memory={"block_s": "now"}),
        lambda kept: _with(kept, height_px=-1),
        lambda kept: _with(kept, **{"accepted.0": np.zeros(9, np.uint8)}),
        lambda kept: _with(kept, log=np.array([None], object)),
        lambda kept: _with(kept, numbers=math.inf),
        lambda kept: _claiming(kept, (10**13,)),
        _encrypted,
        lambda kept: _with(kept, bomb=np.zeros(70_000_000, np.uint8)),
    ],
)
def test_what_is_no_scene_is_refused_with_a_sentence(kept: bytes, spoil) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput):
        from_bytes(spoil(kept))


def test_nothing_seen_is_nothing_to_keep() -> None:
    with pytest.raises(InvalidInput):
        to_bytes(State())
