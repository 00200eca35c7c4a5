"""What goes in and out about people, sign-ins, grids and duties."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from alerts.accounts import Person
from api.schemas import Body, Text, at, at_or_none
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

    @classmethod
    def of(cls, person: Person) -> "PersonShown":
        return cls(
            id=person.id,
            username=person.username,
            name=person.name,
            active=person.active,
            must_change_password=person.must_change_password,
            grants=[GrantShown(role=grant.role, grid_code=grant.grid_code) for grant in person.grants],
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
        )
        return cls(id=grid.code, geometry=dict(grid.polygon) if grid.polygon else None, properties=shown)


class Grids(BaseModel):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[GridFeature]
    next: str | None


class Imported(BaseModel):
    imported: int


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
        )


class Duties(BaseModel):
    duties: list[DutyShown]
