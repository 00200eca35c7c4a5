"""Suspected new structures: what stands out from the accepted scene for days, and the manner in which it came.

A truck, a tent or a container is there whole from one look to the next; what is built comes piece by piece, over hours
and days, and stays. So what grows is told of after a day, and what came at once only after a week, when whoever meant
to leave again has left. A person names it. Pure: time is the frame clock's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.structure_memory import Memory, compare
from detectors.structure_region import DAY_S, Region, footprint_m2, regions
from detectors.structure_view import COLUMNS, LEAST_ALIKE, Cells, grey_of, rows_of, small, view_of
from models.camera import CameraPoint, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import GeoPoint, GroundPlane, inside
from models.structure import Accepted, Permit

KIND = "illegal_structure"
EACH_S = 600.0
"""A look in so many seconds is compared; nothing is built faster."""
GROWING_DAYS, AT_ONCE_DAYS = 1.0, 7.0
"""How long what grows, and what came at once, stands before it is told of. In a week the weekly market has come and
gone."""
SURE = 0.8
"""Mean evidence of a region from which on it is told of."""
DENSE = 0.25
"""Share of its rectangle that a region fills at least, and more by its share of the picture: what is large is solid,
what lies about thinly is light or leaves."""
OTHERWISE, OTHERWISE_EACH = 0.06, 0.7
"""Share of the zone beside a region that may look otherwise, or OTHERWISE_EACH of the region's share of the picture:
what is built throws shadows, but on days of snow nothing is told."""
SAME = 0.3
"""Regions that overlap by this share of the smaller one are one structure."""
SAID_EACH_S = DAY_S
GONE_S, GONE = 2 * DAY_S, 0.2
"""It is gone when for so long less than this share of its cells has stood out."""
SUN_DEG = 4.0
"""Height of the sun from which on it is day: in the dark nothing is compared."""
NOT_ACCEPTED = Accepted()
BODY_SCORE = 0.35
BODIES = frozenset({"person", "bicycle", "motorcycle", "car", "bus", "truck"})


@dataclass(frozen=True, eq=False)
class Told:
    """A structure that was told of. ``seen_s``: when it stood out last; ``area_m2``: None where the ground is
    not known."""

    number: int
    zone_id: str
    cells: Cells
    since_s: float
    told_s: float
    said_s: float
    seen_s: float
    share: float
    area_m2: float | None


@dataclass(frozen=True, eq=False)
class State:
    """``memory``: None before the first look by day."""

    memory: Memory | None = None
    told: tuple[Told, ...] = ()
    numbers: int = 0


@dataclass(frozen=True, eq=False)
class Said:
    """``phase``: onset, continuing (once a day) or cleared; ``grown_m2``: a day, since it was said last."""

    phase: str
    structure: Told
    grown_m2: float | None
    reason: str


@dataclass(frozen=True, eq=False)
class Watched:
    state: State
    said: tuple[Said, ...]
    reasons: dict[str, str]
    """By zone."""


def step(
    state: State,
    camera: CameraPoint,
    at_s: float,
    bgr: Pixels,
    detections: Detections | None = None,
    ground: GroundPlane | None = None,
    accepted: Accepted = NOT_ACCEPTED,
) -> Watched:
    """One look further; most are passed over, see ``EACH_S``. Raises InvalidInput for a time that is no number."""
    if not math.isfinite(at_s):
        raise InvalidInput("the frame's time is no number")
    zones = [zone for zone in camera.zones if KIND in zone.kinds]
    why = _passed_over(state.memory, camera, at_s)
    if not zones or why:
        return Watched(state, (), {zone.id: why for zone in zones})
    picture = small(bgr)
    grid = (rows_of(bgr), COLUMNS)
    memory = state.memory
    if memory is None or memory.evidence.shape != grid:
        memory, state = Memory.first(grey_of(picture), *grid, at_s), State()
    view = view_of(picture, memory.anchor)
    if view.alike < LEAST_ALIKE:
        why = f"this is not the view that was learned: likeness {view.alike:.2f}, at least {LEAST_ALIKE:g}"
        return Watched(replace(state, memory=replace(memory, at_s=at_s)), (), {zone.id: why for zone in zones})
    accepted_s = accepted.accepted_s
    cleared: list[Said] = []
    if accepted_s is not None and accepted_s <= at_s and memory.accepted_s != accepted_s:
        cleared = [_ended(told, "the scene was accepted as it is now") for told in state.told]
        memory, state = memory.accepted(accepted_s), replace(state, told=())
    cells = {zone.id: zone_cells(zone, grid) for zone in zones}
    watched = np.logical_or.reduce(list(cells.values()))
    compared = compare(memory, view, at_s, watched & ~_bodies(detections, bgr, grid))
    memory = compared.memory
    for zone in zones:
        if accepted.permitted(zone.id, at_s):
            memory = memory.forgiven(cells[zone.id])
    state = replace(state, memory=memory)
    if not compared.is_told:
        why = f"{compared.share:.0%} of the scene looks otherwise, or it is still being learned: nothing can be told"
        return Watched(state, tuple(cleared), {zone.id: why for zone in zones})
    said, reasons = cleared, {}
    for zone in zones:
        permit = accepted.permitted(zone.id, at_s)
        if permit is not None:
            state, more = _permitted(state, zone, permit)
            reasons[zone.id] = f"{zone.name}: permit {permit.reference} covers it"
        else:
            state, more, reasons[zone.id] = _zone(state, memory, zone, cells[zone.id], at_s, ground)
        said.extend(more)
    return Watched(state, tuple(said), reasons)


def zone_cells(zone: Zone, grid: tuple[int, int]) -> Cells:
    rows, columns = grid
    y, x = np.mgrid[:rows, :columns]
    centres = np.stack([(x.ravel() + 0.5) / columns, (y.ravel() + 0.5) / rows], axis=1)
    return inside(zone.polygon, centres).reshape(grid)


def _passed_over(memory: Memory | None, camera: CameraPoint, at_s: float) -> str:
    if memory is not None and at_s - memory.at_s < EACH_S:
        return f"compared once in {EACH_S:g} s; the last was {at_s - memory.at_s:.0f} s ago"
    sun_deg = sun_height_deg(camera.place, at_s)
    return f"compared by day only; the sun stands at {sun_deg:.0f}°" if sun_deg < SUN_DEG else ""


def _permitted(state: State, zone: Zone, permit: Permit) -> tuple[State, list[Said]]:
    ended = [_ended(told, f"permit {permit.reference} covers it") for told in state.told if told.zone_id == zone.id]
    return replace(state, told=tuple(told for told in state.told if told.zone_id != zone.id)), ended


def _zone(
    state: State, memory: Memory, zone: Zone, cells: Cells, at_s: float, ground: GroundPlane | None
) -> tuple[State, list[Said], str]:
    if memory.accepted_s is None:
        return state, [], f"{zone.name}: nobody has accepted how it looks; it is being learned"
    there = regions(memory, cells)
    said: list[Said] = []
    notes: list[str] = []
    for told in [each for each in state.told if each.zone_id == zone.id]:
        state, more = _followed(state, told, there, memory, at_s, ground)
        said.extend(more)
    things = [region.cells for region in there if region.evidence >= SURE and _is_solid(region)]
    others = np.logical_or.reduce([cells & False, *things, *(told.cells for told in state.told)])
    for region in there:
        beside = float((memory.changed & cells & ~region.cells & ~others).sum() / max(cells.sum(), 1))
        if _same(region.cells, [told.cells for told in state.told]):
            continue
        doubt = _doubt(region, beside, at_s)
        if doubt:
            notes.append(doubt)
            continue
        told = _first_told(state.numbers + 1, zone, region, at_s, ground)
        state = replace(state, told=(*state.told, told), numbers=told.number)
        said.append(Said("onset", told, None, f"{zone.name}: {_words(region, told, at_s)}"))
    standing = [f"{len(state.told)} new structures stand there"] if state.told else []
    return state, said, f"{zone.name}: {'; '.join([*standing, *notes]) or 'nothing new stands there'}"


def _is_solid(region: Region) -> bool:
    return region.density >= DENSE + region.share


def _doubt(region: Region, beside: float, at_s: float) -> str:
    """Why a region is not told of, or not yet. ``beside``: share of the zone that looks otherwise and is no thing."""
    stood_s, waits_s = at_s - region.since_s, DAY_S * (GROWING_DAYS if region.is_growing else AT_ONCE_DAYS)
    manner = "grows" if region.is_growing else f"came at once ({region.whole:.0%} within two hours)"
    name = f"something new of {region.share:.1%} of the picture"
    if region.evidence < SURE:
        return f"{name} stands out by {region.evidence:.2f}, needed are {SURE:g}"
    if not _is_solid(region):
        return f"{name} fills {region.density:.0%} of its rectangle, needed are {DENSE + region.share:.0%}"
    most = max(OTHERWISE, OTHERWISE_EACH * region.share)
    if beside > most:
        return f"{name}, but beside it {beside:.0%} of the zone look otherwise (at most {most:.0%})"
    if stood_s < waits_s:
        return f"{name} {manner}, has stood for {stood_s / DAY_S:.1f} of {waits_s / DAY_S:g} days"
    return ""


def _first_told(number: int, zone: Zone, region: Region, at_s: float, ground: GroundPlane | None) -> Told:
    area_m2 = footprint_m2(region.cells, ground)
    return Told(number, zone.id, region.cells, region.since_s, at_s, at_s, at_s, region.share, area_m2)


def _followed(
    state: State, told: Told, there: Sequence[Region], memory: Memory, at_s: float, ground: GroundPlane | None
) -> tuple[State, list[Said]]:
    """A structure that was told of, at one more look."""
    mine = [region.cells for region in there if _same(region.cells, [told.cells])]
    if (memory.changed & told.cells).sum() > GONE * told.cells.sum():
        cells: Cells = np.logical_or.reduce([told.cells, *mine])
        now = replace(told, cells=cells, share=float(cells.mean()), seen_s=at_s)
    elif at_s - told.seen_s >= GONE_S:
        kept = tuple(each for each in state.told if each is not told)
        return replace(state, told=kept), [
            _ended(told, f"it has been gone for {(at_s - told.seen_s) / DAY_S:.1f} days")
        ]
    else:
        now = told
    said = []
    if at_s - told.said_s >= SAID_EACH_S and now.seen_s == at_s:
        now = replace(now, said_s=at_s, area_m2=footprint_m2(now.cells & memory.changed, ground))
        days = (at_s - told.said_s) / DAY_S
        grown = None if now.area_m2 is None or told.area_m2 is None else (now.area_m2 - told.area_m2) / days
        said.append(Said("continuing", now, grown, f"it still stands, {now.share:.1%} of the picture"))
    return replace(state, told=tuple(now if each is told else each for each in state.told)), said


def _words(region: Region, told: Told, at_s: float) -> str:
    size = "" if told.area_m2 is None else f", about {told.area_m2:.0f} m² of ground"
    manner = (
        "has grown over hours and days" if region.is_growing else f"came at once ({region.whole:.0%} within two hours)"
    )
    return (
        f"suspected new structure: {region.share:.1%} of the picture{size}, {manner}, "
        f"has stood for {(at_s - region.since_s) / DAY_S:.1f} days, stands out by {region.evidence:.2f}"
    )


def _ended(told: Told, why: str) -> Said:
    return Said("cleared", told, None, why)


def _same(cells: Cells, others: Sequence[Cells]) -> bool:
    return any((cells & other).sum() > SAME * min(cells.sum(), other.sum()) for other in others)


def _bodies(detections: Detections | None, bgr: Pixels, grid: tuple[int, int]) -> Cells:
    """Cells before which people and vehicles are."""
    hidden = np.zeros(grid, dtype=bool)
    if detections is None:
        return hidden
    scale = np.array([grid[1] / bgr.shape[1], grid[0] / bgr.shape[0]] * 2)
    for left, top, right, bottom in detections.of(BODIES, BODY_SCORE).boxes_px * scale:
        hidden[max(int(top), 0) : math.ceil(bottom), max(int(left), 0) : math.ceil(right)] = True
    return hidden


def sun_height_deg(place: GeoPoint, at_s: float) -> float:
    """Height of the sun over the horizon, within a degree.

    Source: Astronomical Almanac, low-precision formulas for the Sun (declination, equation of time left in).
    """
    days = at_s / DAY_S - 10957.5  # since noon of 1 January 2000
    mean, anomaly = math.radians(280.460 + 0.9856474 * days), math.radians(357.528 + 0.9856003 * days)
    along = mean + math.radians(1.915) * math.sin(anomaly) + math.radians(0.020) * math.sin(2 * anomaly)
    tilt = math.radians(23.439)
    declination = math.asin(math.sin(tilt) * math.sin(along))
    ascension = math.atan2(math.cos(tilt) * math.sin(along), math.cos(along))
    turned = math.radians((280.46062 + 360.98564737 * days + place.lon_deg) % 360) - ascension
    latitude = math.radians(place.lat_deg)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(turned)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))
