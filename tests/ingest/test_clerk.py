from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from ingest.clerk import Clerk
from ingest.pipes import Message, Reader
from models.camera import SourceUrl
from models.errors import (
    CameraError,
    CameraUnauthorised,
    CameraUrlInvalid,
    InvalidInput,
    ModelRefused,
    TooManyAttempts,
    Unavailable,
)
from tests.ingest.worker_samples import JPEG

PHOTO = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (10).to_bytes(4, "big") * 2
URL = {"url": "rtsp://admin:s3cret@10.0.0.5/1"}
ZONE = {"id": "z", "name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]}


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


class Asked:
    """A worker that answers at once, and remembers how probes went."""

    def __init__(self, wait_s: float = 0.0, picture: Message | None = None) -> None:
        self.wait_s = wait_s
        self.message = picture
        self.outcomes: list[CameraError | None] = []
        self.recalled: list[dict[str, Any]] = []

    def status(self) -> Future[dict[str, Any]]:
        return done({"cameras": {}, "fault": None})

    def picture(self, camera_id: str, op: str = "picture") -> Future[Future[Message]]:
        self.recalled.append({"op": op, "camera_id": camera_id})
        return done(done(self.message))

    def recall(self, op: str, camera_id: str, fields: Mapping[str, Any]) -> Future[Future[Message]]:
        self.recalled.append({"op": op, "camera_id": camera_id, **fields})
        return done(done(self.message))

    def may_try(self, source: SourceUrl, who: str) -> Future[tuple[float, bool]]:
        del source, who
        return done((self.wait_s, self.wait_s > 1))

    def tried(self, source: SourceUrl, who: str, error: CameraError | None) -> None:
        del source, who
        self.outcomes.append(error)


class Jobs:
    """Answers every job with one message; ``orders`` are what came."""

    def __init__(self, answer: Message | Exception) -> None:
        self.answer = answer
        self.orders: list[Message] = []

    def __call__(self, job: bytes, timeout_s: float) -> Message:
        del timeout_s
        self.orders += Reader().feed(job)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


FOUND = {
    "ok": True,
    "codec": "h264",
    "width_px": 768,
    "height_px": 576,
    "fps": 10.0,
    "gop_s": None,
    "warnings": ["slow"],
}


def test_a_probe_gives_what_the_child_found_and_tells_how_it_went() -> None:
    worker, jobs = Asked(), Jobs(Message("answer", FOUND | {"<script>": 1}, (JPEG,)))
    told, data = Clerk(worker, jobs, {"zoo": None}).probe(URL, b"")
    assert told == FOUND | {"media_type": "image/jpeg"}
    assert data == JPEG
    assert worker.outcomes == [None]
    assert jobs.orders[0].fields["source"]["credentials"] == ["admin", "s3cret"]


def test_a_failed_probe_says_why_and_counts_against_the_account() -> None:
    worker = Asked()
    jobs = Jobs(Message("answer", {"ok": False, "code": "camera_unauthorised", "message": "no"}))
    told, data = Clerk(worker, jobs, {}).probe(URL, b"")
    assert told == {"ok": False, "code": "camera_unauthorised", "message": "no"}
    assert data == b""
    assert isinstance(worker.outcomes[0], CameraUnauthorised)


def test_a_probe_that_crashes_gives_the_account_back() -> None:
    worker = Asked()
    with pytest.raises(Unavailable):
        Clerk(worker, Jobs(Unavailable("crashed")), {}).probe(URL, b"")
    assert len(worker.outcomes) == 1


def test_a_refused_account_is_not_probed_and_no_secret_is_said() -> None:
    worker, jobs = Asked(wait_s=41.5), Jobs(Message("answer", FOUND, (JPEG,)))
    with pytest.raises(TooManyAttempts, match="42 s") as error:
        Clerk(worker, jobs, {}).probe(URL, b"")
    assert error.value.retry_after_s == 42
    assert jobs.orders == []
    assert "s3cret" not in str(error.value)
    assert "admin" not in str(error.value)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "file:///etc/passwd", "rtsp://", "rtsp://a b/", "-i"])
def test_what_is_no_camera_address_is_refused_before_anything_runs(url: str) -> None:
    jobs = Jobs(Message("answer", FOUND, (JPEG,)))
    with pytest.raises(CameraUrlInvalid):
        Clerk(Asked(), jobs, {}).probe({"url": url}, b"")
    assert jobs.orders == []


