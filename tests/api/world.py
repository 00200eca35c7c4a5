"""A small city behind a real API server: two districts, each with a leaf, a camera and someone in every role."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from alerts.camera_checks import NewCamera
from alerts.database import open_database, upgrade
from alerts.grid_import import parse_grids
from alerts.sealer import seal
from api.__main__ import build, listen
from api.app import create_app
from api.services import Services
from models.camera import SourceUrl
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity
from models.people import SYSTEM, Role
from models.settings import read_settings

JPEG = b"\xff\xd8\xff\xe0" + b"a made picture of nobody" * 20
MASKED = b"\xff\xd8\xff\xdb" + b"masked"
NORTH, SOUTH = "N1", "S1"
"""Leaves. The people of ``World.people`` hold their roles in the northern district, N."""
PLACES = {NORTH: GeoPoint(109.005, 32.715), SOUTH: GeoPoint(109.005, 32.705)}
PASSWORD = "a sentence for a test"


def square(south: float, north: float) -> dict[str, Any]:
    corners = [[109.0, south], [109.01, south], [109.01, north], [109.0, north], [109.0, south]]
    return {"type": "Polygon", "coordinates": [corners]}


def grid(code: str, parent: str | None, south: float, north: float) -> dict[str, Any]:
    properties = {"code": code, "name": f"grid {code}", "parent": parent}
    return {"type": "Feature", "properties": properties, "geometry": square(south, north)}


def city() -> dict[str, Any]:
    features = [
        grid("C", None, 32.70, 32.72),
        grid("N", "C", 32.71, 32.72),
        grid("S", "C", 32.70, 32.71),
        grid(NORTH, "N", 32.71, 32.72),
        grid(SOUTH, "S", 32.70, 32.71),
    ]
    return {"type": "FeatureCollection", "features": features}


@dataclass
class FakeDesk:
    """The video desk's protocol on a unix socket, with scripted answers."""

    path: Path
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)

    def reset(self) -> None:
        facts = {"codec": "h264", "width_px": 640, "height_px": 360, "fps": 10.0, "gop_s": 2.0, "warnings": ["GOP 2 s"]}
        self.asked.clear()
        self.answers = {
            "probe": ({"ok": True, **facts}, MASKED),
            "picture": ({"ok": True}, MASKED),
            "mask": ({"ok": True}, MASKED),
            "status": ({"ok": True, "cameras": {}}, b""),
            "models": ({"ok": True, "models": []}, b""),
            "explain": ({"ok": True, "said": {}}, b""),
            "rehearse": ({"ok": True, "from_s": None, "until_s": None, "looks": 0, "raised": [], "said": {}}, b""),
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        self.reset()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(self.path))
            door.listen()
            thread = threading.Thread(target=self._answer_all, args=(door,))
            thread.start()
            try:
                yield
            finally:
                door.shutdown(socket.SHUT_RDWR)
                thread.join(5)
        self.path.unlink()

    def _answer_all(self, door: socket.socket) -> None:
        while True:
            try:
                link, _ = door.accept()
            except OSError:
                return
            with link, suppress(BrokenPipeError), link.makefile("rwb") as lines:
                asked = json.loads(lines.readline())
                if "bytes" in asked:
                    asked["data"] = lines.read(asked["bytes"])
                self.asked.append(asked)
                facts, data = self.answers[asked["op"]]
                lines.write(json.dumps({**facts, "bytes": len(data)}).encode() + b"\n" + data)


