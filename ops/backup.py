"""Backup and restore of the data directory, the first while the product runs.

What an archive holds together is consistent: the ledger and the spool are copied by SQLite's own online backup, a
ledger on PostgreSQL as it is at one moment; the spool both before and after the ledger, so that no incident falls
between the two; evidence is written before the ledger names it and never changes, so it is copied last. Valkey is left
out: it is rebuilt. The folder ``tls`` is left out too: whoever has the authority's key can pass for any site before
every phone that trusts it, and archives travel further than such a key may.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alerts.anchor import Anchor
from alerts.database import schema_fault
from models.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from models.settings import Settings
from ops.ledger_copy import opened, renew, restored_to, save
from ops.product import lock_data, running_pid

FORMAT = 1
LEDGER, SPOOL, SPOOL_BEFORE, KEY, MANIFEST = "wangge.db", "spool.db", "spool-before.db", "secret.key", "manifest.json"
ANCHORS = "anchors.log"
_EVIDENCE = re.compile(r"evidence/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
_PLAIN = (LEDGER, SPOOL, SPOOL_BEFORE, KEY, ANCHORS)
_CHUNK_BYTES = 1 << 20
LARGEST_MANIFEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Manifest:
    """What an archive holds: each member's SHA-256. ``ledger_elsewhere``: an older version left PostgreSQL's out."""

    made_s: float
    ledger_elsewhere: bool
    files: dict[str, str]
    format: int = FORMAT


def ledger_file(settings: Settings) -> Path | None:
    """The SQLite file of the ledger; None where it is on PostgreSQL."""
    prefix = "sqlite:///"
    url = settings.database_url
    return Path(url.removeprefix(prefix)).absolute() if url.startswith(prefix) else None


def backup(settings: Settings, target: Path) -> Manifest:
    """Writes an archive that only its owner may read; it appears under its name once it is whole and on disk.

    Raises Misconfigured if there is nothing to back up or the target cannot be written, Unavailable if a database is
    locked or damaged.
    """
    ledger = ledger_file(settings)
    if ledger is not None and not ledger.is_file():
        raise Misconfigured(f"there is no ledger at {ledger}: set WANGGE_DATA to the directory that is to be saved")
    files: dict[str, str] = {}
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".backup-", dir=settings.data) as folder,
            _appearing(target) as draft,
            tarfile.open(draft, "w:gz", compresslevel=1) as archive,
        ):
            for path, name in _snapshots(settings, ledger, Path(folder)):
                files[name] = _add(archive, path, name)
            for path in sorted(settings.evidence.glob("??/??/*")):
                name = f"evidence/{path.relative_to(settings.evidence).as_posix()}"
                if _EVIDENCE.fullmatch(name):
                    with contextlib.suppress(FileNotFoundError):  # erased meanwhile
                        files[name] = _add(archive, path, name)
            manifest = Manifest(time.time(), ledger_elsewhere=False, files=files)
            text = Path(folder) / MANIFEST
            text.write_text(json.dumps(asdict(manifest), indent=1))
            _add(archive, text, MANIFEST)
    except OSError as error:
        raise Misconfigured(f"the backup could not be written: {error.strerror or error}") from None
    return manifest


def restore(settings: Settings, source: Path) -> Manifest:
    """Brings an archive back into an empty data directory, whole or not at all. All sign-ins end.

    On PostgreSQL the database must be empty too. Raises Conflict if something is there or runs, InvalidInput if the
    archive is damaged, was tampered with or is none, Misconfigured if the directory cannot be written, Unavailable.
    """
    if pid := running_pid(settings):
        raise Conflict(f"wangge runs on {settings.data} (process {pid}): stop it first")
    if settings.anchor_dir is not None and not settings.anchor_dir.is_dir():
        raise Misconfigured(f"there is no directory {settings.anchor_dir}: mount it, or mend WANGGE_ANCHOR_DIR")
    ledger = ledger_file(settings)
    there = [path.name for path in settings.data.iterdir() if path.name != "run"] if settings.data.is_dir() else []
    if there or (ledger is not None and ledger.exists()):
        what = there[0] if there else ledger
        raise Conflict(f"{settings.data} is not empty ({what}): move it away, or set WANGGE_DATA to a new directory")
    with lock_data(settings), tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data) as folder:
        draft = Path(folder)
        try:
            manifest = _unpack(source, draft)
            if manifest.ledger_elsewhere and ledger is not None:
                raise InvalidInput("this archive's ledger is on PostgreSQL, restored apart: set WANGGE_DATABASE_URL")
            if not manifest.ledger_elsewhere:
                renew(draft / LEDGER)
            _join_spools(draft)
            if ledger is None and not manifest.ledger_elsewhere:
                with restored_to(settings.database_url, draft / LEDGER):
                    _move_in(draft, settings, None)
            else:
                _move_in(draft, settings, ledger)
        except OSError as error:
            raise Misconfigured(f"the restore broke off, nothing was restored: {error.strerror or error}") from None
        _note_restored(settings, source, manifest)
    return manifest


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A draft beside the target that becomes it when the block ends well, and is gone if not."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _snapshots(settings: Settings, ledger: Path | None, folder: Path) -> Iterator[tuple[Path, str]]:
    """Copies to archive, made in the order that the module's docstring explains."""
    wanted = [(settings.spool, SPOOL_BEFORE), (ledger, LEDGER), (settings.spool, SPOOL)]
    for source, name in wanted:
        if source is None:
            save(settings.database_url, folder / name)
            yield folder / name, name
        elif source.is_file():
            _copy_sqlite(source, folder / name)
            yield folder / name, name
    if settings.key_file.is_file():
        yield settings.key_file, KEY
    if settings.anchors[0].is_file():  # after the ledger: it may be ahead of it, never behind
        shutil.copyfile(settings.anchors[0], folder / ANCHORS)
        yield folder / ANCHORS, ANCHORS


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=30)) as live,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete in itself
            said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise Unavailable(f"{source.name} could not be copied: {error}") from None
    if said != "ok":
        raise Unavailable(f"{source.name} is damaged ({said}): restore it from an earlier backup")


