"""The doctor's look at the ledger: database, people and cameras. Changes nothing, and never shows a secret."""

import ipaddress
from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from alerts import deliveries
from alerts.database import open_database, schema_fault
from alerts.leases import alive
from alerts.queries import every
from alerts.registry import Registry
from alerts.vault import Vault
from models.errors import WanggeError
from models.people import SYSTEM
from models.settings import Settings
from ops.backup import ledger_file
from ops.findings import Finding, fail, ok, warn
from ops.product import running_pid


def ledger(settings: Settings, now_s: float) -> Iterator[Finding]:
    file = ledger_file(settings)
    if file is not None and not file.is_file():
        yield ok("database", f"no ledger at {file} yet; the first start makes it")
        return
    try:
        engine = open_database(settings.database_url)
    except ImportError:
        yield fail("database", "the PostgreSQL driver is not here", "install the extra `wangge[postgres]`")
        return
    try:
        yield from _tables(engine, settings, now_s)
    except WanggeError as error:
        yield fail("database", str(error), "start it, or mend WANGGE_DATABASE_URL")
    except SQLAlchemyError as error:
        said = f"it cannot be read ({type(error).__name__})"
        yield fail("database", said, "restore it from a backup: `wangge restore FILE`")
    finally:
        engine.dispose()


def _tables(engine: Engine, settings: Settings, now_s: float) -> Iterator[Finding]:
    if fault := schema_fault(engine):
        yield fail("database", fault)
        return
    yield ok("database", "at the schema that this version needs")
    if running_pid(settings) is None and settings.redis_url:
        for role in ("dispatcher", "notifier"):
            if alive(engine, role, now_s):
                yield ok(role, "one elsewhere gives signs of life")
    yield from _deliveries(engine)
    registry = Registry(engine, Vault(settings.key_file))
    yield from _people(registry)
    yield from _cameras(registry, settings)


def _deliveries(engine: Engine) -> Iterator[Finding]:
    dead = deliveries.dead_letters(engine)
    if dead:
        fix = "see why in GET /v1/deliveries?state=dead; try them anew by POST /v1/deliveries/{id}/retry"
        yield warn("deliveries", f"{dead} notifications or webhook messages could not be delivered", fix)
    else:
        yield ok("deliveries", "no message is a dead letter")


def _people(registry: Registry) -> Iterator[Finding]:
    people = list(every(lambda after: registry.people(SYSTEM, limit=500, after=after)))
    unchanged = sorted(person.username for person in people if person.active and person.must_change_password)
    if not people:
        fix = "`wangge grid import FILE`, then `wangge user add NAME --name … --role admin@GRID`"
        yield warn("people", "nobody can sign in yet", fix)
    elif unchanged:
        names = ", ".join(unchanged[:10]) + (" …" if len(unchanged) > 10 else "")
        yield warn("passwords", f"{len(unchanged)} one-time passwords are still in use: {names}", "have them changed")
    else:
        yield ok("passwords", f"none of {len(people)} people uses a one-time password")


def _cameras(registry: Registry, settings: Settings) -> Iterator[Finding]:
    opened = registry.all_cameras()
    for fault in opened.faults:
        fix = "restore the key file from the backup, or enter the camera's address with its password anew"
        yield fail("cameras", f"{fault} (it is not watched)", fix)
    outside = sorted(
        camera.code
        for camera in opened.cameras
        if camera.enabled
        and _is_address(camera.source.host)
        and not settings.camera_networks.allows(camera.source.host)
    )
    if outside:
        fix = "add their network to WANGGE_CAMERA_NETWORKS"
        yield fail("cameras", f"not on a network that cameras may be on: {', '.join(outside[:10])}", fix)
    elif not opened.faults:
        yield ok("cameras", f"{len(opened.cameras)} registered, each password opens")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
