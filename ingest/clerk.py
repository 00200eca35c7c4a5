"""What the video desk answers: probe, picture, sample, mask, status, models, explain, rehearse.

What a stranger sent is never decoded in this process.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from detectors.zoo.manifest import read_zoo, to_json
from ingest.images import check_picture
from ingest.messages import camera_error, source_to_json
from ingest.pipes import Message, encode
from models.camera import SourceUrl, zone_from_json, zone_to_json
from models.errors import CameraError, InvalidInput, TooManyAttempts, Unavailable

ANSWER_S = 2.0
PICTURE_S = 7.0
"""The child waits up to 5 s for a keyframe, then decodes and masks it."""
RECALL_S = 15.0
"""An hour of a busy camera is judged again within seconds, but in the child's turn."""
PROBE_S = 25.0
MASK_S = 15.0
JOBS = 2
JOB_WAIT_S = 4.0
ACCOUNT_WAIT_S = 8.0
MAX_WARNINGS = 8
_JPEG = b"\xff\xd8\xff"

_USES = {"detector": "detector", "faces": "face_model", "density": "density_model", "change": "change_model"}
"""What models are used for, and the children's setting that names each."""

Answer = tuple[dict[str, Any], bytes]


class Asking(Protocol):
    """What is needed of ``worker.Worker``."""

    def status(self) -> Future[dict[str, Any]]: ...
    def picture(self, camera_id: str, op: str = ...) -> Future[Future[Message]]: ...
    def recall(self, op: str, camera_id: str, fields: Mapping[str, Any]) -> Future[Future[Message]]: ...
    def may_try(self, source: SourceUrl, who: str) -> Future[tuple[float, bool]]: ...
    def tried(self, source: SourceUrl, who: str, error: CameraError | None) -> None: ...


