"""What a child is asked about its cameras, and its answers: a masked picture, a sample, why, and what if.

Answered one a turn, and at most half of the time: the cameras go on meanwhile, and a child that is silent for long is
taken to be stuck.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
LATEST_S = 7.0
"""Whoever asked has given up after so long."""


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
    order: Message
    asked_s: float

    @property
    def number(self) -> int:
        return int(self.order.fields["request"])


class Enquiries:
    """Orders in by ``take``, answers out by ``tell``; ``answer`` once a turn."""

    def __init__(
        self,
        cameras: Mapping[str, Asked],
        decoder: KeyframeDecoder,
        eyes: Showing,
        tell: Callable[[bytes], None],
        steady_s: Callable[[], float],
    ) -> None:
        self._cameras = cameras
        self._decoder = decoder
        self._eyes = eyes
        self._tell = tell
        self._steady_s = steady_s
        self._rests_until_s = steady_s()
        self._requests: list[_Request] = []

    def take(self, order: Message) -> None:
        """picture, sample, explain, rehearse."""
        self._requests.append(_Request(order, self._steady_s()))

    def answer(self) -> None:
        """The first request that can be answered now, and all that cannot be answered any more."""
        now_s, waiting = self._steady_s(), list[_Request]()
        is_free = now_s >= self._rests_until_s
        for request in self._requests:
            camera, waited_s = self._cameras.get(request.order.fields["camera_id"]), now_s - request.asked_s
            keyframe = _fresh(camera, now_s) if request.order.op in ("picture", "sample") else None
            needs_picture = request.order.op in ("picture", "sample") and keyframe is None
            if camera is None:
                self._refuse(request.number, "unavailable", "the camera is not connected now: see its status")
            elif needs_picture and waited_s >= WAIT_S:
                self._refuse(request.number, "unavailable", "the camera has sent no picture lately: see its status")
            elif waited_s >= LATEST_S:
                self._refuse(request.number, "unavailable", "too much is asked at once; try again shortly")
            elif needs_picture or not is_free:
                waiting.append(request)
            else:
                is_free = False
                self._answer(request, camera, keyframe)
                self._rests_until_s = now_s + 2 * (self._steady_s() - now_s)
        self._requests = waiting

    def _answer(self, request: _Request, camera: Asked, keyframe: Keyframe | None) -> None:
        order, pictures = request.order, list[bytes]()
        try:
            if keyframe is not None:
                told, pictures = self._shown(order, camera, keyframe)
            elif order.op == "explain":
                told = explained(camera.hindsight, order.fields)
            else:
                told = rehearsed(camera.hindsight, camera.point, order.fields)
            answer = encode("answer", {"request": request.number, "ok": True} | told, pictures)
        except (CameraCorrupt, InvalidInput) as error:
            self._refuse(request.number, error.code, str(error))
            return
        except Exception:  # a question must not blind every camera
            log.exception("a question about a camera could not be answered", op=order.op)
            self._refuse(request.number, "error", "the camera worker failed on this question; its log says why")
            return
        self._tell(answer)

    def _shown(self, order: Message, camera: Asked, keyframe: Keyframe) -> tuple[dict[str, Any], list[bytes]]:
        """Raises CameraCorrupt."""
        frame = self._decoder.decode(keyframe.codec, keyframe.annexb)
        pixels = bgr(frame, STILL_SIDE_PX)
        fields: dict[str, Any] = {"at_s": keyframe.at_s}
        if order.op == "sample":
            fields["sample"] = self._eyes.sample(pixels).to_json()
        moved = camera.moved(luma(frame), keyframe.at_s)
        return fields, [self._eyes.masked_still(pixels, moved=moved)]

    def _refuse(self, number: int, code: str, message: str) -> None:
        self._tell(encode("answer", {"request": number, "ok": False, "code": code, "message": message}))


def _fresh(camera: Asked | None, now_s: float) -> Keyframe | None:
    """The camera's newest keyframe, if that shows what is there now."""
    if camera is None or camera.newest is None or now_s - camera.newest[0] > FRESH_S:
        return None
    return camera.newest[1]
