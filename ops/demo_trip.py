"""The headless trip: operator, grid worker and admin take one alert that pixels raised to its end, over HTTP only.

Nothing here reads the database: what is reported is what the API says.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np

from ops.demo_client import Client, Json, TripFailed


@dataclass(frozen=True)
class SignIn:
    """Who takes part. The password is a one-time one; it is never printed by this module."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Party:
    operator: SignIn
    worker: SignIn
    admin: SignIn


@dataclass(frozen=True)
class Wanted:
    """The zone whose crowd is waited for."""

    camera_code: str
    zone_id: str


@dataclass(frozen=True)
class Desks:
    """The three signed-in clients."""

    operator: Client
    worker: Client
    admin: Client


@dataclass
class Watch:
    """Seconds from the start of the demo, named stage by stage."""

    started: float
    stages: dict[str, float] = field(default_factory=dict)
    _last: float = 0.0

    def stage(self, name: str) -> None:
        """Notes how long it took since the stage before."""
        now = time.monotonic() - self.started
        self.stages[name] = round(now - self._last, 3)
        self._last = now

    def total(self) -> None:
        self.stages["total_s"] = round(time.monotonic() - self.started, 3)


def travel(
    base_url: str,
    party: Party,
    wanted: Wanted,
    *,
    watch: Watch,
    deadline: float,
    say: Callable[[str], None],
    ca: Path | None = None,
) -> Json:
    """The whole trip. ``deadline`` is monotonic seconds. Returns what the JSON file holds.

    Raises TripFailed, with what was last seen, when the case is not closed by then; ApiRefused when a step is refused.
    """
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(base_url, who.username, who.password, deadline=deadline, ca=ca))
            for who in (party.operator, party.worker, party.admin)
        ]
        for client in clients:
            client.sign_in()
        desks = Desks(*clients)
        watch.stage("start_to_ready_s")
        say(f"ready after {watch.stages['start_to_ready_s']:.1f} s: waiting for pixels to raise a crowding alert")
        camera_id = _camera(desks.admin, wanted.camera_code)
        alert_id = _first_alert(desks, wanted.zone_id, deadline, say)
        watch.stage("ready_to_alert_s")
        say(f"alert {alert_id} after {watch.stages['ready_to_alert_s']:.1f} s")
        photo = _work(desks, alert_id, watch, say)
        watch.total()
        return _report(desks.admin, camera_id, alert_id, photo, watch)


def _camera(admin: Client, code: str) -> str:
    for feature in admin.get("/v1/cameras", limit=500)["features"]:
        if feature["properties"]["code"] == code:
            return str(feature["id"])
    raise TripFailed(f"the API lists no camera {code}")


def _first_alert(desks: Desks, zone_id: str, deadline: float, say: Callable[[str], None]) -> str:
    """The live stream says that something happened, the list says what there is. Returns the alert's id."""
    after, said_at = "", time.monotonic()
    while (left := deadline - time.monotonic()) > 0:
        try:
            with desks.operator.events(after, read_timeout_s=min(left, 3.0)) as events:
                for event in events:  # the first says that the stream has begun: from then on nothing is missed
                    after = event.id or after
                    if found := _new_alert(desks.operator, zone_id):
                        return found
                    if time.monotonic() > deadline:
                        break
        except httpx.TransportError:
            pass  # quiet for seconds, or the API was restarted: the stream is taken up after the last event seen
        if time.monotonic() - said_at > 5:
            said_at = time.monotonic()
            say(f"waiting, {left:.0f} s left: {_seen(desks.admin)}")
    raise TripFailed(f"no crowding alert came in time; last seen: {_seen(desks.admin)}")


def _new_alert(operator: Client, zone_id: str) -> str | None:
    """The zone is of this start and only pixels raise alerts in zones; the model that saw them is named."""
    for feature in operator.get("/v1/alerts", kind="crowding", state="new", limit=100)["features"]:
        alert = feature["properties"]
        if alert["zone_id"] == zone_id and alert["model"]:
            return str(feature["id"])
    return None


def _seen(admin: Client) -> str:
    """One line: how the cameras do, how often the detector looked at them, how many alerts there are."""
    said = []
    for feature in admin.get("/v1/cameras", limit=100)["features"]:
        camera, status = feature["properties"], feature["properties"]["status"]
        counted = f"{status.get('keyframes', 0)} keyframes, {status.get('looks', 0)} looks"
        said.append(f"{camera['code']} {status['state']}, {counted}")
    alerts = admin.get("/v1/alerts", limit=100)["features"]
    return "; ".join([*said, f"{len(alerts)} alerts"])


