"""The judge must be able to say no: each thing that may be wrong is found in a ledger made for it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.crashing import ELSEWHERE, POINTS
from bench.loss_clients import Told
from bench.loss_control import Control
from bench.loss_count import Count, Held, Promised, compare
from bench.loss_plan import FAULTS, kinds, plan
from bench.loss_processes import ANYWHERE
from bench.loss_report import Result, Wanted
from bench.loss_sync import judge

ROOT = Path(__file__).resolve().parents[2]
PROMISED = Promised({("w", 1): "s0-1", ("w", 2): "s0-2"})
TOLD = Told(done={"phone-0-1": "a1", "phone-0-2": "note"})
WANTED = Wanted(alerts=0, kills=2)
HELD = Held(
    incidents=[("w", 1, "s0-1", "a1", "z1"), ("w", 2, "s0-2", "a1", "z1")],
    notes=Counter({"phone-0-2": 1}),
    acknowledged=Counter({"a1": 1}),
    events=3,
    positions=[1, 2, 3],
    unpublished=0,
    chain=None,
)


def judged(
    held: Held = HELD, promised: Promised = PROMISED, told: Told = TOLD, seen: tuple[int, ...] = (1, 2, 3)
) -> Count:
    return compare(promised, {"s0": 2}, told, held, seen)


def test_what_is_whole_holds() -> None:
    count = judged()
    assert count.holds
    assert (count.incidents, count.alerts, count.commands, count.positions) == (2, 1, 2, 3)


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (replace(HELD, incidents=HELD.incidents[:1]), "incident s0-2, acknowledged as w 2"),
        (replace(HELD, incidents=[HELD.incidents[0], ("w", 2, "s0-9", "a1", "z1")]), "acknowledged as w 2"),
        (replace(HELD, notes=Counter()), "command phone-0-2"),
        (replace(HELD, acknowledged=Counter()), "command phone-0-1"),
    ],
)
def test_what_is_lost_is_named(held: Held, named: str) -> None:
    lost = judged(held).lost
    assert any(named in each for each in lost), lost


def test_what_the_spool_took_counts_though_its_source_died_before_it_wrote_that_down() -> None:
    count = judged(replace(HELD, incidents=HELD.incidents[:1]), Promised({("w", 1): "s0-1"}))
    assert count.lost == ["incident s0-2, in the spool"]


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (replace(HELD, incidents=[*HELD.incidents, ("v", 1, "s0-1", "a1", "z1")]), "incident s0-1, 2 times"),
        (replace(HELD, incidents=[HELD.incidents[0], ("w", 2, "s0-2", "a2", "z1")]), "alert of zone z1, 2"),
        (replace(HELD, notes=Counter({"phone-0-2": 2})), "command phone-0-2, 2 times"),
        (replace(HELD, acknowledged=Counter({"a1": 2})), "command phone-0-1, 2 times"),
    ],
)
def test_what_is_there_twice_is_named(held: Held, named: str) -> None:
    duplicates = judged(held).duplicates
    assert any(named in each for each in duplicates), duplicates


@pytest.mark.parametrize(
    ("held", "told", "named"),
    [
        (replace(HELD, positions=[1, 3, 4]), TOLD, "positions are not 1 to 3"),
        (replace(HELD, events=4), TOLD, "positions are not 1 to 4"),
        (replace(HELD, unpublished=1), TOLD, "1 events were never published"),
        (replace(HELD, chain="position 2: gone"), TOLD, "the chain is broken: position 2: gone"),
        (replace(HELD, incidents=[*HELD.incidents[:1], ("w", 2, "s0-2", None, "z1")]), TOLD, "s0-2 is in no alert"),
        (HELD, replace(TOLD, unanswered={"phone-0-3"}), "phone-0-3 never had a clear answer"),
        (HELD, replace(TOLD, done={}, refused={"phone-0-2"}), "phone-0-2 was refused, and carried out"),
    ],
)
def test_every_other_fault_is_named(held: Held, told: Told, named: str) -> None:
    faults = judged(held, told=told).faults
    assert any(named in fault for fault in faults), faults


@pytest.mark.parametrize(("seen", "what"), [((1, 3), "lost"), ((1, 2, 2, 3), "duplicates"), ((2, 1, 3), "faults")])
def test_the_live_reader_sees_each_position_once_and_in_order(seen: tuple[int, ...], what: str) -> None:
    assert getattr(judged(seen=seen), what)


def test_a_line_that_was_being_written_when_the_source_died_promises_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "s0.journal"
    journal.write_text("w 1 s0-1\nw 2 s0-")
    assert Promised.read([journal]).receipts == {("w", 1): "s0-1"}


WRITE = '7 pwrite64(5</d/s0.spool.db-wal>, "..", 24, 0) = 24'
SYNC = "7 fdatasync(5</d/s0.spool.db-wal>) = 0"
TOLD_SO = '7 write(9</d/s0.journal>, "w 1 s0-1\\n", 9) = 9'


@pytest.mark.parametrize(
    ("lines", "acknowledged", "unflushed"),
    [
        ((WRITE, SYNC, TOLD_SO), 1, 0),
        ((WRITE, TOLD_SO, SYNC), 1, 1),
        ((WRITE, TOLD_SO), 1, 1),
        ((WRITE, SYNC, WRITE, TOLD_SO), 1, 1),
        ((WRITE, SYNC, WRITE.replace("7 ", "8 "), TOLD_SO), 1, 0),  # the courier's own: nobody was told of it
        (("7 fdatasync(5</d/s0.spool.db-wal> <unfinished ...>", WRITE, TOLD_SO), 1, 1),
        ((WRITE, SYNC.replace(") = 0", " <unfinished ...>"), "7 <... fdatasync resumed>) = 0", TOLD_SO), 1, 0),
        ((TOLD_SO,), 0, 0),
    ],
)
def test_an_acknowledgement_before_the_disk_has_the_data_is_seen(
    lines: tuple[str, ...], acknowledged: int, unflushed: int
) -> None:
    witness = judge("source", lines)
    assert (witness.acknowledged, len(witness.unflushed)) == (acknowledged, unflushed)
    assert witness.holds == (acknowledged > 0 and not unflushed)


def test_the_api_and_the_dispatcher_are_seen_to_answer() -> None:
    write = '3 pwrite64(5</d/wangge.db-wal>, "..", 24, 0) = 24'
    answer = '4 sendto(13<socket:[1]>, "HTTP/1.1 200 OK\\r\\ndate", 99, 0, NULL, 0) = 99'
    ack = '3 sendto(9<socket:[2]>, "*4\\r\\n$4\\r\\nXACK\\r\\n$9\\r\\nincidents", 69, 0, NULL, 0) = 69'
    assert len(judge("api", (write, answer)).unflushed) == 1
    assert len(judge("dispatcher", (write, ack)).unflushed) == 1


def test_every_kind_of_kill_comes_as_often_as_any_other_and_faults_lie_between() -> None:
    named = [step for step in kinds() if step.what != ANYWHERE]
    steps = plan(3 * len(named), (), seed=5)
    times = Counter(step for step in steps if step.role)
    assert set(times) == set(kinds())
    assert set(times.values()) == {3}
    assert {step.what for step in steps if not step.role} == set(FAULTS)
    assert steps[0].role
    assert steps[-1].role
    assert {step.what for step in plan(4, FAULTS, 1, ["after-xadd"])} == {"after-xadd"}


def test_every_point_that_processes_die_at_is_one_that_the_product_passes() -> None:
    rooms = ("models", "alerts", "ingest", "api")
    source = "".join(path.read_text() for room in rooms for path in (ROOT / room).glob("*.py"))
    named = {point for points in POINTS.values() for point in points}
    named |= set(ELSEWHERE)
    assert {point for point in named if f'crash.point("{point}")' in source} == named
    assert source.count("crash.point(") == len(named)


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (
            Result(WANTED, Counter({"api anywhere": 9, "source after-xadd": 1})),
            "1 kills at named points of those wanted",
        ),
        (Result(WANTED, Counter({"source after-xadd": 2}), [50, 49]), "1 of 2 kills came with fewer than 50"),
        (Result(WANTED, Counter({"source after-xadd": 2}), again=3, appended=200), "1.50% of the incidents"),
        (Result(WANTED, Counter({"source after-xadd": 2}), drained=False), "were not done"),
        (Result(WANTED, Counter({"source after-xadd": 2}), hasty=["fsync is off"]), "fsync is off in the database"),
    ],
)
def test_what_was_not_shown_is_refused(result: Result, named: str) -> None:
    assert any(named in refusal for refusal in result.refusals()), result.refusals()


def test_what_was_shown_is_not_refused() -> None:
    result = Result(WANTED, Counter({"source after-xadd": 2, "api anywhere": 1}), [50, 51, 52], again=2, appended=200)
    assert result.refusals() == []


def test_what_one_process_writes_the_other_reads(tmp_path: Path) -> None:
    mine, theirs = Control(tmp_path / "control"), Control(tmp_path / "control")
    assert (theirs.armed, theirs.allowed, theirs.stopping) == ("", 0, False)
    mine.armed, mine.allowed, mine.stopping = "after-xadd", 7, True
    assert (theirs.armed, theirs.allowed, theirs.stopping) == ("after-xadd", 7, True)
    theirs.fired, theirs.made = theirs.armed, 5
    mine.armed = ""
    assert (mine.fired, mine.made, theirs.armed) == ("after-xadd", 5, "")
    for each in (mine, theirs):
        each.close()
