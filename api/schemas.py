"""What goes in and out at the edge. Times are RFC 3339 in UTC here, Unix seconds within."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from api.overlay_schemas import Overlays
from api.times import at as at
from api.times import at_or_none as at_or_none
from models.alert import Alert, CommandType, Event, State
from models.incident import KINDS, Evidence

DEEPEST_JSON = 6
LONGEST_JSON = 20_000
"""Characters of a free-form object."""


def _plain(text: str) -> str:
    if any(ord(c) < 32 and c not in "\n\t" for c in text):
        raise ValueError("control characters are not taken")
    return text


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    """Free-form JSON that can be stored and sent again: not deep, not long, numbers finite, no half characters."""

    def check(item: Any, depth: int) -> None:
        if depth > DEEPEST_JSON:
            raise ValueError(f"deeper than {DEEPEST_JSON} levels")
        if isinstance(item, dict):
            for key, inner in item.items():
                check(key, depth + 1)
                check(inner, depth + 1)
        elif isinstance(item, list):
            for inner in item:
                check(inner, depth + 1)
        elif isinstance(item, str):
            _plain(item).encode()
        elif isinstance(item, int | float) and not abs(item) < 2**53:  # true of NaN as well
            raise ValueError("numbers must be finite and below 2^53")

    check(value, 0)
    if len(json.dumps(value)) > LONGEST_JSON:
        raise ValueError(f"longer than {LONGEST_JSON} characters")
    return value


Text = Annotated[str, AfterValidator(_plain)]
Free = Annotated[dict[str, Any], AfterValidator(_bounded)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Practice = Annotated[bool, Query(description="exercises, and nothing else; else none of them")]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Code = Annotated[Text, Path(max_length=64, examples=["610902001001"])]
Id = Annotated[Text, Path(max_length=64, examples=["01JD0ZQ3F4K8X6T2W9V5B7C1NE"])]


class Body(BaseModel):
    """A request's body: what is not known is refused, so that a misspelt field is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="stable; for programs")
    errors: list[dict[str, str]] = Field(description="each fault with its place: {where, what}")


class Point(BaseModel):
    """RFC 7946; WGS-84 longitude, latitude."""

    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float]


class Picture(BaseModel):
    sha256: str
    kind: str
    media_type: str
    at: datetime
    href: str
    erased: bool = Field(description="its bytes are gone; the log keeps its hash")

    @classmethod
    def of(cls, evidence: Evidence, erased: Collection[str] = ()) -> "Picture":
        return cls(
            sha256=evidence.sha256,
            kind=evidence.kind,
            media_type=evidence.media_type,
            at=at(evidence.at_s),
            href=f"/v1/evidence/{evidence.sha256}",
            erased=evidence.sha256 in erased,
        )


class ClaimShown(BaseModel):
    person_id: str
    fence: int
    until: datetime


class AlertShown(Overlays):
    """``allowed``: the commands that you may give now."""

    version: int
    state: State
    kind: str
    kind_name: dict[str, str]
    severity: int = Field(description="GB/T 28181: 1 red, 2 orange, 3 yellow, 4 blue")
    allowed: list[CommandType]
    camera_id: str | None
    zone_id: str | None
    accuracy_m: float
    grid_code: str
    candidates: list[str]
    confidence: float
    model: str | None
    measure: dict[str, Any]
    detected_reason: str
    evidence: list[Picture]
    started_at: datetime
    last_seen_at: datetime
    created_at: datetime
    changed_at: datetime
    incidents: int
    scene_clear_at: datetime | None
    offered_to: list[str]
    shortfall: str | None
    claim: ClaimShown | None
    assignee: str | None
    handled_by: str | None
    verified_by: str | None
    outcome: str | None
    suspended_until: datetime | None
    practice: bool = Field(description="an exercise")
    case_id: str | None = Field(description="the case that it is a member of")


class AlertFeature(BaseModel):
    type: Literal["Feature"] = "Feature"
    id: str
    geometry: Point
    properties: AlertShown

    @classmethod
    def of(cls, alert: Alert, allowed: tuple[CommandType, ...], now_s: float) -> "AlertFeature":
        kind = KINDS[alert.kind]
        claim = alert.claim
        shown = AlertShown(
            **dict(Overlays.shown(alert, now_s)),
            version=alert.version,
            state=alert.state,
            kind=alert.kind,
            kind_name={"zh": kind.name_zh, "en": kind.name_en},
            severity=int(alert.severity),
            allowed=list(allowed),
            camera_id=alert.camera_id,
            zone_id=alert.zone_id,
            accuracy_m=round(alert.accuracy_m, 2),
            grid_code=alert.grid_code,
            candidates=list(alert.candidates),
            confidence=alert.confidence,
            model=alert.model,
            measure=dict(alert.measure),
            detected_reason=alert.detected_reason,
            evidence=[Picture.of(item, alert.erased) for item in alert.evidence],
            started_at=at(alert.started_s),
            last_seen_at=at(alert.last_seen_s),
            created_at=at(alert.created_s),
            changed_at=at(alert.changed_s),
            incidents=alert.incidents,
            scene_clear_at=at_or_none(alert.scene_clear_s),
            offered_to=list(alert.offered_to),
            shortfall=alert.shortfall,
            claim=ClaimShown(person_id=claim.person_id, fence=claim.fence, until=at(claim.until_s)) if claim else None,
            assignee=alert.assignee,
            handled_by=alert.handled_by,
            verified_by=alert.verified_by,
            outcome=alert.outcome,
            suspended_until=at_or_none(alert.suspended_until_s),
            practice=alert.practice,
            case_id=alert.case_id,
        )
        return cls(id=alert.id, geometry=Point(**alert.place.geojson()), properties=shown)


class Alerts(BaseModel):
    """A GeoJSON FeatureCollection; ``next`` is a foreign member (RFC 7946, 6.1), also in the Link header."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[AlertFeature]
    next: str | None


class EventShown(BaseModel):
    """One line of an alert's log."""

    alert_id: str
    version: int
    type: str
    at: datetime
    actor_id: str
    actor_name: str
    role: str
    reason: str | None
    client_at: datetime | None
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> "EventShown":
        return cls(
            alert_id=event.alert_id,
            version=event.version,
            type=event.type,
            at=at(event.at_s),
            actor_id=event.actor_id,
            actor_name=event.actor_name,
            role=event.role,
            reason=event.reason,
            client_at=at_or_none(event.client_at_s),
            data=dict(event.data),
        )


class Log(BaseModel):
    events: list[EventShown]


class CommandAsked(Body):
    """What to do to an alert, seen at ``expected_version``: if it has moved on since, the answer is 409."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "acknowledge", "expected_version": 1},
                {"type": "dismiss", "expected_version": 1, "reason": "false_alarm"},
                {"type": "close", "expected_version": 9, "arguments": {"outcome": "fixed_service"}},
            ]
        }
    )

    type: CommandType
    expected_version: Version
    reason: Annotated[Text, Field(max_length=2000)] | None = None
    arguments: Free = Field(default_factory=dict, description="those that the type needs")
    client_at: AwareDatetime | None = Field(None, description="when it was decided, by the phone's clock")


class EvidenceAdded(BaseModel):
    evidence: Picture
    alert: AlertFeature
