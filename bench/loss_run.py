"""One run of the proof: the town, its processes, what is done to them, the end, the count."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from alerts.sealer import last_position
from bench import loss_faults as faults
from bench.loss_clients import Phone, Reader, Told, sign_in
from bench.loss_control import Control
from bench.loss_count import Promised, compare, hold
from bench.loss_flow import Flow, seal_rest
from bench.loss_plan import Step, plan
from bench.loss_processes import ANYWHERE, Fleet, Member, Valkey, job
from bench.loss_report import DRAINED_WITHIN_S, LEAST_IN_FLIGHT, Result, Wanted
from bench.loss_town import PASSWORD, USERNAME, Town, found, free_port, settings_for
from bench.loss_wire import Wire
from bench.loss_witness import hasty, watch
from models.errors import Unavailable

IN_FLIGHT_WAIT_S = 10.0
SAID_EVERY_S = 20.0


class Proof:
    """One run, in ``folder``. ``say`` is told how far it is."""

    def __init__(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> None:
        self._wanted, self._folder, self._say = wanted, folder, say
        self._chance = random.Random(wanted.seed)
        self._result = Result(wanted)
        self._held = ExitStack()
        self._began_s = 0.0
        self._told: list[Told] = []

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
            sources, wanted = self._fleet.of("source"), self._wanted
            self._flow = Flow(sources, self._town.engine, wanted.alerts / len(sources) / wanted.seconds)
            self._wire = Wire(self._valkey.url)
            self._in_background(self._wire)
            if "fsync" not in self._wanted.without:
                self._say("fsync before each acknowledgement, by strace")
                self._watch_syncs()
            self._fleet.start()
            self._begin_clients(sign_in(self._url, USERNAME, PASSWORD, 30))
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
        if self._town.engine.dialect.name == "sqlite":
            watched = [self._fleet.of(role)[0] for role in ("dispatcher", "api", "source")]
        else:  # its server writes, and cannot be asked to be traced: what it says of itself counts
            watched = self._fleet.of("source")[:1]
            self._result.hasty = hasty(self._town.engine)
            self._fleet.of("dispatcher")[0].start()
            self._fleet.of("api")[0].start()
        for member in watched:
            member.start()
        token = sign_in(self._url, USERNAME, PASSWORD, 40)
        phone = Phone(self._url, token, 0, 1, self._folder / "traced.commands", "traced")
        self._told.append(phone.told)
        try:
            self._result.witnesses = watch(watched, phone, self._folder)
        except Unavailable as error:
            self._result.skipped["fsync"] = f"{error}; leave it out by --without fsync"

    def _begin_clients(self, token: str) -> None:
        phones = self._wanted.phones
        self._phones = [
            Phone(self._url, token, number, phones, self._folder / f"phone-{number}.commands")
            for number in range(phones)
        ]
        self._reader = Reader(self._url, token)
        self._in_background(*self._phones, self._reader)

    def _in_background(self, *clients: Phone | Reader | Wire) -> None:
        for client in clients:
            client.thread.start()
            self._held.callback(client.thread.join, 30)
        for client in clients:
            self._held.callback(client.stop)

    def _load(self) -> None:
        self._began_s = time.monotonic()
        steps = plan(self._wanted.kills, self._wanted.without, self._wanted.seed, self._wanted.only)
        pause_s = self._wanted.seconds / (len(steps) + 1)
        for number, step in enumerate(steps, 1):
            self._flow.pass_until(self._began_s + number * pause_s)
            self._do(step)
            self._fleet.mend()
            if number % max(1, len(steps) // 20) == 0:
                self._say(f"{number} of {len(steps)} kills and faults, {self._flow.made()} incidents")
        named, said_s = [step for step in steps if step.role and step.what != ANYWHERE], 0.0
        while self._result.named < self._wanted.kills or self._flow.made() < self._wanted.alerts:
            if time.monotonic() - said_s > SAID_EVERY_S:
                said_s = time.monotonic()
                self._say(f"{self._result.named} kills at named points, {self._flow.made()} incidents: not enough yet")
            if self._result.named < self._wanted.kills:
                self._do(self._chance.choice(named))
            self._flow.pass_until(time.monotonic() + 0.5)
            self._fleet.mend()
            if time.monotonic() - self._began_s > 5 * self._wanted.seconds + 60:
                break
        self._result.load_s = time.monotonic() - self._began_s

    def _do(self, step: Step) -> None:
        if not step.role:
            self._make_fault(step.what)
            return
        until = time.monotonic() + IN_FLIGHT_WAIT_S
        while (flying := self._flow.keep_flying()) < LEAST_IN_FLIGHT and time.monotonic() < until:
            time.sleep(0.02)
        chosen = self._chance.randrange(1000)
        what = step.what
        if step.role == "valkey":
            self._valkey.kill()
            self._valkey.start()
        elif step.what == ANYWHERE:
            self._fleet.kill_anywhere(step.role, chosen)
        else:
            if self._fleet.kill_at(step.role, step.what, chosen, self._flow.keep_flying) is None:
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
            bit, note = self._flush()
        elif fault == "out-of-memory":
            bit, note = faults.out_of_memory(self._valkey.url, min(self._wanted.locked_s, faults.OUT_OF_MEMORY_S))
        elif fault == "locked":
            with faults.locked(self._town.engine):
                bit = faults.stands_still(self._flow.progress, self._wanted.locked_s) and self._flow.wait_in_vain()
                self._flow.pass_until(began_s + self._wanted.locked_s)
        elif self._volume is not None:
            with self._volume.full():
                bit = faults.stands_still(self._flow.progress, 20) and self._flow.wait_in_vain()
        lasted_s = time.monotonic() - began_s
        self._result.bitten.append(faults.Bitten(fault, lasted_s, bit, *self._recovered(), note))

    def _flush(self) -> tuple[bool, str]:
        """Until some that were on their way are gone; whether it came to that."""
        for _ in range(20):
            self._flow.keep_flying()
            time.sleep(0.02)
            if lost := self._wire.flush():
                return True, f"{lost} messages on their way were gone"
        return False, ""

    def _recovered(self) -> tuple[float, float]:
        """Seconds until the ledger goes on, and until it has what the spools hold now."""
        began_s, promised, stood_at = time.monotonic(), self._flow.made(), self._flow.applied()
        resumed_s = 0.0
        while (has := self._flow.applied()) < promised and time.monotonic() - began_s < 120:
            if has == stood_at:
                resumed_s = time.monotonic() - began_s
            self._fleet.mend()
            time.sleep(0.05)
        return resumed_s, time.monotonic() - began_s

    def _drain(self) -> None:
        """Nothing new; until spools are empty, all is sealed and published, and the reader has seen it."""
        self._say("draining")
        began_s = time.monotonic()
        until_s = began_s + DRAINED_WITHIN_S
        for phone in self._phones:
            phone.stop()
        sources = self._fleet.of("source")
        for source in sources:
            source.control.stopping = True
        busy = True
        while busy and time.monotonic() < until_s:
            self._fleet.mend()
            time.sleep(0.05)
            busy = any(source.status is None for source in sources) or any(p.thread.is_alive() for p in self._phones)
        for phone in self._phones:
            phone.thread.join()
        for dispatcher in self._fleet.of("dispatcher"):
            dispatcher.kill()
        is_sealed = seal_rest(self._town.engine, self._valkey.url, until_s)
        last = last_position(self._town.engine)
        while len(set(self._reader.positions)) < last and time.monotonic() < until_s:
            time.sleep(0.05)
        self._result.drained = not busy and is_sealed
        self._result.drain_s = time.monotonic() - began_s
        self._reader.stop()
        for api in self._fleet.of("api"):
            api.kill()  # else the reader waits for a word

    def _count(self) -> None:
        result = self._result
        result.ended = {name: member.ended for name, member in self._fleet.members.items()}
        sources = self._fleet.of("source")
        told = Told()
        for each in (*self._told, *(phone.told for phone in self._phones)):
            told.done |= each.done
            told.refused |= each.refused
            told.unanswered |= each.unanswered
            told.tries += each.tries
        promised = Promised.read(Path(source.job.journal) for source in sources)
        made = {source.job.name: source.control.made for source in sources}
        result.appended, result.again, result.anew = sum(made.values()), self._wire.again, self._wire.anew
        result.tries, result.connections = told.tries, self._reader.connections
        held = hold(self._town.engine, self._town.settings.anchors)
        result.count = compare(promised, made, told, held, self._reader.positions)
