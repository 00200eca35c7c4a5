"""Suspected new structures: what stands out from the accepted scene for days, and the manner in which it came.

A truck, a tent or a container is there whole from one look to the next; what is built comes piece by piece, over hours
and days, and stays. So what grows is told of after a day, and what came at once only after a week, when whoever meant
to leave again has left. A person names it. Pure: time is the frame clock's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import ndimage

from detectors.structure_memory import DAY_S, LEARNS_S, OTHERWISE, Around, Find, Memory, Numbers, compare
from detectors.structure_region import Region, footprint_m2, outline, regions
from detectors.structure_view import Cells, small
from models.camera import CameraPoint, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import GroundPlane, inside
from models.structure import Accepted, Permit
from models.sun import sun_height_deg

KIND = "illegal_structure"
EACH_S = 600.0
"""A look in so many seconds is compared; nothing is built faster."""
GROWING_DAYS, AT_ONCE_DAYS = 1.0, 7.0
"""How long what grows, and what came at once, stands before it is told of. In a week the weekly market has come and
gone."""
DENSE = 0.25
"""Share of its rectangle that a region fills at least, and more by its share of the picture: what is large is solid,
what lies about thinly is light or leaves."""
OTHERWISE_SHARE, OTHERWISE_EACH = 0.06, 0.7
"""Share of the zone beside a region that may look otherwise, or OTHERWISE_EACH times the region's share of the picture:
what is built throws shadows, but on days of snow nothing is told."""
GROWS_ON_S = 3 * DAY_S
"""What has not grown for so long grows no more: what comes beside it is another one."""
SAID_EACH_S = DAY_S
GONE_S, GONE = 2 * DAY_S, 0.2
"""It is gone when for so long less than this share of its cells has stood out."""
KNOWN = 0.5
"""Share of its cells of which it must be known how they look: after days without pictures it is not."""
SUN_DEG = 4.0
"""Height of the sun from which on it is day: in the dark nothing is compared."""
BODY_SCORE = 0.35
PERSONS = frozenset({"person", "bicycle", "motorcycle"})
VEHICLES = frozenset({"car", "bus", "truck"})
A_VEHICLE = 0.5
"""Share of looks in which the detector took for a vehicle what came at once, from which on it is one."""
WIDEST = 0.35
"""Share of the zone that one thing covers at most."""


@dataclass(frozen=True, eq=False)
class Told:
    """A structure that was told of. ``seen_s``: when it stood out last; ``grown_s``: when it grew last; ``area_m2``:
    None where the ground is not known."""

    number: int
    zone_id: str
    cells: Cells
    since_s: float
    told_s: float
    said_s: float
    seen_s: float
    grown_s: float
    share: float
    area_m2: float | None


@dataclass(frozen=True, eq=False)
class State:
    """``memory``: None before the first look by day. ``before``: a masked JPEG of the accepted scene, taken at
    ``before_s`` and not by ``step``: it shows what was there before."""

    memory: Memory | None = None
    told: tuple[Told, ...] = ()
    numbers: int = 0
    before: bytes = b""
    before_s: float = 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether anything in the scene has looked otherwise in the last day."""
        return self.memory is not None and bool((self.memory.level() > OTHERWISE).any())


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


@dataclass(frozen=True, eq=False)
class Look:
    """A picture of the frame clock (``at_s``, Unix seconds), and the same with heads and plates hidden: only of that is
    anything kept. ``ground``: None where it is not known."""

    at_s: float
    bgr: Pixels
    masked: Pixels
    detections: Detections
    ground: GroundPlane | None = None


