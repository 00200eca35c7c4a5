"""How fast queue and lists answer on a ledger of a million cases, while alerts come in and people work.

``python -m bench.ledger [--cases N] [--asked N] [--writes N] [--keep FOLDER] [--database KIND]
[--without-figures] [--json] [--check]``

A city of 4,642 grids and 15,000 people, its cases over 400 days, one in a hundred open. Another process raises alerts,
takes them through acknowledge, dispatch, claim and accept, and seals their log. Asked is the desk itself, as the API's
routes ask it: what HTTP adds is not in here. Beside the time on the wall stands that of the CPU, which does not depend
on what else the machine does. The plan of each statement is printed.
"""

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event as Flag
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from alerts.database import open_database, reading
from alerts.desk import Desk
from alerts.figures import FigureQuery, figures
from alerts.registry import Registry
from alerts.sealer import mark_published, seal, unpublished
from alerts.tally import Bucket
from alerts.vault import Vault
from bench.filling import DAYS, fill
from bench.postgresql import postgresql_server
from bench.specimens import PEOPLE
from bench.town import NOW, Leaf, city, scenes
from models.alert import Command, CommandType, State
from models.incident import Incident, Phase, Severity
from models.people import Actor, Grant, Role

GRIDS, PERSONS, CASES = 4642, 15_000, 1_000_000
WITHIN_MS = 50.0
"""p99 that is promised of queue and lists."""

Question = Callable[[], object]


def questions(
    engine: Engine, desk: Desk, leaves: list[Leaf], chance: random.Random, *, of_figures: bool
) -> dict[str, Question]:
    """By name; each asks for another grid every time."""
    operator = PEOPLE[0]

    def grid(level: int) -> str:
        return chance.choice(leaves).path.split("/")[level]

    def queue(level: int) -> Question:
        return lambda: desk.queue(grid(level), operator, NOW)

    def listed(**wanted: Any) -> Question:
        level = wanted.pop("level", None)
        return lambda: desk.alerts(operator, grid_code=None if level is None else grid(level), **wanted)

    def old() -> object:
        return desk.alerts(operator, after=f"{NOW - chance.uniform(1, 300) * 86_400!r}~{'7' * 26}")

    def of_a_worker() -> object:
        leaf = chance.choice(leaves)
        return desk.alerts(Actor("p", "网格员", (Grant(Role.GRID_WORKER, leaf.code, leaf.path),)))

    def behind() -> object:
        first = desk.queue("c", operator, NOW)
        return desk.queue("c", operator, NOW, after=first.next) if first.next else first

    def judged(level: int, bucket: Bucket, days: float) -> Question:
        return lambda: figures(engine, operator, FigureQuery(grid(level), bucket, NOW - days * 86_400, NOW))

    def looked_at() -> object:
        alert = chance.choice(desk.alerts(operator, limit=5).items)
        return desk.alert(alert.id, operator), desk.log(alert.id, operator)

    closed, rare = [State.CLOSED], ["camera_offline"]
    counted = {
        "figures of the city by hour": judged(1, Bucket.HOUR, 160 / 24),
        "figures of the city by day": judged(1, Bucket.DAY, 98),
        "figures of the city by month": judged(1, Bucket.MONTH, DAYS),
        "figures of a town by day": judged(2, Bucket.DAY, 98),
        "figures of a grid by month": judged(4, Bucket.MONTH, DAYS),
    }
    return (counted if of_figures else {}) | {
        "queue of the city": queue(1),
        "queue of the city, two pages": behind,
        "queue of a town": queue(2),
        "queue of a village": queue(3),
        "queue of a grid": queue(4),
        "list of the city": listed(),
        "list of the city, long ago": old,
        "list of a town": listed(level=2),
        "list of a village": listed(level=3),
        "list of a grid": listed(level=4),
        "list of a grid's worker": of_a_worker,
        "list, new": listed(states=[State.NEW]),
        "list, closed": listed(states=closed),
        "list, suspended": listed(states=[State.SUSPENDED]),
        "list, voided": listed(states=[State.VOIDED]),
        "list, red": listed(severity=Severity.RED),
        "list, a rare kind": listed(kinds=rare),
        "list, a kind there is none of": listed(kinds=["nothing"]),
        "list of a town, closed": listed(level=2, states=closed),
        "list of a town, dispatched": listed(level=2, states=[State.DISPATCHED]),
        "list of a town, a rare kind": listed(level=2, kinds=rare),
        "list of a grid, closed, red": listed(level=4, states=closed, severity=Severity.RED),
        "list, closed, a rare kind": listed(states=closed, kinds=rare),
        "an alert and its log": looked_at,
    }


