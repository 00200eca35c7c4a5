"""How long from a dispatch that is on disk to its message at the phone, through the real dispatcher and notifier.

``python -m bench.notify [--dispatches N] [--per-second R] [--burst N] [--database sqlite] [--json] [--check]``

Dispatches come at an even pace, each to the one person on duty in its grid, whose channel is an HTTP gateway on this
machine. Then a burst: as many as can be given at once, all to one person. Both clocks are this machine's.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlalchemy import Engine, update

from alerts.channels import Channels
from alerts.database import open_database, writing
from alerts.desk import Desk
from alerts.egress import Egress
from alerts.leases import alive
from alerts.registry import Registry
from alerts.vault import Vault
from bench import town
from bench.postgresql import postgresql_server
from models import tables
from models.alert import Alert, Command, CommandType
from models.errors import Unavailable
from models.incident import Phase
from models.people import SYSTEM, Actor, Grant, Role
from models.settings import Settings, read_settings
from ops.product import Product, specs
from ops.supervisor import Spec

GRIDS = 40
PROMISED_P99_S = 2.0
"""reliability.md, promises: dispatch to phone."""
LONGEST_S = 60.0
OPERATOR = Actor("op", "Bench", (Grant(Role.OPERATOR, "c", "/c/"),))


class Phone:
    """The gateway: what it got, by alert, and when the message was whole (Unix s)."""

    def __init__(self) -> None:
        self.port = 0
        self.got: dict[str, float] = {}
        self.repeats = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                alert = str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]).split()[-1]
                phone.repeats += alert in phone.got
                phone.got.setdefault(alert, time.time())
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def wait_for(self, alerts: Sequence[str]) -> None:
        """Until all have come, or LONGEST_S have passed."""
        until = time.monotonic() + LONGEST_S
        while any(alert not in self.got for alert in alerts) and time.monotonic() < until:
            time.sleep(0.02)


def _own(settings: Settings) -> list[Spec]:
    return [spec for spec in specs(settings) if spec.name in ("dispatcher", "notifier")]


def _furnish(settings: Settings, phone: Phone) -> None:
    """A city, one person on duty in each grid, each with a channel to the gateway."""
    engine = open_database(settings.database_url)
    with writing(engine) as connection:
        town.furnish(connection, GRIDS, GRIDS, GRIDS)
        connection.execute(update(tables.duties).values(starts_s=0.0, ends_s=1e11))
    vault, egress = Vault(settings.key_file), Egress(settings.egress_networks)
    channels = Channels(engine, Registry(engine, vault), vault, egress, time.time)
    config = {"url": f"http://127.0.0.1:{phone.port}/", "body": '{"text": "{text}"}', "phone": "13800000000"}
    for number in range(GRIDS):
        channels.add(SYSTEM, f"p{number}", "http", config, language="en")
    engine.dispose()


class Operator:
    """Raises alerts, and dispatches them."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._seq = desk, 0

    def ready(self, number: int, spread: int) -> list[Alert]:
        """So many acknowledged alerts in ``spread`` grids."""
        leaves = town.city(GRIDS)[1]
        return [self._ready(leaves, each % spread) for each in range(number)]

    def _ready(self, leaves: list[town.Leaf], camera: int) -> Alert:
        self._seq += 1
        now_s = time.time()
        (plain,) = town.scenes("bench:1", 1, leaves, GRIDS, (Phase.ONSET,))
        about: dict[str, Any] = {
            "camera_id": f"cam{camera}",
            "zone_id": f"z{self._seq}",
            "place": leaves[camera].place(),
        }
        incident = replace(plain, seq=self._seq, onset_s=now_s, at_s=now_s, evidence=(), **about)
        receipt = self._desk.report(incident, now_s)
        alert = self._desk.alert(str(receipt.alert_id), SYSTEM)
        return self._desk.execute(alert.id, Command(CommandType.ACKNOWLEDGE, OPERATOR), alert.version, now_s)

    def dispatch(self, alert: Alert) -> float:
        """When it was on disk."""
        self._desk.execute(alert.id, Command(CommandType.DISPATCH, OPERATOR), alert.version, time.time())
        return time.time()