def _add(archive: tarfile.TarFile, path: Path, name: str) -> str:
    """Adds one file and returns its SHA-256."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = path.stat().st_size, 0o600, int(path.stat().st_mtime)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        archive.addfile(member, file)
    return digest


def _unpack(source: Path, draft: Path) -> Manifest:
    """Every member checked by name and, at the end, by what the manifest says of it."""
    found: dict[str, str] = {}
    manifest = None
    try:
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:
                known = member.name in _PLAIN or member.name == MANIFEST or _EVIDENCE.fullmatch(member.name)
                file = archive.extractfile(member) if member.isreg() and known else None
                if file is None or member.name in found:
                    raise InvalidInput(f"this is no backup of wangge, or was tampered with: it holds {member.name!r}")
                if member.name == MANIFEST:
                    manifest = _read_manifest(file.read(LARGEST_MANIFEST_BYTES))
                else:
                    found[member.name] = _write(file, draft / member.name)
    except (tarfile.TarError, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{source.name} is no backup of wangge, or came damaged: {error}") from None
    except OSError as error:
        # gzip says what is wrong with its data by OSErrors without a number.
        if error.errno is None:
            raise InvalidInput(f"{source.name} is no backup of wangge, or came damaged: {error}") from None
        raise
    if manifest is None:
        raise InvalidInput(f"{source.name} is cut short: it has no manifest")
    if found != manifest.files:
        wrong = sorted(name for name in found.keys() | manifest.files if found.get(name) != manifest.files.get(name))
        raise InvalidInput(f"{source.name} is not what was saved: {wrong[0]} differs from the manifest")
    return manifest


def _read_manifest(text: bytes) -> Manifest:
    data: Any = json.loads(text)
    try:
        manifest = Manifest(**data)
    except TypeError:
        raise ValueError("its manifest cannot be read") from None
    if manifest.format != FORMAT or not isinstance(manifest.files, dict):
        raise ValueError(f"its format is {manifest.format}, this version reads {FORMAT}")
    return manifest


def _write(file: Any, path: Path) -> str:
    """Writes a member to disk and returns its SHA-256. Evidence must be what its name says."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    if path.parent.parent.parent.name == "evidence" and path.name != digest.hexdigest():
        raise InvalidInput(f"the archive was tampered with: evidence {path.name} is not what its name says")
    return digest.hexdigest()


def _note_restored(settings: Settings, source: Path, manifest: Manifest) -> None:
    """In the anchors: without it, an audit takes the older ledger for one that was cut off. Raises Unavailable."""
    try:
        with opened(settings.database_url) as engine:
            if schema_fault(engine) is None:
                with source.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                Anchor(engine, settings.anchors).restored(time.time(), manifest.made_s, digest)
    except OSError as error:
        raise Unavailable(
            f"all is restored, but an anchor could not be told ({error.strerror}): the audit will miss what it noted"
        ) from None


def _join_spools(draft: Path) -> None:
    """Adds to the later spool what only the earlier one held: it reached the ledger after the ledger was copied."""
    before, after = draft / SPOOL_BEFORE, draft / SPOOL
    if before.is_file() and after.is_file():
        try:
            with contextlib.closing(sqlite3.connect(after, isolation_level=None)) as spool:
                spool.execute("ATTACH ? AS earlier", (str(before),))
                spool.execute(
                    "INSERT OR IGNORE INTO outgoing SELECT * FROM earlier.outgoing"
                    " WHERE (SELECT id FROM source) = (SELECT id FROM earlier.source)"
                )
        except sqlite3.Error as error:
            raise InvalidInput(f"the archive's spool cannot be read: {error}") from None
    before.unlink(missing_ok=True)


def _move_in(draft: Path, settings: Settings, ledger: Path | None) -> None:
    """The ledger last: where it is, all is."""
    plain = ((KEY, settings.key_file), (SPOOL, settings.spool), (ANCHORS, settings.anchors[0]))
    for name, target in (*plain, ("evidence", settings.evidence)):
        if (draft / name).exists():
            (draft / name).replace(target)
    if ledger is not None:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(draft / LEDGER, ledger)
