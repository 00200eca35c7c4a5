"""What goes in and out about people, sign-ins, grids and duties."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from alerts.accounts import Person
from alerts.grid_check import Finding, Findings
from alerts.grid_import import MOST_FAULTS, GridPlan
from alerts.grids import Candidate
from api.schemas import Body, Point, Text, at, at_or_none
from models.errors import Fault
from models.people import Duty, Grid, Role

Name = Annotated[Text, Field(min_length=1, max_length=200)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=200)]
GridCode = Annotated[Text, Field(min_length=1, max_length=64, examples=["610902001001"])]


def example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


class SignInAsked(Body):
    model_config = example(username="operator", password="the one-time password that was printed")  # noqa: S106

    username: Annotated[Text, Field(min_length=1, max_length=64)]
    password: Password


class PasswordChange(Body):
    model_config = example(old="the one-time password", new="a sentence that nobody else would say")

    old: Password
    new: Password


class GrantShown(Body):
    """A permission set within a grid and all below it."""

    role: Role
    grid_code: GridCode


class PersonShown(BaseModel):
    id: str
    username: str
    name: str
    active: bool
    must_change_password: bool
    grants: list[GrantShown]
    organisation: str | None
    skills: list[str]
    last_seen_at: datetime | None
    reachable: bool
    unreachable_reason: str | None

    @classmethod
    def of(cls, person: Person) -> "PersonShown":
        return cls(
            id=person.id,
            username=person.username,
            name=person.name,
            active=person.active,
            must_change_password=person.must_change_password,
            grants=[GrantShown(role=grant.role, grid_code=grant.grid_code) for grant in person.grants],
            organisation=person.organisation,
            skills=list(person.skills),
            last_seen_at=at_or_none(person.last_seen_s),
            reachable=person.reachable,
            unreachable_reason=None if person.reachable else person.unreachable_reason,
        )


class People(BaseModel):
    people: list[PersonShown]
    next: str | None


class NewPerson(Body):
    model_config = example(
        username="zhangwei", name="张伟", grants=[{"role": "grid_worker", "grid_code": "610902001001"}]
    )

    username: Annotated[Text, Field(min_length=1, max_length=64)]
    name: Name
    grants: Annotated[list[GrantShown], Field(min_length=1, max_length=50)]


class PersonMade(BaseModel):
    """``one_time_password`` is shown this once and kept nowhere."""

    person: PersonShown
    one_time_password: str


class SessionShown(BaseModel):
    """``token`` for programs; browsers use the cookie that came with it. ``must_change_password``: a request, not yet a
    condition."""

    token: str
    csrf_token: str
    expires_at: datetime
    person: PersonShown
    must_change_password: bool


class Me(BaseModel):
    csrf_token: str
    expires_at: datetime
    person: PersonShown
    must_change_password: bool


class GridShown(BaseModel):
    scheme: str
    name: str
    parent: str | None
    level: int
    path: str
    valid_from: datetime | None
    valid_to: datetime | None
    system: str = Field(description="the map system that its polygon was stated in; here it is WGS-84")


class GridFeature(BaseModel):
    """A unit without land of its own has geometry null (RFC 7946, 3.2)."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any] | None
    properties: GridShown

    @classmethod
    def of(cls, grid: Grid) -> "GridFeature":
        shown = GridShown(
            scheme=grid.scheme,
            name=grid.name,
            parent=grid.parent,
            level=grid.level,
            path=grid.path,
            valid_from=at_or_none(grid.valid_from_s),
            valid_to=at_or_none(grid.valid_to_s),
            system=grid.system,
        )
        return cls(id=grid.code, geometry=dict(grid.polygon) if grid.polygon else None, properties=shown)


class Grids(BaseModel):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[GridFeature]
    next: str | None


class FindingShown(BaseModel):
    """Something odd about the tree as a map. ``share``: of the smaller grid, of the parent (gap), of the child."""

    kind: str = Field(description="overlap, gap, outside, orphan")
    grid: str
    other: str | None
    area_m2: float | None
    share: float | None
    place: Point | None
    said: dict[str, str]

    @classmethod
    def of(cls, finding: Finding) -> "FindingShown":
        return cls(
            kind=finding.kind,
            grid=finding.grid,
            other=finding.other,
            area_m2=finding.area_m2 and round(finding.area_m2, 1),
            share=finding.share and round(finding.share, 6),
            place=finding.place and Point(coordinates=finding.place),
            said={"zh": finding.said_zh, "en": finding.said_en},
        )


class Imported(BaseModel):
    """``imported``: grids new or changed. A dry run imports none, and tells what would be wrong or odd."""

    imported: int
    dry_run: bool
    read: int
    encoding: str
    ignored_columns: list[str]
    errors: list[dict[str, str]] = Field(description="what forbids the import: {where, what}")
    level_jumps: list[dict[str, str]]
    findings: list[FindingShown]
    finding_counts: dict[str, int]
    findings_complete: bool

    @classmethod
    def of(cls, plan: GridPlan, findings: Findings | None, imported: int) -> "Imported":
        def told(faults: Sequence[Fault]) -> list[dict[str, str]]:
            return [vars(fault) for fault in faults[:MOST_FAULTS]]

        return cls(
            imported=imported,
            dry_run=findings is not None,
            read=len(plan.grids),
            encoding=plan.encoding,
            ignored_columns=list(plan.ignored),
            errors=told(plan.faults),
            level_jumps=told(plan.jumps),
            findings=[FindingShown.of(item) for item in findings.items] if findings else [],
            finding_counts=dict(findings.counts) if findings else {},
            findings_complete=findings is None or findings.complete,
        )


class PlaceShown(BaseModel):
    """A grid that a place may lie in. ``distance_m``: to its border; 0 where it contains the place."""

    code: str
    name: str
    level: int
    distance_m: float

    @classmethod
    def of(cls, candidate: Candidate) -> "PlaceShown":
        grid = candidate.grid
        return cls(code=grid.code, name=grid.name, level=grid.level, distance_m=round(candidate.distance_m, 1))


class Places(BaseModel):
    grids: list[PlaceShown]


class DutyAsked(Body):
    """``rank`` 0 is asked first, 1 is the backup."""

    model_config = example(
        person_id="01JD0ZQ3F4K8X6T2W9V5B7C1NE",
        starts_at="2026-11-22T08:00:00+08:00",
        ends_at="2026-11-22T20:00:00+08:00",
    )

    person_id: Annotated[Text, Field(min_length=1, max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    rank: Annotated[int, Field(ge=0, le=9)] = 0


class DutyShown(BaseModel):
    person_id: str
    person_name: str
    grid_code: str
    rank: int
    starts_at: datetime
    ends_at: datetime
    open_cases: int
    skills: list[str]
    reachable: bool
    unit: str | None
    stands_in_for: str | None

    @classmethod
    def of(cls, duty: Duty) -> "DutyShown":
        return cls(
            person_id=duty.person_id,
            person_name=duty.person_name,
            grid_code=duty.grid_code,
            rank=duty.rank,
            starts_at=at(duty.starts_s),
            ends_at=at(duty.ends_s),
            open_cases=duty.open_cases,
            skills=list(duty.skills),
            reachable=duty.reachable,
            unit=duty.unit,
            stands_in_for=duty.stands_in_for,
        )


class Duties(BaseModel):
    duties: list[DutyShown]
