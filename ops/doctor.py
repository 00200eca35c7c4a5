"""The doctor: what is missing or misconfigured on this machine, and the fix for each.

Each check looks at one thing, changes nothing, and never shows a secret.
"""

import ipaddress
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing

from alerts.audit import Restored, Verdict, moment
from alerts.audit import audit as verify
from alerts.database import open_database, schema_fault
from alerts.queue import check_redis, connect
from api.tls import WARN_S, context_of, day, pair_of, read_certificate
from detectors.zoo.manifest import find_for, read_model, read_zoo
from models.errors import Unavailable, WanggeError
from models.settings import Settings
from ops import valkey
from ops.backup import ledger_file
from ops.findings import Finding, Level, fail, ok, warn
from ops.ledger_checks import ledger
from ops.ports import port_fault
from ops.product import get, running_pid

SCARCE_BYTES, TIGHT_BYTES = 200_000_000, 2_000_000_000


def examine(settings: Settings, now_s: float) -> list[Finding]:
    """Every check there is, in the order in which one needs the other."""
    found = [*_python(), *_data(settings), *_key(settings), *_network(settings)]
    found += [*_tls(settings, now_s), *_model(settings), *_vision()]
    found += _redis(settings)
    found += _processes(settings)
    found += ledger(settings, now_s)
    return found


def audit(settings: Settings) -> Finding:
    """Whether the log of all alerts is the one that was sealed, event for event."""
    if (file := ledger_file(settings)) is not None and not file.is_file():
        return fail("audit", f"there is no ledger at {file}", "set WANGGE_DATA to the directory to be audited")
    engine = open_database(settings.database_url)
    try:
        if fault := schema_fault(engine):
            return fail("audit", fault)
        verdict = verify(engine, settings.anchors, socket.gethostname())
    except OSError as error:
        return fail("audit", f"an anchor cannot be read ({error.strerror or error})", "mend its owner, or its mount")
    finally:
        engine.dispose()
    if verdict.fault is not None:
        fix = "compare with a backup from before (`wangge restore` into a new directory), and with the other anchor"
        return fail("audit", f"{verdict.fault}", fix)
    return _sound(settings, verdict)


def _sound(settings: Settings, verdict: Verdict) -> Finding:
    """What an audit says that found nothing wrong; how far the anchors vouch for it."""
    text = f"all {verdict.sealed} sealed events are as they were written, in order, none missing"
    for held in verdict.anchored:
        text += f"; {held.path} notes {held.lines} times where it stood, up to {held.position} ({moment(held.at_s)})"
        text += "".join(map(_told, held.restored))
    noted = {held.path for held in verdict.anchored}
    missing = ", ".join(str(path) for path in settings.anchors if path not in noted)
    if any(back.noted > back.position for held in verdict.anchored for back in held.restored):
        fix = "if nobody of yours ran `wangge restore` then, the log was cut off: compare with backups"
        return warn("audit", text, fix)
    if verdict.elsewhere:
        return warn("audit", f"{text}; anchors are kept at {', '.join(verdict.elsewhere)}", "audit it there as well")
    if verdict.sealed and missing:
        fix = "run `wangge up`, or the dispatcher, for a minute; is WANGGE_ANCHOR_DIR mounted?"
        return warn("audit", f"{text}; not noted yet in {missing}", fix)
    return ok("audit", text)


def _told(back: Restored) -> str:
    lost = f", where {back.noted} were noted before" if back.noted > back.position else ""
    return f", restored on {moment(back.at_s)} from a backup of {moment(back.made_s)} to position {back.position}{lost}"


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", f"Python {version}")