@contextmanager
def opened(url: str) -> Iterator[tuple[Engine, Desk]]:
    engine = open_database(url)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield engine, Desk(engine, Registry(engine, Vault(Path(folder) / "key")), claim_lease_s=120)
    finally:
        engine.dispose()


def write(url: str, rate: float, name: str, begun: Flag, stop: Flag, told: Pipe) -> None:
    """Another process: ``rate`` changes a second until it is stopped; then tells how long each took, in ms.

    The first one is not counted: it reads what is read once.
    """
    took_ms: list[float] = []
    with opened(url) as (engine, desk):
        _, leaves = city(GRIDS)
        changes = _changes(desk, leaves, name)
        next(changes)(NOW)
        begun.set()
        began_s = time.monotonic()
        for change in changes:
            now_s = time.monotonic()
            change(NOW + now_s - began_s)
            took_ms.append((time.monotonic() - now_s) * 1000)
            seal(engine, "bench", NOW)
            mark_published(engine, unpublished(engine), NOW)
            if stop.wait(max(0.0, began_s + len(took_ms) / rate - time.monotonic())):
                break
    told.send(took_ms)


def _changes(desk: Desk, leaves: list[Leaf], name: str) -> Iterator[Callable[[float], None]]:
    """One after the other, each a transaction: alerts are raised and brought to their worker, without end."""
    for incident in scenes(name, 1_000_000, leaves, GRIDS, (Phase.ONSET,)):
        case = _Case(desk, incident, leaves[int(str(incident.camera_id)[len("cam") :])])
        yield case.raise_
        for command in ("acknowledge", "dispatch", "claim", "accept"):
            yield partial(case.do, CommandType(command))


class _Case:
    def __init__(self, desk: Desk, incident: Incident, leaf: Leaf) -> None:
        self._desk, self._incident, self._alert_id = desk, incident, ""
        self._worker = Actor(f"p{leaf.code[1:]}", "网格员", (Grant(Role.GRID_WORKER, leaf.code, leaf.path),))

    def raise_(self, now_s: float) -> None:
        self._alert_id = self._desk.report(self._incident, now_s).alert_id or ""

    def do(self, what: CommandType, now_s: float) -> None:
        actor = self._worker if what in (CommandType.CLAIM, CommandType.ACCEPT) else PEOPLE[0]
        alert = self._desk.alert(self._alert_id, actor)
        arguments = {"fence": alert.fence} if what is CommandType.ACCEPT else {}
        self._desk.execute(alert.id, Command(what, actor, arguments), alert.version, now_s)


