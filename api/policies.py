"""Clocks: what a grid's policies and its calendar of working time say, and changing them."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from alerts.accounts import SignedIn
from alerts.calendars import Calendar
from alerts.clock_policies import MOST_RULES
from alerts.sla import ANY_KIND, Rule
from api.auth import needs
from api.registry_schemas import example
from api.schemas import Body, Code, Number, Text
from api.services import House
from api.times import at
from models.clocks import Span, Stage, TimeUnit
from models.incident import Severity
from models.people import Permission

router = APIRouter(tags=["clocks"])
Reader = Annotated[SignedIn, Depends(needs(Permission.GRID_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.POLICY_WRITE))]
Day = Annotated[list[date], Field(max_length=1000)]
Minute = Annotated[int, Field(ge=0, le=1440)]


class RuleAsked(Body):
    """How long a stage may take for alerts of that kind and severity. ``amount`` null: no clock there."""

    kind: Annotated[Text, Field(max_length=64)] = ANY_KIND
    severity: Severity = Field(description="1 red, 2 orange, 3 yellow, 4 blue")
    stage: Stage
    amount: Number | None
    unit: TimeUnit = TimeUnit.SECONDS


class RulesAsked(Body):
    model_config = example(
        rules=[{"kind": "crowding", "severity": 2, "stage": "handle", "amount": 4, "unit": "working_h"}]
    )

    rules: Annotated[list[RuleAsked], Field(max_length=MOST_RULES)]


class RuleInForce(BaseModel):
    kind: str
    severity: int
    stage: Stage
    amount: float | None
    unit: TimeUnit | None
    policy: str = Field(description="the grid and kind that it was stated for and when, or default")


class PoliciesInForce(BaseModel):
    rules: list[RuleInForce]


class CalendarAsked(Body):
    """Working time. ``hours`` are from–to in minutes of the local day; Monday is weekday 0; ``country`` "": none."""

    model_config = example(zone="Asia/Shanghai", country="CN", hours=[[510, 720], [870, 1080]], days_off=["2027-02-12"])

    zone: Annotated[Text, Field(max_length=64)] = "Asia/Shanghai"
    country: Annotated[Text, Field(max_length=2)] = "CN"
    weekdays: Annotated[list[int], Field(max_length=7)] = Field(default_factory=lambda: list(range(5)))
    hours: Annotated[list[tuple[Minute, Minute]], Field(max_length=12)] = Field(
        default_factory=lambda: [(540, 720), (780, 1080)]
    )
    days_off: Day = Field(default_factory=list, description="off, whatever the country's holidays say")
    days_on: Day = Field(default_factory=list, description="worked, whatever the country's holidays say")


class CalendarShown(CalendarAsked):
    """``grid_code``: whose own it is; null, the product's. ``makeup_days_known``: by year, whether the country has
    announced its make-up working days (调休) and we know them; null for a country without."""

    grid_code: str | None
    makeup_days_known: dict[int, bool | None]


@router.get("/v1/grids/{code}/policies", summary="The clocks that hold in a grid")
def policies_in_force(house: House, who: Reader, code: Code) -> PoliciesInForce:
    """The nearest grid's own rule, from this one up, or the product's default."""
    return PoliciesInForce(
        rules=[
            RuleInForce(
                kind=item.kind,
                severity=int(item.severity),
                stage=item.stage,
                amount=item.span.amount if item.span else None,
                unit=item.span.unit if item.span else None,
                policy=item.policy,
            )
            for item in house.desk.policies.in_force(code, who.actor)
        ]
    )


@router.put("/v1/grids/{code}/policies", summary="State a grid's own clocks")
def state_policies(house: House, who: Writer, code: Code, asked: RulesAsked) -> PoliciesInForce:
    """These rules and no others are the grid's own from now on, for it and all below it. A clock that runs is not
    changed: the next stage goes by them."""
    rules = [
        Rule(code, item.kind, item.severity, item.stage, None if item.amount is None else Span(item.amount, item.unit))
        for item in asked.rules
    ]
    house.desk.policies.set_rules(code, rules, who.actor)
    return policies_in_force(house, who, code)


@router.get("/v1/grids/{code}/calendar", summary="The working time that holds in a grid")
def calendar_in_force(house: House, who: Reader, code: Code) -> CalendarShown:
    calendar, owner = house.desk.policies.calendar(code, who.actor)
    this_year = at(house.now()).year
    return CalendarShown(
        zone=calendar.zone,
        country=calendar.country,
        weekdays=sorted(calendar.weekdays),
        hours=list(calendar.hours),
        days_off=sorted(calendar.days_off),
        days_on=sorted(calendar.days_on),
        grid_code=owner,
        makeup_days_known={year: calendar.makeup_days_known(year) for year in (this_year, this_year + 1)},
    )


@router.put("/v1/grids/{code}/calendar", summary="State a grid's own working time")
def state_calendar(house: House, who: Writer, code: Code, asked: CalendarAsked) -> CalendarShown:
    calendar = Calendar(
        code,
        asked.zone,
        asked.country,
        frozenset(asked.weekdays),
        tuple(asked.hours),
        frozenset(asked.days_off),
        frozenset(asked.days_on),
    )
    house.desk.policies.set_calendar(code, calendar, who.actor)
    return calendar_in_force(house, who, code)


@router.delete("/v1/grids/{code}/calendar", summary="Go by the working time of the grid above")
def drop_calendar(house: House, who: Writer, code: Code) -> CalendarShown:
    house.desk.policies.set_calendar(code, None, who.actor)
    return calendar_in_force(house, who, code)
