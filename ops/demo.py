"""The demo: two cameras that play footage, a small grid with people on duty, and the whole product behind them.

``run`` prepares the footage, seeds the ledger and starts everything under one supervisor; then either people use it,
with a live table, or the headless trip takes one alert to its end.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from models.camera import AllowedNetworks
from models.errors import InvalidInput, Unavailable, WanggeError
from models.settings import Settings
from ops import footage as vtest
from ops.demo_board import show
from ops.demo_client import Client
from ops.demo_scene import Scene, gate, plaza
from ops.demo_seed import PEOPLE, Seeded, seed
from ops.demo_trip import Watch, travel, write_json
from ops.ending import heard_signals
from ops.ports import free_port
from ops.product import Product, module
from ops.supervisor import Spec

LOOPBACK = AllowedNetworks.parse("127.0.0.1/32")
"""Where the demo's cameras are: allowed beside the networks of the settings."""


def run(
    settings: Settings,
    *,
    footage: Path | None,
    headless: bool,
    timeout_s: float,
    json_file: Path | None,
    console: Console,
) -> int:
    """The demo on vtest.avi, or on ``footage``. Returns the exit status: headless, 0 only if a case was closed.

    ``timeout_s`` counts for the headless trip only, from the moment that the footage is ready. Raises InvalidInput for
    footage or a JSON file that cannot be used, and what ``Product`` raises when it cannot start.
    """
    watch = Watch(time.monotonic())
    if footage is None:
        console.print(vtest.ACKNOWLEDGEMENT, style="dim")
        footage = vtest.fetch(console.print)
    scenes = (plaza(footage), gate())
    return play(settings, scenes, watch, trip_s=timeout_s if headless else None, json_file=json_file, console=console)


def play(
    settings: Settings,
    scenes: Sequence[Scene],
    watch: Watch,
    *,
    trip_s: float | None,
    json_file: Path | None,
    console: Console,
) -> int:
    """Starts everything on these scenes. ``trip_s`` None: for people, until interrupted; else the headless trip."""
    if json_file is not None:
        _make_way(json_file)
    files = _prepared(scenes, settings, console)
    watch.stage("footage_s")
    deadline = time.monotonic() + (trip_s or 0.0)

    def say(what: str) -> None:
        console.print(f"  {what} …", style="dim")

    try:
        with (
            _ended_by_sigterm(),
            on_stage(settings, scenes, files, say, min(60.0, trip_s or 60.0)) as (product, seeded),
        ):
            if trip_s is not None:
                return _trip(product, seeded, watch, deadline, json_file, console)
            _for_people(product, seeded, console)
    except KeyboardInterrupt:
        if trip_s is not None:
            return 130
    console.print("已停止 stopped")
    return 0


@contextlib.contextmanager
def on_stage(
    settings: Settings, scenes: Sequence[Scene], files: Mapping[str, Path], say: Callable[[str], None], within_s: float
) -> Iterator[tuple[Product, Seeded]]:
    """The whole product with the scenes' cameras, running and seeded, until the block ends.

    ``files``: what each scene streams, by its name. Raises what ``Product`` raises.
    """
    port = free_port()
    seeded: list[Seeded] = []
    networks = AllowedNetworks(settings.camera_networks.networks + LOOPBACK.networks)
    product = Product(
        # On loopback no public certificate holds; one of our own authority does.
        replace(settings, camera_networks=networks, tls_cert=None, tls_key=None),
        extra=[_simulator(files, port)],
        prepare=lambda settled: seeded.append(seed(settled, scenes, port, time.time())),
        say=say,
        within_s=within_s,
    )
    with product:
        yield product, seeded[0]


def _for_people(product: Product, seeded: Seeded, console: Console) -> None:
    who = seeded.operator
    with (
        heard_signals() as ending,
        Client(product.url, who.username, who.password, patience_s=1.0, ca=product.ca) as api,
    ):
        api.sign_in()
        show(api, product.processes, _head(product.url, seeded), console, ending.wait)


def _trip(
    product: Product, seeded: Seeded, watch: Watch, deadline: float, json_file: Path | None, console: Console
) -> int:
    def say(line: str) -> None:
        console.print(
            f"[{time.monotonic() - watch.started:6.1f} s] {line}", markup=False, highlight=False, soft_wrap=True
        )

    try:
        report = travel(
            product.url, seeded.party, seeded.wanted, watch=watch, deadline=deadline, say=say, ca=product.ca
        )
    except WanggeError as error:
        processes = ", ".join(f"{process.name} {process.stage}" for process in product.processes())
        say(f"no case was closed: {error} (processes: {processes})")
        return 1
    if json_file is not None:
        try:
            write_json(json_file, report)
        except OSError as error:
            raise Unavailable(f"the case is closed, but {json_file} cannot be written: {error.strerror}") from None
    say(f"closed and verified by another person: alert {report['alert']['id']}, {watch.stages['total_s']:.1f} s in all")
    return 0


def _make_way(json_file: Path) -> None:
    """What is there afterwards is of this run, or is not there. Raises InvalidInput now rather than after the trip."""
    try:
        json_file.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"--json {json_file}: it cannot be written ({error.strerror})") from None
    if not os.access(json_file.absolute().parent, os.W_OK):
        raise InvalidInput(f"--json {json_file}: its folder is not there or cannot be written")


def _head(url: str, seeded: Seeded) -> Group:
    """The address, and who may sign in with what."""
    people = Table("用户 user", "姓名 name", "角色 role", "一次性口令 one-time password")
    for person in PEOPLE:
        people.add_row(person.username, person.name, person.role.value, seeded.sign_ins[person.username].password)
    return Group(
        Text.assemble(("网格 Wangge  ", "bold"), (url, "bold cyan"), "   Ctrl-C 结束 ends everything"),
        people,
        Text("口令每次演示启动时更换 / new passwords are set at each start of the demo", style="dim"),
    )


def _prepared(scenes: Sequence[Scene], settings: Settings, console: Console) -> dict[str, Path]:
    """Each scene's file, made ready where it is not yet."""
    shared = vtest.CACHE / "footage"
    cache = shared if os.access(shared, os.W_OK) else settings.data / "footage"
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    files = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for scene in scenes:
            files[scene.name] = scene.prepare(cache, _bar(progress, f"footage: {scene.name}"))
    return files


def _bar(progress: Progress, what: str) -> Callable[[float], None]:
    task = progress.add_task(what, total=1.0)
    return lambda done: progress.update(task, completed=done)


def _simulator(files: Mapping[str, Path], port: int) -> Spec:
    named = [f"{name}={path}" for name, path in files.items()]
    return Spec("cameras", module("ingest.simulator", "--port", str(port), *named), ready=lambda: _listens(port))


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C. In a thread (tests) there are no signals to take."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