class Clerk:
    """Each method takes a request's fields and bytes, and gives the answer's. They block; call them in threads.

    ``do_job`` has a child of its own do one job within so many seconds (see ``shards.do_job``). ``settings`` are those
    that children get.
    """

    def __init__(self, worker: Asking, do_job: Callable[[bytes, float], Message], settings: Mapping[str, Any]) -> None:
        self._worker = worker
        self._do_job = do_job
        self._settings = dict(settings)
        self._jobs = threading.BoundedSemaphore(JOBS)
        self._numbers = itertools.count(1)

    def status(self, _fields: Mapping[str, Any], _data: bytes) -> Answer:
        return {"ok": True} | _within(self._worker.status(), ANSWER_S), b""

    def picture(self, fields: Mapping[str, Any], _data: bytes) -> Answer:
        camera_id = _text(fields, "camera_id")
        message = _within(_within(self._worker.picture(camera_id), ANSWER_S), PICTURE_S)
        return _answer(message, {"at_s": message.fields.get("at_s")})

    def sample(self, fields: Mapping[str, Any], _data: bytes) -> Answer:
        """A picture to be counted by a person, and what the model saw in it, for `wangge calibrate`."""
        message = _within(_within(self._worker.picture(_text(fields, "camera_id"), "sample"), ANSWER_S), PICTURE_S)
        return _answer(message, {name: message.fields.get(name) for name in ("at_s", "sample")})

    def models(self, _fields: Mapping[str, Any], _data: bytes) -> Answer:
        """The models that children can load, and which are set for what. Raises ModelRefused."""
        zoo = read_zoo(Path(self._settings["zoo"]) if self._settings["zoo"] else None)
        in_use = {use: self._settings[name] for use, name in _USES.items()}
        return {"ok": True, "models": [to_json(entry, in_use) for entry in zoo.values()]}, b""

    def explain(self, fields: Mapping[str, Any], _data: bytes) -> Answer:
        """What the camera's rules said since ``since_s``, Unix seconds."""
        return self._recall("explain", fields, {"since_s": _moment(fields)})

    def rehearse(self, fields: Mapping[str, Any], _data: bytes) -> Answer:
        """What ``zone`` would have raised since ``since_s``."""
        try:
            zone = zone_to_json(zone_from_json(fields["zone"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InvalidInput("the request's zone is not one") from None
        return self._recall("rehearse", fields, {"since_s": _moment(fields), "zone": zone})

    def _recall(self, op: str, fields: Mapping[str, Any], told: Mapping[str, Any]) -> Answer:
        asked = self._worker.recall(op, _text(fields, "camera_id"), told)
        message = _within(_within(asked, ANSWER_S), RECALL_S)
        if message.fields.get("ok") is not True:
            return _refused(message)
        return {name: value for name, value in message.fields.items() if name != "request"}, b""

    def mask(self, _fields: Mapping[str, Any], data: bytes) -> Answer:
        """Refused by its header before anything is decoded; then decoded where a crash hurts nobody."""
        check_picture(data)
        with self._job():
            message = self._do_job(encode("mask", {"settings": self._settings}, [data]), MASK_S)
        return _answer(message, {})

    def probe(self, fields: Mapping[str, Any], _data: bytes) -> Answer:
        """Obeys the same budget of tries per account as the worker."""
        source = SourceUrl.parse(_text(fields, "url"))
        who = f"probe {next(self._numbers)}"
        with self._job():
            self._wait_for_account(source, who)
            job = encode("probe", {"settings": self._settings, "source": source_to_json(source)})
            error: CameraError | None = CameraError("the probe was stopped")
            try:
                message = self._do_job(job, PROBE_S)
                told = message.fields
                error = None if told.get("ok") is True else camera_error(told.get("code"), told.get("message"))
            finally:
                self._worker.tried(source, who, error)
        return _answer(message, _probed(message.fields))

    def _wait_for_account(self, source: SourceUrl, who: str) -> None:
        deadline_s = time.monotonic() + ACCOUNT_WAIT_S
        while True:
            wait_s, refused = _within(self._worker.may_try(source, who), ANSWER_S)
            if not wait_s:
                return
            if refused:
                raise TooManyAttempts(
                    f"{source.shown}: this user name was refused there less than a minute ago; try again in "
                    f"{wait_s:.0f} s, so that the account is not locked",
                    int(wait_s) + 1,
                )
            if time.monotonic() + wait_s > deadline_s:
                raise Unavailable(f"{source.shown}: its account is being tried already; try again shortly", 5)
            time.sleep(wait_s)

    @contextmanager
    def _job(self) -> Iterator[None]:
        if not self._jobs.acquire(timeout=JOB_WAIT_S):
            raise Unavailable("too many pictures and probes at once; try again shortly", 5)
        try:
            yield
        finally:
            self._jobs.release()


def _within(future: "Future[Any]", timeout_s: float) -> Any:
    try:
        return future.result(timeout_s)
    except TimeoutError:
        raise Unavailable("the camera worker is too busy to answer; try again shortly", 2) from None


def _answer(message: Message, fields: Mapping[str, Any]) -> Answer:
    """A child's answer, as far as it may be believed."""
    if message.fields.get("ok") is not True:
        return _refused(message)
    if len(message.blobs) != 1 or not message.blobs[0].startswith(_JPEG):
        raise Unavailable("what was sent could not be turned into a picture")
    return {"ok": True, "media_type": "image/jpeg", **fields}, message.blobs[0]


def _refused(message: Message) -> Answer:
    code, text = (str(message.fields.get(name))[:limit] for name, limit in (("code", 40), ("message", 500)))
    return {"ok": False, "code": code, "message": text}, b""


def _moment(fields: Mapping[str, Any]) -> float:
    value = _number(fields.get("since_s"))
    if value is None or not math.isfinite(value):
        raise InvalidInput("the request lacks since_s, Unix seconds")
    return float(value)


def _probed(told: Mapping[str, Any]) -> dict[str, Any]:
    warnings = told.get("warnings")
    return {
        "codec": str(told.get("codec"))[:10],
        **{name: _number(told.get(name)) for name in ("width_px", "height_px", "fps", "gop_s")},
        "warnings": [str(text)[:500] for text in warnings[:MAX_WARNINGS]] if isinstance(warnings, list) else [],
    }


def _number(value: Any) -> float | None:
    return value if type(value) in (int, float) else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"the request lacks {name}")
    return value
