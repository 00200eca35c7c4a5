"""What a camera sent in the last seconds, as raw RTP, so that a clip can begin before its incident (pre-roll)."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.collector import Unit


@dataclass(frozen=True, slots=True)
class Kept:
    """An access unit and its time on the frame clock, Unix seconds."""

    at_s: float
    unit: Unit


class Ring:
    """Whole groups of pictures, each beginning with a keyframe, bounded in seconds and bytes.

    A group leaves when the ones after it cover ``keep_s`` by themselves, or when ``max_bytes`` would be passed. A
    group that alone passes ``max_bytes`` is cut at its end: what follows is dropped up to the next keyframe.
    ``dropped_units`` counts what was never kept or left for lack of room, not what grew old.
    """

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._groups: deque[list[Kept]] = deque()
        self._group_bytes: deque[int] = deque()
        self._cut = True
        self.dropped_units = 0

    @property
    def size_bytes(self) -> int:
        return sum(self._group_bytes)

    def append(self, at_s: float, unit: Unit) -> None:
        if unit.key:
            self._groups.append([])
            self._group_bytes.append(0)
            self._cut = False
        if self._cut:
            self.dropped_units += 1
            return
        self._groups[-1].append(Kept(at_s, unit))
        self._group_bytes[-1] += unit.size_bytes
        while len(self._groups) > 1 and at_s - self._groups[1][0].at_s >= self._keep_s:
            self._drop_oldest()
        while self.size_bytes > self._max_bytes and len(self._groups) > 1:
            self.dropped_units += len(self._groups[0])
            self._drop_oldest()
        if self.size_bytes > self._max_bytes:
            self._groups[-1].pop()
            self._group_bytes[-1] -= unit.size_bytes
            self.dropped_units += 1
            self._cut = True
            if not self._groups[-1]:
                self._drop_oldest()

    def since(self, at_s: float) -> Iterator[Kept]:
        """Units in order, from the last keyframe at or before ``at_s`` (else the oldest kept) to the newest."""
        groups = list(self._groups)
        begin = max((i for i, group in enumerate(groups) if group[0].at_s <= at_s), default=0)
        for group in groups[begin:]:
            yield from group

    def _drop_oldest(self) -> None:
        self._groups.popleft()
        self._group_bytes.popleft()
