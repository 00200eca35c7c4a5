"""How long a connection may take over a request: one that never ends its headers or body is closed."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 15.0
"""From a connection's first byte – or from its opening, if none comes – to the end of a request's headers."""
BODY_S = 300.0
"""The largest photo at 35 kB/s."""


class Patient(H11Protocol):
    """uvicorn's protocol with an end to its patience: by itself it bounds only the time *between* requests."""

    headers_s, body_s = HEADERS_S, BODY_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waits_for: object = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._forget()  # between requests: the server's keep-alive time holds
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Starts a clock when the other side enters a stage, and lets it run while more of the same comes."""
        state = self.conn.their_state
        if state is self._waits_for:
            return
        self._forget()
        patience_s = {h11.IDLE: self.headers_s, h11.SEND_BODY: self.body_s}.get(state)
        if patience_s is not None:
            self._waits_for = state
            self._end = self.loop.call_later(patience_s, self.transport.abort)

    def _forget(self) -> None:
        self._waits_for = None
        if self._end is not None:
            self._end.cancel()
            self._end = None
