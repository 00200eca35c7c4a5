"""Every route is classified, and no route lets anyone see or do what is not theirs: routes × roles × districts."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from browsers import Browser
from fastapi.routing import APIRoute, iter_route_contexts
from world import JPEG, NORTH, PLACES, SOUTH, World

from alerts.handover import hand_over, make_promise
from alerts.intake_sources import NewSource, SourceKind
from alerts.organisations import OrganisationKind
from alerts.silences import SilenceAsked
from alerts.silences import make as make_silence
from alerts.transitions import TRANSITIONS
from alerts.zone_templates import TemplateAsked
from alerts.zone_templates import put as put_template
from api.app import create_app
from api.auth import Access, Public, Reporting
from models.alert import CommandType
from models.camera import Shared
from models.incident import Evidence
from models.people import PERMISSIONS, SYSTEM, Actor, Permission, Role

P = Permission


@dataclass(frozen=True)
class Call:
    """How a route is called for a leaf. ``needs`` None: whoever is signed in. ``by_grid``: a thing in one grid.

    ``outside``: the answer for a thing in a grid that is not theirs, the same as for one that is not there.
    """

    needs: Permission | None
    how: Callable[["Things"], dict[str, Any]] = lambda _: {}
    by_grid: bool = True
    outside: int = 404


@dataclass
class Things:
    """What there is in one leaf, for the paths and bodies of calls."""

    leaf: str
    alert_id: str
    camera_id: str
    sha256: str
    person_id: str
    username: str
    org: str
    shift_id: int
    absence_id: int
    promise_id: str
    handover_id: str
    sheet_sha256: str
    source_id: str
    case_id: str
    silence_id: str
    template: str
    keys: Iterator[dict[str, str]] = field(repr=False)

    def path(self, route: str) -> str:
        return route.format(code=self.leaf, kind="crowding", source="nobody", own_id="nothing", **vars(self))


A_PERMIT = {
    "expected_version": 4,
    "zone_id": "z",
    "from_at": "2026-03-01T00:00:00Z",
    "until_at": "2026-06-01T00:00:00Z",
    "reference": "2026-117",
}
A_ZONE = {"id": "z", "name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]}


def _new_camera(things: Things) -> dict[str, Any]:
    place = PLACES[things.leaf]
    key = next(things.keys)["Idempotency-Key"]
    body = {
        "code": key,
        "name": "n",
        "lon": place.lon_deg,
        "lat": place.lat_deg,
        "url": "rtsp://10.0.0.1/",
        "purpose": "p",
    }
    return {"json": body}


def _new_person(things: Things) -> dict[str, Any]:
    name = next(things.keys)["Idempotency-Key"]
    return {"json": {"username": name, "name": "n", "grants": [{"role": "unit", "grid_code": things.leaf}]}}


def _duty(things: Things) -> dict[str, Any]:
    times = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T08:00:00Z"}
    return {"json": {"person_id": things.person_id, **times}}


def _import(things: Things) -> dict[str, Any]:
    properties = {"code": f"{things.leaf}{next(things.keys)['Idempotency-Key']}", "name": "n", "parent": things.leaf}
    feature = {"type": "Feature", "properties": properties, "geometry": None}
    return {"json": {"type": "FeatureCollection", "features": [feature]}}


def _note(things: Things) -> dict[str, Any]:
    body = {"type": "note", "expected_version": 1, "arguments": {"text": "seen"}}
    return {"json": body, "headers": next(things.keys)}


def _organisation(things: Things) -> dict[str, Any]:
    code = next(things.keys)["Idempotency-Key"]
    return {"json": {"code": code, "name": "n", "kind": "unit", "grid_code": things.leaf}}


def _rota(things: Things) -> dict[str, Any]:
    row = f"{things.username},{things.leaf},2026-01-02,2026-01-03"
    return {"content": f"username,grid,starts,ends\n{row}\n"}


def _absence(_: Things) -> dict[str, Any]:
    return {"json": {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z", "reason": "leave"}}


def _exercise(things: Things) -> dict[str, Any]:
    return {"json": {"grid_code": things.leaf, "kind": "crowding", "text": "an exercise"}}


def _promise(_: Things) -> dict[str, Any]:
    due_at = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
    return {"json": {"text": "call back", "due_at": due_at}}


def _subscription(_: Things) -> dict[str, Any]:
    told = Browser("https://fcm.googleapis.com/fcm/send/the-same").subscription
    return {"json": {"endpoint": told.pop("endpoint"), "keys": told}}


def _report(things: Things) -> dict[str, Any]:
    place = PLACES[things.leaf].geojson()
    feature = {"type": "Feature", "geometry": place, "properties": {"kind": "other"}}
    own_id = next(things.keys)["Idempotency-Key"]
    return {"specversion": "1.0", "id": own_id, "type": "wangge.report", "data": feature}


def _report_with_photo(things: Things) -> dict[str, Any]:
    return {"files": [("event", (None, json.dumps(_report(things)))), ("photo", ("p.jpg", JPEG))]}


def _source(things: Things) -> dict[str, Any]:
    return {"json": {"name": "s", "kind": "other", "grid_code": things.leaf, "kinds": ["other"]}}


def _silence(things: Things) -> dict[str, Any]:
    ends_at = datetime.fromtimestamp(time.time() + 60, UTC).isoformat()
    return {"json": {"grid_code": things.leaf, "kind": "camera_offline", "reason": "a test", "ends_at": ends_at}}


def _template(things: Things) -> dict[str, Any]:
    return {"json": {"name": "n", "grid_code": things.leaf, "expected_version": 1}}


def _json(**body: Any) -> Callable[[Things], dict[str, Any]]:
    return lambda _: {"json": body}


CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/v1/me"): Call(None, by_grid=False),
    ("GET", "/v1/alerts"): Call(P.ALERT_READ, by_grid=False),
    ("GET", "/v1/alerts/{alert_id}"): Call(P.ALERT_READ),
    ("GET", "/v1/alerts/{alert_id}/log"): Call(P.ALERT_READ),
    ("GET", "/v1/alerts/{alert_id}/sheet"): Call(P.ALERT_READ),
    ("GET", "/v1/reports/ledger.xlsx"): Call(
        P.AUDIT_READ, lambda things: {"params": {"month": "2026-01", "grid": things.leaf}}
    ),
    ("POST", "/v1/alerts/{alert_id}/commands"): Call(P.ALERT_NOTE, _note),
    ("POST", "/v1/alerts/{alert_id}/evidence"): Call(P.ALERT_NOTE, lambda _: {"files": {"photo": ("p.jpg", JPEG)}}),
    ("GET", "/v1/evidence/{sha256}"): Call(P.ALERT_READ),
    ("POST", "/v1/alerts/{alert_id}/evidence/{sha256}/erase"): Call(P.EVIDENCE_ERASE, _json(reason="a test")),
    ("GET", "/v1/grids/{code}/queue"): Call(P.ALERT_READ),
    ("POST", "/v1/grids/{code}/queue/claim"): Call(P.ALERT_WORK, lambda things: {"headers": next(things.keys)}),
    ("POST", "/v1/practice/alerts"): Call(P.PRACTICE_RUN, _exercise),
    ("GET", "/v1/items"): Call(P.ALERT_READ, lambda things: {"params": {"grid": things.leaf}}),
    ("GET", "/v1/cases"): Call(P.ALERT_READ, by_grid=False),
    ("GET", "/v1/cases/{case_id}"): Call(P.ALERT_READ),
    ("GET", "/v1/cases/{case_id}/alerts"): Call(P.ALERT_READ),
    ("POST", "/v1/cases/{case_id}/commands"): Call(P.ALERT_ACKNOWLEDGE, _json(type="acknowledge")),
    ("GET", "/v1/verdicts"): Call(P.ALERT_READ, by_grid=False),
    ("GET", "/v1/silences"): Call(P.ALERT_READ, by_grid=False),
    ("POST", "/v1/silences"): Call(P.SILENCE_WRITE, _silence),
    ("GET", "/v1/silences/{silence_id}"): Call(P.ALERT_READ),
    ("POST", "/v1/silences/{silence_id}/lift"): Call(P.SILENCE_WRITE),
    ("GET", "/v1/figures"): Call(P.ALERT_READ, lambda things: {"params": {"grid": things.leaf}}),
    ("GET", "/v1/grids"): Call(P.GRID_READ, by_grid=False),
    ("GET", "/v1/grids/{code}"): Call(P.GRID_READ),
    ("GET", "/v1/grids/{code}/duties"): Call(P.GRID_READ),
    ("POST", "/v1/grids/{code}/duties"): Call(P.DUTY_WRITE, _duty),
    ("GET", "/v1/grids/{code}/roster"): Call(P.PEOPLE_READ),
    ("GET", "/v1/grids/{code}/shifts"): Call(P.PEOPLE_READ),
    ("GET", "/v1/grids/{code}/absences"): Call(P.PEOPLE_READ),
    ("GET", "/v1/grids/{code}/needs"): Call(P.GRID_READ),
    ("PUT", "/v1/grids/{code}/needs/{kind}"): Call(P.GRID_WRITE, _json(skills=[])),
    ("DELETE", "/v1/shifts/{shift_id}"): Call(P.DUTY_WRITE),
    ("POST", "/v1/shifts/import"): Call(P.DUTY_WRITE, _rota, outside=422),
    ("POST", "/v1/people/{person_id}/absences"): Call(P.DUTY_WRITE, _absence),
    ("DELETE", "/v1/absences/{absence_id}"): Call(P.DUTY_WRITE),
    ("GET", "/v1/grids/{code}/promises"): Call(P.ALERT_READ),
    ("POST", "/v1/grids/{code}/promises"): Call(P.DESK_HANDOVER, _promise),
    ("POST", "/v1/promises/{promise_id}/kept"): Call(P.DESK_HANDOVER),
    ("GET", "/v1/grids/{code}/handovers"): Call(P.ALERT_READ),
    ("POST", "/v1/grids/{code}/handovers"): Call(P.DESK_HANDOVER, _json()),
    ("GET", "/v1/handovers/{handover_id}"): Call(P.ALERT_READ),
    ("POST", "/v1/handovers/{handover_id}/sign"): Call(
        P.DESK_HANDOVER, lambda things: {"json": {"sha256": things.sheet_sha256}}
    ),
    ("POST", "/v1/intake"): Call(P.ALERT_REPORT, lambda things: {"json": _report(things)}, outside=422),
    ("POST", "/v1/intake/photo"): Call(P.ALERT_REPORT, _report_with_photo, outside=422),
    ("GET", "/v1/alerts/{alert_id}/reporters"): Call(P.ALERT_EVALUATE),
    ("POST", "/v1/alerts/{alert_id}/reporters/erase"): Call(P.EVIDENCE_ERASE, _json(reason="asked for")),
    ("GET", "/v1/intake-sources"): Call(P.INTAKE_WRITE, by_grid=False),
    ("POST", "/v1/intake-sources"): Call(P.INTAKE_WRITE, _source),
    ("PATCH", "/v1/intake-sources/{source_id}"): Call(P.INTAKE_WRITE, _json(active=True)),
    ("POST", "/v1/intake-sources/{source_id}/token"): Call(P.INTAKE_WRITE),
    ("GET", "/v1/places"): Call(P.GRID_READ, lambda _: {"params": {"lon": 109.005, "lat": 32.715}}, by_grid=False),
    ("GET", "/v1/alerts/{alert_id}/candidates"): Call(P.ALERT_READ),
    ("GET", "/v1/organisations"): Call(P.PEOPLE_READ, by_grid=False),
    ("POST", "/v1/organisations"): Call(P.PEOPLE_WRITE, _organisation),
    ("PATCH", "/v1/organisations/{org}"): Call(P.PEOPLE_WRITE, _json()),
    ("GET", "/v1/organisations/{org}/queue"): Call(P.ALERT_READ),
    ("POST", "/v1/grids/import"): Call(P.GRID_WRITE, _import, outside=422),
    ("GET", "/v1/grids/{code}/policies"): Call(P.GRID_READ),
    ("PUT", "/v1/grids/{code}/policies"): Call(P.POLICY_WRITE, lambda _: {"json": {"rules": []}}),
    ("GET", "/v1/grids/{code}/calendar"): Call(P.GRID_READ),
    ("PUT", "/v1/grids/{code}/calendar"): Call(P.POLICY_WRITE, lambda _: {"json": {}}),
    ("DELETE", "/v1/grids/{code}/calendar"): Call(P.POLICY_WRITE),
    ("GET", "/v1/models"): Call(P.CAMERA_READ, by_grid=False),
    ("GET", "/v1/cameras"): Call(P.CAMERA_READ, by_grid=False),
    ("POST", "/v1/cameras"): Call(P.CAMERA_WRITE, _new_camera),
    ("GET", "/v1/zone-templates"): Call(P.CAMERA_READ, by_grid=False),
    ("PUT", "/v1/zone-templates/{template}"): Call(P.CAMERA_WRITE, _template),
    ("DELETE", "/v1/zone-templates/{template}"): Call(P.CAMERA_WRITE),
    ("POST", "/v1/cameras/probe"): Call(P.CAMERA_WRITE, lambda _: {"json": {"url": "rtsp://10.0.0.1/"}}, by_grid=False),
    ("GET", "/v1/cameras/{camera_id}"): Call(P.CAMERA_READ),
    ("PATCH", "/v1/cameras/{camera_id}"): Call(
        P.CAMERA_WRITE, lambda _: {"json": {"expected_version": 1, "zones": [A_ZONE]}}
    ),
    ("GET", "/v1/cameras/{camera_id}/picture"): Call(P.CAMERA_READ),
    ("POST", "/v1/cameras/{camera_id}/confirm-view"): Call(P.CAMERA_WRITE, lambda _: {"json": {"expected_version": 2}}),
    ("POST", "/v1/cameras/{camera_id}/accept-scene"): Call(P.CAMERA_WRITE, lambda _: {"json": {"expected_version": 3}}),
    ("POST", "/v1/cameras/{camera_id}/permits"): Call(P.CAMERA_WRITE, lambda _: {"json": A_PERMIT}),
    ("POST", "/v1/cameras/{camera_id}/permits/withdraw"): Call(
        P.CAMERA_WRITE, lambda _: {"json": {"expected_version": 5, "zone_id": "z", "reference": "2026-117"}}
    ),
    ("GET", "/v1/cameras/{camera_id}/explanation"): Call(P.CAMERA_READ),
    ("POST", "/v1/cameras/{camera_id}/dry-run"): Call(P.CAMERA_WRITE, lambda _: {"json": {"zone": A_ZONE}}),
    ("GET", "/v1/people"): Call(P.PEOPLE_WRITE, by_grid=False),
    ("POST", "/v1/people"): Call(P.PEOPLE_WRITE, _new_person),
    ("PATCH", "/v1/people/{person_id}"): Call(P.PEOPLE_WRITE, _json()),
    ("POST", "/v1/people/{person_id}/reachability"): Call(P.PEOPLE_REACH, _json(reachable=True)),
    ("POST", "/v1/me/alive"): Call(None, by_grid=False),
    ("GET", "/v1/me/channels"): Call(None, by_grid=False),
    ("GET", "/v1/push-key"): Call(None, by_grid=False),
    ("POST", "/v1/me/push-subscriptions"): Call(None, _subscription, by_grid=False),
}
ELSEWHERE = {
    ("DELETE", "/v1/sessions/current"): "test_session_routes",
    ("POST", "/v1/me/password"): "test_session_routes",
    ("GET", "/v1/events"): "test_live",
    ("GET", "/v1/intake/{source}/{own_id}"): "test_intake_routes",
    ("POST", "/v1/intake/{source}/{own_id}/evaluation"): "test_intake_routes",
}
"""Routes of those signed in whose calls would end the session, or not end, or are about what the caller reported."""
NOTIFICATIONS = {
    ("GET", "/v1/people/{person_id}/channels"),
    ("POST", "/v1/people/{person_id}/channels"),
    ("DELETE", "/v1/people/{person_id}/channels/{channel_id}"),
    ("DELETE", "/v1/me/push-subscriptions/{channel_id}"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("DELETE", "/v1/webhooks/{webhook_id}"),
    ("GET", "/v1/deliveries"),
    ("POST", "/v1/deliveries/{delivery_id}/retry"),
}
"""Have their own roles × districts in test_notification_routes."""
PUBLIC = {
    ("POST", "/v1/sessions"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),  # has a rule of its own: test_system_routes
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/trust"),
    ("GET", "/trust/ca.crt"),
    ("GET", "/console/{name:path}"),
}


def routes_of(world: World) -> dict[tuple[str, str], Any]:
    found = {}
    for context in iter_route_contexts(create_app(world.services).routes):
        assert isinstance(context.original_route, APIRoute), f"{context.path} is no route that can be classified"
        for method in context.methods or ():
            found[method, str(context.path)] = context.dependant
    return found


def kinds_of(dependant: Any) -> list[Access | Public | Reporting]:
    own = [dependant.call] if isinstance(dependant.call, Access | Public | Reporting) else []
    return own + [kind for inner in dependant.dependencies for kind in kinds_of(inner)]


def test_every_route_is_classified_in_exactly_one_way(world: World) -> None:
    for route, dependant in routes_of(world).items():
        kinds = {type(kind): kind for kind in kinds_of(dependant)}
        assert len(kinds) == 1, f"{route} says not, or says twice, who it is for"
        assert (Public in kinds) == (route in PUBLIC), route


def test_the_matrix_below_knows_every_route(world: World) -> None:
    assert set(routes_of(world)) == set(CALLS) | set(ELSEWHERE) | NOTIFICATIONS | PUBLIC


@pytest.fixture
def things(world: World) -> dict[str, Things]:
    def keys() -> Iterator[dict[str, str]]:
        while True:
            yield world.new_key()

    keys_ = keys()
    registry, engine = world.services.registry, world.services.engine
    sources = world.services.sources

    def of(leaf: str, worker: str, desk: str) -> Things:
        now_s = time.time()
        shift = registry.put_on_duty(SYSTEM, world.people[worker], leaf, now_s + 1e6, now_s + 1e6 + 3600)
        absence = registry.add_absence(SYSTEM, world.people[worker], now_s + 2e6, now_s + 3e6, "leave")
        operator = registry.person(world.people[desk])
        outgoing = Actor(operator.id, operator.name, operator.grants)
        promise = make_promise(engine, outgoing, leaf, "call back", now_s + 3600, None, now_s)
        sheet = hand_over(engine, outgoing, leaf, "", now_s)
        org = f"org-{next(keys_)['Idempotency-Key']}"
        registry.add_organisation(SYSTEM, org, "n", OrganisationKind.UNIT, leaf)
        sha256 = world.services.evidence.put(f"a picture of {leaf}".encode())
        alert_id = world.raise_alert(leaf, (Evidence(sha256, "still", "image/jpeg", 1.0),))
        wanted = SilenceAsked("silence", leaf, "a test", now_s, now_s + 60, kind="camera_offline")
        silence = make_silence(engine, SYSTEM, wanted, now_s)
        template = f"t-{next(keys_)['Idempotency-Key']}"
        put_template(engine, SYSTEM, template, TemplateAsked("n", leaf, Shared()), now_s)
        members = [world.services.desk.alert(world.raise_alert(leaf), SYSTEM) for _ in range(4)]
        assert members[-1].case_id is not None
        return Things(
            leaf=leaf,
            case_id=members[-1].case_id,
            silence_id=silence.id,
            template=template,
            alert_id=alert_id,
            camera_id=world.cameras[leaf],
            sha256=sha256,
            person_id=world.people[worker],
            username=worker,
            org=org,
            shift_id=shift.id,
            absence_id=absence.id,
            promise_id=promise.id,
            handover_id=sheet.id,
            sheet_sha256=sheet.sha256,
            source_id=sources.add(SYSTEM, NewSource("s", SourceKind.OTHER, leaf, ["other"])).source.id,
            keys=keys_,
        )

    return {NORTH: of(NORTH, "grid_worker", "second_operator"), SOUTH: of(SOUTH, "south_worker", "south_operator")}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_it_may_and_nothing_else(world: World, things: dict[str, Things], role: Role) -> None:
    """In sight and allowed: never 401, 403, 404. Not allowed: 403. Outside: 404, which tells nothing."""
    wrong = []
    with world.client(role.value) as client:
        for (method, route), call in CALLS.items():
            may = call.needs is None or call.needs in PERMISSIONS[role]
            for leaf in (NORTH, SOUTH) if call.by_grid else (NORTH,):
                status = client.request(method, things[leaf].path(route), **call.how(things[leaf])).status_code
                if not may:
                    # Outside, either refusal is silent about the thing: 404, or 403 for lacking it everywhere.
                    fine = status == 403 if leaf == NORTH else status in (403, 404)
                else:
                    fine = status in (200, 201, 204) if leaf == NORTH else status == call.outside
                if not fine:
                    wrong.append((method, route, leaf, "may" if may else "may not", status))
    assert wrong == []


def test_nobody_gets_anything_without_signing_in(world: World, things: dict[str, Things]) -> None:
    with world.client(None) as client:
        for method, route in [*CALLS, *ELSEWHERE]:
            call = CALLS.get((method, route), Call(None))
            answer = client.request(method, things[NORTH].path(route), **call.how(things[NORTH]))
            assert answer.status_code == 401 or (method, answer.status_code) == ("POST", 422), (method, route)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", list(Role))
def test_each_command_is_refused_to_roles_that_lack_its_permission(world: World, role: Role) -> None:
    alert_id = world.raise_alert()
    with world.client(role.value) as client:
        for type_, row in TRANSITIONS.items():
            if row.permission not in PERMISSIONS[role]:
                body = {"type": type_.value, "expected_version": 1}
                answer = client.post(f"/v1/alerts/{alert_id}/commands", json=body, headers=world.new_key())
                assert answer.status_code == 403, type_
        alert = client.get(f"/v1/alerts/{alert_id}").json()["properties"]
    assert alert["version"] == 1
    assert {TRANSITIONS[CommandType(type_)].permission for type_ in alert["allowed"]} <= PERMISSIONS[role]


def test_nobody_gives_rights_or_duties_beyond_their_own_district(world: World) -> None:
    with world.client("admin") as admin:
        beyond = {"username": "climber", "name": "n", "grants": [{"role": "admin", "grid_code": "C"}]}
        assert admin.post("/v1/people", json=beyond).status_code == 404
        assert "south_operator" not in admin.get("/v1/people").text
