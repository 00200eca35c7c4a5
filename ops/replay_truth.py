"""The truth about recorded footage, as a person wrote it down: what happens where and when, and how many there are.

A JSON file; `wangge replay --schema` prints its schema. Times are seconds from the footage's beginning.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from detectors import health
from detectors.catalog import RULES
from detectors.detector import faults
from models.camera import CameraPoint, SourceUrl
from models.errors import Fault, InvalidInput
from models.geo import GeoPoint
from models.incident import kind_of
from models.vision import vision_from_json
from ops.entry import read_file, zones_of

MOST_BYTES = 10_000_000
LONGEST_S = 31 * 86_400.0
BEGINS_AT = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
"""10:00 on a Monday in China: when footage was taken that does not say so."""
FIRST_AT, LAST_AT = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
COUNTING = frozenset({"crowding"})

Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
LonLat = Annotated[tuple[float, float], Field(description="WGS-84 longitude, latitude in degrees")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


P = TypeVar("P", bound=_Part)


class Happening(_Part):
    """An incident that is to be seen: ``zone`` null for the camera itself (black, covered, …), ``end_s`` null where the
    footage ends before it does. ``place``: where it is, for the error of positions."""

    kind: str
    zone: str | None = None
    onset_s: Seconds
    end_s: Seconds | None = None
    place: LonLat | None = None

    def end_or(self, length_s: float) -> float:
        return length_s if self.end_s is None else self.end_s


class Headcount(_Part):
    """How many people stand in a zone, as a person counted them in the picture of that second."""

    zone: str
    at_s: Seconds
    persons: Annotated[int, Field(ge=0, le=100_000)]


class Span(_Part):
    from_s: Seconds
    until_s: Seconds


class View(_Part):
    """The camera: zones and control points as in `wangge camera add --zones`, where it stands, and ``vision``, how it
    is to be looked at, as the API has it."""

    zones: Annotated[list[dict[str, Any]], Field(max_length=100)] = Field(default_factory=list)
    control_points: Annotated[list[dict[str, float]], Field(max_length=1000)] = Field(default_factory=list)
    place: LonLat | None = None
    vision: dict[str, Any] | None = None


class Truth(_Part):
    """``fps``: of a folder of pictures. ``quiet``: where nothing happens, if that was not judged for the whole footage:
    alarms in the time between count for nothing. ``tolerance_s``: how exact onset and end are."""

    note: str = ""
    begins_at: Annotated[AwareDatetime, Field(ge=FIRST_AT, le=LAST_AT)] = BEGINS_AT
    fps: Annotated[float, Field(ge=0.001, le=240)] | None = None
    tolerance_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    camera: View = View()
    incidents: Annotated[list[Happening], Field(max_length=2000)] = Field(default_factory=list)
    counts: Annotated[list[Headcount], Field(max_length=100_000)] = Field(default_factory=list)
    quiet: Annotated[list[Span], Field(min_length=1, max_length=2000)] | None = None


EXAMPLE: dict[str, Any] = {
    "note": "the fire lane behind the market, counted by hand",
    "begins_at": "2026-01-05T10:00:00+08:00",
    "camera": {
        "zones": [
            {"id": "lane", "name": "Fire lane", "polygon": [[0.1, 0.5], [0.6, 0.5], [0.7, 1.0], [0.0, 1.0]],
             "kinds": ["blocked_fire_lane", "intrusion"], "levels": {"blocked_fire_lane": {"dwell_s": 30}}},
            {"id": "plaza", "name": "Plaza", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "kinds": ["crowding"]},
        ],
        "control_points": [],
        "place": [109.0293, 32.6845],
    },
    "incidents": [
        {"kind": "blocked_fire_lane", "zone": "lane", "onset_s": 12.0, "end_s": 95.0},
        {"kind": "intrusion", "zone": "lane", "onset_s": 40.0, "end_s": 48.5, "place": [109.0294, 32.6846]},
        {"kind": "camera_covered", "onset_s": 130.0, "end_s": None},
    ],
    "counts": [{"zone": "plaza", "at_s": 10.0, "persons": 14}],
    "quiet": [{"from_s": 0.0, "until_s": 12.0}],
}  # fmt: skip


def read_truth(path: Path) -> Truth:
    """Raises InvalidInput with every fault, TooLarge."""
    return truth_of(read_file(path, MOST_BYTES), path.name)


def truth_of(data: bytes, name: str) -> Truth:
    """Raises InvalidInput with every fault; ``name`` says of what."""
    return _parsed(Truth, data, name)


def read_view(path: Path) -> View:
    """A camera's set-up in a file of its own. Raises InvalidInput, TooLarge."""
    return _parsed(View, read_file(path, MOST_BYTES), path.name)


def _parsed(part: type[P], data: bytes, name: str) -> P:
    try:
        return part.model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        faults = [Fault(".".join(map(str, each["loc"])) or name, each["msg"]) for each in found[:50]]
        raise InvalidInput(
            f"{name} is not as it should be: {len(found)} faults; `wangge replay --schema` shows what it may hold",
            faults,
        ) from None


