"""Notifications and webhooks: sealed events become deliveries, and deliveries go out.

Reading is one transaction {rows, cursor}: no event is passed over, none leads to rows twice. Before a row goes out it
is looked at again: what was answered, has ended, is too old, or would reach someone off duty is dropped, and says why.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, func, insert, select, update

from alerts import deliveries as book
from alerts import ledger
from alerts.channel_kinds import Message
from alerts.channels import Channels, channels_of
from alerts.database import reading, writing
from alerts.deliveries import DEAD, DROPPED, NOTICE, SENT, WAITING, WEBHOOK, Delivery
from alerts.egress import Egress
from alerts.notify_rules import OLDEST_S, Notice, moot, notices, retry_in_s, text_of, title_of, too_old
from alerts.projection import replay
from alerts.sealer import sealed_after
from alerts.web_push import PushChannel
from alerts.webhooks import SIGNATURE, Webhooks, cloud_event, signature
from models.alert import Alert, SealedEvent
from models.errors import EgressFailed, EgressGone, EgressRefused, RetryLater, WanggeError
from models.people import Duty
from models.tables import cursors, deliveries, grids, people, seals, webhooks

READER = "notifier"
WEBHOOK_OLDEST_S = 7 * 86_400.0
DEAD_KEPT_S = 365 * 86_400.0
"""Dead letters stay at least so long: someone has to find them."""
PRUNED_AT_ONCE = 500

_HOPELESS = (WanggeError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What trying again would not change: an address that is refused, a seal that does not open, a fault of ours."""


class Rota(Protocol):
    """Who is on duty in some grids."""

    def duties(self, codes: Collection[str], now_s: float) -> Sequence[Duty]: ...


@dataclass(frozen=True)
class Notifier:
    """``luck`` gives 0..1, the jitter of retries; ``clock`` Unix seconds. ``kept_s``: how long what became of a message
    can be looked up."""

    engine: Engine
    rota: Rota
    channels: Channels
    webhooks: Webhooks
    egress: Egress
    clock: Callable[[], float]
    luck: Callable[[], float]
    kept_s: float

    def read(self, limit: int = 200) -> int:
        """Events that are not read yet become deliveries; how many events. Raises Unavailable."""
        now_s = self.clock()
        position = self._position(now_s)
        batch = sealed_after(self.engine, position, limit)
        if not batch:
            return 0
        with writing(self.engine) as connection:
            moved = update(cursors).where(cursors.c.reader == READER, cursors.c.position == position)
            if connection.execute(moved.values(position=batch[-1].position)).rowcount != 1:
                return 0  # another notifier was first
            rows = [row for item in batch for row in self._rows(connection, item, now_s)]
            if rows:
                connection.execute(insert(deliveries), rows)
        return len(batch)

    def _position(self, now_s: float) -> int:
        """Where reading goes on. The very first time: at what is still young enough to be told."""
        kept = select(cursors.c.position).where(cursors.c.reader == READER)
        with reading(self.engine) as connection:
            found = connection.execute(kept).scalar_one_or_none()
        if found is not None:
            return int(found)
        old = select(func.coalesce(func.max(seals.c.position), 0)).where(seals.c.sealed_s < now_s - OLDEST_S)
        with writing(self.engine) as connection:
            found = connection.execute(kept).scalar_one_or_none()
            if found is not None:
                return int(found)  # another notifier was first
            first = connection.execute(old).scalar_one()
            connection.execute(insert(cursors).values(reader=READER, position=first))
        return int(first)

    def _rows(self, connection: Connection, item: SealedEvent, now_s: float) -> list[dict[str, Any]]:
        event = item.event
        alert = replay(ledger.log(connection, event.alert_id)[: event.version])
        if alert.practice:
            return []
        rows: list[dict[str, Any]] = []
        if not too_old(event.at_s, now_s):
            for notice in notices(alert, event):
                rows += _notice_rows(connection, item, notice, now_s)
        above = [code for code in alert.grid_path.split("/") if code]
        hooks = select(webhooks.c.id).join(grids, grids.c.code == webhooks.c.grid_code)
        for hook in connection.execute(
            hooks.where(grids.c.code.in_(above), webhooks.c.created_s <= event.at_s)
        ).scalars():
            rows.append(_row(item, now_s, f"w:{hook}:{item.position}", purpose=WEBHOOK, target_id=hook))
        return rows

    def prune(self) -> int:
        """A step of forgetting old messages; how many. Raises Unavailable."""
        now_s = self.clock()
        return book.prune(self.engine, now_s - self.kept_s, now_s - max(self.kept_s, DEAD_KEPT_S), PRUNED_AT_ONCE)

    def send(self, item: Delivery) -> None:
        """One claimed delivery: sent, dropped, tried again later, or dead. Raises Unavailable (the database)."""
        try:
            dropped = self._send(item)
        except RetryLater:
            raise
        except (EgressFailed, OSError) as error:  # OSError: as of a library, or of a machine out of files
            wait_s = retry_in_s(item.attempts, self.luck())
            if wait_s is None:
                book.settle(self.engine, item, DEAD, _said(error), self.clock())
            else:
                book.postpone(self.engine, item, _said(error), self.clock() + wait_s)
        except _HOPELESS as error:
            book.settle(self.engine, item, DEAD, _said(error), self.clock())
        else:
            book.settle(self.engine, item, DROPPED if dropped else SENT, dropped, self.clock())

    def _send(self, item: Delivery) -> str | None:
        """Why it was dropped; None where it was taken."""
        if item.target_id is None:
            return "no channel"
        return self._send_webhook(item) if item.purpose == WEBHOOK else self._send_notice(item)

    def _send_webhook(self, item: Delivery) -> str | None:
        opened = self.webhooks.opened(item.target_id or "")
        if opened is None:
            return "the webhook has been taken away"
        if self.clock() - item.made_s > WEBHOOK_OLDEST_S:
            return "too old"
        with reading(self.engine) as connection:
            log = ledger.log(connection, item.alert_id)[: item.version]
        url, secret = opened
        body = cloud_event(replay(log), log[-1], item.position)
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            SIGNATURE: signature(secret, body, self.clock()),
        }
        self.egress.send("POST", url, headers, body)
        return None

    def _send_notice(self, item: Delivery) -> str | None:
        now_s = self.clock()
        if too_old(item.made_s, now_s):
            return "too old"
        with reading(self.engine) as connection:
            alert = ledger.load(connection, item.alert_id)
            since = ledger.log(connection, item.alert_id, item.version)
            active = connection.execute(
                select(people.c.active).where(people.c.id == item.person_id)
            ).scalar_one_or_none()
        if alert is None or not active:
            return "the person is no longer active"
        reason = moot(alert.state, since) or self._off_duty(item, alert, now_s)
        if reason is not None:
            return reason
        opened = self.channels.opened(item.target_id or "")
        if opened is None:
            return "the channel has been taken away"
        channel, language = opened
        message = Message(item.message_id, title_of(item.topic, language), text_of(alert, language))
        try:
            channel.send(self.egress, message)
        except EgressGone:
            if not isinstance(channel, PushChannel):
                raise  # an address that may be mended
            self.channels.bury(item.target_id or "")
            raise EgressRefused("the browser is subscribed no more") from None
        return None

    def _off_duty(self, item: Delivery, alert: Alert, now_s: float) -> str | None:
        if not item.on_duty_only:
            return None
        codes = {code for code in alert.grid_path.split("/") if code} | set(alert.candidates)
        on_duty = (duty for duty in self.rota.duties(codes, now_s) if duty.starts_s <= now_s < duty.ends_s)
        return None if any(duty.person_id == item.person_id for duty in on_duty) else "the person is not on duty"


