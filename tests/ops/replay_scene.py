"""A drawn clip with its truth, and a detector that sees what is drawn: for the tests of replays and of their bench."""

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from detectors.boxes import Tiling
from detectors.detector import Detector
from ingest.render import still
from models.detections import Detections
from models.frame import Pixels
from ops.replay_truth import Truth, truth_of

WIDTH_PX, HEIGHT_PX, FPS = 160, 120, 2
LENGTH_S = 40.0
VISITS = ((6.0, 12.0), (32.0, 40.0))
"""When the white square is in the picture."""
PERSON = ("person",)


def frame(at_s: float) -> Pixels:
    """A yard of dark slabs with a little noise, and a white square while somebody is there."""
    slabs = 40 * ((np.arange(HEIGHT_PX)[:, None] // 17 + np.arange(WIDTH_PX)[None, :] // 23) % 2)
    noise = np.random.default_rng(round(at_s * 1000)).integers(60, 72, (HEIGHT_PX, WIDTH_PX))
    picture = np.repeat((slabs + noise).astype(np.uint8)[:, :, None], 3, axis=2)
    if any(begin <= at_s < end for begin, end in VISITS):
        left = 40 + round(at_s * 7) % 40
        picture[50:90, left : left + 30] = 255
    return picture


def draw(path: Path, codec: str = "libx264", length_s: float = LENGTH_S, fps: int = FPS) -> Path:
    """The clip: by "libx264" with a keyframe a second, as cameras send it; else in one that they do not."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        if codec == "libx264":
            keys = f"keyint={fps}:min-keyint={fps}:scenecut=0:bframes=0"
            stream.options = {"preset": "ultrafast", "crf": "18", "x264-params": keys}
        for number in range(round(length_s * fps)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number / fps), format="bgr24")))
        out.mux(stream.encode(None))
    return path


def document(**changed: object) -> dict[str, object]:
    """The clip's truth."""
    square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    levels = {"intrusion": {"dwell_s": 1, "leave_s": 2}}
    zone = {"id": "room", "name": "Room", "polygon": square, "kinds": ["intrusion", "crowding"], "levels": levels}
    return {
        "camera": {"zones": [zone]},
        "incidents": [{"kind": "intrusion", "zone": "room", "onset_s": a, "end_s": b} for a, b in VISITS],
        "counts": [{"zone": "room", "at_s": at_s, "persons": n} for at_s, n in ((3, 0), (10, 1), (19, 0), (37, 1))],
    } | changed


def truth(**changed: object) -> Truth:
    return truth_of(json.dumps(document(**changed)).encode(), "truth.json")


@dataclass(frozen=True)
class Seen:
    detections: Detections
    model: str = "drawn@1"


class Bright:
    """Perception that takes what is white for a person."""

    model = "drawn@1"

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Seen:
        del tiling, min_score
        rows, columns = np.nonzero(bgr.min(axis=2) > 200)
        if len(rows) < 200:
            return Seen(Detections.none(PERSON))
        box = np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], np.float32)
        return Seen(Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int32), PERSON))


class Eyes:
    def masked_still(self, pixels: Pixels, *, seen: Detections | None = None, moved: np.ndarray | None = None) -> bytes:
        return still(pixels, seen or Detections.none(PERSON), moved=moved)


def detector() -> Detector:
    return Detector(Bright())
