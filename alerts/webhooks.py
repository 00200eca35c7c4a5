"""Webhooks: each sealed event of a grid's alerts to another system, as a CloudEvent (1.0, structured JSON), signed.

The data is a GeoJSON Feature of the alert as that event left it: a message that is sent twice is the same twice.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from alerts.database import reading, writing
from alerts.egress import Egress, http_target
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import checked_key, in_sight
from alerts.vault import Vault
from models import tables
from models.alert import Alert, Event
from models.errors import EgressRefused, InvalidInput, NotFound
from models.people import Actor, Permission
from models.tables import grids, webhooks
from models.text import checked_text
from models.ulid import new_ulid

SIGNATURE = "Wangge-Signature"
SCHEMA = "urn:wangge:schema:alert:1"
SHORTEST_SECRET, LONGEST_SECRET = 16, 200
LONGEST_URL = 2000
MOST_WEBHOOKS = 100


@dataclass(frozen=True)
class Webhook:
    """What may be seen of it: its address only by scheme and host, its secret never."""

    id: str
    name: str
    grid_code: str
    shown: str
    created_s: float


class Webhooks:
    """The webhooks at rest."""

    def __init__(self, engine: Engine, vault: Vault, egress: Egress, clock: Callable[[], float]) -> None:
        self._engine, self._vault, self._egress, self._clock = engine, vault, egress, clock

    def add(self, actor: Actor, name: str, grid_code: str, url: str, secret: str) -> Webhook:
        """Told of what happens in that grid and below from now on. Raises NotFound, Forbidden, InvalidInput,
        EgressRefused, EgressFailed (its host does not resolve)."""
        name = checked_text(name, "the name")
        if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
            raise InvalidInput(f"the secret has {SHORTEST_SECRET} to {LONGEST_SECRET} characters")
        if len(url) > LONGEST_URL or not url.isprintable() or not url.isascii() or " " in url:
            raise EgressRefused("the address holds characters that none has, or too many")
        host, port = http_target(url)
        now_s = self._clock()
        with reading(self._engine) as connection:
            path = connection.execute(
                select(grids.c.path).where(grids.c.code == checked_key(grid_code))
            ).scalar_one_or_none()
        if path is None:
            raise NotFound(NO_SUCH_THING)
        check(actor, Permission.POLICY_WRITE, path, sight=Permission.GRID_READ)
        self._egress.addresses(host, port)
        hook = Webhook(new_ulid(now_s), name, grid_code, f"{url.partition(':')[0].lower()}://{host}:{port}/…", now_s)
        sealed = self._vault.seal(json.dumps([url, secret]).encode(), hook.id)
        with writing(self._engine) as connection:
            if len(connection.execute(select(webhooks.c.id)).all()) >= MOST_WEBHOOKS:
                raise InvalidInput(f"there are {MOST_WEBHOOKS} webhooks already: take one away first")
            connection.execute(insert(webhooks).values(**vars(hook), sealed=sealed))
        return hook

    def all(self, actor: Actor) -> list[Webhook]:
        """Those of grids where the actor may set policy, by age."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(webhooks)
                .join(grids, grids.c.code == webhooks.c.grid_code)
                .where(in_sight(grids.c.path, actor, Permission.POLICY_WRITE))
                .order_by(webhooks.c.id)
            )
            return [Webhook(row.id, row.name, row.grid_code, row.shown, row.created_s) for row in rows]

    def remove(self, actor: Actor, webhook_id: str) -> None:
        """What still waits for it is dropped when it comes up. Raises NotFound."""
        if all(hook.id != webhook_id for hook in self.all(actor)):
            raise NotFound(NO_SUCH_THING)
        with writing(self._engine) as connection:
            connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))

    def opened(self, webhook_id: str) -> tuple[str, str] | None:
        """Address and secret, for the notifier; None for one that is gone. Raises Misconfigured."""
        with reading(self._engine) as connection:
            sealed = connection.execute(
                select(tables.webhooks.c.sealed).where(webhooks.c.id == webhook_id)
            ).scalar_one_or_none()
        if sealed is None:
            return None
        url, secret = json.loads(self._vault.open(sealed, webhook_id))
        return url, secret


def cloud_event(alert: Alert, event: Event, position: int) -> bytes:
    """The message: ``alert`` is as ``event`` left it. source and id together name it (CloudEvents 1.0, 3.1.1)."""
    envelope = {
        "specversion": "1.0",
        "id": f"{event.alert_id}:{event.version}",
        "source": "urn:wangge:dispatch",
        "type": f"wangge.alert.{event.type.value}",
        "subject": event.alert_id,
        "time": _time(event.at_s),
        "datacontenttype": "application/geo+json",
        "dataschema": SCHEMA,
        "sequence": f"{position:020d}",
        "data": feature(alert),
    }
    return json.dumps(envelope, ensure_ascii=False, allow_nan=False).encode()


def feature(alert: Alert) -> dict[str, Any]:
    """The alert as GeoJSON (RFC 7946): no person, no bytes of evidence, only their hashes."""
    properties = {
        "version": alert.version,
        "state": alert.state.value,
        "kind": alert.kind,
        "severity": int(alert.severity),
        "camera_id": alert.camera_id,
        "zone": alert.zone_id,
        "grid_code": alert.grid_code,
        "confidence": alert.confidence,
        "accuracy_m": alert.accuracy_m,
        "measure": dict(alert.measure),
        "model": alert.model,
        "started_at": _time(alert.started_s),
        "last_seen_at": _time(alert.last_seen_s),
        "ended_at": None if alert.scene_clear_s is None else _time(alert.scene_clear_s),
        "outcome": alert.outcome,
        "evidence": [{"sha256": item.sha256, "kind": item.kind} for item in alert.evidence],
        "schema": SCHEMA,
    }
    return {"type": "Feature", "id": alert.id, "geometry": alert.place.geojson(), "properties": properties}


def signature(secret: str, body: bytes, now_s: float) -> str:
    """``t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body", hexadecimal>``: a receiver refuses old times and other bodies."""
    sent = str(int(now_s))
    digest = hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={sent},v1={digest}"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
