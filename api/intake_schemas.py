"""Reports at the edge: CloudEvents 1.0 whose data is a GeoJSON Feature, one or a batch; and what is answered."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
    model_validator,
)

from alerts.arguments import free_text
from alerts.identity import identity_faults, shown
from alerts.intake import MOST_AT_ONCE, PHONE_ACCURACY_M, Report, Taken
from alerts.intake_answers import Status
from api.schemas import Body, Free, Number, Text
from models.errors import Fault
from models.geo import GeoPoint
from models.incident import Evidence, Phase, Severity
from models.map_systems import MapSystem, place_of
from models.text import checked_text

OWN_ID = r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,127}$"
COLOURS = {severity.name.lower(): severity for severity in Severity}
_REPORTER = "report.data.properties.reporter"
_EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "report-20261123-0001",
    "type": "wangge.report",
    "time": "2026-11-23T02:00:00Z",
    "data": {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [109.0293, 32.6845]},
        "properties": {
            "kind": "dumping",
            "system": "gcj02",
            "accuracy_m": 15,
            "text": "三袋建筑垃圾堆在消防通道口",
            "reporter": {"contact": "+86 138 0000 0000"},
        },
    },
}
_BATCH_EXAMPLE = [_EXAMPLE, {**_EXAMPLE, "id": "report-20261123-0002"}]


class Point(Body):
    """RFC 7946. ``coordinates`` are longitude, latitude in the system that the properties name."""

    type: Literal["Point"]
    coordinates: Annotated[list[Number], Field(min_length=2, max_length=3)]


class ReporterAsked(Body):
    """``contact`` is sealed, stands in no log, and can be erased."""

    contact: Annotated[Text, Field(min_length=1, max_length=200)]


class Properties(Body):
    """``colour``: of a warning; default: the kind's own severity. ``phase``: cleared where it is over. ``key``: the
    source's own name of what goes on, by which its reports fold. ``measure``: the numbers that a device read."""

    kind: Annotated[Text, Field(max_length=64)]
    system: MapSystem = MapSystem.WGS84
    accuracy_m: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = PHONE_ACCURACY_M
    text: Annotated[Text, Field(min_length=1, max_length=2000)] | None = None
    colour: Literal["red", "orange", "yellow", "blue"] | None = None
    phase: Phase = Phase.ONSET
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:\-]{1,64}$")] | None = None
    measure: Free = Field(default_factory=dict)
    reporter: ReporterAsked | None = None


class FeatureAsked(Body):
    """``geometry`` null: where the source stands, by its registration."""

    type: Literal["Feature"]
    geometry: Point | None = None
    properties: Properties


class ReportAsked(Body):
    """A CloudEvent. ``id`` is the source's own, the same for each retry; ``source`` may be left out: the token says."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    specversion: Literal["1.0"]
    id: Annotated[str, Field(pattern=OWN_ID)]
    type: Annotated[Text, Field(max_length=200)]
    source: Annotated[Text, Field(max_length=200)] | None = None
    subject: Annotated[Text, Field(max_length=200)] | None = None
    time: AwareDatetime | None = None
    datacontenttype: Literal["application/geo+json", "application/json"] | None = None
    dataschema: Annotated[Text, Field(max_length=500)] | None = None
    data: FeatureAsked

    @model_validator(mode="before")
    @classmethod
    def _names_nobody(cls, value: object) -> object:
        faults = identity_faults(value, "report", _REPORTER)
        if faults:
            raise ValueError("; ".join(map(str, faults))[:300])
        return value

    def report(self, evidence: tuple[Evidence, ...] = ()) -> Report:
        """Raises InvalidInput for a place that is not on Earth, and for text with characters that do not show."""
        said = self.data.properties
        place, measure = _placed(self.data.geometry, said.system)
        return Report(
            external_id=self.id,
            kind=said.kind,
            text=None if said.text is None else free_text(said.text),
            place=place,
            accuracy_m=said.accuracy_m,
            severity=COLOURS[said.colour] if said.colour else None,
            phase=said.phase,
            key=said.key,
            at_s=self.time.timestamp() if self.time else None,
            measure={**said.measure, **measure},
            contact=checked_text(said.reporter.contact, "the contact") if said.reporter else None,
            evidence=evidence,
        )


def _placed(geometry: Point | None, system: MapSystem) -> tuple[GeoPoint | None, Mapping[str, Any]]:
    """The place, and how it was stated where that was not in WGS-84: the raw value is kept."""
    if geometry is None:
        return None, {}
    lon_deg, lat_deg = geometry.coordinates[:2]
    stated = {} if system is MapSystem.WGS84 else {"stated_place": [lon_deg, lat_deg], "stated_in": system.value}
    return place_of(lon_deg, lat_deg, system), stated


@dataclass(frozen=True)
class Unreadable:
    """One of a batch that does not fit. ``id`` "": none that can be told."""

    id: str
    faults: tuple[Fault, ...]


def _read(value: object) -> ReportAsked | Unreadable:
    """Each of a batch by itself: one that does not fit keeps no other from being taken."""
    try:
        return ReportAsked.model_validate(value)
    except ValidationError as error:
        own_id = value.get("id") if isinstance(value, dict) else None
        faults = [
            Fault(shown(".".join(map(str, item["loc"])))[:200] or "report", shown(str(item["msg"]))[:300])
            for item in error.errors(include_url=False, include_input=False, include_context=False)[:20]
        ]
        known = isinstance(own_id, str) and re.match(OWN_ID, own_id)
        return Unreadable(str(own_id) if known else "", tuple(faults))


def read_event(said: bytes) -> ReportAsked | Unreadable:
    """The report of a form's part."""
    try:
        return _read(json.loads(said))
    except (ValueError, RecursionError):
        return Unreadable("", (Fault("event", "it is not JSON (RFC 8259)"),))


