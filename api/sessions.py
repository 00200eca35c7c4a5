"""Signing in and out, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts import accounts
from alerts.accounts import SignedIn
from api.auth import COOKIE, PUBLIC, SIGNED_IN, token_of
from api.registry_schemas import Me, PasswordChange, PersonShown, SessionShown, SignInAsked
from api.schemas import at
from api.services import House

router = APIRouter(tags=["sessions"])


@router.post("/v1/sessions", status_code=201, dependencies=[Depends(PUBLIC)], summary="Sign in")
def sign_in(house: House, request: Request, response: Response, asked: SignInAsked) -> SessionShown:
    """After five failures in five minutes, per account and per address, the answer is 429 with Retry-After."""
    session = accounts.sign_in(
        house.engine,
        asked.username,
        asked.password.get_secret_value(),
        request.client.host if request.client else "",
        house.settings.session_s,
        house.now(),
    )
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=house.settings.session_s,
        path="/",
        secure=house.settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )
    return SessionShown(
        token=session.token,
        csrf_token=session.csrf_token,
        expires_at=at(session.expires_s),
        person=PersonShown.of(session.person),
        must_change_password=session.person.must_change_password,
    )


@router.delete("/v1/sessions/current", status_code=204, summary="Sign out")
def sign_out(
    house: House,
    token: Annotated[str, Depends(token_of)],
    _who: Annotated[SignedIn, Depends(SIGNED_IN)],
    response: Response,
) -> None:
    """Live streams of this sign-in end within 5 s."""
    accounts.sign_out(house.engine, token, house.now())
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=house.settings.secure_cookies)


@router.get("/v1/me", summary="Who I am")
def me(house: House, who: Annotated[SignedIn, Depends(SIGNED_IN)]) -> Me:
    return Me(
        csrf_token=who.csrf_token,
        expires_at=at(who.expires_s),
        person=PersonShown.of(house.registry.person(who.person_id)),
        must_change_password=who.must_change_password,
    )


@router.post("/v1/me/password", status_code=204, summary="Change my password")
def change_password(
    house: House,
    token: Annotated[str, Depends(token_of)],
    _who: Annotated[SignedIn, Depends(SIGNED_IN)],
    asked: PasswordChange,
) -> None:
    """At least 12 characters, and not the user name (NIST SP 800-63B). One's other sign-ins end."""
    accounts.change_password(
        house.engine, token, asked.old.get_secret_value(), asked.new.get_secret_value(), house.now()
    )
