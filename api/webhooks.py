"""Webhooks: other systems that are told of a grid's alerts."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from alerts.accounts import SignedIn
from alerts.webhooks import LONGEST_SECRET, LONGEST_URL, SHORTEST_SECRET, Webhook
from api.auth import needs
from api.registry_schemas import GridCode, Name, example
from api.schemas import Body, Id, at
from api.services import House
from models.people import Permission

router = APIRouter(tags=["notifications"])
Writer = Annotated[SignedIn, Depends(needs(Permission.POLICY_WRITE))]


class WebhookAsked(Body):
    """``url`` and ``secret`` are sealed and never answered again. The secret signs each message (HMAC-SHA256)."""

    model_config = example(
        name="city hall",
        grid_code="610902",
        url="https://hooks.example.com/wangge",
        secret="16 or more characters",  # noqa: S106
    )

    name: Name
    grid_code: GridCode
    url: Annotated[SecretStr, Field(max_length=LONGEST_URL)]
    secret: Annotated[SecretStr, Field(min_length=SHORTEST_SECRET, max_length=LONGEST_SECRET)]


class WebhookShown(BaseModel):
    """``shown``: scheme, host and port of its address."""

    id: str
    name: str
    grid_code: str
    shown: str
    created_at: datetime

    @classmethod
    def of(cls, hook: Webhook) -> "WebhookShown":
        return cls(
            id=hook.id, name=hook.name, grid_code=hook.grid_code, shown=hook.shown, created_at=at(hook.created_s)
        )


class WebhooksShown(BaseModel):
    webhooks: list[WebhookShown]


@router.get("/v1/webhooks", summary="Webhooks of my grids")
def list_webhooks(house: House, who: Writer) -> WebhooksShown:
    return WebhooksShown(webhooks=[WebhookShown.of(hook) for hook in house.webhooks.all(who.actor)])


@router.post("/v1/webhooks", status_code=201, summary="Tell another system of a grid's alerts, from now on")
def add_webhook(house: House, who: Writer, asked: WebhookAsked) -> WebhookShown:
    """CloudEvents 1.0, structured JSON; `Wangge-Signature: t=…,v1=…` is the HMAC-SHA256 of `t.body`. Redirects are not
    followed; after five failures a message is a dead letter under /v1/deliveries."""
    made = house.webhooks.add(
        who.actor, asked.name, asked.grid_code, asked.url.get_secret_value(), asked.secret.get_secret_value()
    )
    return WebhookShown.of(made)


@router.delete("/v1/webhooks/{webhook_id}", status_code=204, summary="Take a webhook away")
def remove_webhook(house: House, who: Writer, webhook_id: Id) -> None:
    house.webhooks.remove(who.actor, webhook_id)
