"""Reports of what is no camera's, from registered sources and signed-in people; and what their reporters hear back."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile

from alerts.accounts import SignedIn
from alerts.intake import Report, Taken
from alerts.intake_sources import Reporter
from api.auth import REPORTER, needs
from api.evidence import MULTIPART_OVERHEAD_BYTES, checked_photo
from api.intake_schemas import (
    EXAMPLES,
    OWN_ID,
    BatchTaken,
    Contacts,
    ContactsErased,
    ContactShown,
    ErasureAsked,
    EvaluationAsked,
    ReportAsked,
    Reports,
    StatusShown,
    TakenShown,
    Unreadable,
    read_event,
)
from api.schemas import Id
from api.services import House, Services
from models.errors import Fault, InvalidInput
from models.incident import Evidence
from models.people import Permission

BATCH_MAX_BYTES = 4 * 1024 * 1024
MOST_PHOTOS = 3
LONGEST_EVENT_BYTES = 65_536

router = APIRouter(tags=["intake"])

Sender = Annotated[Reporter, Depends(REPORTER)]
Caller = Annotated[SignedIn, Depends(needs(Permission.ALERT_EVALUATE))]
Eraser = Annotated[SignedIn, Depends(needs(Permission.EVIDENCE_ERASE))]
SourceId = Annotated[str, Path(max_length=64, examples=["01JD0ZQ3F4K8X6T2W9V5B7C1NE"])]
OwnId = Annotated[str, Path(pattern=OWN_ID, examples=["report-20261123-0001"])]

_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["event", "photo"],
                    "properties": {
                        "event": {"type": "string", "description": "the report, as POST /v1/intake takes one"},
                        "photo": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 3},
                    },
                },
                "example": {"event": EXAMPLES["one"]["value"], "photo": ["(JPEG, PNG or WebP)"]},
            }
        },
    }
}


def photos_max_bytes(photo_max_bytes: int) -> int:
    """The body's cap of a report with photos of at most so many bytes each."""
    return MOST_PHOTOS * photo_max_bytes + LONGEST_EVENT_BYTES + MULTIPART_OVERHEAD_BYTES


@router.post(
    "/v1/intake", status_code=201, summary="Report something, or a batch", response_model=TakenShown | BatchTaken
)
def take_in(house: House, sender: Sender, asked: Annotated[Reports, Body(openapi_examples=EXAMPLES)]) -> JSONResponse:
    """A CloudEvent whose data is a GeoJSON Feature, or an array of up to 500 of them. With a source's own token, or
    signed in (a worker's own report).

    One: 201 when taken, 200 with the same alert when its id was known, 422 when refused. A batch: 207 with a result for
    each, in order; all that is taken is on disk together. 429 with Retry-After above the source's rate. Fields that
    name a person are refused by name.
    """
    if not isinstance(asked, list):
        return _answer_one(_take(house, sender, [asked])[0])
    return JSONResponse(BatchTaken(results=_take(house, sender, asked)).model_dump(mode="json"), 207)


async def event_and_photos(request: Request, house: House, _sender: Sender) -> tuple[bytes, list[bytes]]:
    """Read only after we know who sends it. Raises InvalidInput, TooLarge."""
    async with request.form(max_files=MOST_PHOTOS + 1, max_fields=1) as form:
        event = form.get("event")
        said = await event.read(LONGEST_EVENT_BYTES + 1) if isinstance(event, UploadFile) else (event or "").encode()
        parts = [part for part in form.getlist("photo") if isinstance(part, UploadFile)]
        if not said or len(said) > LONGEST_EVENT_BYTES or not 1 <= len(parts) <= MOST_PHOTOS:
            raise InvalidInput(f"send multipart/form-data: event (JSON), and 1 to {MOST_PHOTOS} files named photo")
        return said, [await checked_photo(part, house.settings.photo_max_bytes) for part in parts]


