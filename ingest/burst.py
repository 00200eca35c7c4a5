"""Bursts: the pictures between keyframes, for cameras at whose gate somebody is. What may wait, and what it may cost.

A keyframe shows somebody near a gate; then the groups of pictures up to it, and on until nobody has been there for
``AFTER_S``, are taken from the ring and looked at every ``EVERY_S``, afterwards: a group is whole once the next
keyframe has come. Keyframes of all cameras go first, and bursts take at most ``SHARE`` of a child's time: what cannot
be looked at within that is left out, and counted.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from detectors.crossing import Walkers
from ingest.decode import pictures
from ingest.stream import Recent
from models.detections import Detections
from models.errors import CameraCorrupt
from models.frame import Pixels

EVERY_S = 0.2
AFTER_S = 10.0
SHARE = 0.5
MOST_GROUPS = 4
"""Of one camera that wait: some 8 s of it."""
MOST_WAITING = 16
"""Of all cameras of a child, a megabyte or two each."""
MOST_SHOTS = 3


class Remembering(Protocol):
    """What is needed of ``receiver.Receiver``."""

    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None: ...


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture that may have to be shown later: unmasked, in memory alone, for seconds. ``seen``: what was found in
    all of it, None where only a part was looked at: before it is shown, all of it must be."""

    at_s: float
    bgr: Pixels
    seen: Detections | None
    moved: NDArray[np.bool_] | None


@dataclass
class Followed:
    """What is remembered of a camera with a gate. Times are the frame clock's: ``until_s`` somebody is followed there,
    ``key_s`` of the last keyframe, ``done_s`` up to which its pictures are waiting or were looked at."""

    walkers: Walkers = field(default_factory=Walkers)
    until_s: float = 0.0
    key_s: float | None = None
    done_s: float = 0.0
    shots: deque[Shot] = field(default_factory=lambda: deque(maxlen=MOST_SHOTS))
    left_out: int = 0

    def shot(self, at_s: float) -> Shot | None:
        """The first picture that shows who stepped over the line at that time, behind it."""
        return next((shot for shot in self.shots if shot.at_s >= at_s), None)


Picture = tuple[str, float, VideoFrame]
"""Of a camera, at a time of its frame clock, Unix seconds."""


class Bursts:
    """``keyframe`` for each that comes, ``next`` whenever there is time (``wait_s`` 0)."""

    def __init__(self, receiver: Remembering, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._receiver = receiver
        self._steady_s = steady_s
        self._followed: dict[str, Followed] = {}
        self._waiting: deque[tuple[str, Iterator[tuple[float, VideoFrame]]]] = deque()
        self._rests_until_s = 0.0

    def of(self, camera_id: str) -> Followed:
        return self._followed.setdefault(camera_id, Followed())

    def forget(self, camera_id: str) -> None:
        self._followed.pop(camera_id, None)
        self._waiting = deque(each for each in self._waiting if each[0] != camera_id)

    def keyframe(self, camera_id: str, at_s: float, is_near: bool) -> bool:
        """A keyframe shows somebody near the camera's gate, or nobody. What came before it waits to be looked at; False
        where nothing is kept of that, and the keyframe is all there is to go by."""
        known = self.of(camera_id)
        last_s, known.key_s = known.key_s, at_s
        if is_near:
            known.until_s = at_s + AFTER_S
        elif at_s > known.until_s:
            known.shots.clear()
            return True
        since_s = at_s if last_s is None else max(last_s, known.done_s)
        recent = self._receiver.recent(camera_id, since_s, at_s)
        if recent is None:
            return False
        known.done_s = at_s
        if recent.kept:
            self._waiting.append((camera_id, pictures(recent, since_s, EVERY_S)))
            self._make_room(camera_id)
        return True

    def wait_s(self) -> float | None:
        """How long until the next picture may be looked at; None: none is waiting."""
        return max(self._rests_until_s - self._steady_s(), 0.0) if self._waiting else None

    @property
    def first(self) -> str:
        """The camera that has waited longest; there is one."""
        return self._waiting[0][0]

    def next(self) -> Picture | None:
        """The next picture of the camera that has waited longest; None where that one's group was over, or damaged."""
        camera_id, group = self._waiting[0]
        try:
            at_s, frame = next(group)
        except StopIteration:
            self._waiting.popleft()
            return None
        except CameraCorrupt:
            self._waiting.popleft()
            self.of(camera_id).left_out += 1
            return None
        return camera_id, at_s, frame

    def took(self, began_s: float) -> None:
        """A picture was looked at since then (steady seconds): the others have as much time again."""
        now_s = self._steady_s()
        self._rests_until_s = now_s + (now_s - began_s) * (1 - SHARE) / SHARE

    def _make_room(self, camera_id: str) -> None:
        """The oldest go: of the camera itself, else of whoever has waited longest."""
        own = [place for place, each in enumerate(self._waiting) if each[0] == camera_id]
        if len(own) > MOST_GROUPS:
            del self._waiting[own[0]]
            self.of(camera_id).left_out += 1
        if len(self._waiting) > MOST_WAITING:
            gone, _ = self._waiting.popleft()
            self.of(gone).left_out += 1
