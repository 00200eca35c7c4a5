"""The anchor: what is noted and when, and what an audit finds by it that the log alone does not tell."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from desk_scene import NOW, handled, raised
from sqlalchemy import Engine, delete, select, text

from alerts.anchor import EVERY_POSITIONS, EVERY_S, Anchor, Mark, marks_in
from alerts.audit import Verdict, audit
from alerts.database import writing
from alerts.desk import Desk
from alerts.ledger import cursor_of
from alerts.sealer import GENESIS, last_position, seal, sealed_after, verify_chain
from models import tables
from models.errors import Unavailable

HOST = os.uname().nodename


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "away").mkdir()
    return tmp_path / "anchors.log", tmp_path / "away" / "anchors.log"


@pytest.fixture
def noted(desk: Desk, town: Engine, files: tuple[Path, Path]) -> Engine:
    """Ten sealed events, noted at positions 8, 9 and 10 in each file."""
    handled(desk, raised(desk))
    anchor = Anchor(town, files)
    for seq in (2, 3, 4):
        seal(town, "a", NOW + seq * EVERY_S)
        assert anchor.note(NOW + seq * EVERY_S) == 2
        if seq < 4:
            raised(desk, seq, zone_id=f"z{seq}")
    return town


def marks(path: Path) -> list[Mark]:
    with path.open("rb") as file:
        return list(marks_in(file))


def looked_at(engine: Engine, *files: Path) -> Verdict:
    return audit(engine, files, HOST)


def fault_of(engine: Engine, *files: Path) -> str:
    return str(looked_at(engine, *files).fault)


def cut_off(engine: Engine, last: int) -> None:
    """The whole tail, as if it had never been: events, seals, outbox, and the alerts that began there."""
    seals, events, alerts = tables.seals, tables.events, tables.alerts
    with writing(engine) as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        gone = connection.execute(select(seals.c.event_seq).where(seals.c.position > last)).scalars().all()
        begun = select(events.c.alert_id).where(events.c.seq.in_(gone), events.c.version == 1)
        ids = connection.execute(begun).scalars().all()
        for table in (tables.timers, tables.incidents, tables.evidence):
            connection.execute(delete(table).where(table.c.alert_id.in_(ids)))
        connection.execute(delete(alerts).where(alerts.c.id.in_(ids)))
        connection.execute(delete(tables.outbox).where(tables.outbox.c.event_seq.in_(gone)))
        connection.execute(delete(seals).where(seals.c.event_seq.in_(gone)))
        connection.execute(delete(events).where(events.c.seq.in_(gone)))


def rewrite(engine: Engine, seq: int) -> None:
    """That event, and the whole chain over it."""
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM seals"))
        connection.execute(text("UPDATE events SET actor_name = 'Nobody' WHERE seq = :seq"), {"seq": seq})
    seal(engine, "a", NOW)


def more(desk: Desk, engine: Engine, count: int, now_s: float) -> None:
    """So many more alerts, sealed."""
    for _ in range(count):
        number = cursor_of(engine, "worker:2") + 1
        raised(desk, number, source="worker:2", zone_id=f"more{number}")
    seal(engine, "a", now_s)


def test_what_is_noted_is_where_the_log_stood(noted: Engine, files: tuple[Path, Path]) -> None:
    sealed = {item.position: item.hash for item in sealed_after(noted, 0)}
    for path in files:
        assert [(mark.number, mark.position) for mark in marks(path)] == [(1, 8), (2, 9), (3, 10)]
        assert all(sealed[mark.position] == mark.hash for mark in marks(path))
        assert path.stat().st_mode & 0o077 == 0
    assert marks(files[0])[0].previous != marks(files[1])[0].previous
    verdict = looked_at(noted, *files)
    assert (verdict.fault, verdict.sealed, verdict.elsewhere) == (None, 10, ())
    assert [(held.lines, held.position, held.restored) for held in verdict.anchored] == [(3, 10, ())] * 2


def test_a_line_is_due_after_a_time_or_at_the_end_or_after_many_positions(
    desk: Desk, town: Engine, files: tuple[Path, Path]
) -> None:
    anchor = Anchor(town, files[:1])
    assert anchor.note(NOW) == 0  # nothing is sealed
    raised(desk)
    seal(town, "a", NOW)
    assert [anchor.note(NOW), anchor.note(NOW + 1000)] == [1, 0]  # nothing new
    more(desk, town, 1, NOW)
    assert anchor.note(NOW + EVERY_S - 1) == 0
    assert Anchor(town, files[:1]).note(NOW + EVERY_S - 1) == 0  # nor by a process that has just started
    assert anchor.note(NOW + EVERY_S - 1, due=True) == 1
    with writing(town) as connection:
        far = {"far": 2 + EVERY_POSITIONS, "hash": "ab" * 32}
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("UPDATE seals SET position = :far, hash = :hash WHERE position = 2"), far)
    assert anchor.note(NOW + EVERY_S) == 1


def test_several_processes_note_in_one_file(desk: Desk, town: Engine, files: tuple[Path, Path]) -> None:
    raised(desk)
    seal(town, "a", NOW)
    threads = [threading.Thread(target=lambda: Anchor(town, files[:1]).note(NOW, due=True)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [mark.position for mark in marks(files[0])] == [1]
    assert fault_of(town, files[0]) == "None"


@pytest.mark.parametrize("torn", ["{", "whole"])
def test_what_a_crash_cut_short_is_passed_over(noted: Engine, desk: Desk, files: tuple[Path, Path], torn: str) -> None:
    path = files[0]
    with path.open("ab") as file:
        file.write(b"{" if torn == "{" else marks(path)[-1].line())
    assert fault_of(noted, *files) == "None"
    more(desk, noted, 1, NOW + 1e6)
    assert Anchor(noted, files).note(NOW + 1e6) == 2
    assert [mark.position for mark in marks(path)] == [8, 9, 10, last_position(noted)]
    assert fault_of(noted, *files) == "None"


def test_a_line_that_the_database_has_not_heard_of_is_no_fault(noted: Engine, files: tuple[Path, Path]) -> None:
    """Killed between the two: the file is first."""
    with writing(noted) as connection:
        connection.execute(
            text("UPDATE anchors SET lines = 2, position = 9, sha256 = :sha"), {"sha": _sha(files[0], 2)}
        )
        connection.execute(text("DELETE FROM anchors WHERE id != :id"), {"id": marks(files[0])[0].previous})
    assert fault_of(noted, *files) == "None"


def _sha(path: Path, number: int) -> str:
    return marks(path)[number].previous if number < 3 else ""


def test_a_tail_that_is_cut_off_whole_is_found_by_the_anchor_alone(noted: Engine, files: tuple[Path, Path]) -> None:
    cut_off(noted, 8)
    assert verify_chain(noted) is None
    said = fault_of(noted, *files)
    assert said.startswith("position 9: the log was cut off")
    assert "position 9 was noted outside" in said
    assert "`wangge restore`" in said
    assert fault_of(noted, files[1]).startswith("position 9")


def test_a_log_that_is_rewritten_whole_is_found_by_the_anchor_alone(noted: Engine, files: tuple[Path, Path]) -> None:
    rewrite(noted, 9)
    assert verify_chain(noted) is None
    assert fault_of(noted, *files).startswith("position 9: the log was rewritten")  # between 8, which agrees, and 9


def edited(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b'"position":9', b'"position":8'), lines[2]]


def last_edited(lines: list[bytes]) -> list[bytes]:
    mark = json.loads(lines[2])
    return [*lines[:2], Mark(**mark | {"at_s": 1.0}).line()]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited, "line 2: the anchor was changed here"),
        (last_edited, "line 3: the anchor was changed here"),
        (lambda lines: [lines[0], lines[2]], "line 2: the anchor was changed here"),
        (lambda lines: [lines[0], lines[2], lines[1]], "line 2: the anchor was changed here"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: the anchor was changed here"),
        (lambda lines: lines[1:], "line 1: the anchor was changed here"),
        (lambda lines: lines[:2], "line 3: the anchor was cut off: 3 lines were in it, up to position 10"),
        (lambda _: [b"{}"], "the anchor file is gone: 3 lines were in it, up to position 10"),
        (lambda _: [Mark(1, 1, GENESIS, 1e300, GENESIS).line()], "is gone"),
    ],
    ids=["edited", "last edited", "deleted", "swapped", "put in", "head cut", "tail cut", "emptied", "another"],
)
def test_tampering_with_the_anchor_itself_is_named(
    noted: Engine, files: tuple[Path, Path], change: Callable[[list[bytes]], list[bytes]], said: str
) -> None:
    path = files[1]
    path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in change(path.read_bytes().splitlines())))
    fault = fault_of(noted, *files)
    assert fault.startswith(str(path))
    assert said in fault


def test_a_file_that_is_gone_or_elsewhere_is_named(noted: Engine, files: tuple[Path, Path]) -> None:
    assert audit(noted, files[:1], "another-host").elsewhere == (f"{HOST}:{files[1]}",)
    assert fault_of(noted, files[0]).startswith(f"{files[1]}: the anchor file is gone")
    files[0].unlink()
    assert fault_of(noted, *files).startswith(f"{files[0]}: the anchor file is gone")


def test_a_restore_is_said_and_what_it_took_away_is_known(noted: Engine, desk: Desk, files: tuple[Path, Path]) -> None:
    cut_off(noted, 8)  # as a backup from before brings it back
    Anchor(noted, files).restored(NOW + 900, NOW + 130, "ab" * 32)
    verdict = looked_at(noted, *files)
    assert verdict.fault is None
    for held in verdict.anchored:
        (back,) = held.restored
        assert (back.position, back.noted, back.at_s, back.made_s) == (8, 10, NOW + 900, NOW + 130)
    more(desk, noted, 5, NOW + 1000)  # others, at the positions that were lost
    assert Anchor(noted, files).note(NOW + 1000) == 2
    assert fault_of(noted, *files) == "None"
    cut_off(noted, 12)
    assert fault_of(noted, *files).startswith("position 13: the log was cut off")
    rewrite(noted, 3)  # what was noted before the restore still holds, up to where it went back
    assert fault_of(noted, *files).startswith("position 1: the log was rewritten")


def test_a_folder_that_is_away_is_said_and_keeps_nobody_else_waiting(
    desk: Desk, town: Engine, files: tuple[Path, Path]
) -> None:
    raised(desk)
    seal(town, "a", NOW)
    files[1].parent.rmdir()
    anchor = Anchor(town, (files[1], files[0]))
    with pytest.raises(Unavailable, match="WANGGE_ANCHOR_DIR"):
        anchor.note(NOW)
    assert not files[1].parent.exists()
    assert len(marks(files[0])) == 1


def test_a_file_that_is_no_anchor_is_not_written_to(desk: Desk, town: Engine, files: tuple[Path, Path]) -> None:
    raised(desk)
    seal(town, "a", NOW)
    files[0].write_text("a shopping list\n")
    with pytest.raises(Unavailable, match="no anchor"):
        Anchor(town, files[:1]).note(NOW)
    assert files[0].read_text() == "a shopping list\n"