@router.post(
    "/v1/intake/photo",
    status_code=201,
    summary="Report something with photos",
    response_model=TakenShown,
    openapi_extra=_UPLOAD,
)
def take_in_with_photos(
    house: House, sender: Sender, parts: Annotated[tuple[bytes, list[bytes]], Depends(event_and_photos)]
) -> JSONResponse:
    """Heads and plates are masked and EXIF is removed before anything is stored; the originals are not kept. 503 with
    Retry-After while the camera worker, which masks, is away: send it again under the same id."""
    said, photos = parts
    now_s = house.now()
    asked = read_event(said)
    early = _readable(asked, sender, ())
    if isinstance(early, Unreadable):
        raise InvalidInput(f"the report was refused: {early.faults[0]}", early.faults)
    house.intake.refuse_early(sender, early, now_s)  # what would be refused is not worth masking for
    masked = [house.evidence.put(house.video.mask(photo).data) for photo in photos]
    evidence = tuple(Evidence(sha256, "report", "image/jpeg", now_s) for sha256 in dict.fromkeys(masked))
    return _answer_one(_take(house, sender, [asked], evidence)[0])


def _take(
    house: Services,
    sender: Reporter,
    asked: Sequence[ReportAsked | Unreadable],
    evidence: tuple[Evidence, ...] = (),
) -> list[TakenShown]:
    """What became of each, in order."""
    reports = [_readable(one, sender, evidence) for one in asked]
    taken = iter(house.intake.take(sender, [one for one in reports if isinstance(one, Report)], house.now()))
    told = [next(taken) if isinstance(one, Report) else Taken(one.id, None, None, faults=one.faults) for one in reports]
    return [TakenShown.of(one, sender.id) for one in told]


def _readable(asked: ReportAsked | Unreadable, sender: Reporter, evidence: tuple[Evidence, ...]) -> Report | Unreadable:
    if isinstance(asked, Unreadable):
        return asked
    if asked.source not in (None, sender.id):
        return Unreadable(asked.id, (Fault("source", f"this token is that of {sender.id}: say so, or leave it out"),))
    try:
        return asked.report(evidence)
    except InvalidInput as error:
        return Unreadable(asked.id, (Fault("data", str(error)),))


def _answer_one(taken: TakenShown) -> JSONResponse:
    if taken.status == 422:
        faults = [Fault(fault["where"], fault["what"]) for fault in taken.errors]
        raise InvalidInput(f"the report was refused: {faults[0]}", faults)
    return JSONResponse(taken.model_dump(mode="json"), taken.status)


@router.get("/v1/intake/{source}/{own_id}", summary="What became of my report")
def status(house: House, sender: Sender, source: SourceId, own_id: OwnId) -> StatusShown:
    """For whoever reported it. The outcome comes with the end; nothing else is told."""
    return StatusShown.of(house.answers.status(sender, source, own_id))


@router.post("/v1/intake/{source}/{own_id}/evaluation", status_code=204, summary="Say how my report was dealt with")
def evaluate(house: House, sender: Sender, source: SourceId, own_id: OwnId, asked: EvaluationAsked) -> Response:
    """Once, when it is done. A rating of 3 and more lets the case close; below, a person decides."""
    house.answers.evaluate(sender, source, own_id, asked.rating, asked.text, house.now())
    return Response(status_code=204)


@router.get("/v1/alerts/{alert_id}/reporters", summary="How to reach those who reported it")
def reporters(house: House, who: Caller, alert_id: Id) -> Contacts:
    """For a call-back. Contacts are sealed at rest, and in no log."""
    found = house.answers.contacts(alert_id, who.actor)
    return Contacts(contacts=[ContactShown(source=c.source, id=c.external_id, contact=c.contact) for c in found])


@router.post("/v1/alerts/{alert_id}/reporters/erase", summary="Erase the contacts of those who reported it")
def erase(house: House, who: Eraser, alert_id: Id, asked: ErasureAsked) -> ContactsErased:
    """The log says that it was done, by whom and why; it never held them."""
    return ContactsErased(erased=house.answers.erase_contacts(alert_id, who.actor, asked.reason, house.now()))
