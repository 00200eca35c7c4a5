"""Cameras, sightings and times that several tests of the camera worker use."""

import time
from collections.abc import Callable

from ingest.spool import Report
from models.camera import CameraPoint, Credentials, SourceUrl, Zone
from models.geo import GeoPoint
from models.incident import Phase, Severity, Sighting

NOW_S = 1_700_000_000.0
JPEG = b"\xff\xd8\xff\xe0 not a whole one, but it begins like one"
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def camera(
    camera_id: str = "cam1",
    purpose: str = "a test",
    account: Credentials | None = None,
    host: str = "127.0.0.1",
    version: int = 1,
    enabled: bool = True,
    dwell_s: float = 1.5,
) -> CameraPoint:
    levels = {"crowding": {"enter_persons": 3.0, "leave_persons": 1.0, "dwell_s": dwell_s}}
    return CameraPoint(
        id=camera_id,
        code=camera_id,
        name=camera_id,
        place=GeoPoint(109.0, 32.7),
        source=SourceUrl("rtsp", host, 554, "/1", account),
        purpose=purpose,
        grid_code="g",
        zones=(Zone("plaza", "Plaza", SQUARE, ("crowding",), levels),),
        enabled=enabled,
        version=version,
    )


def sighting(phase: Phase = Phase.ONSET, at_s: float = NOW_S) -> Sighting:
    return Sighting(
        kind="crowding",
        phase=phase,
        zone_id="plaza",
        severity=Severity.ORANGE,
        confidence=0.7,
        place=GeoPoint(109.0, 32.7),
        accuracy_m=5.0,
        onset_s=at_s - 10,
        at_s=at_s,
        measure={"persons": 22.0},
        reason="22 persons",
        model="none@0",
    )


def report(number: int = 0) -> Report:
    return Report("cam1", sighting(at_s=NOW_S + number))


def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether it becomes true in time."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True
