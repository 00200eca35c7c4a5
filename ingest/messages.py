"""What the worker's parent and its children tell each other about: cameras going down, sightings coming up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from models.camera import (
    CameraPoint,
    Credentials,
    SourceUrl,
    zone_from_json,
    zone_to_json,
)
from models.errors import CameraError, InvalidInput
from models.geo import GeoPoint
from models.incident import Incident, Phase, Sighting
from models.incident_json import incident_from_json, incident_to_json
from models.presets import control_point_from_json, control_point_to_json
from models.vision import vision_from_json, vision_to_json

MAX_REASON = 1000
"""Characters that are believed of a sentence that a child says."""
MAX_RULES_BYTES = 250 * 1024
"""Of a camera's state as JSON: with what the parent adds to it, it goes into the spool."""
MAX_SIGHTINGS = 64
"""Of one look."""


def source_to_json(source: SourceUrl) -> dict[str, Any]:
    """With user name and password: for a child's pipe, and nothing else."""
    secret = source.credentials
    return {
        "scheme": source.scheme,
        "host": source.host,
        "port": source.port,
        "target": source.target,
        "credentials": [secret.username, secret.password] if secret else None,
    }


def source_from_json(data: Mapping[str, Any]) -> SourceUrl:
    secret = data["credentials"]
    credentials = Credentials(*secret) if secret else None
    return SourceUrl(data["scheme"], data["host"], data["port"], data["target"], credentials)


def camera_to_json(camera: CameraPoint) -> dict[str, Any]:
    """With user name and password: for a child's pipe, and nothing else."""
    return {
        "id": camera.id,
        "code": camera.code,
        "name": camera.name,
        "place": [camera.place.lon_deg, camera.place.lat_deg],
        "source": source_to_json(camera.source),
        "purpose": camera.purpose,
        "grid_code": camera.grid_code,
        "zones": [zone_to_json(zone) for zone in camera.zones],
        "control_points": [control_point_to_json(point) for point in camera.control_points],
        "version": camera.version,
        "vision": vision_to_json(camera.vision),
    }


def camera_from_json(data: Mapping[str, Any]) -> CameraPoint:
    return CameraPoint(
        id=data["id"],
        code=data["code"],
        name=data["name"],
        place=GeoPoint(*data["place"]),
        source=source_from_json(data["source"]),
        purpose=data["purpose"],
        grid_code=data["grid_code"],
        zones=tuple(zone_from_json(zone) for zone in data["zones"]),
        control_points=tuple(control_point_from_json(point) for point in data["control_points"]),
        version=data["version"],
        vision=vision_from_json(data["vision"]),
    )


def sighting_to_json(sighting: Sighting) -> dict[str, Any]:
    data = incident_to_json(Incident(**vars(sighting), source="-", seq=1, camera_id="-"))
    data["reason"] = sighting.reason[:MAX_REASON]
    return {name: data[name] for name in data.keys() - {"source", "seq", "camera_id", "evidence"}}


def fitting(
    rules: Mapping[str, Any], sightings: Sequence[Sighting]
) -> tuple[dict[str, Any], Sequence[Sighting], tuple[str, ...]]:
    """As much of a camera's state and of a look's sightings as the parent takes, and a sentence for each that it does
    not: the largest states, which begin anew after a restart, and what only goes on.
    """
    kept, left_out = dict(rules), list[str]()
    if state_bytes(rules) > MAX_RULES_BYTES:
        parts = dict(rules.get("rules", {}))
        sizes = {key: state_bytes(part) for key, part in parts.items()}
        over = state_bytes(rules) - MAX_RULES_BYTES
        for key in sorted(sizes, key=lambda key: -sizes[key]):
            if over <= 0:
                break
            over -= sizes[key]
            del parts[key]
            left_out.append(f"the state of {key} has {sizes[key]} bytes: too large to be kept, a restart forgets it")
        kept["rules"] = parts
    told = sorted(sightings, key=lambda each: each.phase is Phase.CONTINUING)
    left_out += [f"{each.kind} in {each.zone_id}: too much at once to be told" for each in told[MAX_SIGHTINGS:]]
    return kept, told[:MAX_SIGHTINGS], tuple(left_out)


def state_bytes(state: Any) -> int:
    """Of what is stored of it."""
    return len(json.dumps(state))


def sighting_from_json(data: Any) -> Sighting:
    """Raises InvalidInput for anything that is no sighting."""
    if not isinstance(data, dict):
        raise InvalidInput("a sighting is a JSON object")
    incident = incident_from_json(data | {"source": "-", "seq": 1, "camera_id": "-", "evidence": []})
    names = (incident.zone_id, incident.model, incident.part)
    if not all(name is None or isinstance(name, str) for name in names):
        raise InvalidInput("a sighting names its zone, its model and its part by text")
    if max(len(incident.reason), *(len(name or "") for name in names)) > MAX_REASON:
        raise InvalidInput(f"a sighting's reason is longer than {MAX_REASON} characters")
    return Sighting(**{item.name: getattr(incident, item.name) for item in fields(Sighting)})


def camera_error(code: Any, message: Any) -> CameraError:
    """The error that a child told of. A code that is none of ours is a plain CameraError."""
    kinds = {kind.code: kind for kind in CameraError.__subclasses__()}
    return kinds.get(str(code), CameraError)(str(message)[:MAX_REASON])
