"""Who asks, and whether the route is for them. Every route declares one of: PUBLIC, SIGNED_IN, needs(...), REPORTER."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from alerts.accounts import SignedIn, session_of
from alerts.intake_sources import TOKEN_MARK, Reporter, person_as_reporter
from api.services import House
from models.errors import Forbidden, Unauthenticated
from models.people import Permission

COOKIE = "wangge_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, 9.2.1: methods that change nothing, so that a forged one does no harm."""

_bearer = HTTPBearer(auto_error=False, description="the token that POST /v1/sessions answered")
_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description="set by POST /v1/sessions; unsafe methods need X-CSRF-Token as well"
)


def token_of(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> str | None:
    """The session token of a request. Never looked for in the query string: addresses end up in logs."""
    return bearer.credentials if bearer else cookie


class Access:
    """A dependency that lets a request in or not; as a value, the classification of its route.

    ``permission`` None lets in whoever is signed in. Which *things* they may see or change is decided in the core,
    after the look-up, by grid.
    """

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    def __call__(
        self,
        request: Request,
        house: House,
        token: Annotated[str | None, Depends(token_of)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> SignedIn:
        if not token:
            raise Unauthenticated("sign in with POST /v1/sessions, then send its token as a bearer token")
        signed_in = session_of(house.engine, token, house.now())
        if bearer is None and request.method not in SAFE_METHODS:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), signed_in.csrf_token.encode()):
                raise Forbidden("a request with a cookie needs the session's CSRF token in X-CSRF-Token")
        if self.permission and not signed_in.actor.paths_for(self.permission):
            raise Forbidden(f"none of your roles holds {self.permission}")
        return signed_in


class Reporting:
    """A dependency that lets in a registered source, by its own token, or whoever holds ALERT_REPORT in some grid."""

    permission = Permission.ALERT_REPORT

    def __call__(
        self,
        request: Request,
        house: House,
        token: Annotated[str | None, Depends(token_of)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Reporter:
        if bearer is not None and bearer.credentials.startswith(TOKEN_MARK):
            return house.sources.reporter(bearer.credentials)
        return person_as_reporter(needs(self.permission)(request, house, token, bearer).actor)


class Public:
    """The classification of a route that anyone may call."""

    def __call__(self) -> None:
        return None


def needs(permission: Permission) -> Access:
    """For those who hold ``permission`` in some grid; the core then looks at which."""
    return Access(permission)


SIGNED_IN = Access(None)
PUBLIC = Public()
REPORTER = Reporting()