def step(state: State, camera: CameraPoint, look: Look, find: Find) -> Watched:
    """One look further; most are passed over, see ``is_due``. ``find``: a change network.

    What is accepted and permitted is said in ``camera.vision.structures``. Raises InvalidInput for a time that is no
    number."""
    at_s, accepted = look.at_s, camera.vision.structures
    if not math.isfinite(at_s):
        raise InvalidInput("the frame's time is no number")
    zones = [zone for zone in camera.zones if KIND in zone.kinds]
    why = _passed_over(state.memory, camera, at_s)
    if not zones or why:
        return Watched(state, (), {zone.id: why for zone in zones})
    picture = small(look.bgr)
    memory = state.memory
    # Of a zone that is there no more nothing is said, not even that it is over.
    state = replace(state, told=tuple(told for told in state.told if any(told.zone_id == zone.id for zone in zones)))
    said: list[Said] = []
    if memory is None or memory.accepted.pictures.shape[1] != len(picture):
        said = [_ended(told, "the picture has another shape: the scene is learned anew") for told in state.told]
        memory, state = Memory.first(len(picture), at_s), State()
    accepted_s = accepted.accepted_s
    is_newly = accepted_s is not None and accepted_s <= at_s and memory.accepted_s != accepted_s and memory.is_learned
    if accepted_s is not None and is_newly:
        said = [_ended(told, "the scene was accepted as it is now") for told in state.told]
        memory, state = memory.as_accepted(accepted_s), replace(state, told=())
    around = partial(_around, zones, accepted, look)
    compared = compare(memory, picture, small(look.masked), at_s, around, find)
    if is_newly and not compared.is_told:  # what was accepted is another scene than the one that is known
        return replace(step(State(), camera, look, find), said=tuple(said))
    memory = compared.memory
    strange = [told for told in state.told if told.cells.shape != memory.grid]
    said += [_ended(told, "another network looks, in other cells: what it finds is told anew") for told in strange]
    state = replace(state, memory=memory, told=tuple(told for told in state.told if told not in strange))
    if memory.accepted_s is None:
        why = f"it is learned how it looks: {memory.looks} looks so far"
        why += "; nobody has accepted it yet" if accepted_s is None else f", for {LEARNS_S / DAY_S:g} day at least"
        return Watched(state, tuple(said), {zone.id: f"{zone.name}: {why}" for zone in zones})
    if not compared.is_told:
        why = f"{compared.share:.0%} of the scene looks otherwise: snow, fog or another view, nothing can be told"
        return Watched(state, tuple(said), {zone.id: f"{zone.name}: {why}" for zone in zones})
    reasons, level = {}, np.where(around(memory.grid).permitted, np.float32(np.nan), memory.level())
    for zone in zones:
        permit = accepted.permitted(zone.id, at_s)
        if permit is not None:
            state, more = _permitted(state, zone, permit)
            reasons[zone.id] = f"{zone.name}: permit {permit.reference} covers it"
        else:
            state, more, reasons[zone.id] = _zone(state, memory, level, zone, at_s, look.ground)
        said.extend(more)
    return Watched(state, tuple(said), reasons)


def is_due(state: State, camera: CameraPoint, at_s: float) -> bool:
    """Whether a look at that time would be compared."""
    return any(KIND in zone.kinds for zone in camera.zones) and not _passed_over(state.memory, camera, at_s)


def _around(zones: Sequence[Zone], accepted: Accepted, look: Look, grid: tuple[int, int]) -> Around:
    none = np.zeros(grid, np.bool_)
    zoned = [zone_cells(zone, grid) for zone in zones]
    free = [cells for zone, cells in zip(zones, zoned, strict=True) if accepted.permitted(zone.id, look.at_s)]
    return Around(
        np.logical_or.reduce([none, *zoned]),
        np.logical_or.reduce([none, *free]),
        _boxed(look, PERSONS, grid),
        _boxed(look, VEHICLES, grid),
    )


def zone_cells(zone: Zone, grid: tuple[int, int]) -> Cells:
    rows, columns = grid
    y, x = np.mgrid[:rows, :columns]
    centres = np.stack([(x.ravel() + 0.5) / columns, (y.ravel() + 0.5) / rows], axis=1)
    return inside(zone.polygon, centres).reshape(grid)


def _passed_over(memory: Memory | None, camera: CameraPoint, at_s: float) -> str:
    if memory is not None and 0 <= at_s - memory.at_s < EACH_S:
        return f"compared once in {EACH_S:g} s; the last was {at_s - memory.at_s:.0f} s ago"
    sun_deg = sun_height_deg(camera.place, at_s)
    return f"compared by day only; the sun stands at {sun_deg:.0f}°" if sun_deg < SUN_DEG else ""


def _permitted(state: State, zone: Zone, permit: Permit) -> tuple[State, list[Said]]:
    ended = [_ended(told, f"permit {permit.reference} covers it") for told in state.told if told.zone_id == zone.id]
    return replace(state, told=tuple(told for told in state.told if told.zone_id != zone.id)), ended


def _zone(
    state: State, memory: Memory, level: Numbers, zone: Zone, at_s: float, ground: GroundPlane | None
) -> tuple[State, list[Said], str]:
    cells = zone_cells(zone, memory.grid)
    said: list[Said] = []
    notes: list[str] = []
    for told in [each for each in state.told if each.zone_id == zone.id]:
        state, more = _followed(state, told, level, at_s, ground)
        said.extend(more)
    known = _spread(np.logical_or.reduce([cells & False, *(told.cells for told in state.told)]))
    there = regions(memory, level, cells, known)
    things = np.logical_or.reduce([known, *(region.cells for region in there if _is_solid(region))])
    for region in there:
        beside = float(((level > OTHERWISE) & cells & ~region.cells & ~things).sum() / max(cells.sum(), 1))
        doubt = _doubt(region, beside, float(region.cells.sum() / max(cells.sum(), 1)), at_s)
        if doubt:
            notes.append(doubt)
            continue
        told = _first_told(state.numbers + 1, zone, region, at_s, ground)
        state = replace(state, told=(*state.told, told), numbers=told.number)
        said.append(Said("onset", told, None, f"{zone.name}: {_words(region, told, at_s)}"))
    stand = sum(told.zone_id == zone.id for told in state.told)
    standing = [f"{stand} suspected new structures stand there"] if stand else []
    return state, said, f"{zone.name}: {'; '.join([*standing, *notes]) or 'nothing new stands there'}"


