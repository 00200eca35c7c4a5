"""Redis streams: how incidents reach the dispatcher and how the live streams are woken. Transport, never the record.

Everything here can be lost at any moment (FLUSHALL, eviction, a fresh server): incidents stay in their source's spool
until the ledger's cursor has passed them, events are read from the ledger. Commands of Redis 7.0 and Valkey only.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.retry import Retry

from models import crash
from models.alert import SealedEvent
from models.errors import Fault, InvalidInput, Misconfigured, Unavailable
from models.incident import Incident
from models.incident_json import incident_from_json, incident_to_json

INCIDENTS, DEAD, EVENTS = "incidents", "incidents:dead", "events"
GROUP = "dispatchers"

LONGEST_BLOCK_MS = 5000
SOCKET_TIMEOUT_S = 10.0  # above LONGEST_BLOCK_MS, or waiting would look like a failure
MOST_WAITING = 100_000
"""Incidents that may stand in the stream; above that their sources keep them in their spools."""
LARGEST_MESSAGE = 256 * 1024
MOST_DEAD = 10_000
MOST_EVENTS = 10_000
OLD_CONSUMER_MS = 3_600_000


def connect(url: str) -> Redis:
    """A client that connects when it is first used and retries nothing itself. Raises Misconfigured."""
    try:
        return Redis.from_url(
            url,
            protocol=2,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise Misconfigured("WANGGE_REDIS_URL: it must be as in redis://host:6379/0") from None


@contextmanager
def _redis() -> Iterator[None]:
    """Redis's failures as ours. Its words are kept out: they may quote an address with a password."""
    try:
        yield
    except OutOfMemoryError:
        raise Unavailable(
            "Redis is out of memory and takes nothing more: give it more, or find what fills it"
        ) from None
    except RedisError as error:
        raise Unavailable(f"Redis does not answer as it should ({type(error).__name__})") from None


def check_redis(client: Redis) -> None:
    """Raises Misconfigured for a server that may evict streams or lacks commands, Unavailable if none answers."""
    with _redis():
        info: dict[str, Any] = client.info()
    policy, version = str(info.get("maxmemory_policy", "noeviction")), str(info.get("redis_version", "0"))
    if policy.startswith("allkeys-"):
        raise Misconfigured(
            f"Redis may evict whole streams (maxmemory-policy {policy}): set it to noeviction, with "
            "`CONFIG SET maxmemory-policy noeviction` and in its configuration file"
        )
    if int(version.split(".")[0]) < 7:
        raise Misconfigured(f"Redis {version} is too old: 7.0 or later, or Valkey, is needed")