def _data(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    there = next(path for path in (data, *data.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield fail("data", f"{data} cannot be written", "mend its owner, or set WANGGE_DATA to another directory")
        return
    if not data.exists():
        yield ok("data", f"{data} is not there yet; the first start makes it")
    elif data.stat().st_mode & 0o077:
        yield warn("data", f"others may look into {data}", f"chmod 700 {data}")
    else:
        yield ok("data", f"{data} can be written, by its owner only")
    away = settings.anchor_dir
    if away is not None and not (away.is_dir() and os.access(away, os.W_OK | os.X_OK)):
        yield fail("anchor", f"{away} is not there, or cannot be written", "mount it, or mend WANGGE_ANCHOR_DIR")
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB are free"
    if free < TIGHT_BYTES:
        level = Level.FAIL if free < SCARCE_BYTES else Level.WARN
        yield Finding("disk", level, said, "make room, or set WANGGE_DATA to a directory on a larger disk")
    else:
        yield ok("disk", said)


def _key(settings: Settings) -> Iterator[Finding]:
    try:
        mode = settings.key_file.stat().st_mode
    except FileNotFoundError:
        yield ok("key", "no key yet; the first camera password makes it")
        return
    except OSError as error:
        yield fail("key", f"{settings.key_file} cannot be looked at ({error.strerror})", "mend its owner")
        return
    if mode & 0o077:
        yield fail("key", f"others may read {settings.key_file}", f"chmod 600 {settings.key_file}")
    else:
        yield ok("key", "only its owner reads the key of the camera passwords")


def _network(settings: Settings) -> Iterator[Finding]:
    networks = settings.camera_networks.networks
    wide = [str(network) for network in networks if network.prefixlen == 0]
    if not networks:
        yield fail("networks", "cameras may be nowhere", "name their networks in WANGGE_CAMERA_NETWORKS")
    elif wide:
        fix = "name only the cameras' networks in WANGGE_CAMERA_NETWORKS"
        yield warn("networks", f"cameras may be anywhere ({', '.join(wide)})", fix)
    else:
        yield ok("networks", f"cameras may be on {', '.join(map(str, networks))}")
    if not ipaddress.ip_address(settings.host).is_loopback and not (settings.secure_cookies or pair_of(settings)):
        said = f"the API is reached from other machines ({settings.host}), and cookies travel without HTTPS"
        yield warn("cookies", said, "`wangge tls init`, or put HTTPS before it and set WANGGE_SECURE_COOKIES=1")
    if settings.port == 0:
        yield ok("port", "a free port is chosen at each start")
        return
    fault = port_fault(settings.host, settings.port)
    if fault is None:
        yield ok("port", f"port {settings.port} is free")
    elif running_pid(settings) is not None and get(settings, "/healthz") is not None:
        yield ok("port", f"our API answers on port {settings.port}")
    else:
        yield fail("port", fault)


def _tls(settings: Settings, now_s: float) -> Iterator[Finding]:
    pair = pair_of(settings)
    if pair is None:
        return
    try:
        context_of(pair, now_s)
        facts = read_certificate(pair.cert)
        loose = pair.key.stat().st_mode & 0o077
    except WanggeError as error:
        yield fail("tls", str(error))
        return
    if loose:
        yield warn("tls", f"others may read {pair.key}", f"chmod 600 {pair.key}")
    elif facts.ends_s - now_s < WARN_S:
        yield warn("tls", f"the certificate {pair.cert} expires on {day(facts.ends_s)}", f"{pair.remedy}; then restart")
    else:
        yield ok("tls", f"HTTPS for {', '.join(facts.names)} until {day(facts.ends_s)}")


def _model(settings: Settings) -> Iterator[Finding]:
    fix = "get the file again from where it came; or set WANGGE_ZOO and {variable} to one that is whole"
    variables = {
        "detector": "WANGGE_DETECTOR",
        "faces": "WANGGE_FACE_MODEL",
        "density": "WANGGE_DENSITY_MODEL",
        "change": "WANGGE_CHANGE_MODEL",
    }
    for use, name in settings.models.items():
        if name is None:
            continue
        try:
            entry = find_for(use, read_zoo(settings.zoo), name)
            read_model(entry)
        except WanggeError as error:
            yield fail("model", str(error), fix.format(variable=variables[use]))
        else:
            yield ok("model", f"{entry.model} is the file that the zoo names ({entry.licence})")


def _vision() -> Iterator[Finding]:
    fix = "run the set-up again: `./run doctor` after removing .venv; in an image, rebuild it"
    try:
        from ingest.footage import ffmpeg_exe  # half a second of libraries, needed here only
    except ImportError as error:
        yield fail("vision", f"a library of the camera worker does not load: {error}", fix)
        return
    yield ok("vision", "the libraries of the camera worker load")
    try:
        yield ok("ffmpeg", ffmpeg_exe())
    except WanggeError:
        yield fail("ffmpeg", "there is no ffmpeg program", "install ffmpeg, or the extra `wangge[embedded]`")


def _redis(settings: Settings) -> Iterator[Finding]:
    url = settings.redis_url
    if url is None:
        try:
            program = valkey.server_program()
        except WanggeError as error:
            yield fail("redis", str(error))
            return
        embedded = valkey.remembered(settings.data / "run")
        if running_pid(settings) is None or embedded is None:
            yield ok("redis", f"`wangge up` starts its own: {program}")
            return
        url = embedded.url
    try:
        with closing(connect(url)) as client:
            check_redis(client)
    except Unavailable as error:
        yield fail("redis", str(error), "start it, or mend WANGGE_REDIS_URL; without it, `wangge up` starts its own")
    except WanggeError as error:
        yield fail("redis", str(error))
    else:
        yield ok("redis", "Redis answers and never evicts a stream")


def _processes(settings: Settings) -> Iterator[Finding]:
    pid = running_pid(settings)
    if pid is None:
        yield ok("processes", "not running on this data directory")
        return
    yield ok("processes", f"the supervisor is process {pid}")
    answer = get(settings, "/readyz", timeout_s=5.0)
    if answer is None:
        fix = f"look at {settings.data / 'logs' / 'api.log'}; is WANGGE_PORT the one that it was started with?"
        yield fail("api", "it does not answer", fix)
        return
    try:
        checks = [(str(part["name"]), bool(part["ok"]), str(part["said"])) for part in json.loads(answer[1])["checks"]]
    except (ValueError, KeyError, TypeError):
        yield fail("api", "another program answers in its place", "set WANGGE_PORT to a free one")
        return
    for name, is_ok, said in checks:
        check = f"ready: {name}"
        yield ok(check, said) if is_ok else fail(check, said, f"look at the logs in {settings.data / 'logs'}")