One = Annotated[ReportAsked, Tag("one")]
Batch = Annotated[
    list[Annotated[ReportAsked | Unreadable, PlainValidator(_read, json_schema_input_type=ReportAsked)]],
    Field(min_length=1, max_length=MOST_AT_ONCE),
    Tag("batch"),
]
Reports = Annotated[One | Batch, Discriminator(lambda value: "batch" if isinstance(value, list) else "one")]
EXAMPLES: dict[str, Any] = {"one": {"value": _EXAMPLE}, "batch": {"value": _BATCH_EXAMPLE}}


class TakenShown(BaseModel):
    """``status`` as HTTP says it: 201 taken, 200 known before, 422 refused. ``status_at``: where to ask what came of
    it."""

    id: str
    status: int
    alert_id: str | None
    disposition: str | None
    status_at: str | None
    errors: list[dict[str, str]]

    @classmethod
    def of(cls, taken: Taken, source_id: str) -> "TakenShown":
        refused = bool(taken.faults)
        return cls(
            id=taken.external_id,
            status=422 if refused else 200 if taken.duplicate else 201,
            alert_id=taken.alert_id,
            disposition=taken.disposition,
            status_at=None if refused else f"/v1/intake/{source_id}/{taken.external_id}",
            errors=[vars(fault) for fault in taken.faults],
        )


class BatchTaken(BaseModel):
    """One result for each report, in the order sent."""

    results: list[TakenShown]


class Words(BaseModel):
    zh: str
    en: str


class StatusShown(BaseModel):
    """What a reporter is told, and nothing else. ``may_evaluate``: they are asked how it went."""

    stage: str
    stage_name: Words
    outcome: str | None
    outcome_name: Words | None
    may_evaluate: bool

    @classmethod
    def of(cls, status: Status) -> "StatusShown":
        words, outcome = status.words, status.outcome_words
        return cls(
            stage=status.stage,
            stage_name=Words(zh=words[0], en=words[1]),
            outcome=status.outcome,
            outcome_name=Words(zh=outcome[0], en=outcome[1]) if outcome else None,
            may_evaluate=status.may_evaluate,
        )


class EvaluationAsked(Body):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rating": 5, "text": "很快就清理了"}]})

    rating: int = Field(ge=1, le=5, strict=True, description="1 bad, 5 good")
    text: Annotated[Text, Field(min_length=1, max_length=2000)] | None = None


class ContactShown(BaseModel):
    source: str
    id: str
    contact: str


class Contacts(BaseModel):
    contacts: list[ContactShown]


class ErasureAsked(Body):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "the reporter asked for it"}]})

    reason: Annotated[Text, Field(min_length=1, max_length=500)]


class ContactsErased(BaseModel):
    erased: int