def _work(desks: Desks, alert_id: str, watch: Watch, say: Callable[[str], None]) -> Json:
    """From new to closed. Returns the sha256 of the photo as taken and as kept."""
    operator, worker, path = desks.operator, desks.worker, f"/v1/alerts/{alert_id}"

    def step(who: Client, command: str, arguments: Callable[[Json], Json] = lambda _alert: {}) -> None:
        who.command(alert_id, command, arguments)
        done(command)

    def done(what: str) -> None:
        watch.stage(f"{what}_s")
        say(f"{what}: {watch.stages[f'{what}_s']:.2f} s")

    step(operator, "acknowledge")
    step(operator, "dispatch")
    _in_queue(worker, worker.get(path)["properties"]["grid_code"], alert_id)
    step(worker, "claim")
    step(worker, "accept", lambda alert: {"fence": alert["claim"]["fence"]})
    step(worker, "arrive")
    photo = made_photo()
    kept = worker.upload(f"{path}/evidence", "scene.jpg", photo)["evidence"]["sha256"]
    done("photo")
    said = "已到场疏导,人群散开 / On scene, the crowd has dispersed."
    step(worker, "handle", lambda _alert: {"evidence": [kept], "text": said})
    step(operator, "verify")
    step(operator, "close", lambda _alert: {"outcome": "fixed_service"})
    return {"taken_sha256": hashlib.sha256(photo).hexdigest(), "kept_sha256": kept}


def _in_queue(worker: Client, grid_code: str, alert_id: str) -> None:
    queue = worker.get(f"/v1/grids/{grid_code}/queue", limit=100)
    if alert_id not in [str(item["id"]) for item in queue["features"]]:
        raise TripFailed(f"alert {alert_id} was dispatched but does not stand in the queue of grid {grid_code}")


def _report(admin: Client, camera_id: str, alert_id: str, photo: Json, watch: Watch) -> Json:
    """What the admin reads back. Raises TripFailed unless closed, verified by another person, its evidence whole."""
    feature = admin.get(f"/v1/alerts/{alert_id}")
    alert = feature["properties"]
    if alert["state"] != "closed" or alert["verified_by"] in (None, alert["handled_by"]):
        raise TripFailed(f"alert {alert_id} is {alert['state']}, verified by {alert['verified_by']}")
    evidence = []
    for item in alert["evidence"]:
        data = admin.picture(f"/v1/evidence/{item['sha256']}")
        if hashlib.sha256(data).hexdigest() != item["sha256"]:
            raise TripFailed(f"evidence {item['sha256']} is not what its name says")
        evidence.append({**item, "bytes": len(data), "holds_exif": b"Exif\0\0" in data})
    picture = admin.picture(f"/v1/cameras/{camera_id}/picture")
    return {
        "alert": feature,
        "events": admin.get(f"/v1/alerts/{alert_id}/log")["events"],
        "stages": watch.stages,
        "evidence": evidence,
        "photo": photo,
        "camera_picture_bytes": len(picture),
        "versions": {
            "wangge": admin.get("/openapi.json")["info"]["version"],
            "python": platform.python_version(),
            "model": alert["model"],
        },
    }


def made_photo() -> bytes:
    """A JPEG of nobody and no place, drawn, with an EXIF block that says where it was "taken": the product drops it."""
    down, across = np.mgrid[:480, :640]
    drawn = np.stack([across // 4, 90 + down // 5, 200 - (across + down) // 8], axis=-1).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", drawn)
    jpeg = encoded.tobytes()
    # TIFF header (little-endian), one directory with one entry: ImageDescription (0x010E), ASCII.
    text = b"demo: 109.0293E 32.6845N\0"
    tiff = (
        b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x0e\x01\x02\0" + len(text).to_bytes(4, "little") + b"\x1a\0\0\0" + b"\0" * 4
    )
    block = b"Exif\0\0" + tiff + text
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def write_json(path: Path, report: Json) -> None:
    """Whole or not at all: written beside, then renamed. Raises OSError when the folder cannot be written."""
    half_written = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half_written.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        half_written.replace(path)
    finally:
        half_written.unlink(missing_ok=True)
