"""Moments: what was seen in the last hour, packed, so that a busy camera's takes no more than ``MOST_BYTES``.

A box is kept as its corners and score in 16 bits each; a density map as the square roots of its cells in 8 bits, since
small densities add up. Where that is too much, looks are kept so many seconds apart. Pure: time is the frame clock's.
"""

import math
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.counting import MIN_SCORE
from detectors.density import DensityMap
from detectors.detector import Look
from detectors.headcount import PERSONS
from models.detections import Detections

KEPT_S = 3600.0
MOST_BYTES = 900_000
LONGEST_EVERY_S = 8.0
"""Looks are no farther apart, whatever is in them: from there on the oldest go, and less than an hour is kept."""
_MOMENT_BYTES, _LOOK_BYTES = 48, 48
"""What CPython takes for a time and a reference, and for a look besides its own bytes."""
_ABOUTS = 250
_FULL = 65535
_HEAD = struct.Struct("<dBHHff")
"""Moment, number of its ``_About``, boxes, boxes of a closer look plus one (0: none was taken), densest cell, seconds
since the camera came to look that way (NaN: it does not turn)."""
_BOX = np.dtype([("ltrb", "<u2", 4), ("score", "<u2"), ("label", "<u2")])


@dataclass(frozen=True)
class _About:
    """What does not change from look to look. ``cells``: rows and columns of a density map, ``cell`` their size."""

    width_px: int
    height_px: int
    names: tuple[str, ...]
    model: str
    cells: tuple[int, int] = (0, 0)
    cell: tuple[float, float] = (0.0, 0.0)
    counter: str = ""
    preset: str | None = None


