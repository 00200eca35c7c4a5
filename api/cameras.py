"""Camera points: registered, changed, probed, looked through."""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.accounts import SignedIn
from alerts.camera_checks import NewCamera
from api.auth import needs
from api.camera_schemas import (
    CameraChange,
    CameraFeature,
    Cameras,
    ControlPointGiven,
    NewCameraAsked,
    PermitGiven,
    PermitWithdrawn,
    ProbeAsked,
    Probed,
    SceneAccepted,
    ViewConfirmed,
    ZoneGiven,
)
from api.paging import link_next
from api.schemas import After, Id, Limit
from api.services import House, Services
from models.camera import SourceUrl, zone_from_json
from models.errors import InvalidInput, WanggeError
from models.geo import ControlPoint
from models.map_systems import MapSystem, place_of
from models.people import Permission
from models.presets import preset_in
from models.structure import Accepted, Permit
from models.vision import Vision, vision_from_json

_PLAIN = {"name", "purpose", "grid_code", "enabled", "site", "upstream"}
router = APIRouter(tags=["cameras"])
Reader = Annotated[SignedIn, Depends(needs(Permission.CAMERA_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.CAMERA_WRITE))]


def statuses(house: Services) -> Mapping[str, Any]:
    """What the camera worker says of its cameras, by id; empty while it does not answer."""
    try:
        return house.video.status().cameras
    except WanggeError:
        return {}


def _zones(given: list[ZoneGiven]) -> tuple[Any, ...]:
    return tuple(zone_from_json(zone.model_dump()) for zone in given)


def _control_points(given: list[ControlPointGiven], system: MapSystem) -> tuple[ControlPoint, ...]:
    return tuple(ControlPoint(point.x, point.y, place_of(point.lon, point.lat, system)) for point in given)


def _vision(given: Mapping[str, Any], system: MapSystem) -> Vision:
    """Raises InvalidInput."""
    vision = vision_from_json(given)
    return replace(vision, presets=tuple(preset_in(preset, system) for preset in vision.presets))