def camera_of(view: View) -> CameraPoint:
    """Raises InvalidInput for a camera that cannot be judged as it is set up."""
    zones, points = zones_of(view.model_dump(include={"zones", "control_points"}), "the camera")
    if named := [zone.id for zone in zones if zone.template is not None]:
        raise InvalidInput(f"zone {named[0]} names a template, which footage has none of: state its levels and hours")
    place = GeoPoint(*view.place) if view.place else points[0].place if points else GeoPoint(0.0, 0.0)
    camera = CameraPoint(
        id="replayed",
        code="replayed",
        name="replayed",
        place=place,
        source=SourceUrl("rtsp", "replayed", 554, "/"),
        purpose="replay",
        grid_code=None,
        zones=zones,
        control_points=points,
        vision=vision_from_json(view.vision or {}),
    )
    for zone in zones:
        for kind in zone.kinds:
            kind_of(kind)
    if found := faults(camera):
        raise InvalidInput("the camera cannot be judged as it is set up", found)
    return camera


def check_truth(truth: Truth, camera: CameraPoint, length_s: float) -> None:
    """Raises InvalidInput, with each fault, for a truth that fits neither its camera, its footage nor itself."""
    found = [
        *_happenings(truth.incidents, camera, length_s),
        *_counts(truth.counts, camera, length_s),
        *_quiet(truth, length_s),
    ]
    if found:
        raise InvalidInput("the truth does not fit", found[:50])


def _happenings(incidents: Sequence[Happening], camera: CameraPoint, length_s: float) -> Iterator[Fault]:
    kinds = {zone.id: zone.kinds for zone in camera.zones}
    named: dict[tuple[str, str | None], list[tuple[int, Happening]]] = {}
    for number, each in enumerate(incidents):
        where = f"incidents.{number}"
        try:
            kind_of(each.kind)
        except InvalidInput as error:
            yield Fault(where, str(error))
            continue
        if each.kind not in RULES and each.kind not in health.KINDS:
            yield Fault(where, f"{each.kind} cannot be seen in a picture: leave it out")
        elif each.zone is None and each.kind in RULES:
            yield Fault(where, f"{each.kind} happens in a zone: name it")
        elif each.zone is not None and each.kind in health.KINDS:
            yield Fault(where, f"{each.kind} is of the whole camera: leave the zone out")
        elif each.zone is not None and each.zone not in kinds:
            yield Fault(where, f"there is no zone {each.zone!r}; there are: {', '.join(kinds) or 'none'}")
        elif each.zone is not None and each.kind not in kinds[each.zone]:
            yield Fault(where, f"zone {each.zone} does not watch for {each.kind}: add it to its kinds")
        if each.end_s is not None and each.end_s <= each.onset_s:
            yield Fault(where, f"it ends at {each.end_s:g} s, before it begins at {each.onset_s:g} s")
        if each.onset_s >= length_s:
            yield Fault(where, f"it begins at {each.onset_s:g} s, after the footage's end at {length_s:.1f} s")
        if each.place is not None:
            yield from _place(where, each.place)
        named.setdefault((each.kind, each.zone), []).append((number, each))
    for same in named.values():
        ordered = sorted(same, key=lambda pair: pair[1].onset_s)
        for (first, earlier), (second, later) in pairwise(ordered):
            if later.onset_s < earlier.end_or(length_s):
                yield Fault(
                    f"incidents.{second}", f"it overlaps incidents.{first} of the same kind and zone: join them"
                )


def _place(where: str, place: tuple[float, float]) -> Iterator[Fault]:
    try:
        GeoPoint(*place)
    except InvalidInput as error:
        yield Fault(where, str(error))


def _counts(counts: Sequence[Headcount], camera: CameraPoint, length_s: float) -> Iterator[Fault]:
    counting = [zone.id for zone in camera.zones if COUNTING & set(zone.kinds)]
    told: set[tuple[str, float]] = set()
    for number, each in enumerate(counts):
        where = f"counts.{number}"
        if each.zone not in counting:
            yield Fault(
                where, f"people are not counted in zone {each.zone!r}; they are in: {', '.join(counting) or 'none'}"
            )
        if each.at_s >= length_s:
            yield Fault(where, f"there is no picture at {each.at_s:g} s: the footage ends at {length_s:.1f} s")
        if (each.zone, each.at_s) in told:
            yield Fault(where, f"zone {each.zone} was counted at {each.at_s:g} s already")
        told.add((each.zone, each.at_s))


def _quiet(truth: Truth, length_s: float) -> Iterator[Fault]:
    for number, span in enumerate(truth.quiet or ()):
        where = f"quiet.{number}"
        if span.until_s <= span.from_s:
            yield Fault(where, f"it ends at {span.until_s:g} s, before it begins at {span.from_s:g} s")
        if span.from_s >= length_s:
            yield Fault(where, f"it begins at {span.from_s:g} s, after the footage's end at {length_s:.1f} s")
        for other, each in enumerate(truth.incidents):
            if each.onset_s < span.until_s and span.from_s < each.end_or(length_s):
                yield Fault(where, f"it is not quiet: incidents.{other} ({each.kind}) is in it")
    spans = sorted((span.from_s, span.until_s) for span in truth.quiet or ())
    for (_, until_s), (from_s, _) in pairwise(spans):
        if from_s < until_s:
            yield Fault("quiet", f"two spans overlap at {from_s:g} s: join them")
