"""An incident as JSON: on its way from the worker to the ledger, and at rest in both."""

from collections.abc import Mapping
from typing import Any

from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity


def incident_to_json(incident: Incident) -> dict[str, Any]:
    return {
        "source": incident.source,
        "seq": incident.seq,
        "kind": incident.kind,
        "phase": incident.phase.value,
        "camera_id": incident.camera_id,
        "zone_id": incident.zone_id,
        "severity": int(incident.severity),
        "confidence": incident.confidence,
        "place": [incident.place.lon_deg, incident.place.lat_deg],
        "accuracy_m": incident.accuracy_m,
        "onset_s": incident.onset_s,
        "at_s": incident.at_s,
        "measure": dict(incident.measure),
        "reason": incident.reason,
        "model": incident.model,
        "evidence": [vars(item) for item in incident.evidence],
        **({} if incident.place_key is None else {"place_key": incident.place_key}),
        **({} if incident.part is None else {"part": incident.part}),
    }


def incident_from_json(data: Mapping[str, Any]) -> Incident:
    """Raises InvalidInput for anything that is not an incident."""
    try:
        return Incident(
            source=str(data["source"]),
            seq=int(data["seq"]),
            kind=str(data["kind"]),
            phase=Phase(data["phase"]),
            camera_id=None if data["camera_id"] is None else str(data["camera_id"]),
            place_key=data.get("place_key"),
            zone_id=data["zone_id"],
            severity=Severity(data["severity"]),
            confidence=float(data["confidence"]),
            place=GeoPoint(*data["place"]),
            accuracy_m=float(data["accuracy_m"]),
            onset_s=float(data["onset_s"]),
            at_s=float(data["at_s"]),
            measure=dict(data["measure"]),
            reason=str(data["reason"]),
            model=data["model"],
            part=data.get("part"),
            evidence=tuple(Evidence(**item) for item in data["evidence"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"not an incident: {type(error).__name__}: {error}") from None