class Moments:
    """Of one camera. A picture that shows what the last one did costs next to nothing."""

    def __init__(self) -> None:
        self._times = deque[float]()
        self._looks = deque[bytes]()
        self._abouts = list[_About]()
        self._latest = b""
        self._bytes = 0
        self._every_s = 0.0

    def look(self, look: Look) -> None:
        """Kept without its picture; of what is no person only what counts."""
        self._latest = self._packed(look)
        self._keep(look.at_s)

    def repeat(self, at_s: float) -> None:
        """A picture that showed what the last one did."""
        if self._latest:
            self._keep(at_s)

    def since(self, from_s: float) -> Iterator[tuple[float, Look]]:
        """Each moment and the look that shows it, the oldest first."""
        for at_s, data in zip(self._times, self._looks, strict=True):
            if at_s >= from_s:
                yield at_s, self._unpacked(data)

    def _keep(self, at_s: float) -> None:
        if self._times and at_s < self._times[-1]:
            self._forget()  # the clock was set back
        if self._times and at_s - self._times[-1] < self._every_s:
            return
        self._append(at_s, self._latest)
        while self._times[0] < at_s - KEPT_S:
            self._drop()
        if self._bytes > MOST_BYTES:
            self._thin()
        elif self._every_s and self._bytes < MOST_BYTES / 4:
            self._every_s = self._every_s / 2 if self._every_s > 1 else 0.0

    def _append(self, at_s: float, data: bytes) -> None:
        is_new = not self._looks or self._looks[-1] is not data
        self._bytes += _MOMENT_BYTES + (_LOOK_BYTES + len(data) if is_new else 0)
        self._times.append(at_s)
        self._looks.append(data)

    def _drop(self) -> None:
        self._times.popleft()
        data = self._looks.popleft()
        is_last = not self._looks or self._looks[0] is not data
        self._bytes -= _MOMENT_BYTES + (_LOOK_BYTES + len(data) if is_last else 0)

    def _thin(self) -> None:
        if self._every_s >= LONGEST_EVERY_S:
            while self._bytes > MOST_BYTES:
                self._drop()
            return
        self._every_s = max(1.0, 2 * self._every_s)
        moments = list(zip(self._times, self._looks, strict=True))
        self._times.clear()
        self._looks.clear()
        self._bytes = 0
        for at_s, data in moments:
            if not self._times or at_s - self._times[-1] >= self._every_s:
                self._append(at_s, data)

    def _forget(self) -> None:
        self._times.clear()
        self._looks.clear()
        self._bytes = 0

    def _packed(self, look: Look) -> bytes:
        density = look.density
        size_px = np.array([look.width_px, look.height_px] * 2, np.float32)
        boxes = _boxes(look.detections, size_px)
        closer = None if look.closer is None else _boxes(look.closer.of(PERSONS, MIN_SCORE), size_px)
        about = _About(look.width_px, look.height_px, look.detections.names, look.model, preset=look.preset)
        cells, most = b"", 0.0
        if density is not None:
            rows, columns = density.persons.shape
            about = replace(about, cells=(rows, columns), cell=density.cell, counter=density.model)
            most = float(density.persons.max())
            cells = np.rint(255 * np.sqrt(density.persons / max(most, 1e-9))).astype(np.uint8).tobytes()
        counted = 0 if closer is None else len(closer) + 1
        arrived = math.nan if look.arrived_s is None else look.at_s - look.arrived_s
        head = _HEAD.pack(look.at_s, self._number(about), len(boxes), counted, most, arrived)
        return head + boxes.tobytes() + (b"" if closer is None else closer.tobytes()) + cells

    def _number(self, about: _About) -> int:
        if about not in self._abouts:
            if len(self._abouts) == _ABOUTS:  # no camera changes its size as often
                self._forget()
                self._abouts.clear()
            self._abouts.append(about)
        return self._abouts.index(about)

    def _unpacked(self, data: bytes) -> Look:
        at_s, number, boxes, counted, most, arrived = _HEAD.unpack_from(data)
        about, at = self._abouts[number], _HEAD.size
        size_px = np.array([about.width_px, about.height_px] * 2, np.float32)
        detections = _detections(np.frombuffer(data, _BOX, boxes, at), size_px, about.names)
        at += boxes * _BOX.itemsize
        closer = density = None
        if counted:
            closer = _detections(np.frombuffer(data, _BOX, counted - 1, at), size_px, about.names)
            at += (counted - 1) * _BOX.itemsize
        if math.prod(about.cells):
            roots = np.frombuffer(data, np.uint8, math.prod(about.cells), at).reshape(about.cells)
            density = DensityMap(np.square(roots / np.float32(255)) * np.float32(most), about.cell, about.counter)
        arrived_s = None if math.isnan(arrived) else at_s - arrived
        look = Look(at_s, about.width_px, about.height_px, detections, about.model, density=density, closer=closer)
        return replace(look, preset=about.preset, arrived_s=arrived_s)


def _boxes(found: Detections, size_px: NDArray[np.float32]) -> NDArray[np.void]:
    """Of ``_BOX``: all persons, a calibration counts by faint ones too; of the rest those that count."""
    is_person = np.array([name in PERSONS for name in found.names] or [False])
    found = found.where((found.scores >= MIN_SCORE) | is_person[found.labels])
    packed = np.zeros(min(len(found), _FULL - 1), _BOX)
    packed["ltrb"] = np.rint(np.clip(found.boxes_px / size_px, 0, 1) * _FULL)[: len(packed)]
    packed["score"] = np.ceil(np.clip(found.scores, 0, 1) * _FULL)[: len(packed)]  # what counted counts again
    packed["label"] = found.labels[: len(packed)]
    return packed


def _detections(packed: NDArray[np.void], size_px: NDArray[np.float32], names: tuple[str, ...]) -> Detections:
    ltrb: NDArray[np.float32] = packed["ltrb"].astype(np.float32)
    scores: NDArray[np.float32] = packed["score"].astype(np.float32)
    full = np.float32(_FULL)
    return Detections(ltrb / full * size_px, scores / full, packed["label"].astype(np.int32), names)