def _said(error: Exception) -> str:
    """What may be shown of it: a library's own words may hold an address."""
    return str(error) if isinstance(error, WanggeError) else f"a fault of ours: {type(error).__name__}"


def _notice_rows(connection: Connection, item: SealedEvent, notice: Notice, now_s: float) -> list[dict[str, Any]]:
    """A row for each of the person's channels, the later ones after the earlier ones' waits."""
    about: dict[str, Any] = {"purpose": NOTICE, "person_id": notice.person_id, "topic": notice.topic}
    about["on_duty_only"] = notice.on_duty_only
    key = f"n:{item.event.alert_id}:{item.event.version}:{notice.person_id}"
    found = [channel for channel in channels_of(connection, notice.person_id) if channel.dead_s is None]
    if not found:
        none = {"state": DROPPED, "said": "the person has no channel", "settled_s": now_s}
        return [_row(item, now_s, f"{key}:0", **about, **none)]
    rows, due_s = [], now_s
    for channel in found:
        rows.append(_row(item, due_s, f"{key}:{channel.id}", **about, target_id=channel.id, place=channel.place))
        due_s += channel.wait_s
    return [{**row, "made_s": now_s} for row in rows]


def _row(item: SealedEvent, due_s: float, key: str, **values: Any) -> dict[str, Any]:
    plain = {
        "key": key,
        "target_id": None,
        "person_id": None,
        "alert_id": item.event.alert_id,
        "version": item.event.version,
        "position": item.position,
        "topic": item.event.type.value,
        "place": 0,
        "on_duty_only": False,
        "state": WAITING,
        "said": None,
        "attempts": 0,
        "made_s": due_s,
        "due_s": due_s,
        "settled_s": None,
    }
    return plain | values
