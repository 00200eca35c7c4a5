"""One job of a short-lived child: to try a camera, or to mask a photo. Both decode what a stranger chose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import Tiling
from detectors.calibration import Sample, take_sample
from detectors.detector import LOOK_SCORE
from detectors.masking import MIN_SCORE, PERSONS
from detectors.perception import CrowdCounter, Perception
from ingest.decode import KeyframeDecoder, bgr
from ingest.messages import source_from_json
from ingest.pipes import Message, encode
from ingest.probe import probe
from ingest.render import PHOTO_SIDE_PX, STILL_SIDE_PX, open_photo, still
from models.camera import AllowedNetworks
from models.detections import Detections
from models.errors import WanggeError
from models.frame import Pixels

PROBE_S = 12.0
CROWD_BOXES = 80
"""From so many boxes of persons on in both looks, a picture shows faces that they are too coarse for: in photographs of
crowded streets the third look brings what a face detector still finds from one in ten to none."""


@dataclass(frozen=True)
class Eyes:
    """The loaded models, and how the detector looks at a picture. ``faces``, ``crowds``: None where none is set."""

    perception: Perception
    tiling: Tiling
    faces: Perception | None = None
    crowds: CrowdCounter | None = None

    def masked_still(
        self,
        pixels: Pixels,
        max_side_px: int = STILL_SIDE_PX,
        seen: Detections | None = None,
        moved: NDArray[np.bool_] | None = None,
    ) -> bytes:
        """A masked JPEG. ``seen``: what the look for the rules found, if there was one. ``moved``: see ``mask``.

        Rare beside looks, so it is looked at again twice as closely, and four times where there is a crowd.
        """
        if seen is None:
            seen = self.perception.look(pixels, self.tiling, LOOK_SCORE).detections
        closer = self.tiling.closer()
        seen = seen.joined(self.perception.look(pixels, closer, LOOK_SCORE).detections)
        if len(seen.of(PERSONS)) >= CROWD_BOXES and closer.closer() != closer:
            seen = seen.joined(self.perception.look(pixels, closer.closer(), MIN_SCORE).detections)
        faces = self.faces.look(pixels, self.tiling, MIN_SCORE).detections if self.faces else None
        return still(pixels, seen, max_side_px, faces, moved)

    def sample(self, pixels: Pixels) -> Sample:
        """What calibration needs of a picture that a person will count."""
        return take_sample(self.perception, pixels, self.tiling)


def answer(job: Message, open_eyes: Callable[[], Eyes]) -> bytes:
    """Does it, and gives the message that answers it: what was found, or the error's code and sentence."""
    try:
        fields, picture = _JOBS[job.op](job, open_eyes)
    except WanggeError as error:
        return encode("answer", {"ok": False, "code": error.code, "message": str(error)})
    return encode("answer", {"ok": True} | fields, [picture])


def _probe(job: Message, open_eyes: Callable[[], Eyes]) -> tuple[dict[str, Any], bytes]:
    networks = AllowedNetworks.parse(job.fields["settings"]["networks"])
    found = probe(source_from_json(job.fields["source"]), networks, PROBE_S)
    frame = KeyframeDecoder().decode(found.keyframe.codec, found.keyframe.annexb)
    fields = {
        "codec": found.codec,
        "width_px": found.width_px,
        "height_px": found.height_px,
        "fps": found.fps,
        "gop_s": found.gop_s,
        "warnings": list(found.warnings),
    }
    return fields, open_eyes().masked_still(bgr(frame, STILL_SIDE_PX))


def _mask(job: Message, open_eyes: Callable[[], Eyes]) -> tuple[dict[str, Any], bytes]:
    return {}, open_eyes().masked_still(open_photo(job.blobs[0]), PHOTO_SIDE_PX)


_JOBS: dict[str, Callable[[Message, Callable[[], Eyes]], tuple[dict[str, Any], bytes]]] = {
    "probe": _probe,
    "mask": _mask,
}