@pytest.mark.parametrize("fields", [{}, {"url": None}, {"url": 5}, {"url": ""}])
def test_a_probe_needs_an_address(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Clerk(Asked(), Jobs(Unavailable("x")), {}).probe(fields, b"")


def test_a_photo_is_looked_at_by_its_header_first() -> None:
    jobs = Jobs(Message("answer", {"ok": True}, (JPEG,)))
    clerk = Clerk(Asked(), jobs, {})
    with pytest.raises(InvalidInput):
        clerk.mask({}, b"MZ\x90")
    assert jobs.orders == []
    assert clerk.mask({}, PHOTO) == ({"ok": True, "media_type": "image/jpeg"}, JPEG)
    assert jobs.orders[0].blobs == (PHOTO,)


@pytest.mark.parametrize("blobs", [(), (b"<html>",), (JPEG, JPEG)])
def test_a_child_that_gives_no_picture_is_not_believed(blobs: tuple[bytes, ...]) -> None:
    with pytest.raises(Unavailable):
        Clerk(Asked(), Jobs(Message("answer", {"ok": True}, blobs)), {}).mask({}, PHOTO)


def test_pictures_and_status_come_from_the_worker() -> None:
    clerk = Clerk(Asked(picture=Message("answer", {"ok": True, "at_s": 1.0}, (JPEG,))), Jobs(Unavailable("x")), {})
    assert clerk.picture({"camera_id": "cam1"}, b"") == ({"ok": True, "media_type": "image/jpeg", "at_s": 1.0}, JPEG)
    assert clerk.status({}, b"")[0]["cameras"] == {}


def test_a_sample_is_a_picture_with_what_the_model_saw() -> None:
    worker = Asked(picture=Message("answer", {"ok": True, "at_s": 1.0, "sample": {"plain": 3}}, (JPEG,)))
    fields, data = Clerk(worker, Jobs(Unavailable("x")), {}).sample({"camera_id": "cam1"}, b"")
    assert (fields["at_s"], fields["sample"], data) == (1.0, {"plain": 3}, JPEG)
    assert worker.recalled == [{"op": "sample", "camera_id": "cam1"}]


def test_hindsight_is_asked_of_the_cameras_child_and_its_answer_passed_on() -> None:
    worker = Asked(picture=Message("answer", {"ok": True, "request": 7, "said": {}}))
    clerk = Clerk(worker, Jobs(Unavailable("x")), {})
    assert clerk.explain({"camera_id": "cam1", "since_s": 5}, b"") == ({"ok": True, "said": {}}, b"")
    clerk.rehearse({"camera_id": "cam1", "since_s": 5.0, "zone": ZONE | {"levels": {}}}, b"")
    assert [asked["op"] for asked in worker.recalled] == ["explain", "rehearse"]
    assert worker.recalled[1]["zone"]["polygon"] == [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"camera_id": "cam1"},
        {"camera_id": "cam1", "since_s": "now"},
        {"camera_id": "cam1", "since_s": float("nan")},
        {"camera_id": "cam1", "since_s": 5.0, "zone": None},
        {"camera_id": "cam1", "since_s": 5.0, "zone": {"id": "z"}},
        {"camera_id": "cam1", "since_s": 5.0, "zone": ZONE | {"polygon": [[0, 0]]}},
        {"camera_id": "cam1", "since_s": 5.0, "zone": ZONE | {"levels": 5}},
    ],
)
def test_a_rehearsal_of_nonsense_is_refused_before_the_child_hears_of_it(fields: dict[str, Any]) -> None:
    worker = Asked()
    with pytest.raises(InvalidInput):
        Clerk(worker, Jobs(Unavailable("x")), {}).rehearse(fields, b"")
    assert worker.recalled == []


def test_models_are_told_with_what_they_are_used_for() -> None:
    models = {"detector": "nanodet-g-416", "face_model": None, "density_model": None, "change_model": "change-320k"}
    settings = {"zoo": None} | models
    told, _ = Clerk(Asked(), Jobs(Unavailable("x")), settings).models({}, b"")
    (shipped,) = [model for model in told["models"] if model["name"] == "nanodet-g-416"]
    assert (shipped["used_as"], shipped["licence"]) == (["detector"], "Apache-2.0")
    assert [model["used_as"] for model in told["models"] if model["name"] == "change-320k"] == [["change"]]


def test_a_zoo_that_cannot_be_read_is_said() -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        Clerk(Asked(), Jobs(Unavailable("x")), {"zoo": "/none/zoo.toml"}).models({}, b"")
