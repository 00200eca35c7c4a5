"""A small city for tests: root R, districts A and B side by side, leaves A1, A2 (west to east) and B1; 1 km squares."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from databases import Databases
from sqlalchemy import Engine

from alerts.database import upgrade
from alerts.grid_import import parse_grids
from alerts.registry import Registry
from alerts.vault import Vault
from models.geo import GeoPoint, LocalPlane
from models.people import SYSTEM, Actor, Grant, Role

PLANE = LocalPlane(GeoPoint(109.0, 32.7))
"""The south-western corner of A1."""

PATHS = {"R": "/R/", "A": "/R/A/", "B": "/R/B/", "A1": "/R/A/A1/", "A2": "/R/A/A2/", "B1": "/R/B/B1/"}
_WEST_EAST_M = {
    "R": (0, 3000),
    "A": (0, 2000),
    "B": (2000, 3000),
    "A1": (0, 1000),
    "A2": (1000, 2000),
    "B1": (2000, 3000),
}


def place(east_m: float, north_m: float = 500.0) -> GeoPoint:
    return PLANE.to_geo(east_m, north_m)


def square(west_m: float, east_m: float, south_m: float = 0.0, north_m: float = 1000.0) -> dict[str, object]:
    corners = [(west_m, south_m), (east_m, south_m), (east_m, north_m), (west_m, north_m), (west_m, south_m)]
    points = [PLANE.to_geo(*corner) for corner in corners]
    return {"type": "Polygon", "coordinates": [[[p.lon_deg, p.lat_deg] for p in points]]}


def feature(code: object, parent: object = None, geometry: object = None, name: object = "网格") -> dict[str, object]:
    return {"type": "Feature", "properties": {"code": code, "name": name, "parent": parent}, "geometry": geometry}


def collection(*features: object) -> dict[str, object]:
    return {"type": "FeatureCollection", "features": list(features)}


def city() -> dict[str, object]:
    parents = {"R": None, "A": "R", "B": "R", "A1": "A", "A2": "A", "B1": "B"}
    return collection(*(feature(code, parents[code], square(*_WEST_EAST_M[code])) for code in PATHS))


def actor(role: Role, code: str) -> Actor:
    return Actor(f"{role.value}-{code}", role.value, (Grant(role, code, PATHS[code]),))


@dataclass
class Clock:
    now_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Scene:
    engine: Engine
    registry: Registry
    vault: Vault
    clock: Clock


def build(folder: Path, databases: Databases) -> Iterator[Scene]:
    """A database with the city in it, for a fixture to yield."""
    with databases.fresh(_make_city) as engine:
        clock, vault = Clock(), Vault(folder / "secret.key")
        yield Scene(engine, Registry(engine, vault, clock), vault, clock)


def _make_city(engine: Engine) -> None:
    upgrade(engine)
    with TemporaryDirectory() as folder:
        Registry(engine, Vault(Path(folder) / "unused.key"), Clock()).import_grids(parse_grids(city()), SYSTEM)
