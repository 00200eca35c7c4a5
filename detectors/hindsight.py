"""Hindsight: what a camera saw and what its rules said in the last hour, kept so that a person can ask why.

Kept are boxes, density maps and sentences, never pictures, in memory alone (see ``moments``). With them a zone that is
not set up yet can be tried on what has been: what would it have raised? Pure: time is the frame clock's.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from detectors.detector import Look, judge
from detectors.moments import KEPT_S, Moments
from models.camera import CameraPoint
from models.incident import Phase, Sighting

MOST_SAID = 100
"""Kept of what is said of a zone and kind; the oldest goes."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Said:
    """A sentence that was said from ``from_s`` to ``until_s`` (Unix seconds), ``times`` times, with other numbers: here
    are those of its last time."""

    from_s: float
    until_s: float
    times: int
    text: str

    def to_json(self) -> dict[str, Any]:
        return vars(self).copy()


class Sayings:
    """What was said of each zone and kind ("crowding/plaza"), in order; the same sentence counts up."""

    def __init__(self) -> None:
        self._said: dict[str, deque[Said]] = {}

    def hear(self, at_s: float, reasons: Mapping[str, tuple[str, ...]]) -> None:
        for key in [key for key, said in self._said.items() if said[-1].until_s < at_s - KEPT_S]:
            del self._said[key]  # of a zone that there is no more
        for key, sentences in reasons.items():
            text = "; ".join(sentences)
            said = self._said.setdefault(key, deque(maxlen=MOST_SAID))
            while said and said[0].until_s < at_s - KEPT_S:
                said.popleft()
            if said and _NUMBER.sub("", said[-1].text) == _NUMBER.sub("", text):
                said[-1] = replace(said[-1], until_s=at_s, times=said[-1].times + 1, text=text)
            else:
                said.append(Said(at_s, at_s, 1, text))

    def since(self, from_s: float) -> dict[str, list[Said]]:
        recent = {key: [each for each in said if each.until_s >= from_s] for key, said in self._said.items()}
        return {key: said for key, said in recent.items() if said}


@dataclass(frozen=True)
class Raised:
    """An incident that would have been raised: its first sighting, what its measure rose to, and when it ended (None:
    it had not)."""

    begin: Sighting
    worst: Sighting
    ended_s: float | None


@dataclass(frozen=True)
class Rehearsed:
    """``from_s``, ``until_s``: what was judged, None where nothing was kept; ``looks``: so many pictures."""

    from_s: float | None
    until_s: float | None
    looks: int
    raised: tuple[Raised, ...]
    said: Mapping[str, list[Said]]


class Hindsight:
    """Of one camera. Forgets by itself what is older than ``KEPT_S``."""

    def __init__(self) -> None:
        self._moments = Moments()
        self._sayings = Sayings()

    def looked(self, look: Look, reasons: Mapping[str, tuple[str, ...]]) -> None:
        """A picture that the detector looked at, and what the rules said of it."""
        self._moments.look(look)
        self._sayings.hear(look.at_s, reasons)

    def heard(self, at_s: float, reasons: Mapping[str, tuple[str, ...]]) -> None:
        """What was said of a look between keyframes, which is not kept: there are too many."""
        self._sayings.hear(at_s, reasons)

    def unchanged(self, at_s: float) -> None:
        """A picture that showed what the last one did."""
        self._moments.repeat(at_s)

    def rested(self, at_s: float, camera: CameraPoint, why: str) -> None:
        """A picture in which no zone was judged."""
        keys = (f"{kind}/{zone.id}" for zone in camera.zones for kind in zone.kinds)
        self._sayings.hear(at_s, dict.fromkeys(keys, (why,)))

    def explain(self, since_s: float) -> dict[str, list[Said]]:
        """What the rules said from then on, by zone and kind."""
        return self._sayings.since(since_s)

    def rehearse(self, camera: CameraPoint, since_s: float, enough: Callable[[], bool] = lambda: False) -> Rehearsed:
        """What the zones of ``camera``, as it is given here, would have made of what was seen from then on.

        As in the running pipeline, an unchanged picture is judged only while a rule waits for time to pass. Once it was
        ``enough``, what is left is not judged: ``until_s`` says how far it came.
        """
        state: Mapping[str, Any] = {}
        sayings, sightings, is_running = Sayings(), list[Sighting](), False
        from_s = until_s = judged_s = None
        looks = 0
        for at_s, look in self._moments.since(since_s):
            if enough():
                break
            from_s, until_s = at_s if from_s is None else from_s, at_s
            if look.at_s == judged_s and not is_running:
                continue
            # A picture that showed what the last one did was not looked at closer again.
            closer = None if look.at_s == judged_s else look.closer
            looks, judged_s = looks + (look.at_s != judged_s), look.at_s
            observed = judge(camera, replace(look, at_s=at_s, closer=closer), state)
            state, is_running = observed.state, observed.is_running
            sightings.extend(observed.sightings)
            sayings.hear(at_s, observed.reasons)
        return Rehearsed(from_s, until_s, looks, _raised(sightings), sayings.since(since_s))


def _raised(sightings: Iterable[Sighting]) -> tuple[Raised, ...]:
    """Sightings in order, joined from onset to end."""
    going: dict[tuple[str, str | None], int] = {}
    found: list[Raised] = []
    for sighting in sightings:
        key = (sighting.kind, sighting.zone_id)
        if sighting.phase is Phase.ONSET:
            going[key] = len(found)
            found.append(Raised(sighting, sighting, None))
        elif key in going and sighting.phase is Phase.CLEARED:
            at = going.pop(key)
            found[at] = replace(found[at], ended_s=sighting.at_s)
        elif key in going and sighting.severity <= found[going[key]].worst.severity:
            found[going[key]] = replace(found[going[key]], worst=sighting)
    return tuple(found)
