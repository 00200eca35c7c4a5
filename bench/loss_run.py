"""One run of the proof: the town, its processes, what is done to them, the end, the count."""

import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sqlalchemy import func, select

from alerts.database import reading
from alerts.sealer import last_position
from bench import loss_faults as faults
from bench.loss_clients import Phone, Reader, Told, sign_in
from bench.loss_control import Control
from bench.loss_count import Promised, compare, hold
from bench.loss_plan import Step, plan
from bench.loss_processes import ANYWHERE, Fleet, Member, Valkey, end_traced, job, traced
from bench.loss_report import DRAINED_WITHIN_S, Result, Wanted
from bench.loss_sync import read
from bench.loss_town import PASSWORD, USERNAME, Town, found, free_port, settings_for
from models import tables
from models.errors import Unavailable

LEAST_IN_FLIGHT = 50
IN_FLIGHT_WAIT_S = 3.0
WITNESSED = 12
"""Acknowledgements of each kind that strace is to see."""


class Proof:
    """One run, in ``folder``. ``say`` is told how far it is."""

    def __init__(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> None:
        self._wanted, self._folder, self._say = wanted, folder, say
        self._chance = random.Random(wanted.seed)
        self._result = Result(wanted)
        self._held = ExitStack()
        self._began_s = 0.0
        self._told: list[Told] = []
        self._applied = 0
        self._paced_s = 0.0

    def run(self) -> Result:
        with self._held:
            self._volume = self._make_volume()
            self._valkey = Valkey(self._volume.folder if self._volume else self._folder / "data")
            self._held.callback(self._valkey.kill)
            self._valkey.start()
            self._town = self._found()
            self._held.callback(self._town.engine.dispose)
            self._fleet = self._make_fleet()
            self._held.callback(self._fleet.stop)
            if "fsync" not in self._wanted.without:
                self._say("fsync before each acknowledgement, by strace")
                self._watch_syncs()
            self._fleet.start()
            token = sign_in(self._url, USERNAME, PASSWORD, 30)
            self._begin_clients(token)
            self._load()
            self._drain()
            self._say("counting")
            self._count()
        return self._result

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._town.settings.port}"

    def _make_volume(self) -> faults.Volume | None:
        data = self._folder / "data"
        if "full-disk" in self._wanted.without or self._wanted.database:
            if self._wanted.database:
                self._result.wanted = self._wanted = replace(self._wanted, without=self._wanted.without | {"full-disk"})
            data.mkdir()
            return None
        size = 256 * 1024 * 1024 + 16 * 1024 * self._wanted.alerts
        try:
            volume = faults.Volume(self._folder / "volume.img", data, size)
        except Unavailable as error:
            self._result.skipped["full-disk"] = f"cannot be shown here ({error}); leave it out by --without full-disk"
            self._wanted = replace(self._wanted, without=self._wanted.without | {"full-disk"})
            return None
        self._held.callback(volume.close)
        return volume

    def _found(self) -> Town:
        names = [f"s{number}" for number in range(self._wanted.sources)]
        settings = settings_for(self._folder / "data", self._wanted.database, self._valkey.url, free_port())
        return found(self._folder, settings, names)

    def _make_fleet(self) -> Fleet:
        folder, environ = self._folder, self._town.environ()
        jobs = [
            job("dispatcher", f"dispatcher-{number}", folder, environ) for number in range(self._wanted.dispatchers)
        ]
        jobs.append(job("api", "api", folder, environ))
        for name, camera in self._town.cameras.items():
            spool = self._town.settings.data / f"{name}.spool.db"
            source = job("source", name, folder, environ)
            jobs.append(replace(source, spool=str(spool), journal=str(folder / f"{name}.journal"), camera=camera))
        jobs = [replace(each, sabotage=self._wanted.sabotage) for each in jobs]
        return Fleet([Member(each, Control(Path(each.control))) for each in jobs])

    def _watch_syncs(self) -> None:
        """One process of each role under strace, with one source and one phone, so that every flush has one cause."""
        if shutil.which("strace") is None:
            self._result.skipped["fsync"] = "strace is not installed; leave it out by --without fsync"
            return
        watched = [self._fleet.of(role)[0] for role in ("dispatcher", "api", "source")]
        traces = {member.job.role: self._folder / f"{member.job.role}.trace" for member in watched}
        processes = [traced(member.job, traces[member.job.role]) for member in watched]
        try:
            source = watched[-1].control
            token = sign_in(self._url, USERNAME, PASSWORD, 40)
            phone = Phone(self._url, token, 0, 1, self._folder / "traced.commands", "traced")
            phone.thread.start()
            until = time.monotonic() + 30
            while (len(phone.told.done) < WITNESSED or source.made < WITNESSED) and time.monotonic() < until:
                source.allowed += 1
                time.sleep(0.1)
            source.allowed = source.made
            phone.stop()
            phone.thread.join()
            while self._applied_now() < source.made and time.monotonic() < until:
                time.sleep(0.05)
            self._told.append(phone.told)
        finally:
            for process in processes:
                end_traced(process)
        self._result.witnesses = [read(role, trace) for role, trace in traces.items()]

    def _begin_clients(self, token: str) -> None:
        phones = self._wanted.phones
        self._phones = [
            Phone(self._url, token, number, phones, self._folder / f"phone-{number}.commands")
            for number in range(phones)
        ]
        self._reader = Reader(self._url, token)
        clients: list[Phone | Reader] = [*self._phones, self._reader]
        for client in clients:
            client.thread.start()
            self._held.callback(client.thread.join, 30)
        for client in clients:
            self._held.callback(client.stop)

    def _load(self) -> None:
        self._began_s = self._paced_s = time.monotonic()
        steps = plan(self._wanted.kills, self._wanted.without, self._wanted.seed, self._wanted.only)
        pause_s = self._wanted.seconds / (len(steps) + 1)
        for number, step in enumerate(steps, 1):
            self._pass_until(self._began_s + number * pause_s)
            self._do(step)
            self._fleet.mend()
            if number % max(1, len(steps) // 20) == 0:
                self._say(f"{number} of {len(steps)} kills and faults, {self._made()} incidents")
        while self._result.kills < self._wanted.kills or self._made() < self._wanted.alerts:
            if self._result.kills < self._wanted.kills:
                self._do(Step(self._chance.choice(("source", "dispatcher")), ANYWHERE))
            self._pass_until(time.monotonic() + 0.5)
            self._fleet.mend()
            if time.monotonic() - self._began_s > 5 * self._wanted.seconds + 60:
                break
        self._result.load_s = time.monotonic() - self._began_s

    def _pass_until(self, when_s: float) -> None:
        while (left_s := when_s - time.monotonic()) > 0:
            self._pace()
            time.sleep(min(0.05, left_s))
        self._pace()

    def _pace(self) -> None:
        """Lets the sources make more, evenly over the time; what they could not make is not made up for in a burst."""
        now_s = time.monotonic()
        sources = self._fleet.of("source")
        rate = self._wanted.alerts / len(sources) / self._wanted.seconds
        more = int(rate * min(now_s - self._paced_s, 1.0))
        if more:
            self._paced_s = now_s
            for source in sources:
                source.control.allowed = min(source.control.allowed + more, source.control.made + 500)

    def _made(self) -> int:
        return sum(source.control.made for source in self._fleet.of("source"))

    def _applied_now(self) -> int:
        """How many incidents the ledger has. While it does not answer, the last answer."""
        try:
            with reading(self._town.engine) as connection:
                total = connection.execute(select(func.sum(tables.source_cursors.c.seq))).scalar_one()
                self._applied = int(total or 0)
        except Unavailable:
            pass
        return self._applied

    def _in_flight(self) -> int:
        return self._made() - self._applied_now()

    def _do(self, step: Step) -> None:
        if not step.role:
            self._make_fault(step.what)
            return
        until = time.monotonic() + IN_FLIGHT_WAIT_S
        while self._in_flight() < LEAST_IN_FLIGHT and time.monotonic() < until:
            for source in self._fleet.of("source"):
                source.control.allowed = source.control.made + LEAST_IN_FLIGHT
            time.sleep(0.02)
        flying = self._in_flight()
        chosen = self._chance.randrange(1000)
        what = step.what
        if step.role == "valkey":
            self._valkey.kill()
            self._valkey.start()
        elif step.what == ANYWHERE:
            self._fleet.kill_anywhere(step.role, chosen)
        else:
            self._pace()
            if self._fleet.kill_at(step.role, step.what, chosen) is None:
                self._result.missed[step.what] += 1
                self._fleet.kill_anywhere(step.role, chosen)
                what = ANYWHERE
        self._result.killed[f"{step.role} {what}"] += 1
        self._result.in_flight.append(flying)

    def _make_fault(self, fault: str) -> None:
        self._say(f"fault: {fault}")
        began_s = time.monotonic()
        bit, note = True, ""
        if fault == "flush":
            note = faults.flush(self._valkey.url)
        elif fault == "out-of-memory":
            bit, note = faults.out_of_memory(self._valkey.url)
        elif fault == "locked":
            with faults.locked(self._town.engine):
                bit = faults.stands_still(self._progress, self._wanted.locked_s) and self._wait_in_vain()
                self._pass_until(began_s + self._wanted.locked_s)
        elif self._volume is not None:
            with self._volume.full():
                bit = faults.stands_still(self._progress, 20) and self._wait_in_vain()
        lasted_s = time.monotonic() - began_s
        self._result.bitten.append(faults.Bitten(fault, lasted_s, bit, *self._recovered(), note))

    def _progress(self) -> int:
        self._pace()
        return self._applied_now()

    def _wait_in_vain(self) -> bool:
        """Whether incidents are there that get no farther: into the ledger, or into a spool."""
        return self._in_flight() > 0 or any(s.control.allowed > s.control.made for s in self._fleet.of("source"))

    def _recovered(self) -> tuple[float, float]:
        """Seconds until the ledger goes on, and until it has what the spools hold now."""
        began_s, promised, stood_at = time.monotonic(), self._made(), self._applied_now()
        resumed_s = 0.0
        while (has := self._applied_now()) < promised and time.monotonic() - began_s < 120:
            if has == stood_at:
                resumed_s = time.monotonic() - began_s
            self._fleet.mend()
            time.sleep(0.05)
        return resumed_s, time.monotonic() - began_s

    def _drain(self) -> None:
        """Nothing new; until spools are empty, all is sealed and published, and the reader has seen it."""
        self._say("draining")
        began_s = time.monotonic()
        for phone in self._phones:
            phone.stop()
        for source in self._fleet.of("source"):
            source.control.stopping = True
        while not self._is_drained():
            self._fleet.mend()
            if time.monotonic() - began_s > DRAINED_WITHIN_S:
                self._result.drained = False
                break
            time.sleep(0.05)
        for phone in self._phones:
            phone.thread.join()
        self._result.drain_s = time.monotonic() - began_s
        self._reader.stop()

    def _is_drained(self) -> bool:
        if any(source.status is None for source in self._fleet.of("source")):
            return False
        if any(phone.thread.is_alive() for phone in self._phones):
            return False
        with reading(self._town.engine) as connection:
            left = connection.execute(
                select(func.count()).select_from(tables.outbox).where(tables.outbox.c.published_s.is_(None))
            ).scalar_one()
        return left == 0 and len(set(self._reader.positions)) >= last_position(self._town.engine)

    def _count(self) -> None:
        result = self._result
        for member in self._fleet.members.values():
            if member.ended:
                result.ended[member.job.name] += len(member.ended)
        sources = self._fleet.of("source")
        told = Told()
        for each in (*self._told, *(phone.told for phone in self._phones)):
            told.done |= each.done
            told.refused |= each.refused
            told.unanswered |= each.unanswered
            told.tries += each.tries
        promised = Promised.read(Path(source.job.journal) for source in sources)
        made = {source.job.name: source.control.made for source in sources}
        result.appended, result.sent = sum(made.values()), sum(source.control.sent for source in sources)
        result.tries, result.connections = told.tries, self._reader.connections
        result.count = compare(promised, made, told, hold(self._town.engine), self._reader.positions)