def measure(url: str, dispatches: int, per_s: float, burst: int) -> dict[str, Any]:
    """Seconds from commit to receipt at an even pace, and what a burst to one person takes."""
    with tempfile.TemporaryDirectory(prefix="wangge-notify-") as folder, ExitStack() as closing:
        phone = Phone()
        closing.enter_context(phone.answering())
        environ = {"WANGGE_DATA": f"{folder}/data", "WANGGE_DATABASE_URL": url, "WANGGE_PORT": "0"}
        settings = read_settings(environ | {"WANGGE_EGRESS_NETWORKS": "127.0.0.0/8", "WANGGE_LOG_LEVEL": "warning"})
        product = Product(settings, own=_own, prepare=lambda settled: _furnish(settled, phone))
        settled = closing.enter_context(product).settings
        engine = open_database(settled.database_url)
        closing.callback(engine.dispose)
        _wait_until_alive(engine)
        operator = Operator(Desk(engine, Registry(engine, Vault(settled.key_file)), claim_lease_s=120))
        alerts = operator.ready(dispatches, GRIDS)
        began, committed = time.monotonic(), dict[str, float]()
        for number, alert in enumerate(alerts):
            time.sleep(max(0.0, began + number / per_s - time.monotonic()))
            committed[alert.id] = operator.dispatch(alert)
        phone.wait_for(list(committed))
        found = {"paced": _lengths(committed, phone)}
        alerts = operator.ready(burst, 1)
        first_s = time.time()
        committed = {alert.id: operator.dispatch(alert) for alert in alerts}
        phone.wait_for(list(committed))
        ends_s = [phone.got[alert] for alert in committed if alert in phone.got]
        rates = {
            "dispatched_per_s": burst / (max(committed.values()) - first_s),
            "received_per_s": len(ends_s) / (max(ends_s, default=first_s) - first_s + 1e-9),
        }
        return found | {"burst": _lengths(committed, phone) | rates, "repeats": phone.repeats}


def _wait_until_alive(engine: Engine) -> None:
    until = time.monotonic() + LONGEST_S
    while not all(alive(engine, role, time.time()) for role in ("dispatcher", "notifier")):
        if time.monotonic() > until:
            raise Unavailable("dispatcher or notifier gives no sign of life")
        time.sleep(0.1)


def _lengths(committed: dict[str, float], phone: Phone) -> dict[str, float]:
    taken = sorted(phone.got[alert] - at_s for alert, at_s in committed.items() if alert in phone.got)
    came: dict[str, float] = {"dispatches": len(committed), "missing": len(committed) - len(taken)}
    if not taken:
        return came
    return came | {
        "p50_s": taken[len(taken) // 2],
        "p99_s": taken[min(len(taken) - 1, int(len(taken) * 0.99))],
        "max_s": taken[-1],
    }


def missed(report: dict[str, Any]) -> list[str]:
    """What does not hold of the promise, in words."""
    said = []
    for kind, found in report.items():
        paced, burst = found["paced"], found["burst"]
        if paced["missing"] or burst["missing"]:
            said.append(f"{kind}: {paced['missing'] + burst['missing']} messages did not come")
        if paced.get("p99_s", 0.0) > PROMISED_P99_S:
            said.append(f"{kind}: p99 {paced['p99_s']:.2f} s, promised {PROMISED_P99_S:g} s")
        if found["repeats"]:
            said.append(f"{kind}: {found['repeats']} came twice")
    return said


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.notify", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dispatches", type=int, default=300)
    parser.add_argument("--per-second", type=float, default=10.0)
    parser.add_argument("--burst", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="sqlite")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 unless all came, once, p99 within the promise")
    asked = parser.parse_args(words)
    report: dict[str, Any] = {}
    with ExitStack() as closing:
        urls = {} if asked.database == "postgresql" else {"sqlite": ""}
        if asked.database != "sqlite":
            urls["postgresql"] = closing.enter_context(postgresql_server(durable=True))
        for kind, url in urls.items():
            report[kind] = measure(url, asked.dispatches, asked.per_second, asked.burst)
    said = missed(report)
    if asked.json:
        print(json.dumps({"databases": report, "missed": said}, indent=1))
    else:
        for kind, found in report.items():
            for name in ("paced", "burst"):
                figures = "  ".join(f"{key} {value:.3g}" for key, value in found[name].items())
                print(f"{kind:<11} {name:<6} {figures}")
        print(*said, sep="\n")
    return int(asked.check and bool(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
