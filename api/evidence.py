"""Photos in, masked before they are stored; evidence out, to those who may see the alert that it belongs to."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.datastructures import UploadFile

from alerts.accounts import SignedIn
from alerts.policy import check
from alerts.sight import evidence_in_sight
from api.alerts import feature
from api.auth import needs
from api.schemas import EvidenceAdded, Id, Picture
from api.services import House
from models.errors import Conflict, InvalidInput, TooLarge
from models.incident import Evidence
from models.people import Permission

MULTIPART_OVERHEAD_BYTES = 65_536
"""Boundaries and part headers around a photo."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {"photo": {"type": "string", "format": "binary"}},
                },
                "example": {"photo": "(JPEG, PNG or WebP)"},
            }
        },
    }
}

router = APIRouter(tags=["evidence"])
Noter = Annotated[SignedIn, Depends(needs(Permission.ALERT_NOTE))]
Reader = Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))]


async def photo(request: Request, house: House, _who: Noter) -> bytes:
    """The part named photo. Read only after we know who sends it. Raises InvalidInput, TooLarge."""
    async with request.form(max_files=1, max_fields=0) as form:
        part = form.get("photo")
        if not isinstance(part, UploadFile):
            raise InvalidInput("send multipart/form-data with one file, named photo")
        return await checked_photo(part, house.settings.photo_max_bytes)


async def checked_photo(part: UploadFile, cap_bytes: int) -> bytes:
    """Raises InvalidInput, TooLarge."""
    data = await part.read(cap_bytes + 1)
    if len(data) > cap_bytes:
        raise TooLarge(f"a photo may have {cap_bytes} bytes: let the phone make it smaller")
    if not (data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")):
        raise InvalidInput("that is no JPEG, PNG or WebP picture")
    return data


@router.post(
    "/v1/alerts/{alert_id}/evidence",
    status_code=201,
    summary="Add a photo to an alert",
    openapi_extra=_UPLOAD,
)
def add_photo(house: House, who: Noter, alert_id: Id, data: Annotated[bytes, Depends(photo)]) -> EvidenceAdded:
    """Heads and plates are masked and EXIF is removed before anything is stored; the original is not kept.

    The same photo sent again is taken once. 503 with Retry-After while the camera worker, which masks, is away: keep
    the photo and send it again.
    """
    alert = house.desk.alert(alert_id, who.actor)
    check(who.actor, Permission.ALERT_NOTE, alert.grid_path, Permission.ALERT_READ)
    masked = house.video.mask(data)
    if hashlib.sha256(masked.data).hexdigest() in alert.erased:
        raise Conflict("this very photo was erased from this case: it is not taken again")
    sha256 = house.evidence.put(masked.data)
    item = Evidence(sha256, "photo", "image/jpeg", house.now())
    changed = house.desk.add_evidence(alert_id, who.actor, item, house.now())
    kept = next(item for item in changed.evidence if item.sha256 == sha256)
    return EvidenceAdded(evidence=Picture.of(kept), alert=feature(house, changed, who))


@router.get(
    "/v1/evidence/{sha256}",
    summary="A masked picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def get_evidence(
    house: House, who: Reader, request: Request, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> Response:
    """404 unless it belongs to an alert in your grids; 410 once it was erased."""
    item = evidence_in_sight(house.engine, sha256, who.actor)
    # Its bytes never change, but they may be erased, or be no longer theirs to see: a browser asks each time.
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(house.evidence.get(sha256), media_type=item.media_type, headers=headers)