def _spread(cells: Cells) -> Cells:
    result: Cells = ndimage.binary_dilation(cells, np.ones((3, 3), np.bool_))
    return result


def _is_solid(region: Region) -> bool:
    return region.density >= DENSE + region.share


def _doubt(region: Region, beside: float, share: float, at_s: float) -> str:
    """Why a region is not told of, or not yet. ``beside``: share of the zone that looks otherwise and is no thing;
    ``share``: what the region covers of it."""
    stood_s, waits_s = at_s - region.since_s, DAY_S * (GROWING_DAYS if region.is_growing else AT_ONCE_DAYS)
    manner = "grows" if region.is_growing else f"came at once ({region.whole:.0%} within four hours)"
    name = f"something new of {region.share:.1%} of the picture"
    if share > WIDEST:
        return f"{name} is {share:.0%} of the zone, more than one thing covers ({WIDEST:.0%})"
    if not _is_solid(region):
        return f"{name} fills {region.density:.0%} of its rectangle, needed are {DENSE + region.share:.0%}"
    most = max(OTHERWISE_SHARE, OTHERWISE_EACH * region.share)
    if beside > most:
        return f"{name}, but beside it {beside:.0%} of the zone look otherwise (at most {most:.0%})"
    if not region.is_growing and region.vehicles >= A_VEHICLE:
        return f"{name} came at once, and {region.vehicles:.0%} of the looks show a vehicle there"
    if stood_s < waits_s:
        return f"{name} {manner}, has stood for {stood_s / DAY_S:.1f} of {waits_s / DAY_S:g} days"
    return ""


def _first_told(number: int, zone: Zone, region: Region, at_s: float, ground: GroundPlane | None) -> Told:
    area_m2 = footprint_m2(region.outline, ground)
    return Told(number, zone.id, region.cells, region.since_s, at_s, at_s, at_s, at_s, region.share, area_m2)


def _followed(
    state: State, told: Told, level: Numbers, at_s: float, ground: GroundPlane | None
) -> tuple[State, list[Said]]:
    """A structure that was told of, at one more look."""
    changed, known = level > OTHERWISE, told.cells & ~np.isnan(level)
    if known.sum() < KNOWN * told.cells.sum():
        return state, []
    if (changed & told.cells).sum() <= GONE * known.sum():
        if at_s - told.seen_s < GONE_S:
            return state, []
        kept = tuple(each for each in state.told if each is not told)
        return replace(state, told=kept), [
            _ended(told, f"it has been gone for {(at_s - told.seen_s) / DAY_S:.1f} days")
        ]
    now = replace(told, seen_s=at_s)
    if at_s - told.grown_s < GROWS_ON_S:
        others = np.logical_or.reduce([changed & False, *(each.cells for each in state.told if each is not told)])
        cells: Cells = told.cells | ndimage.binary_propagation(told.cells & changed, mask=changed & ~others)
        if cells.sum() > told.cells.sum():
            now = replace(now, cells=cells, share=float(cells.mean()), grown_s=at_s)
    said = []
    if at_s - told.said_s >= SAID_EACH_S:
        now = replace(now, said_s=at_s, area_m2=footprint_m2(outline(level, now.cells & changed), ground))
        days = (at_s - told.said_s) / DAY_S
        grown = None if now.area_m2 is None or told.area_m2 is None else (now.area_m2 - told.area_m2) / days
        said.append(Said("continuing", now, grown, f"it still stands, {now.share:.1%} of the picture"))
    return replace(state, told=tuple(now if each is told else each for each in state.told)), said


def _words(region: Region, told: Told, at_s: float) -> str:
    size = "" if told.area_m2 is None else f", about {told.area_m2:.0f} m² of ground"
    manner = (
        "has grown over hours and days" if region.is_growing else f"came at once ({region.whole:.0%} within four hours)"
    )
    return (
        f"suspected new structure: {region.share:.1%} of the picture{size}, {manner}, "
        f"has stood for {(at_s - region.since_s) / DAY_S:.1f} days, stands out by {region.evidence:.1f}"
    )


def _ended(told: Told, why: str) -> Said:
    return Said("cleared", told, None, why)


def _boxed(look: Look, labels: frozenset[str], grid: tuple[int, int]) -> Cells:
    """Cells that lie in boxes of those labels."""
    boxed = np.zeros(grid, np.bool_)
    scale = np.array([grid[1] / look.bgr.shape[1], grid[0] / look.bgr.shape[0]] * 2)
    for left, top, right, bottom in look.detections.of(labels, BODY_SCORE).boxes_px * scale:
        boxed[max(int(top), 0) : math.ceil(bottom), max(int(left), 0) : math.ceil(right)] = True
    return boxed
