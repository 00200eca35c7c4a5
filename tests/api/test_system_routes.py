"""Health, figures, the OpenAPI document, the page, and the headers of every answer."""

import re
import socket
import time
from typing import Any

import pytest
from world import World, served

from alerts.leases import beat
from api.__main__ import build, listen
from api.page import CONSOLE


def test_readiness_names_each_part_and_what_to_do(world: World) -> None:
    with world.client(None) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        answer = client.get("/readyz")
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert answer.status_code == 503
    assert checks["database"]["ok"]
    assert checks["camera worker"]["ok"]
    assert "WANGGE_REDIS_URL" in checks["redis"]["said"]
    assert "python -m alerts" in checks["dispatcher"]["said"]
    assert "python -m alerts.notifier" in checks["notifier"]["said"]
    beat(world.services.engine, "notifier", "test", time.time(), 5.0)
    with world.client(None) as client:
        checks = {check["name"]: check for check in client.get("/readyz").json()["checks"]}
    assert checks["notifier"]["ok"]


def test_figures_count_by_route_and_never_by_id(world: World) -> None:
    alert_id = world.raise_alert()
    status = {"cam": {"state": "watching", "keyframes": 7, "since_s": 1.0}}
    world.desk.answers["status"] = ({"ok": True, "cameras": status}, b"")
    with world.client("operator") as client:
        client.get(f"/v1/alerts/{alert_id}")
        client.get("/v1/nothing/here")
        text = client.get("/metrics").text
    assert 'wangge_http_requests_total{method="GET",route="/v1/alerts/{alert_id}",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert re.search(r'wangge_alerts\{state="new"\} [1-9]', text)
    assert 'wangge_camera_state{camera="cam",state="watching"} 1.0' in text
    assert 'wangge_camera_count{camera="cam",what="keyframes"} 7.0' in text
    assert alert_id not in text


def test_figures_are_not_for_whoever_comes_through_a_proxy(world: World) -> None:
    proxied = {"X-Forwarded-For": "203.0.113.7"}
    with world.client(None) as nobody, world.client("operator") as operator, world.client("auditor") as auditor:
        assert nobody.get("/metrics", headers=proxied).status_code == 401
        assert operator.get("/metrics", headers=proxied).status_code == 403
        assert auditor.get("/metrics", headers=proxied).status_code == 200
        assert nobody.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_openapi_document_shows_an_example_of_every_body(world: World) -> None:
    with world.client(None) as client:
        document = client.get("/openapi.json").json()
    named, without = document["components"]["schemas"], list[str]()
    for name, operation in operations(document):
        assert operation["summary"], name
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = named[content["schema"]["$ref"].rpartition("/")[2]] if "$ref" in content["schema"] else {}
            if not (content.get("example") or content.get("examples") or schema.get("examples")):
                without.append(name)
    assert not without


def test_every_answer_carries_the_security_headers(world: World) -> None:
    with world.client("operator") as client:
        for path in ("/", "/console/app.js", "/v1/me", "/v1/alerts/nothing", "/nowhere", "/openapi.json"):
            headers = client.get(path).headers
            assert "default-src 'self'" in headers["content-security-policy"], path
            assert "frame-ancestors 'none'" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff", path
            assert "access-control-allow-origin" not in headers, path
        assert client.get("/v1/me").headers["cache-control"] == "no-store"


def test_the_page_ships_whole_and_asks_no_other_host(world: World) -> None:
    with world.client(None) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for name in re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text):
            assert client.get(name).status_code == 200, name
        assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
        for path in ("/console/../app.py", "/console/%2e%2e/app.py", "/console/", "/console//etc/passwd"):
            assert client.get(path).status_code == 404, path
    for path in CONSOLE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), path.name
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page.text)


def test_the_page_speaks_both_languages_alike() -> None:
    text = (CONSOLE / "words.js").read_text(encoding="utf-8")
    chinese, english = text.split("const en = ")
    keys = [set(re.findall(r"(\w+): [\"\[{]", part)) for part in (chinese, english)]
    assert keys[0] == keys[1]


def test_what_breaks_within_is_said_without_a_word_of_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def alert(self, *_: object) -> None:
            raise RuntimeError("hunter2 is in this message")

    def services_of(closing: Any) -> Any:
        made = build(world.services.settings, world.services.engine, None, closing)
        return type(made)(**{**vars(made), "desk": Broken()})

    with served(services_of) as url, world.client("operator") as client:
        answer = client.get(f"{url}/v1/alerts/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    logged = capsys.readouterr()
    assert "RuntimeError" in logged.out + logged.err
    assert "hunter2" not in logged.out + logged.err


def test_answers_are_not_held_back_for_40_ms() -> None:
    """asyncio sets TCP_NODELAY only on sockets that name their protocol: ours did not, and each answer took 44 ms."""
    with listen("127.0.0.1", 0) as link:
        assert link.proto == socket.IPPROTO_TCP