class IncidentStream:
    """The source's side: what is published here is not safe yet; the ledger's cursor says what is."""

    def __init__(self, client: Redis, most_waiting: int = MOST_WAITING) -> None:
        self._client, self._most_waiting = client, most_waiting

    def publish(self, incidents: Sequence[Incident]) -> None:
        """In order. Raises Unavailable if Redis is away or holds ``most_waiting``: keep them and send them again."""
        with _redis():
            if self._client.xlen(INCIDENTS) >= self._most_waiting:
                raise Unavailable(f"{self._most_waiting} incidents wait for the dispatcher already", 5)
            pipe = self._client.pipeline(transaction=False)
            for incident in incidents:
                body = json.dumps(incident_to_json(incident), separators=(",", ":"))
                pipe.xadd(INCIDENTS, {"source": incident.source, "seq": incident.seq, "incident": body})
            pipe.execute()
        crash.point("after-xadd")

    def held(self, source: str, page: int = 500) -> set[int]:
        """Numbers of that source which are on their way: not yet handed out, or handed out and not acknowledged.

        Reads ``page`` messages at a time. What leaves the stream meanwhile may be among the numbers: read the ledger's
        cursor afterwards. Raises Unavailable.
        """
        delivered, waiting = b"0-0", set[bytes]()
        found: set[int] = set()
        with _redis():
            for group in _groups(self._client):
                delivered = group["last-delivered-id"]
                pending: Any = self._client.xpending_range(INCIDENTS, GROUP, "-", "+", self._most_waiting)
                waiting = {item["message_id"] for item in pending}
            start = min((delivered, *waiting), key=_id_order).decode()
            while messages := self._messages(start, page):
                for message_id, fields in messages:
                    seq = fields.get(b"seq", b"")
                    on_its_way = message_id in waiting or _id_order(message_id) > _id_order(delivered)
                    if on_its_way and fields.get(b"source") == source.encode() and seq.isdigit():
                        found.add(int(seq[:18]))
                start = f"({messages[-1][0].decode()}"
        return found

    def _messages(self, start: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = self._client.xrange(INCIDENTS, min=start, count=count)
        return list(found)


@dataclass(frozen=True)
class Delivery:
    """A message that was handed to this consumer. ``source`` and ``seq`` are known even where the rest is unreadable.

    ``deliveries`` counts how often it was handed to anyone; ``raw`` is what came, for the dead-letter stream.
    """

    message_id: str
    incident: Incident | Fault
    source: str | None
    seq: int | None
    raw: str
    deliveries: int = 1


class Consumer:
    """One dispatcher's side. ``name`` is its own: by it the server knows what was handed to it and not acknowledged."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client, self._name = client, name

    def read(self, count: int, block_ms: int) -> list[Delivery]:
        """Up to ``count`` new messages, after at most ``block_ms`` (≤ LONGEST_BLOCK_MS). Raises Unavailable.

        Where the group is gone (a first start, a FLUSHALL) it is made again and nothing is returned this time.
        """
        with _redis():
            try:
                answer: Any = self._client.xreadgroup(
                    GROUP, self._name, {INCIDENTS: ">"}, count=count, block=min(block_ms, LONGEST_BLOCK_MS)
                )
            except ResponseError as error:
                self._make_group(error)
                return []
        return [_delivery(message_id, fields) for _, messages in answer or [] for message_id, fields in messages]

    def reclaim(self, min_idle_ms: int, count: int = 200, but: Collection[str] = ()) -> list[Delivery]:
        """The oldest messages that somebody, perhaps long dead, was handed and has not acknowledged for so long.

        ``but`` are message ids that this consumer still works on.
        """
        with _redis():
            try:
                most = count + len(but)
                idle: Any = self._client.xpending_range(INCIDENTS, GROUP, "-", "+", most, idle=min_idle_ms)
                times = {each["message_id"]: int(each["times_delivered"]) + 1 for each in idle}
                wanted = [message_id for message_id in times if message_id.decode() not in but]
                if not wanted:
                    return []
                messages: Any = self._client.xclaim(INCIDENTS, GROUP, self._name, min_idle_ms, wanted)
            except ResponseError as error:
                self._make_group(error)
                return []
        return [_delivery(message_id, fields, times[message_id]) for message_id, fields in messages]

    def _make_group(self, error: ResponseError) -> None:
        if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
            raise error
        try:
            self._client.xgroup_create(INCIDENTS, GROUP, id="0", mkstream=True)
        except ResponseError as twice:  # another dispatcher was quicker
            if not str(twice).startswith("BUSYGROUP"):
                raise

    def ack(self, message_ids: Iterable[str]) -> None:
        """Only after the commit. Raises Unavailable: then they come again, and are duplicates."""
        ids = list(message_ids)
        if ids:
            with _redis():
                self._client.xack(INCIDENTS, GROUP, *ids)

    def bury(self, delivery: Delivery, reason: str) -> None:
        """To the dead-letter stream, with the reason, and acknowledged."""
        with _redis():
            pipe = self._client.pipeline(transaction=True)
            pipe.xadd(DEAD, {"incident": delivery.raw, "reason": reason}, maxlen=MOST_DEAD, approximate=True)
            pipe.xack(INCIDENTS, GROUP, delivery.message_id)
            pipe.execute()

    def tidy(self, old_ms: int = OLD_CONSUMER_MS) -> int:
        """Drops what every dispatcher is done with; how many. Also consumers silent for ``old_ms`` that hold nothing.

        MAXLEN would drop pending messages. Here the bound is the group's last delivered id, read first, and its
        oldest pending one, read second: what is delivered in between lies above both.
        """
        with _redis():
            group = next(iter(_groups(self._client)), None)
            if group is None:
                return 0
            bound = group["last-delivered-id"]
            pending = self._client.xpending(INCIDENTS, GROUP)
            if pending["pending"]:
                bound = min(bound, pending["min"], key=_id_order)
            for consumer in self._client.xinfo_consumers(INCIDENTS, GROUP):
                gone = consumer["idle"] >= old_ms and consumer["pending"] == 0
                if gone and consumer["name"] != self._name.encode():
                    self._client.xgroup_delconsumer(INCIDENTS, GROUP, consumer["name"])
            return int(self._client.xtrim(INCIDENTS, minid=bound, approximate=False))


def _groups(client: Redis) -> list[dict[str, Any]]:
    """What is known of the dispatchers' group; nothing where there is none yet."""
    try:
        return [group for group in client.xinfo_groups(INCIDENTS) if group["name"] == GROUP.encode()]
    except ResponseError:  # no stream yet
        return []


def _id_order(message_id: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in message_id.split(b"-"))


def _delivery(message_id: bytes, fields: dict[bytes, bytes], deliveries: int = 1) -> Delivery:
    raw = fields.get(b"incident", b"").decode("utf-8", "replace")
    source, seq = fields.get(b"source", b"").decode("utf-8", "replace"), fields.get(b"seq", b"")
    number = int(seq) if seq.isdigit() and len(seq) <= 18 else None
    where = f"message {message_id.decode()}"
    incident: Incident | Fault
    try:
        incident = _read(raw)
        if (incident.source, incident.seq) != (source, number):
            incident = Fault(where, "its envelope names another incident than it holds")
    except InvalidInput as error:
        incident = Fault(where, str(error))
    return Delivery(message_id.decode(), incident, source or None, number, raw[:LARGEST_MESSAGE], deliveries)


def _read(raw: str) -> Incident:
    if len(raw) > LARGEST_MESSAGE:
        raise InvalidInput(f"an incident is at most {LARGEST_MESSAGE} characters long")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput("not an incident: not JSON") from None
    if not isinstance(data, dict):
        raise InvalidInput("not an incident: not a JSON object")
    return incident_from_json(data)


class EventStream:
    """What was sealed, by position: whoever follows the ledger is woken by it and reads the ledger."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def publish(self, sealed: Sequence[SealedEvent]) -> None:
        """Under their own positions, so that what is published twice stands once. Raises Unavailable."""
        with _redis():
            pipe = self._client.pipeline(transaction=False)
            for item in sealed:
                fields: dict[Any, Any] = {"alert_id": item.event.alert_id, "type": item.event.type.value}
                pipe.xadd(EVENTS, fields, id=f"{item.position}-0", maxlen=MOST_EVENTS, approximate=True)
            for answer in pipe.execute(raise_on_error=False):
                if isinstance(answer, Exception) and "equal or smaller" not in str(answer):
                    raise answer

    def wait(self, position: int, block_ms: int) -> bool:
        """Whether something after that position was published, within ``block_ms`` (≤ LONGEST_BLOCK_MS).

        False is no promise that the ledger has nothing new: the relay may be away. Raises Unavailable.
        """
        with _redis():
            block = max(1, min(block_ms, LONGEST_BLOCK_MS))  # 0 would wait for ever
            return bool(self._client.xread({EVENTS: f"{position}-0"}, count=1, block=block))
