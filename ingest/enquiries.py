"""What a child is asked about its cameras, and its answers: a masked picture, a sample, why, and what if."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from detectors.calibration import Sample
from detectors.hindsight import Hindsight
from ingest.decode import KeyframeDecoder, Luma, bgr, luma
from ingest.pipes import Message, encode
from ingest.recall import explained, rehearsed
from ingest.render import STILL_SIDE_PX
from ingest.stream import Keyframe
from models.camera import CameraPoint
from models.detections import Detections
from models.errors import CameraCorrupt, InvalidInput
from models.frame import Pixels

log = structlog.get_logger()

FRESH_S = 10.0
WAIT_S = 5.0
"""A picture is answered from a keyframe not older than FRESH_S, else from the next one within WAIT_S seconds."""


class Showing(Protocol):
    """What is needed of ``job.Eyes``."""

    def masked_still(
        self,
        pixels: Pixels,
        *,
        seen: Detections | None = None,
        moved: NDArray[np.bool_] | None = None,
    ) -> bytes: ...
    def sample(self, pixels: Pixels) -> Sample: ...


class Asked(Protocol):
    """A camera, as far as it is asked about."""

    @property
    def point(self) -> CameraPoint: ...
    @property
    def newest(self) -> tuple[float, Keyframe] | None: ...
    @property
    def hindsight(self) -> Hindsight: ...
    def moved(self, grey: Luma, at_s: float) -> NDArray[np.bool_] | None: ...


@dataclass(frozen=True)
class _Request:
    number: int
    camera_id: str
    until_s: float
    op: str


class Enquiries:
    """Orders in by ``take``, answers out by ``tell``; ``answer`` once a turn for those that wait for a picture."""

    def __init__(
        self, cameras: Mapping[str, Asked], decoder: KeyframeDecoder, eyes: Showing, tell: Callable[[bytes], None]
    ) -> None:
        self._cameras = cameras
        self._decoder = decoder
        self._eyes = eyes
        self._tell = tell
        self._requests: list[_Request] = []

    def take(self, order: Message) -> None:
        """picture, sample, explain, rehearse."""
        if order.op in ("picture", "sample"):
            self._requests.append(_Request(order.fields["request"], order.fields["camera_id"], 0.0, order.op))
        elif order.op in ("explain", "rehearse"):
            self._recall(order)

    def answer(self, steady_s: float) -> None:
        """Requests for pictures that can be answered now, or no more."""
        open_requests = []
        for request in self._requests:
            camera = self._cameras.get(request.camera_id)
            if camera and camera.newest and steady_s - camera.newest[0] <= FRESH_S:
                self._show(request, camera, camera.newest[1])
            elif camera and not request.until_s:
                open_requests.append(replace(request, until_s=steady_s + WAIT_S))
            elif camera and steady_s < request.until_s:
                open_requests.append(request)
            else:
                self._refuse(request.number, "unavailable", "the camera has sent no picture lately: see its status")
        self._requests = open_requests

    def _recall(self, order: Message) -> None:
        number, camera = order.fields["request"], self._cameras.get(order.fields["camera_id"])
        if camera is None:
            self._refuse(number, "unavailable", "the camera is not connected now: see its status")
            return
        try:
            if order.op == "explain":
                told = explained(camera.hindsight, order.fields)
            else:
                told = rehearsed(camera.hindsight, camera.point, order.fields)
            answer = encode("answer", {"request": number, "ok": True} | told)
        except InvalidInput as error:
            self._refuse(number, error.code, str(error))
            return
        except Exception:  # a question must not blind every camera
            log.exception("a question about a camera could not be answered", op=order.op)
            self._refuse(number, "error", "the camera worker failed on this question; its log says why")
            return
        self._tell(answer)

    def _show(self, request: _Request, camera: Asked, keyframe: Keyframe) -> None:
        try:
            frame = self._decoder.decode(keyframe.codec, keyframe.annexb)
        except CameraCorrupt as error:
            self._refuse(request.number, error.code, str(error))
            return
        pixels = bgr(frame, STILL_SIDE_PX)
        fields: dict[str, Any] = {"request": request.number, "ok": True, "at_s": keyframe.at_s}
        if request.op == "sample":
            fields["sample"] = self._eyes.sample(pixels).to_json()
        moved = camera.moved(luma(frame), keyframe.at_s)
        self._tell(encode("answer", fields, [self._eyes.masked_still(pixels, moved=moved)]))

    def _refuse(self, number: int, code: str, message: str) -> None:
        self._tell(encode("answer", {"request": number, "ok": False, "code": code, "message": message}))
