"""HTTPS as its owner sets it up: made, served by the real process, trusted with the authority, refused without."""

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from alerts.database import open_database, upgrade
from alerts.grid_import import parse_grids
from alerts.registry import Registry
from alerts.vault import Vault
from api.tls import context_of, covers, pair_of, read_certificate, spelt
from models.errors import Conflict, InvalidInput, Misconfigured, NotFound
from models.people import SYSTEM, Role
from models.settings import Settings, read_settings
from ops.doctor import examine
from ops.findings import Finding
from ops.ports import free_port
from ops.product import Product, get
from ops.tls import init, renew

DAY_S = 86_400.0
PASSWORD = "a sentence for a test"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = read_settings({"WANGGE_DATA": str(tmp_path / "data"), "WANGGE_PORT": str(free_port())})
    made.data.mkdir(mode=0o700)
    return made


@contextmanager
def api(settings: Settings, **more: str) -> Iterator[None]:
    """The API as a process, with one person who may sign in."""
    engine = open_database(settings.database_url)
    upgrade(engine)
    registry = Registry(engine, Vault(settings.key_file))
    feature = {"type": "Feature", "properties": {"code": "C", "name": "c", "parent": None}, "geometry": None}
    registry.import_grids(parse_grids({"type": "FeatureCollection", "features": [feature]}), SYSTEM)
    registry.add_person(SYSTEM, "wang", "n", PASSWORD, [(Role.OPERATOR, "C")])
    engine.dispose()
    environ = {**os.environ, "WANGGE_DATA": str(settings.data), "WANGGE_PORT": str(settings.port), **more}
    with subprocess.Popen([sys.executable, "-m", "api"], env=environ, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 20
        try:
            while get(settings, "/healthz") is None and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield
        finally:
            process.kill()


def trusting(ca: Path | None) -> ssl.SSLContext:
    assert ca is not None
    return ssl.create_default_context(cafile=ca)


def sign_in(client: httpx.Client) -> httpx.Response:
    answer = client.post("/v1/sessions", json={"username": "wang", "password": PASSWORD})
    assert answer.status_code == 201
    return answer


def test_https_by_an_authority_of_ones_own(settings: Settings) -> None:
    pair = init(settings, ["wangge.town.example"], ["10.20.0.5"], time.time())
    assert (pair_of(settings), pair.ca) == (pair, settings.tls / "ca.crt")
    assert {path.name: path.stat().st_mode & 0o777 for path in settings.tls.iterdir()} == dict.fromkeys(
        ["ca.crt", "ca.key", "server.crt", "server.key"], 0o600
    )
    facts = read_certificate(pair.cert)
    assert [covers(facts, name) for name in ("wangge.town.example", "10.20.0.5", "::1", "town.example")] == [
        True,
        True,
        True,
        False,
    ]
    base = f"https://127.0.0.1:{settings.port}"
    assert Product(settings).url == base
    with api(settings), httpx.Client(base_url=base, verify=trusting(pair.ca), trust_env=False) as client:
        assert "; secure" in sign_in(client).headers["set-cookie"].lower()
        page, ca = client.get("/trust"), client.get("/trust/ca.crt")
        assert spelt(read_certificate(settings.tls / "ca.crt").sha256) in page.text
        assert ca.headers["content-type"] == "application/x-x509-ca-cert"
        assert ca.content == (settings.tls / "ca.crt").read_bytes()
        # A phone that has not installed the authority yet must get past its browser's warning, to fetch it.
        assert "strict-transport-security" not in page.headers
        with httpx.Client(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                stranger.get(f"{base}/healthz")
            with pytest.raises(httpx.TransportError):  # in clear text it answers nothing at all
                stranger.get(f"http://127.0.0.1:{settings.port}/healthz")


def test_a_given_certificate_is_held_to_by_browsers(settings: Settings) -> None:
    pair = init(settings, [], [], time.time())
    given = replace(settings, tls_cert=pair.cert, tls_key=pair.key)
    more = {"WANGGE_TLS_CERT": str(pair.cert), "WANGGE_TLS_KEY": str(pair.key)}
    base = f"https://localhost:{settings.port}"
    with api(given, **more), httpx.Client(base_url=base, verify=trusting(pair.ca), trust_env=False) as client:
        answer = sign_in(client)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/trust").status_code == 404
    with pytest.raises(Misconfigured, match="WANGGE_TLS_CERT"):
        renew(given, [], [], time.time())


def test_what_is_older_than_tls_1_2_is_refused(settings: Settings) -> None:
    context = context_of(init(settings, [], [], time.time()), time.time())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_has_the_same_names_and_authority(settings: Settings) -> None:
    now_s = time.time()
    pair = init(settings, ["a.example"], ["10.0.0.7"], now_s)
    before, ca = read_certificate(pair.cert), (settings.tls / "ca.crt").read_bytes()
    renew(settings, [], [], now_s + 300 * DAY_S)
    after = read_certificate(pair.cert)
    assert after.names == before.names
    assert after.ends_s - before.ends_s == pytest.approx(300 * DAY_S, abs=2)
    assert after.ends_s - after.begins_s == 398 * DAY_S
    assert (settings.tls / "ca.crt").read_bytes() == ca
    context_of(pair, now_s + 400 * DAY_S)
    renew(settings, ["b.example"], [], now_s)
    assert "b.example" in read_certificate(pair.cert).names
    with pytest.raises(Conflict, match="renew"):
        init(settings, [], [], now_s)


@pytest.mark.parametrize(("names", "addresses"), [(["a b"], []), (["10.0.0.1"], []), (["-a"], []), ([], ["host"])])
def test_what_is_no_name_or_address_is_refused(settings: Settings, names: list[str], addresses: list[str]) -> None:
    with pytest.raises(InvalidInput):
        init(settings, names, addresses, time.time())
    assert not settings.tls.exists()
    with pytest.raises(NotFound, match="tls init"):
        renew(settings, [], [], time.time())


def finding(settings: Settings, now_s: float) -> Finding:
    return next(found for found in examine(settings, now_s) if found.check == "tls")


def test_the_doctor_warns_a_month_before_it_expires(settings: Settings) -> None:
    now_s = time.time()
    init(settings, [], [], now_s)
    levels = [finding(settings, now_s + days * DAY_S).level for days in (0, 366, 368, 398)]
    assert levels == ["ok", "ok", "warn", "fail"]
    (settings.tls / "server.key").chmod(0o644)
    assert "chmod 600" in (finding(settings, now_s).fix or "")


def broken(settings: Settings, how: str) -> None:
    key, cert = settings.tls / "server.key", settings.tls / "server.crt"
    if how == "another's key":
        key.write_bytes((settings.tls / "ca.key").read_bytes())
    elif how == "no key":
        key.unlink()
    elif how == "no certificate":
        cert.unlink()
    elif how == "no PEM":
        cert.write_text("nothing")
    elif how == "key no PEM":
        key.write_text("nothing")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("another's key", "not the key of"),
        ("no key", "cannot be read"),
        ("no certificate", "cannot be read"),
        ("no PEM", "no certificate in PEM"),
        ("key no PEM", "no private key in PEM"),
    ],
)
def test_a_pair_that_cannot_be_served_is_named_at_the_start(settings: Settings, how: str, said: str) -> None:
    pair = init(settings, [], [], time.time())
    broken(settings, how)
    with pytest.raises(Misconfigured, match=said):
        context_of(pair, time.time())
    with pytest.raises(Misconfigured, match=said):
        Product(settings).__enter__()


def test_an_expired_one_stops_the_process_with_a_sentence(settings: Settings) -> None:
    init(settings, [], [], time.time() - 400 * DAY_S)
    engine = open_database(settings.database_url)
    upgrade(engine)
    engine.dispose()
    environ = {**os.environ, "WANGGE_DATA": str(settings.data), "WANGGE_PORT": str(settings.port)}
    command = [sys.executable, "-m", "api"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert "expired on" in ended.stderr
    assert "wangge tls renew" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_half_a_pair_is_refused() -> None:
    with pytest.raises(Misconfigured, match="belong together"):
        read_settings({"WANGGE_TLS_CERT": "/x.pem"})
