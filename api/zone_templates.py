"""Zone templates: levels and hours that the zones of many cameras share."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from alerts import zone_templates
from alerts.accounts import SignedIn
from alerts.zone_templates import TemplateAsked, ZoneTemplate
from api.auth import needs
from api.camera_schemas import HoursGiven
from api.paging import link_next
from api.registry_schemas import GridCode, Name, example
from api.schemas import After, Body, Free, Limit, Text, Version, at
from api.services import House
from models.camera import shared_from_json, shared_to_json
from models.people import Permission

router = APIRouter(tags=["cameras"])
Reader = Annotated[SignedIn, Depends(needs(Permission.CAMERA_READ))]
Writer = Annotated[SignedIn, Depends(needs(Permission.CAMERA_WRITE))]
TemplateCode = Annotated[Text, Path(max_length=64, examples=["square-evening"])]


class TemplateGiven(Body):
    """Cameras of that grid and all below it may name it. ``expected_version``: the one you saw; null: it is new."""

    model_config = example(
        name="广场夜间",
        grid_code="610902001001",
        levels={"crowding": {"enter_persons": 12}},
        night_levels={"crowding": {"enter_persons": 6}},
        hours={"spans": [[1080, 1380]], "weekdays": [4, 5, 6]},
    )

    name: Name
    grid_code: GridCode
    levels: Free = Field(default_factory=dict)
    night_levels: Free = Field(default_factory=dict)
    hours: HoursGiven | None = None
    expected_version: Version | None = None

    def asked(self) -> TemplateAsked:
        """Raises InvalidInput for hours that there are not."""
        shared = shared_from_json(self.model_dump(include={"levels", "night_levels", "hours"}))
        return TemplateAsked(self.name, self.grid_code, shared, self.expected_version)


class TemplateShown(BaseModel):
    code: str
    name: str
    grid_code: str
    levels: dict[str, dict[str, float]]
    night_levels: dict[str, dict[str, float]]
    hours: HoursGiven | None
    version: int
    changed_at: datetime

    @classmethod
    def of(cls, template: ZoneTemplate) -> "TemplateShown":
        return cls(
            code=template.code,
            name=template.name,
            grid_code=template.grid_code,
            version=template.version,
            changed_at=at(template.changed_s),
            **shared_to_json(template.shared),
        )


class Templates(BaseModel):
    templates: list[TemplateShown]
    next: str | None


@router.get("/v1/zone-templates", summary="Zone templates of my grids and of those above, which cameras may name")
def list_templates(
    house: House, who: Reader, request: Request, response: Response, limit: Limit = 100, after: After = None
) -> Templates:
    page = zone_templates.templates_of(house.engine, who.actor, limit=limit, after=after)
    link_next(request, response, page.next)
    return Templates(templates=[TemplateShown.of(each) for each in page.items], next=page.next)


@router.put("/v1/zone-templates/{template}", summary="Make or change a zone template")
def put_template(house: House, who: Writer, template: TemplateCode, asked: TemplateGiven) -> TemplateShown:
    """All zones that name it go by it within seconds."""
    return TemplateShown.of(zone_templates.put(house.engine, who.actor, template, asked.asked(), house.now()))


@router.delete("/v1/zone-templates/{template}", status_code=204, summary="Delete a zone template that no zone names")
def delete_template(house: House, who: Writer, template: TemplateCode) -> None:
    zone_templates.remove(house.engine, who.actor, template)
