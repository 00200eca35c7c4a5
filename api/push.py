"""Web push: someone's own browsers, subscribed and unsubscribed by themselves."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from alerts.accounts import SignedIn
from api.auth import SIGNED_IN
from api.channels import ChannelShown, ChannelsShown
from api.registry_schemas import example
from api.schemas import Body, Id
from api.services import House

router = APIRouter(tags=["notifications"])
Myself = Annotated[SignedIn, Depends(SIGNED_IN)]


class PushKey(BaseModel):
    """``key``: this installation's public key in base64url, a browser's `applicationServerKey`."""

    key: str


class SubscriptionKeys(Body):
    p256dh: Annotated[SecretStr, Field(max_length=200)]
    auth: Annotated[SecretStr, Field(max_length=200)]


class Subscription(Body):
    """A `PushSubscription` as a browser gives it by `toJSON()`, and in which language to tell. Never answered again."""

    model_config = example(
        endpoint="https://updates.push.services.mozilla.com/wpush/v2/…",
        keys={"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-…", "auth": "BTBZMqHH6r4Tts7J_aSIgg"},
        language="zh",
    )

    endpoint: Annotated[SecretStr, Field(max_length=2000)]
    keys: SubscriptionKeys
    expirationTime: float | None = None
    language: Literal["zh", "en"] = "zh"


@router.get("/v1/push-key", summary="What a browser subscribes with")
def push_key(house: House, _who: Myself) -> PushKey:
    """409 where web push is not set up."""
    return PushKey(key=house.channels.push_key())


@router.get("/v1/me/channels", summary="By which ways I am told, in order")
def my_channels(house: House, who: Myself) -> ChannelsShown:
    return ChannelsShown(channels=[ChannelShown.of(channel) for channel in house.channels.own(who.person_id)])


@router.post("/v1/me/push-subscriptions", status_code=201, summary="Tell me in this browser too")
def subscribe(house: House, who: Myself, asked: Subscription) -> ChannelShown:
    """After the other channels. The same subscription again stays one. 409 where web push is not set up."""
    config = {
        "endpoint": asked.endpoint.get_secret_value(),
        "p256dh": asked.keys.p256dh.get_secret_value(),
        "auth": asked.keys.auth.get_secret_value(),
    }
    return ChannelShown.of(house.channels.subscribe(who.person_id, config, asked.language))


@router.delete("/v1/me/push-subscriptions/{channel_id}", status_code=204, summary="Tell me in that browser no more")
def unsubscribe(house: House, who: Myself, channel_id: Id) -> None:
    house.channels.unsubscribe(who.person_id, channel_id)
