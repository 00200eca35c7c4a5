"""Channels: by which ways, and in which order, someone is told."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from alerts.accounts import SignedIn
from alerts.channels import DEFAULT_WAIT_S, LONGEST_WAIT_S, PersonChannel
from api.auth import needs
from api.registry_schemas import example
from api.schemas import Body, Id, at, at_or_none
from api.services import House
from models.people import Permission

router = APIRouter(tags=["notifications"])
Writer = Annotated[SignedIn, Depends(needs(Permission.PEOPLE_WRITE))]
Hidden = Annotated[SecretStr, Field(max_length=4000)]


class ChannelAsked(Body):
    """``apprise``: `url` is wecombot://, dingtalk://, feishu://, lark://, ntfy:// or ntfys://. ``http``: a gateway;
    `{phone}`, `{title}`, `{text}` and `{id}` in address and body stand for the message's. Never answered again."""

    model_config = example(
        kind="http",
        url="https://sms.example.com/send",
        headers={"Authorization": "Bearer …"},
        body='{"to": "{phone}", "text": "{text}"}',
        phone="13800000000",
    )

    kind: Literal["apprise", "http"]
    url: Hidden
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: Annotated[dict[str, SecretStr], Field(max_length=20, default_factory=dict)]
    body: Hidden = SecretStr("")
    phone: Annotated[SecretStr, Field(max_length=32)] = SecretStr("")
    wait_s: Annotated[float, Field(ge=1, le=LONGEST_WAIT_S, description="no answer: then the next channel")] = (
        DEFAULT_WAIT_S
    )
    language: Literal["zh", "en"] = "zh"


class ChannelShown(BaseModel):
    """``shown``: what may be seen of its address. ``dead_at``: since then its receiver says that nobody is there."""

    id: str
    place: int
    kind: str
    shown: str
    wait_s: float
    language: str
    created_at: datetime
    dead_at: datetime | None

    @classmethod
    def of(cls, channel: PersonChannel) -> "ChannelShown":
        return cls(
            id=channel.id,
            place=channel.place,
            kind=channel.kind,
            shown=channel.shown,
            wait_s=channel.wait_s,
            language=channel.language,
            created_at=at(channel.created_s),
            dead_at=at_or_none(channel.dead_s),
        )


class ChannelsShown(BaseModel):
    channels: list[ChannelShown]


@router.get("/v1/people/{person_id}/channels", summary="Someone's channels, in order")
def list_channels(house: House, who: Writer, person_id: Id) -> ChannelsShown:
    found = house.channels.of(who.actor, person_id)
    return ChannelsShown(channels=[ChannelShown.of(channel) for channel in found])


@router.post("/v1/people/{person_id}/channels", status_code=201, summary="Add a channel after the others")
def add_channel(house: House, who: Writer, person_id: Id, asked: ChannelAsked) -> ChannelShown:
    config: dict[str, object] = {"url": asked.url.get_secret_value()}
    if asked.kind == "http":
        config["method"] = asked.method
        config["headers"] = {name: value.get_secret_value() for name, value in asked.headers.items()}
        config["body"] = asked.body.get_secret_value()
        config["phone"] = asked.phone.get_secret_value()
    made = house.channels.add(who.actor, person_id, asked.kind, config, wait_s=asked.wait_s, language=asked.language)
    return ChannelShown.of(made)


@router.delete("/v1/people/{person_id}/channels/{channel_id}", status_code=204, summary="Take a channel away")
def remove_channel(house: House, who: Writer, person_id: Id, channel_id: Id) -> None:
    house.channels.remove(who.actor, person_id, channel_id)
