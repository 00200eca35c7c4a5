"""What is known of a scene as bytes, to be kept by whoever restarts: a NumPy archive without pickles, pictures as JPEG.

Read again it is believed only as far as every shape fits; anything else is InvalidInput, and the scene is learned anew.
"""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.structure import State, Told
from detectors.structure_album import Album
from detectors.structure_memory import LOG_S, MOST_ACCEPTED, MOST_RECENT, Memory
from detectors.structure_view import LIGHT_COLUMNS, LIGHT_ROWS, WIDTH_PX
from models.errors import InvalidInput

VERSION = 1
JPEG_QUALITY = 90
MOST_BYTES = 8 * 1024 * 1024
MOST_UNPACKED = 64 * 1024 * 1024
"""Of an archive: what is larger was made to be."""
MOST_TOLD = 200
MOST_CELLS = 160
"""Along a side of the change network's map."""
_DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    OSError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    cv2.error,
)
_NUMBERS = ("block_s", "begun_s", "at_s", "looks", "accepted_s")
_GRIDS = {"usual": 2, "crowded": 2, "sums": 3, "log": 3, "vehicles": 3}
"""Their dimensions."""


def to_bytes(state: State) -> bytes:
    """Raises InvalidInput for a state that has seen nothing yet."""
    memory = state.memory
    if memory is None:
        raise InvalidInput("nothing has been seen of the scene yet")
    arrays: dict[str, NDArray[Any]] = {name: getattr(memory, name) for name in (*_GRIDS, "log_s")}
    for name, album in (("accepted", memory.accepted), ("recent", memory.recent)):
        arrays |= {f"{name}.{n}": _jpeg(picture) for n, picture in enumerate(album.pictures)}
        arrays |= {f"{name}.lights": album.lights, f"{name}.taken_s": album.taken_s}
    arrays["told"] = np.array([told.cells for told in state.told], np.bool_).reshape(len(state.told), *memory.grid)
    told = [{k: v for k, v in asdict(one).items() if k != "cells"} for one in state.told]
    words = {
        "version": VERSION,
        "height_px": memory.accepted.pictures.shape[1],
        "memory": {name: getattr(memory, name) for name in _NUMBERS},
        "told": told,
        "numbers": state.numbers,
        "before_s": state.before_s,
    }
    arrays["before"] = np.frombuffer(state.before, np.uint8)
    arrays["words"] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def from_bytes(data: bytes) -> State:
    """Raises InvalidInput for what ``to_bytes`` has not made, or another version of it."""
    try:
        _refuse_large(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            words = json.loads(archive["words"].tobytes())
            if words["version"] != VERSION:
                raise InvalidInput(f"it is of version {words['version']}, this one reads {VERSION}")
            memory = _memory(archive, words)
            cells = archive["told"]
            if cells.shape != (len(words["told"]), *memory.grid) or cells.dtype != np.bool_ or len(cells) > MOST_TOLD:
                raise InvalidInput("what was told does not fit the scene")
            told = tuple(Told(**one, cells=of) for one, of in zip(words["told"], cells, strict=True))
            return State(memory, told, int(words["numbers"]), archive["before"].tobytes(), float(words["before_s"]))
    except _DAMAGE as error:
        raise InvalidInput(f"it cannot be read: {type(error).__name__}: {error}") from None


def _refuse_large(data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"it has {len(data)} bytes, at most {MOST_BYTES} are read")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if sum(member.file_size for member in file.infolist()) > MOST_UNPACKED:
            raise InvalidInput(f"it unpacks to more than {MOST_UNPACKED} bytes")


def _memory(archive: Any, words: dict[str, Any]) -> Memory:
    height_px = int(words["height_px"])
    grids = {name: archive[name] for name in _GRIDS}
    log_s = archive["log_s"]
    grid = grids["usual"].shape
    shapes = {"usual": grid, "crowded": grid, "sums": (3, *grid), "log": (len(log_s), *grid)}
    fits = len(grid) == 2 and max(grid) <= MOST_CELLS and 0 < height_px <= 4 * WIDTH_PX and log_s.ndim == 1
    fits = fits and all(grids[name].shape == shape for name, shape in (shapes | {"vehicles": shapes["log"]}).items())
    if not fits or len(log_s) > LOG_S / 600:
        raise InvalidInput("its parts do not fit each other")
    numbers = {name: words["memory"][name] for name in _NUMBERS}
    for name, number in numbers.items():
        if not (isinstance(number, int | float) or (number is None and name == "accepted_s")):
            raise InvalidInput(f"{name} is no number")
    return Memory(
        accepted=_album(archive, "accepted", MOST_ACCEPTED, height_px),
        recent=_album(archive, "recent", MOST_RECENT, height_px),
        usual=grids["usual"].astype(np.float32),
        crowded=grids["crowded"].astype(np.float32),
        log=grids["log"].astype(np.float16),
        vehicles=grids["vehicles"].astype(np.float16),
        log_s=log_s.astype(np.float64),
        sums=grids["sums"].astype(np.float32),
        **numbers,
    )


def _album(archive: Any, name: str, most: int, height_px: int) -> Album:
    taken_s, lights = archive[f"{name}.taken_s"], archive[f"{name}.lights"]
    if len(taken_s) > most or lights.shape != (len(taken_s), LIGHT_ROWS * LIGHT_COLUMNS * 3):
        raise InvalidInput("its pictures do not fit their lights")
    pictures = np.zeros((len(taken_s), height_px, WIDTH_PX, 3), np.uint8)
    for number in range(len(taken_s)):
        picture = cv2.imdecode(archive[f"{name}.{number}"], cv2.IMREAD_COLOR)
        if picture is None or picture.shape != pictures.shape[1:]:
            raise InvalidInput("a picture in it is damaged")
        pictures[number] = picture
    return Album(pictures, lights.astype(np.float32), taken_s.astype(np.float64))


def _jpeg(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise InvalidInput("a picture cannot be encoded")
    return np.asarray(data, np.uint8).ravel()