@router.get("/v1/cameras", summary="Cameras in my grids")
def list_cameras(
    house: House,
    who: Reader,
    request: Request,
    response: Response,
    under: Annotated[str | None, Query(max_length=64, description="this grid and all below it")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Cameras:
    page = house.registry.cameras(who.actor, under=under, limit=limit, after=after)
    link_next(request, response, page.next)
    doing = statuses(house)
    return Cameras(features=[CameraFeature.of(camera, doing.get(camera.id)) for camera in page.items], next=page.next)


@router.post("/v1/cameras", status_code=201, summary="Register a camera")
def add_camera(house: House, who: Writer, asked: NewCameraAsked, response: Response) -> CameraFeature:
    """The user name and password in `url` are sealed and never answered again."""
    new = NewCamera(
        code=asked.code,
        name=asked.name,
        place=place_of(asked.lon, asked.lat, asked.system),
        url=SourceUrl.parse(asked.url.get_secret_value()),
        purpose=asked.purpose,
        grid_code=asked.grid_code,
        zones=_zones(asked.zones),
        control_points=_control_points(asked.control_points, asked.system),
        enabled=asked.enabled,
        site=asked.site,
        upstream=asked.upstream,
        vision=_vision(asked.vision, asked.system),
    )
    camera = house.registry.add_camera(who.actor, new)
    response.headers["Location"] = f"/v1/cameras/{camera.id}"
    return CameraFeature.of(camera, None)


@router.post("/v1/cameras/probe", summary="Try a camera address")
def probe(house: House, _who: Writer, asked: ProbeAsked) -> Probed:
    """Takes up to 40 s. Nothing is stored; what is wrong with the address or the camera has a code of its own."""
    url = asked.url.get_secret_value()
    SourceUrl.parse(url)
    answer = house.video.probe(url)
    said = answer.facts
    return Probed(
        codec=str(said.get("codec", "")),
        width_px=int(said.get("width_px") or 0),
        height_px=int(said.get("height_px") or 0),
        fps=said.get("fps"),
        gop_s=said.get("gop_s"),
        warnings=[str(warning) for warning in said.get("warnings", [])],
        picture=base64.b64encode(answer.data).decode() if answer.data else None,
    )


@router.get("/v1/cameras/{camera_id}", summary="One camera")
def one_camera(house: House, who: Reader, camera_id: Id) -> CameraFeature:
    camera = house.registry.camera(camera_id, who.actor)
    return CameraFeature.of(camera, statuses(house).get(camera.id))


@router.patch("/v1/cameras/{camera_id}", summary="Change a camera")
def change_camera(house: House, who: Writer, camera_id: Id, asked: CameraChange) -> CameraFeature:
    """A new `url` without user name and password keeps those that are stored only for the same scheme, host, port."""
    changes = asked.model_dump(exclude_none=True, include=_PLAIN)
    if (asked.lon is None) != (asked.lat is None):
        raise InvalidInput("a place needs both lon and lat")
    if asked.lon is not None and asked.lat is not None:
        changes["place"] = place_of(asked.lon, asked.lat, asked.system)
    if asked.url is not None:
        changes["url"] = SourceUrl.parse(asked.url.get_secret_value())
    if asked.zones is not None:
        changes["zones"] = _zones(asked.zones)
    if asked.control_points is not None:
        changes["control_points"] = _control_points(asked.control_points, asked.system)
    if asked.vision is not None:
        changes["vision"] = _vision(asked.vision, asked.system)
    camera = house.registry.change_camera(who.actor, camera_id, changes, asked.expected_version)
    return CameraFeature.of(camera, statuses(house).get(camera.id))


@router.post("/v1/cameras/{camera_id}/confirm-view", summary="The view as it is now is the one of its zones")
def confirm_view(house: House, who: Writer, camera_id: Id, asked: ViewConfirmed) -> CameraFeature:
    """After a camera was moved, on purpose or not: its zones, which rested, are watched again. With `preset`: a camera
    that pans stands at that one now, and is known there by how it looks in the next ten minutes' first picture."""
    camera = house.registry.camera(camera_id, who.actor)
    vision = camera.vision.confirmed(asked.preset, time.time())
    camera = house.registry.change_camera(who.actor, camera_id, {"vision": vision}, asked.expected_version)
    return CameraFeature.of(camera, statuses(house).get(camera.id))


@router.post("/v1/cameras/{camera_id}/accept-scene", summary="What stands there now may stand there")
def accept_scene(house: House, who: Writer, camera_id: Id, asked: SceneAccepted) -> CameraFeature:
    """New structures are told of as against this. Alerts of what is accepted by it end."""
    accepted = partial(Accepted.accepted, at_s=time.time())
    return _structures(house, who, camera_id, asked.expected_version, accepted)


@router.post("/v1/cameras/{camera_id}/permits", summary="For a while something may be built in a zone")
def add_permit(house: House, who: Writer, camera_id: Id, asked: PermitGiven) -> CameraFeature:
    permit = Permit(asked.zone_id, asked.from_at.timestamp(), asked.until_at.timestamp(), asked.reference)
    return _structures(house, who, camera_id, asked.expected_version, partial(Accepted.with_permit, permit=permit))


@router.post("/v1/cameras/{camera_id}/permits/withdraw", summary="A permit holds no longer")
def withdraw_permit(house: House, who: Writer, camera_id: Id, asked: PermitWithdrawn) -> CameraFeature:
    """404 where there is none of that number for the zone."""
    withdrawn = partial(Accepted.without_permit, zone_id=asked.zone_id, reference=asked.reference)
    return _structures(house, who, camera_id, asked.expected_version, withdrawn)


def _structures(
    house: Services, who: SignedIn, camera_id: str, version: int, change: Callable[[Accepted], Accepted]
) -> CameraFeature:
    camera = house.registry.camera(camera_id, who.actor)
    vision = replace(camera.vision, structures=change(camera.vision.structures))
    camera = house.registry.change_camera(who.actor, camera_id, {"vision": vision}, version)
    return CameraFeature.of(camera, statuses(house).get(camera.id))


@router.get(
    "/v1/cameras/{camera_id}/picture",
    summary="What a camera saw last, masked",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture(house: House, who: Reader, camera_id: Id) -> Response:
    camera = house.registry.camera(camera_id, who.actor)
    return Response(house.video.picture(camera.id), media_type="image/jpeg", headers={"Cache-Control": "no-store"})
