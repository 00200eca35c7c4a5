"""GET /v1/events: what happens to the alerts in one's grids, as it happens; resumed by Last-Event-ID without a gap."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from alerts.accounts import SignedIn, session_of
from api.auth import needs, token_of
from api.services import House, Services
from models.errors import InvalidInput, RetryLater, Unauthenticated
from models.people import Permission

HEARTBEAT_S = 10.0
SESSION_CHECK_S = 2.0
"""A stream of someone who signed out ends within this plus the time of one look-up: 5 s are promised."""
MOST_STREAMS = 500
"""Per process: each costs a socket and a session look-up every SESSION_CHECK_S."""
MOST_OWN_STREAMS = 12
"""Of one person: so many screens, and nobody alone can take all of MOST_STREAMS."""
LONGEST_WAIT_S = 1.0
"""How long a stream may take to see that its server is about to stop."""
RECONNECT_MS = 2000

router = APIRouter(tags=["events"])


async def starting_position(
    house: House,
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))],
    last_event_id: Annotated[str | None, Header(description="where the last stream ended; set by browsers")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="the same, for whoever cannot set a header; the header wins")
    ] = None,
) -> tuple[int, bool]:
    """The position to go on from, and whether it had to be set back to the end of the log."""
    if house.tail.readers.total() >= MOST_STREAMS:
        raise RetryLater(f"there are {MOST_STREAMS} live streams already; poll GET /v1/alerts meanwhile", 10)
    if house.tail.readers[who.person_id] >= MOST_OWN_STREAMS:
        raise RetryLater(f"you have {MOST_OWN_STREAMS} live streams open already: close one", 10)
    last = await house.tail.last()
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 16):
            raise InvalidInput("Last-Event-ID is the id of an event that this stream sent: a number")
        after = int(last_event_id)
    if after is None:
        return last, False
    # A position that is not there yet was given out before the database was restored from a backup.
    return (last, True) if after > last else (after, False)


@router.get("/v1/events", response_class=EventSourceResponse, summary="Live events (server-sent)")
async def events(
    house: House,
    token: Annotated[str, Depends(token_of)],
    who: Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))],
    start: Annotated[tuple[int, bool], Depends(starting_position)],
) -> AsyncIterator[ServerSentEvent]:
    """First `ready` (or `reset`: reload your lists, the id you gave is not of this log), then `alert` for each event.

    The id is the event's position in the sealed log. Load lists after `ready` and nothing is missed.
    """
    house.tail.readers[who.person_id] += 1
    try:
        async for item in _stream(house, token, who, *start):
            yield item
    finally:
        house.tail.readers.subtract([who.person_id])


async def _stream(
    house: Services, token: str, who: SignedIn, position: int, was_reset: bool
) -> AsyncIterator[ServerSentEvent]:
    name = "reset" if was_reset else "ready"
    yield ServerSentEvent(event=name, id=str(position), data={"position": position}, retry=RECONNECT_MS)
    spoke_s = checked_s = time.monotonic()
    while not house.closing():
        found = await house.tail.after(position)
        for event in found:
            position = event.position
            if who.actor.role_for(Permission.ALERT_READ, event.grid_path):
                yield ServerSentEvent(event="alert", id=str(position), data=event.body)
                spoke_s = time.monotonic()
        if time.monotonic() - checked_s >= SESSION_CHECK_S:
            try:
                who = await anyio.to_thread.run_sync(session_of, house.engine, token, house.now())
            except Unauthenticated:
                return
            checked_s = time.monotonic()
        if time.monotonic() - spoke_s >= HEARTBEAT_S:
            # The id moves on as well, so that a reader of a quiet grid need not wade through others' events again.
            yield ServerSentEvent(comment="still here", id=str(position))
            spoke_s = time.monotonic()
        if not found:
            await house.tail.wait(position, LONGEST_WAIT_S)
