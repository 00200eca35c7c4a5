"""What the demo finds in its ledger: a small grid tree, six people, their duties, two cameras.

A second start keeps what is there, but for what a demo has to be told anew: one-time passwords, where the cameras'
streams are, and the zones. Zones get an id of this start, so that each start sees a happening of its own: an alert that
was left open last time, or a rule that remembers its crowd, does not take this one for the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from alerts.camera_checks import NewCamera
from alerts.database import open_database
from alerts.grid_import import parse_grids
from alerts.grids import GridIndex
from alerts.queries import every
from alerts.registry import Registry
from alerts.vault import Vault
from models.camera import SourceUrl
from models.errors import Misconfigured
from models.people import SYSTEM, Grid, Role
from models.settings import Settings
from ops.demo_scene import Scene
from ops.demo_trip import Party, SignIn, Wanted

GRIDS = Path(__file__).with_name("demo_grids.geojson")
SHIFT_S = 24 * 3600.0
LEAST_SHIFT_S = 8 * 3600.0
"""Whoever is on duty for longer than this needs no new shift."""


@dataclass(frozen=True)
class DemoPerson:
    """Someone of the demo, and the part that they play."""

    username: str
    name: str
    role: Role
    rank: int | None = None
    """For grid workers: 0 is asked first, 1 the backup."""


PEOPLE = (
    DemoPerson("demo-operator", "值班员 陈静", Role.OPERATOR),
    DemoPerson("demo-worker", "网格员 张伟", Role.GRID_WORKER, rank=0),
    DemoPerson("demo-backup", "网格员 李娜", Role.GRID_WORKER, rank=1),
    DemoPerson("demo-verifier", "核查员 王芳", Role.VERIFIER),
    DemoPerson("demo-supervisor", "督办 刘洋", Role.SUPERVISOR),
    DemoPerson("demo-admin", "管理员 赵磊", Role.ADMIN),
)
"""Invented names. The user names are the demo's own, so that nobody else's password is reset at its start."""


@dataclass(frozen=True)
class Seeded:
    """Who may sign in with what; the camera and the zone whose crowd this start waits for."""

    sign_ins: Mapping[str, SignIn]
    wanted: Wanted

    @property
    def operator(self) -> SignIn:
        return self.sign_ins["demo-operator"]

    @property
    def party(self) -> Party:
        return Party(self.operator, self.sign_ins["demo-worker"], self.sign_ins["demo-admin"])


def seed(settings: Settings, scenes: Sequence[Scene], port: int, now_s: float) -> Seeded:
    """Puts what the demo needs into the ledger, whose schema must be there. The first scene is the one waited for.

    ``port`` is where the cameras' streams are on this machine. Raises Misconfigured if the shipped grids leave a camera
    out, and what the ledger raises.
    """
    grids = parse_grids(GRIDS.read_bytes())
    engine = open_database(settings.database_url)
    try:
        registry = Registry(engine, Vault(settings.key_file), lambda: now_s)
        registry.import_grids(grids, SYSTEM)
        leaves = _leaves(grids, scenes)
        sign_ins = {person.username: _person(registry, person, grids, leaves, now_s) for person in PEOPLE}
        start = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%d-%H%M%S")
        for scene in scenes:
            _camera(registry, scene, port, start)
    finally:
        engine.dispose()
    return Seeded(sign_ins, Wanted(scenes[0].code, _zone_id(scenes[0].zones[0].id, start)))


def _leaves(grids: Sequence[Grid], scenes: Sequence[Scene]) -> list[Grid]:
    """The grids that the cameras stand in and look at, each once."""
    index = GridIndex(grids)
    by_code = {grid.code: grid for grid in grids}
    found = {}
    for scene in scenes:
        for place in (scene.place, *(point.place for point in scene.control_points)):
            code = index.locate(place, 0.0).code
            if code is None:
                raise Misconfigured(f"the demo's grids leave out the place of camera {scene.code}")
            found[code] = by_code[code]
    return list(found.values())


def _person(registry: Registry, who: DemoPerson, grids: Sequence[Grid], leaves: Sequence[Grid], now_s: float) -> SignIn:
    """Makes the person, or a new one-time password for them; sees to it that grid workers are on duty."""
    if who.rank is None:
        codes = [grid.code for grid in grids if grid.parent is None]
    else:
        codes = sorted({leaf.parent or leaf.code for leaf in leaves})
    known = every(lambda after: registry.people(SYSTEM, limit=500, after=after))
    there = next((person for person in known if person.username == who.username), None)
    if there is None:
        there, password = registry.add_person(SYSTEM, who.username, who.name, None, [(who.role, c) for c in codes])
    else:
        password = registry.reset_password(SYSTEM, there.id)
    if who.rank is not None:
        on_duty = {
            duty.grid_code
            for duty in registry.duties([leaf.code for leaf in leaves], now_s)
            if duty.person_id == there.id and duty.ends_s > now_s + LEAST_SHIFT_S
        }
        for leaf in leaves:
            if leaf.code not in on_duty:
                registry.put_on_duty(SYSTEM, there.id, leaf.code, now_s, now_s + SHIFT_S, who.rank)
    return SignIn(who.username, password or "")


def _camera(registry: Registry, scene: Scene, port: int, start: str) -> None:
    """Registers the camera, or tells the one that is there where its stream is now and what to watch."""
    url = SourceUrl.parse(f"rtsp://127.0.0.1:{port}/{scene.name}")
    zones = tuple(replace(zone, id=_zone_id(zone.id, start)) for zone in scene.zones)
    known = every(lambda after: registry.cameras(SYSTEM, limit=500, after=after))
    there = next((camera for camera in known if camera.code == scene.code), None)
    if there is None:
        new = NewCamera(
            code=scene.code,
            name=scene.title,
            place=scene.place,
            url=url,
            purpose=scene.purpose,
            zones=zones,
            control_points=scene.control_points,
        )
        registry.add_camera(SYSTEM, new)
    else:
        changes = {"url": url, "zones": zones, "control_points": scene.control_points, "enabled": True}
        registry.change_camera(SYSTEM, there.id, changes, there.version)


def _zone_id(zone_id: str, start: str) -> str:
    return f"{zone_id}-{start}"
