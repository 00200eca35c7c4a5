"""What holds for every request whatever its route: body caps, security headers, counting, no leak when code fails."""

import time
import traceback
from collections.abc import Callable, Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import of_core
from models.errors import WanggeError

JSON_MAX_BYTES = 1024 * 1024
"""The largest body of an address that names no cap of its own."""

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(self), microphone=()",
}

HSTS: Mapping[str, str] = {"strict-transport-security": "max-age=31536000"}
"""For a certificate that everyone trusts (RFC 6797)."""

Observed = Callable[[str, str, int, float], None]
"""Told of each answer: method, route as declared, status, seconds."""

log = structlog.get_logger("api")


class Edge:
    """ASGI middleware around everything else. ``caps`` gives the body cap in bytes by the end of a path."""

    def __init__(self, app: ASGIApp, caps: Mapping[str, int], observed: Observed, *, hsts: bool = False) -> None:
        self._app = app
        self._caps = caps
        self._observed = observed
        self._headers = {**SECURITY_HEADERS, **(HSTS if hsts else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.monotonic()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": self._with_security(message["headers"], scope["path"])}
            await send(message)

        try:
            await self._app(scope, _capped(receive, scope, self._cap(scope["path"])), answer)
        except Exception as error:  # noqa: BLE001 - the last place: nothing of the fault may reach the reader
            # The message is left out: a database error repeats the values that it was given.
            log.error("unhandled", error=type(error).__name__, at=_where(error), path=_route_of(scope))
            if not status:
                await of_core(Request(scope), WanggeError())(scope, receive, answer)
        finally:
            self._observed(scope["method"], _route_of(scope), status or 500, time.monotonic() - started_s)

    def _with_security(self, headers: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        added = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        if path.startswith("/v1/") and b"cache-control" not in present:
            added.append((b"cache-control", b"no-store"))
        return [*headers, *added]

    def _cap(self, path: str) -> int:
        return next((cap for end, cap in self._caps.items() if path.endswith(end)), JSON_MAX_BYTES)


def _capped(receive: Receive, scope: Scope, cap_bytes: int) -> Receive:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    seen = 0

    async def read() -> Message:
        nonlocal seen
        if not declared.isdigit() or len(declared) > 18 or int(declared) > cap_bytes:
            raise HTTPException(413)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > cap_bytes:
            raise HTTPException(413)
        return message

    return read


def _route_of(scope: Scope) -> str:
    """The route as declared, so that ids in paths make no new label."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}" for frame in reversed(frames))