@dataclass
class World:
    services: Services
    base_url: str
    desk: FakeDesk
    cameras: dict[str, str]
    tokens: dict[str, str]
    people: dict[str, str]
    seq: int = 0
    keys: int = 0

    def client(self, who: str | None) -> httpx.Client:
        """As one of ``people``, with a bearer token; None: nobody."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=10, trust_env=False)

    def raise_alert(self, leaf: str = NORTH, evidence: tuple[Evidence, ...] = ()) -> str:
        """A new alert in that leaf, as the camera worker would report it; its id."""
        self.seq += 1
        now_s = time.time()
        incident = Incident(
            source="worker:test",
            seq=self.seq,
            camera_id=self.cameras[leaf],
            kind="crowding",
            phase=Phase.ONSET,
            zone_id=f"z{self.seq}",
            severity=Severity.ORANGE,
            confidence=0.8,
            place=PLACES[leaf],
            accuracy_m=2.0,
            onset_s=now_s - 10,
            at_s=now_s,
            measure={"persons": 24},
            reason="24 persons for 10 s, 20 is the limit",
            model="test 1",
            evidence=evidence,
        )
        receipt = self.services.desk.report(incident, now_s)
        assert receipt.alert_id is not None
        return receipt.alert_id

    def seal(self) -> None:
        """Gives every event its position, as the dispatcher does."""
        while seal(self.services.engine, "test", time.time()):
            pass

    def command(self, who: str, alert_id: str, type_: str, **more: Any) -> httpx.Response:
        """One command at the version that the alert has now, with a key of its own."""
        with self.client(who) as client:
            version = client.get(f"/v1/alerts/{alert_id}").json()["properties"]["version"]
            body = {"type": type_, "expected_version": version, **more}
            return client.post(f"/v1/alerts/{alert_id}/commands", json=body, headers=self.new_key())

    def new_key(self) -> dict[str, str]:
        self.keys += 1
        return {"Idempotency-Key": f"test-key-{self.keys}"}


@contextmanager
def served(services_of: Any, host: str = "127.0.0.1") -> Iterator[str]:
    """A real server in a thread of this process around the application; its address."""
    with listen(host, 0) as link:
        server: uvicorn.Server
        app = create_app(services_of(lambda: server.should_exit))
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [link]})
        thread.start()
        try:
            until = time.monotonic() + 10
            while not server.started and thread.is_alive() and time.monotonic() < until:
                time.sleep(0.01)
            assert server.started
            yield f"http://127.0.0.1:{link.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def people_of(services: Services) -> dict[str, str]:
    """Someone for each role in the northern district, and an operator and a worker in the southern; ids by name."""
    wanted = [(role.value, role, "N") for role in Role]
    wanted += [("south_operator", Role.OPERATOR, "S"), ("south_worker", Role.GRID_WORKER, "S")]
    wanted += [("second_worker", Role.GRID_WORKER, "N"), ("second_operator", Role.OPERATOR, "N")]
    people = {}
    for name, role, code in wanted:
        person, _ = services.registry.add_person(SYSTEM, name, name, PASSWORD, [(role, code)])
        people[name] = person.id
    now_s = time.time()
    for name in ("grid_worker", "second_worker"):
        services.registry.put_on_duty(SYSTEM, people[name], NORTH, now_s - 60, now_s + 3600, 0)
    return people


def camera_in(services: Services, leaf: str) -> str:
    url = SourceUrl.parse("rtsp://viewer:hunter2-secret@10.1.2.3/ch1")
    new = NewCamera(f"cam-{leaf}", f"camera {leaf}", PLACES[leaf], url, "a test")
    return services.registry.add_camera(SYSTEM, new).id


def signed_in(base_url: str, names: Mapping[str, str]) -> dict[str, str]:
    with httpx.Client(base_url=base_url, trust_env=False) as client:
        return {
            name: client.post("/v1/sessions", json={"username": name, "password": PASSWORD}).json()["token"]
            for name in names
        }


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    settings = read_settings(
        {
            "WANGGE_DATA": str(folder),
            "WANGGE_PHOTO_MAX_BYTES": "20000",
            "WANGGE_PUSH_CONTACT": "mailto:desk@example.com",
        }
    )
    engine = open_database(settings.database_url)
    upgrade(engine)
    made: list[Services] = []

    def services_of(closing: Any) -> Services:
        made.append(build(settings, engine, None, closing))
        return made[0]

    desk = FakeDesk(settings.video_desk)
    try:
        with desk.running(), served(services_of) as base_url:
            services = made[0]
            services.registry.import_grids(parse_grids(city()), SYSTEM)
            people = people_of(services)
            cameras = {leaf: camera_in(services, leaf) for leaf in PLACES}
            yield World(services, base_url, desk, cameras, signed_in(base_url, people), people)
    finally:
        engine.dispose()
