"""People's channels at rest: in which order someone is told, and how. What is sealed is never read back by anyone."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from alerts.accounts import Person
from alerts.channel_kinds import AppriseChannel, Channel, read_channel
from alerts.database import reading, writing
from alerts.egress import Egress, http_target
from alerts.policy import NO_SUCH_THING, check
from alerts.vault import Vault
from alerts.web_push import PushChannel, WebPush
from models.errors import Conflict, InvalidInput, NotFound
from models.people import Actor, Permission
from models.tables import channels
from models.ulid import new_ulid

MOST_CHANNELS = 8
"""Of those that an administrator sets up, and of browsers."""
DEFAULT_WAIT_S, LONGEST_WAIT_S = 120.0, 3600.0
LANGUAGES = ("zh", "en")
WEB_PUSH = "webpush"


@dataclass(frozen=True)
class PersonChannel:
    """``place`` 1 is tried first; without an answer the next one is tried ``wait_s`` seconds later.

    ``dead_s``: since then its receiver says that there is nobody, and it is passed over.
    """

    id: str
    person_id: str
    place: int
    kind: str
    shown: str
    wait_s: float
    language: str
    created_s: float
    dead_s: float | None = None


class People(Protocol):
    def person(self, person_id: str) -> Person: ...


class Channels:
    """The channels of people, as administrators set them up; and the browsers that people subscribed themselves.

    ``push`` None: no web push.
    """

    def __init__(
        self,
        engine: Engine,
        people: People,
        vault: Vault,
        egress: Egress,
        clock: Callable[[], float],
        push: WebPush | None = None,
    ) -> None:
        self._engine, self._people, self._vault, self._egress, self._clock = engine, people, vault, egress, clock
        self._push = push

    def add(
        self,
        actor: Actor,
        person_id: str,
        kind: str,
        config: Mapping[str, Any],
        *,
        wait_s: float = DEFAULT_WAIT_S,
        language: str = "zh",
    ) -> PersonChannel:
        """A channel after those that the person has.

        Raises NotFound, Forbidden, InvalidInput, EgressRefused, EgressFailed (its host does not resolve).
        """
        self._administered(actor, person_id)
        if language not in LANGUAGES:
            raise InvalidInput("the language is zh or en")
        if not 1.0 <= wait_s <= LONGEST_WAIT_S:
            raise InvalidInput(f"the wait is 1 to {LONGEST_WAIT_S:g} seconds")
        channel = read_channel(kind, config)
        where = channel.host if isinstance(channel, AppriseChannel) else http_target(channel.url)
        self._egress.addresses(*where)
        with writing(self._engine) as connection:
            return self._insert(connection, person_id, kind, channel.shown, config, wait_s, language)

    def push_key(self) -> str:
        """What a browser subscribes with. Raises Conflict where there is no web push, Misconfigured."""
        return self._web_push().public_key()

    def subscribe(self, person_id: str, subscription: Mapping[str, Any], language: str) -> PersonChannel:
        """Someone's own browser, after their other channels. One that is known already stays where it is; those whose
        subscription is over make room. Raises InvalidInput, EgressRefused, Conflict, Misconfigured."""
        channel = self._web_push().channel(subscription)
        with writing(self._engine) as connection:
            mine = (channels.c.person_id == person_id, channels.c.kind == WEB_PUSH)
            connection.execute(delete(channels).where(*mine, channels.c.dead_s.is_not(None)))
            for row in connection.execute(select(channels).where(*mine)):
                if self._config(row)["endpoint"] == channel.endpoint:
                    sealed = self._vault.seal(json.dumps(dict(subscription)).encode(), row.id)
                    values = {"sealed": sealed, "language": language}
                    connection.execute(update(channels).where(channels.c.id == row.id).values(**values))
                    return replace(_of(row), language=language)
            return self._insert(connection, person_id, WEB_PUSH, channel.shown, subscription, DEFAULT_WAIT_S, language)

    def unsubscribe(self, person_id: str, channel_id: str) -> None:
        """Only their own browser's: what an administrator set up, an administrator takes away. Raises NotFound."""
        mine = (channels.c.id == channel_id, channels.c.person_id == person_id, channels.c.kind == WEB_PUSH)
        with writing(self._engine) as connection:
            if connection.execute(delete(channels).where(*mine)).rowcount != 1:
                raise NotFound(NO_SUCH_THING)

    def own(self, person_id: str) -> tuple[PersonChannel, ...]:
        """Someone's, in the order in which they are tried, for themselves to see."""
        with reading(self._engine) as connection:
            return channels_of(connection, person_id)

    def bury(self, channel_id: str) -> None:
        """Its receiver says that there is nobody any more: it is passed over from now on."""
        with writing(self._engine) as connection:
            connection.execute(update(channels).where(channels.c.id == channel_id).values(dead_s=self._clock()))

    def _insert(
        self,
        connection: Connection,
        person_id: str,
        kind: str,
        shown: str,
        config: Mapping[str, Any],
        wait_s: float,
        language: str,
    ) -> PersonChannel:
        known = channels_of(connection, person_id)
        if sum((channel.kind == WEB_PUSH) == (kind == WEB_PUSH) for channel in known) >= MOST_CHANNELS:
            what = "browsers" if kind == WEB_PUSH else "channels"
            raise Conflict(f"someone has at most {MOST_CHANNELS} {what}: take one away first")
        now_s = self._clock()
        place = known[-1].place + 1 if known else 1
        made = PersonChannel(new_ulid(now_s), person_id, place, kind, shown, wait_s, language, now_s)
        sealed = self._vault.seal(json.dumps(dict(config)).encode(), made.id)
        connection.execute(insert(channels).values(**vars(made), sealed=sealed))
        return made

    def of(self, actor: Actor, person_id: str) -> tuple[PersonChannel, ...]:
        """In the order in which they are tried. Raises NotFound, Forbidden."""
        self._administered(actor, person_id)
        with reading(self._engine) as connection:
            return channels_of(connection, person_id)

    def remove(self, actor: Actor, person_id: str, channel_id: str) -> None:
        """What still waits for it is dropped when it comes up. Raises NotFound, Forbidden."""
        if all(channel.id != channel_id for channel in self.of(actor, person_id)):
            raise NotFound(NO_SUCH_THING)
        with writing(self._engine) as connection:
            connection.execute(delete(channels).where(channels.c.id == channel_id))

    def opened(self, channel_id: str) -> tuple[Channel | PushChannel, str] | None:
        """The channel to send by, and its language; None for one that is gone. Raises Misconfigured, Conflict."""
        with reading(self._engine) as connection:
            row = connection.execute(select(channels).where(channels.c.id == channel_id)).one_or_none()
        if row is None:
            return None
        if row.kind == WEB_PUSH:
            return self._web_push().channel(self._config(row)), row.language
        return read_channel(row.kind, self._config(row)), row.language

    def _config(self, row: Row[Any]) -> Mapping[str, Any]:
        config: Mapping[str, Any] = json.loads(self._vault.open(row.sealed, row.id))
        return config

    def _web_push(self) -> WebPush:
        if self._push is None:
            raise Conflict("there is no web push here: an administrator can set WANGGE_PUSH_CONTACT")
        return self._push

    def _administered(self, actor: Actor, person_id: str) -> None:
        """As for a person's password: the actor must administer people in every grid where the person holds a grant."""
        person = self._people.person(person_id)
        write = Permission.PEOPLE_WRITE
        if not actor.is_system and not any(actor.role_for(write, grant.grid_path) for grant in person.grants):
            raise NotFound(NO_SUCH_THING)
        for grant in person.grants:
            check(actor, write, grant.grid_path, sight=Permission.GRID_READ)


def channels_of(connection: Connection, person_id: str) -> tuple[PersonChannel, ...]:
    """In the order in which they are tried."""
    rows = connection.execute(select(channels).where(channels.c.person_id == person_id).order_by(channels.c.place))
    return tuple(_of(row) for row in rows)


def _of(row: Row[Any]) -> PersonChannel:
    values = {name: value for name, value in row._mapping.items() if name != "sealed"}
    return PersonChannel(**values)
