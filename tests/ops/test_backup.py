"""Backup and restore: a round trip while someone writes, and every archive that must be refused."""

import contextlib
import hashlib
import io
import json
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from alerts.anchor import Anchor
from alerts.audit import audit
from alerts.database import open_database, reading, upgrade, writing
from alerts.evidence import EvidenceStore
from alerts.sealer import seal
from alerts.vault import Vault
from models.errors import Conflict, InvalidInput, Misconfigured, Unavailable, WanggeError
from models.settings import Settings, read_settings
from models.tables import alerts, events, grids, outbox, people, sessions
from ops.backup import ANCHORS, LEDGER, MANIFEST, SPOOL, SPOOL_BEFORE, backup, restore
from ops.product import lock_data

PHOTO = b"\xff\xd8 a masked photo"


def settings_in(data: Path) -> Settings:
    return read_settings({"WANGGE_DATA": str(data)})


def make_spool(path: Path, incidents: dict[int, str], source: str = "worker:1") -> None:
    """A spool as ``ingest.spool`` makes it, as far as a backup cares."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS source (id TEXT NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS outgoing (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)")
        db.execute("DELETE FROM source")
        db.execute("INSERT INTO source VALUES (?)", (source,))
        db.executemany("INSERT INTO outgoing VALUES (?, ?)", incidents.items())
        db.commit()


def make_installation(data: Path) -> Settings:
    settings = settings_in(data)
    engine = open_database(settings.database_url)
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(
            insert(grids).values(code="1", scheme="t", name="一", level=1, path="/1/", **_changed(grids.c.keys()))
        )
        connection.execute(
            insert(people).values(
                id="P", username="p", name="p", password_hash="h", must_change_password=False, active=True, created_s=0
            )
        )
        connection.execute(
            insert(sessions).values(token_sha256="t", person_id="P", csrf_token="c", created_s=0, expires_s=9e9)
        )
    engine.dispose()
    EvidenceStore(settings.evidence).put(PHOTO)
    make_spool(settings.spool, {7: "waiting"})
    return settings


def _changed(columns: list[str]) -> dict[str, float]:
    return {"changed_s": 0.0} if "changed_s" in columns else {}


def count(settings: Settings, table: object) -> int:
    engine = open_database(settings.database_url)
    with reading(engine) as connection:
        found = connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
    engine.dispose()
    return int(found)


def test_the_anchors_learn_of_a_restore_and_of_what_it_took_away(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    old = replace(make_installation(tmp_path / "old"), anchor_dir=tmp_path / "away")
    engine = open_database(old.database_url)
    _seal_one(engine, old, "A1")
    manifest = backup(old, tmp_path / "saved.tar.gz")
    assert ANCHORS in manifest.files
    _seal_one(engine, old, "A2")
    engine.dispose()

    new = replace(settings_in(tmp_path / "new"), anchor_dir=tmp_path / "away")
    restore(new, tmp_path / "saved.tar.gz")
    engine = open_database(new.database_url)
    verdict = audit(engine, new.anchors, "another-host")
    engine.dispose()
    assert verdict.fault is None
    assert verdict.sealed == 1
    told = {held.path.parent.name: (held.lines, held.restored[0].noted) for held in verdict.anchored}
    assert told == {"new": (2, 1), "away": (3, 2)}
    with pytest.raises(Misconfigured, match="WANGGE_ANCHOR_DIR"):
        restore(replace(settings_in(tmp_path / "third"), anchor_dir=tmp_path / "gone"), tmp_path / "saved.tar.gz")


def _seal_one(engine: Engine, settings: Settings, alert_id: str) -> None:
    """An alert with one event, sealed, and noted in the anchors."""
    columns = {"grid_code": "1", "grid_path": "/1/", "kind": "crowding", "state": "new", "severity": 2, "body": {}}
    numbers = {"version": 1, "lon_deg": 0.0, "lat_deg": 0.0, "created_s": 0.0, "changed_s": 0.0}
    event = {"alert_id": alert_id, "version": 1, "type": "detected", "actor_id": "system", "actor_name": "wangge"}
    with writing(engine) as connection:
        connection.execute(insert(alerts).values(id=alert_id, fold_key=alert_id, **columns, **numbers))
        made = connection.execute(insert(events).values(**event, role="system", at_s=0.0, data={}))
        connection.execute(insert(outbox).values(event_seq=made.inserted_primary_key[0]))
    assert seal(engine, "a", 0.0) == 1
    assert Anchor(engine, settings.anchors).note(0.0, due=True) == 2


def test_what_was_saved_comes_back_and_everyone_signs_in_again(tmp_path: Path) -> None:
    old = make_installation(tmp_path / "old")
    sealed = Vault(old.key_file).seal(b"camera password", "camera")
    archive = tmp_path / "saved.tar.gz"
    manifest = backup(old, archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert len(manifest.files) == 5

    new = settings_in(tmp_path / "new")
    restore(new, archive)
    assert (count(new, grids), count(new, people), count(new, sessions)) == (1, 1, 0)
    assert EvidenceStore(new.evidence).get(hashlib.sha256(PHOTO).hexdigest()) == PHOTO
    assert Vault(new.key_file).open(sealed, "camera") == b"camera password"
    with contextlib.closing(sqlite3.connect(new.spool)) as spool:
        assert spool.execute("SELECT seq, body FROM outgoing").fetchall() == [(7, "waiting")]
    assert sorted(path.name for path in new.data.iterdir()) == [
        "anchors.log",
        "evidence",
        "run",
        "secret.key",
        "spool.db",
        "wangge.db",
    ]
    assert all(path.stat().st_mode & 0o077 == 0 for path in new.data.rglob("*") if path.is_file())


def test_it_is_consistent_while_the_product_writes(tmp_path: Path) -> None:
    settings = make_installation(tmp_path / "old")
    engine = open_database(settings.database_url)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with writing(engine) as connection:
                for half in "ab":
                    values = {"code": f"{number}{half}", "scheme": "t", "name": "x", "level": 1, "path": f"/{number}/"}
                    connection.execute(insert(grids).values(**values, **_changed(grids.c.keys())))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(3):
            backup(settings, tmp_path / f"{turn}.tar.gz")
    finally:
        stop.set()
        writer.join()
        engine.dispose()
    for turn in range(3):
        new = settings_in(tmp_path / str(turn))
        restore(new, tmp_path / f"{turn}.tar.gz")
        assert count(new, grids) % 2 == 1  # the first one, and whole pairs


def test_an_incident_that_reached_the_ledger_between_the_copies_is_kept(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar.gz"
    backup(make_installation(tmp_path / "old"), archive)
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    make_spool(before, {7: "freed meanwhile", 8: "in both"})
    make_spool(after, {8: "in both", 9: "new"})
    changed = rewrite(archive, {SPOOL_BEFORE: before.read_bytes(), SPOOL: after.read_bytes()})
    new = settings_in(tmp_path / "new")
    restore(new, changed)
    with contextlib.closing(sqlite3.connect(new.spool)) as spool:
        assert [row[0] for row in spool.execute("SELECT seq FROM outgoing ORDER BY seq")] == [7, 8, 9]


def test_numbers_of_another_source_are_not_mixed_in(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar.gz"
    backup(make_installation(tmp_path / "old"), archive)
    before = tmp_path / "before.db"
    make_spool(before, {1: "of another name"}, source="worker:0")
    new = settings_in(tmp_path / "new")
    restore(new, rewrite(archive, {SPOOL_BEFORE: before.read_bytes()}))
    with contextlib.closing(sqlite3.connect(new.spool)) as spool:
        assert [row[0] for row in spool.execute("SELECT seq FROM outgoing")] == [7]


def rewrite(
    archive: Path,
    replaced: dict[str, bytes],
    *,
    honest: bool = True,
    extra: str | None = None,
    about: dict[str, object] | None = None,
) -> Path:
    """The archive with members replaced; ``honest``: with a manifest that says so; ``about`` changes the manifest."""
    target = archive.with_name("rewritten.tar.gz")
    with tarfile.open(archive) as old, tarfile.open(target, "w:gz") as new:
        content = {member.name: old.extractfile(member).read() for member in old}  # type: ignore[union-attr]
        content |= replaced
        manifest = json.loads(content.pop(MANIFEST)) | (about or {})
        if honest:
            manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        content[MANIFEST] = json.dumps(manifest).encode()
        if extra is not None:
            content[extra] = b"x"
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


def linked(archive: Path) -> Path:
    target = archive.with_name("linked.tar.gz")
    with tarfile.open(target, "w:gz") as new:
        member = tarfile.TarInfo(LEDGER)
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        new.addfile(member)
    return target


def cut(archive: Path) -> Path:
    target = archive.with_name("cut.tar.gz")
    target.write_bytes(archive.read_bytes()[:-200])
    return target


def garbled(archive: Path) -> Path:
    target = archive.with_name("garbled.tar.gz")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    target.write_bytes(data)
    return target


def text(archive: Path) -> Path:
    target = archive.with_name("text")
    target.write_text("not an archive")
    return target


_SHA256 = hashlib.sha256(PHOTO).hexdigest()
PICTURE = f"evidence/{_SHA256[:2]}/{_SHA256[2:4]}/{_SHA256}"


def bottomless(archive: Path) -> Path:
    bad = archive.with_name("bottomless.tar.gz")
    with tarfile.open(bad, "w:gz") as made:
        member = tarfile.TarInfo(MANIFEST)
        member.size = 100_000
        made.addfile(member, io.BytesIO(b"[" * member.size))
    return bad


@pytest.mark.parametrize(
    "spoil",
    [
        bottomless,
        lambda a: rewrite(a, {}, extra="../outside"),
        lambda a: rewrite(a, {}, extra="/etc/wangge"),
        lambda a: rewrite(a, {}, extra="evidence/../../outside"),
        lambda a: rewrite(a, {}, extra="run/valkey.conf"),
        linked,
        lambda a: rewrite(a, {LEDGER: b"other"}, honest=False),
        lambda a: rewrite(a, {PICTURE: b"another picture"}),
        lambda a: rewrite(a, {LEDGER: b"no database at all" * 100}),
        lambda a: rewrite(a, {SPOOL: b"no database at all" * 100}),
        cut,
        garbled,
        text,
        lambda a: a.with_name("absent"),
    ],
    ids=[
        "bottomless manifest",
        "path upwards",
        "absolute path",
        "path upwards inside",
        "foreign file",
        "symbolic link",
        "changed ledger",
        "changed evidence",
        "ledger that is none",
        "spool that is none",
        "cut short",
        "a bit flipped",
        "no archive",
        "no file",
    ],
)
def test_a_damaged_or_hostile_archive_changes_nothing(tmp_path: Path, spoil: Callable[[Path], Path]) -> None:
    archive = tmp_path / "saved.tar.gz"
    backup(make_installation(tmp_path / "old"), archive)
    new = settings_in(tmp_path / "new")
    bad = spoil(archive)
    there = set(tmp_path.rglob("*"))
    with pytest.raises(WanggeError) as caught:
        restore(new, bad)
    assert isinstance(caught.value, InvalidInput | Misconfigured)
    left = {path for path in set(tmp_path.rglob("*")) - there if path.is_file()}
    assert {path.name for path in left} <= {"supervisor.lock"}


def test_an_archive_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar.gz"
    settings = make_installation(tmp_path / "old")
    with contextlib.closing(sqlite3.connect(tmp_path / "old" / "wangge.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    backup(settings, archive)
    with pytest.raises(InvalidInput, match="newer version"):
        restore(settings_in(tmp_path / "new"), archive)


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    settings = make_installation(tmp_path / "old")
    archive = tmp_path / "saved.tar.gz"
    backup(settings, archive)
    with pytest.raises(Conflict, match="not empty"):
        restore(settings, archive)
    with lock_data(settings), pytest.raises(Conflict, match="stop it first"):
        restore(settings, archive)


def test_an_older_archive_without_its_ledger_is_not_mistaken_for_a_whole_one(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar.gz"
    backup(make_installation(tmp_path / "old"), archive)
    with pytest.raises(InvalidInput, match="WANGGE_DATABASE_URL"):
        restore(settings_in(tmp_path / "new"), rewrite(archive, {}, about={"ledger_elsewhere": True}))


def test_nothing_to_save_and_nowhere_to_save_it_are_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no ledger"):
        backup(settings_in(tmp_path / "none"), tmp_path / "a.tar.gz")
    with pytest.raises(Misconfigured, match="could not be written"):
        backup(make_installation(tmp_path / "old"), tmp_path / "nowhere" / "a.tar.gz")
    assert list(tmp_path.glob("*.tar.gz")) == []


def test_a_damaged_ledger_is_not_saved_over_a_good_backup(tmp_path: Path) -> None:
    settings = make_installation(tmp_path / "old")
    ledger = tmp_path / "old" / "wangge.db"
    archive = tmp_path / "saved.tar.gz"
    archive.write_bytes(b"the good one")
    ledger.write_bytes(ledger.read_bytes()[:4096] + b"\x07" * 40_000)
    with pytest.raises(Unavailable):
        backup(settings, archive)
    assert archive.read_bytes() == b"the good one"
    assert [path.name for path in (tmp_path / "old").iterdir() if path.name.startswith(".")] == []