def measure(
    url: str, asked: int, rate: float, *, of_figures: bool
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Milliseconds of each question, and of a change; asked in turn: what else the machine does falls on all."""
    context = multiprocessing.get_context("spawn")
    begun, stop, (here, there) = context.Event(), context.Event(), context.Pipe(duplex=False)
    name = f"bench:{time.time_ns()}"
    writer = context.Process(target=write, args=(url, rate, name, begun, stop, there))
    _, leaves = city(GRIDS)
    with opened(url) as (engine, desk):
        wanted = questions(engine, desk, leaves, random.Random(2), of_figures=of_figures)
        for ask in wanted.values():  # what is read once, is read
            ask()
        writer.start()
        assert begun.wait(60), "the writer does not begin"
        took_ms: dict[str, list[float]] = {each: [] for each in wanted}
        cpu_ms: dict[str, list[float]] = {each: [] for each in wanted}
        began_s = time.monotonic()
        for _ in range(asked):
            for each, ask in wanted.items():
                since_s, cpu_s = time.perf_counter(), time.thread_time()
                ask()
                cpu_ms[each].append((time.thread_time() - cpu_s) * 1000)
                took_ms[each].append((time.perf_counter() - since_s) * 1000)
        lasted_s = time.monotonic() - began_s
    stop.set()
    changes: list[float] = here.recv()
    writer.join()
    per_s = {"per_s": round(len(changes) / lasted_s, 1)}
    found = {each: _figures(took) | {"cpu_ms": _figures(cpu_ms[each])["p99_ms"]} for each, took in took_ms.items()}
    return found, _figures(changes) | per_s


def _figures(took_ms: list[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    at = {"p50_ms": 0.5, "p99_ms": 0.99, "worst_ms": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) for name, share in at.items()}


def plans(url: str, leaves: list[Leaf], *, of_figures: bool = True) -> dict[str, list[str]]:
    """How the database goes about each question's statements."""
    found: dict[str, list[str]] = {}
    with opened(url) as (engine, desk):
        seen: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
            if statement.startswith("SELECT") and ("FROM alerts" in statement or "FROM figure_tallies" in statement):
                seen.append((statement, values))

        event.listen(engine, "before_cursor_execute", note)
        for name, ask in questions(engine, desk, leaves, random.Random(3), of_figures=of_figures).items():
            seen.clear()
            ask()
            asked = list(seen)
            explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
            with reading(engine) as connection:
                found[name] = [
                    " / ".join(str(row[-1]).strip() for row in connection.exec_driver_sql(f"{explain} {said}", values))
                    for said, values in asked
                ]
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--asked", type=int, default=200, help="how often each question is asked")
    parser.add_argument("--writes", type=float, default=20.0, help="changes a second meanwhile")
    parser.add_argument("--keep", type=Path, help="folder where SQLite's filled ledger stays, for the next time")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--without-figures", dest="figures", action="store_false", help="do not count, nor ask for them"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help=f"exit 1 where a p99 is above {WITHIN_MS:.0f} ms")
    wanted = parser.parse_args(arguments)
    with ExitStack() as closing:
        folder = wanted.keep or Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="wangge-ledger-")))
        began_s = time.monotonic()
        if wanted.database == "postgresql":
            url = closing.enter_context(postgresql_server(durable=True))
            fill(url, wanted.cases, GRIDS, PERSONS, _say, figures=wanted.figures)
        else:
            url = f"sqlite:///{_filled(folder, wanted.cases, wanted.figures)}"
        filled_s = time.monotonic() - began_s
        found, changes = measure(url, wanted.asked, wanted.writes, of_figures=wanted.figures)
        how = plans(url, city(GRIDS)[1], of_figures=wanted.figures)
    missed = [name for name, took in found.items() if took["p99_ms"] > WITHIN_MS]
    if wanted.json:
        report = {"cases": wanted.cases, "filled_s": round(filled_s, 1), "changes": changes, "questions": found}
        print(json.dumps({**report, "missed": missed, "plans": how}, ensure_ascii=False))
    else:
        print(f"{wanted.cases:,} cases on {wanted.database}, filled in {filled_s:.0f} s; meanwhile {changes}")
        for name, took in found.items():
            figures = f"p50 {took['p50_ms']:8.2f} ms  p99 {took['p99_ms']:8.2f} ms  CPU p99 {took['cpu_ms']:8.2f} ms"
            print(f"{name:<32} {figures}", *how[name], sep="\n    ")
        print(*(f"above {WITHIN_MS:.0f} ms: {name}" for name in missed), sep="\n")
    return 1 if wanted.check and missed else 0


def _filled(folder: Path, cases: int, figures: bool) -> Path:
    """The file of a filled ledger. It gets its name when it is whole."""
    file = folder / f"cases-{cases}{'' if figures else '-uncounted'}.db"
    if not file.exists():
        draft = folder / f"draft-{cases}.db"
        draft.unlink(missing_ok=True)
        fill(f"sqlite:///{draft}", cases, GRIDS, PERSONS, _say, figures=figures)
        draft.rename(file)
    return file


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
