"""Answers that are remembered, so that a phone which asks twice is answered twice and heard once.

The answer is stored in the transaction of the command itself: neither is ever kept without the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from alerts.database import reading, writing
from models.alert import Alert
from models.errors import InvalidInput, RetryLater
from models.tables import idempotency
from models.text import checked_text

KEEP_S = 24 * 3600.0
"""How long an answer is remembered: a phone that was out of reach for a shift gets it."""

_ANSWERED = "the same request has just been answered: send it again to get that answer"
_KEEP = insert(idempotency)


@dataclass(frozen=True)
class Remember:
    """What to remember of a request: whose, by which key, over which body, and the answer (status, JSON body).

    Raises InvalidInput for what is no key.
    """

    person_id: str
    key: str
    request_sha256: str
    answer: Callable[[Alert], tuple[int, dict[str, Any]]]

    def __post_init__(self) -> None:
        _checked(self.key)


def _checked(key: str) -> None:
    checked_text(key, "the idempotency key", 128)


def remembered(engine: Engine, person_id: str, key: str, request_sha256: str) -> tuple[int, Mapping[str, Any]] | None:
    """The answer (status, JSON body) that this very request got before, None if it is new.

    Raises InvalidInput if the key was used for another request, or is no key.
    """
    _checked(key)
    with reading(engine) as connection:
        row = connection.execute(
            select(idempotency).where(idempotency.c.person_id == person_id, idempotency.c.key == key)
        ).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != request_sha256:
        raise InvalidInput("this idempotency key was used for another request: make a new key for each request")
    return row.status, row.response


def refuse_second(connection: Connection, wanted: Remember) -> None:
    """Raises RetryLater where the same request was answered meanwhile: asked again, it is found by ``remembered``."""
    row = connection.execute(
        select(idempotency.c.key).where(idempotency.c.person_id == wanted.person_id, idempotency.c.key == wanted.key)
    ).one_or_none()
    if row is not None:
        raise RetryLater(_ANSWERED)


def remember(connection: Connection, wanted: Remember, alert: Alert, now_s: float) -> None:
    """Stores the answer for the alert as it is after the command. Raises RetryLater as ``refuse_second`` does."""
    status, response = wanted.answer(alert)
    about = {"person_id": wanted.person_id, "key": wanted.key, "request_sha256": wanted.request_sha256}
    try:
        with connection.begin_nested():
            connection.execute(_KEEP, {**about, "status": status, "response": response, "at_s": now_s})
    except IntegrityError:  # the same request, to another alert, committed since
        raise RetryLater(_ANSWERED) from None


def forget(engine: Engine, now_s: float) -> int:
    """Drops answers older than KEEP_S; how many."""
    with writing(engine) as connection:
        return connection.execute(delete(idempotency).where(idempotency.c.at_s < now_s - KEEP_S)).rowcount
