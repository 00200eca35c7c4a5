"""A made city for measurements: a tree of square grids, people on duty, cameras, and what the cameras see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert

from models import tables
from models.geo import GeoPoint, LocalPlane
from models.incident import Evidence, Incident, Phase, Severity
from models.people import Role

NOW = 1_800_000_000.0
_PLANE = LocalPlane(GeoPoint(109.0, 32.0))
_SIDE_M = 250.0


@dataclass(frozen=True)
class Leaf:
    """A grid of the lowest level, ``column`` and ``row`` of the city's square."""

    code: str
    path: str
    column: int
    row: int

    def place(self) -> GeoPoint:
        """Its middle."""
        return _PLANE.to_geo((self.column + 0.5) * _SIDE_M, (self.row + 0.5) * _SIDE_M)

    def polygon(self) -> dict[str, Any]:
        west, south = self.column * _SIDE_M, self.row * _SIDE_M
        corners = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
        ring = [_PLANE.to_geo(west + x * _SIDE_M, south + y * _SIDE_M) for x, y in corners]
        return {"type": "Polygon", "coordinates": [[[point.lon_deg, point.lat_deg] for point in ring]]}


def city(leaves: int, per_village: int = 9, per_town: int = 12) -> tuple[list[dict[str, Any]], list[Leaf]]:
    """Rows of ``grids`` (city, towns, villages, leaves), parents first, and the leaves."""
    rows = {"c": _grid("c", None, "/", None)}
    found = []
    side = max(1, int(leaves**0.5))
    for number in range(leaves):
        village = number // per_village
        town = village // per_town
        above = [(f"t{town}", "c", "/c/"), (f"v{village}", f"t{town}", f"/c/t{town}/")]
        for code, parent, path in above:
            rows.setdefault(code, _grid(code, parent, path, None))
        path = f"/c/t{town}/v{village}/"
        leaf = Leaf(f"g{number}", f"{path}g{number}/", number % side, number // side)
        rows[leaf.code] = _grid(leaf.code, f"v{village}", path, leaf.polygon())
        found.append(leaf)
    return list(rows.values()), found


def _grid(code: str, parent: str | None, above: str, polygon: dict[str, Any] | None) -> dict[str, Any]:
    path = f"{above}{code}/"
    about = {"code": code, "scheme": "bench", "name": f"网格 {code}", "parent": parent, "polygon": polygon}
    return {**about, "level": path.count("/") - 1, "path": path, "changed_s": 0.0}


def furnish(connection: Connection, leaves: int, cameras: int, people: int = 0) -> list[Leaf]:
    """Grids, cameras (their ids: cam0, cam1, …) spread over the leaves, and people (p0, p1, …) on duty there."""
    rows, found = city(leaves)
    connection.execute(insert(tables.grids), rows)
    connection.execute(insert(tables.cameras), [_camera(n, found[n % leaves]) for n in range(cameras)])
    if people:
        connection.execute(insert(tables.people), [_person(n) for n in range(people)])
        held = [(f"p{n}", found[n % leaves].code) for n in range(people)]
        role = Role.GRID_WORKER.value
        connection.execute(
            insert(tables.grants), [{"person_id": who, "role": role, "grid_code": code} for who, code in held]
        )
        shift = {"rank": 0, "starts_s": NOW - 86_400, "ends_s": NOW + 10 * 86_400}
        connection.execute(
            insert(tables.duties), [{"person_id": who, "grid_code": code, **shift} for who, code in held]
        )
    return found


def _camera(number: int, leaf: Leaf) -> dict[str, Any]:
    place = leaf.place()
    return {
        "id": f"cam{number}",
        "code": f"cam{number}",
        "name": f"相机 {number}",
        "lon_deg": place.lon_deg,
        "lat_deg": place.lat_deg,
        "url": "rtsp://10.0.0.1/",
        "purpose": "bench",
        "grid_code": leaf.code,
        "grid_path": leaf.path,
        "zones": [],
        "control_points": [],
        "enabled": True,
        "version": 1,
        "created_s": 0.0,
        "changed_s": 0.0,
    }


def _person(number: int) -> dict[str, Any]:
    about = {"id": f"p{number}", "username": f"p{number}", "name": f"网格员 {number}", "password_hash": "x"}
    return {**about, "must_change_password": False, "active": True, "created_s": 0.0}


def scenes(source: str, number: int, leaves: list[Leaf], cameras: int, told: tuple[Phase, ...]) -> Iterator[Incident]:
    """What ``number`` scenes report one after the other, each in a zone of its own: one incident for each of ``told``,
    ten seconds apart. A full scene comes with a picture at its onset."""
    seq = 0
    for scene in range(number):
        camera = scene % cameras
        for step, phase in enumerate(told):
            seq += 1
            at_s = NOW + seq * 0.001 + step * 10
            still = Evidence(f"{hash((source, seq)) & (1 << 256) - 1:064x}", "still", "image/jpeg", at_s)
            yield Incident(
                source=source,
                seq=seq,
                kind="crowding",
                phase=phase,
                camera_id=f"cam{camera}",
                zone_id=f"{source.rpartition(':')[2]}-{scene}",
                severity=Severity.ORANGE,
                confidence=0.81,
                place=leaves[camera % len(leaves)].place(),
                accuracy_m=4.0,
                onset_s=NOW,
                at_s=at_s,
                measure={"persons": 31, "area_m2": 14.5, "density_per_m2": 2.14, "threshold": 2.0},
                reason="31 persons on 14.5 m²: 2.14 per m², the threshold is 2.0",
                model="nanodet-g-416 1.0",
                evidence=(still,) if phase is Phase.ONSET else (),
            )
