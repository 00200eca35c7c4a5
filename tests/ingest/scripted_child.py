"""A child of the camera worker that plays a part instead of watching: what it does stands in the camera's purpose.

It speaks the real protocol and, for "crowd", runs the real crowding rule on people who are not there.
"""

import os
import select
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from detectors.boxes import Tiling
from detectors.detector import Detector
from ingest.messages import camera_from_json, sighting_to_json
from ingest.pipes import Message, Reader, encode
from models.camera import CameraPoint
from models.detections import Detections
from models.frame import Frame, Pixels
from models.incident import Phase

JPEG = b"\xff\xd8\xff\xe0 a still"
FRAME_S = 0.1


class Sight:
    model = "none@0"
    boxes = np.array([[10 * i, 10, 10 * i + 8, 40] for i in range(6)], np.float32)
    detections = Detections(boxes, np.full(6, 0.9, np.float32), np.zeros(6, np.int32), ("person",))


class Eyes:
    model = "none@0"

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight:
        del bgr, tiling, min_score
        return Sight()


def say(op: str, fields: Mapping[str, Any] | None = None, blobs: tuple[bytes, ...] = ()) -> None:
    data = encode(op, fields, blobs)
    while data:
        data = data[os.write(1, data) :]


class Script:
    def __init__(self) -> None:
        self.cameras: dict[str, tuple[CameraPoint, int, dict[str, Any]]] = {}
        self.detector = Detector(Eyes())

    def obey(self, order: Message) -> None:
        if order.op == "watch":
            camera = camera_from_json(order.fields["camera"])
            self.cameras[camera.id] = (camera, order.fields["attempt"], order.fields["rules"])
            self.begin(camera, order.fields["attempt"])
        elif order.op == "unwatch":
            self.cameras.pop(order.fields["camera_id"], None)
        elif order.op == "picture":
            say("answer", {"request": order.fields["request"], "ok": True, "at_s": 1.0}, (JPEG,))

    def begin(self, camera: CameraPoint, attempt: int) -> None:
        about = {"camera_id": camera.id, "attempt": attempt}
        if camera.purpose.startswith("camera_"):
            del self.cameras[camera.id]
            say("failed", about | {"code": camera.purpose, "message": f"{camera.source.shown}: as scripted"})
        elif camera.purpose == "nonsense":
            os.write(1, b"\x00\x00\x00\x05hello")
        elif camera.purpose == "foreign":
            say("observed", {"camera_id": "cam1", "attempt": 1, "rules": {"taken": 1}, "sightings": []})
        elif camera.purpose == "silent":
            time.sleep(60)
        else:
            say("connected", about)
            say("pictured", about)

    def turn(self) -> None:
        for camera_id, (camera, attempt, rules) in list(self.cameras.items()):
            if camera.purpose != "crowd":
                continue
            frame = Frame(camera_id, time.time(), np.zeros((48, 64, 3), np.uint8))
            seen = self.detector.observe(camera, frame, rules)
            self.cameras[camera_id] = (camera, attempt, seen.state)
            told = [sighting_to_json(sighting) for sighting in seen.sightings]
            begins = any(sighting.phase is Phase.ONSET for sighting in seen.sightings)
            fields = {"camera_id": camera_id, "attempt": attempt, "rules": seen.state, "sightings": told}
            say("observed", fields, (JPEG,) if begins else ())
        say("alive", {"cameras": {camera_id: {"keyframes": 1} for camera_id in self.cameras}})


def main() -> None:
    script, reader = Script(), Reader()
    while True:
        if select.select([0], [], [], FRAME_S)[0]:
            data = os.read(0, 1 << 20)
            if not data:
                sys.exit()
            for order in reader.feed(data):
                if order.op == "start":
                    say("ready")
                else:
                    script.obey(order)
        script.turn()


if __name__ == "__main__":
    main()
