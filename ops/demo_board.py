"""What the demo shows while it runs: cameras, processes, newest alerts; as a live table, or as lines where there is no
terminal. It knows what the API says and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.errors import WanggeError
from ops.demo_client import Client, Json
from ops.supervisor import Process, Stage

EVERY_S = 1.0
NEWEST = 5
"""As many alerts as leave the tables room on a terminal of 40 lines."""
_GREEN = {"watching", "closed", Stage.RUNNING}
_RED = {"failed", "new", Stage.WAITING, Stage.ENDED}


@dataclass(frozen=True)
class View:
    """One look at the product. ``fault`` is why the API said nothing, if it did not."""

    processes: Sequence[Process]
    cameras: Sequence[Json] = ()
    alerts: Sequence[Json] = ()
    fault: str | None = None


def look(api: Client, processes: Sequence[Process]) -> View:
    """Cameras and newest alerts as the API gives them; its fault where it gives none."""
    try:
        cameras = api.get("/v1/cameras", limit=100)["features"]
        alerts = api.get("/v1/alerts", limit=NEWEST)["features"]
    except WanggeError as error:
        return View(processes, fault=str(error))
    return View(processes, cameras, alerts)


def show(
    api: Client,
    processes: Callable[[], Sequence[Process]],
    head: RenderableType,
    console: Console,
    is_over: Callable[[float], bool],
) -> None:
    """``head`` once, then a live table on a terminal, else a line for each thing that changes.

    ``is_over`` waits so many seconds and says whether to stop.
    """
    console.print(head)
    if not console.is_terminal:
        _lines(api, processes, console, is_over)
        return
    with Live(console=console, refresh_per_second=2) as live:
        live.update(tables(look(api, processes())))
        while not is_over(EVERY_S):
            live.update(tables(look(api, processes())))


def _lines(
    api: Client, processes: Callable[[], Sequence[Process]], console: Console, is_over: Callable[[float], bool]
) -> None:
    said: set[str] = set()
    while not is_over(EVERY_S):
        now = set(facts(look(api, processes())))
        for line in sorted(now - said):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        said = now


def facts(view: View) -> list[str]:
    """One line each, the same as long as the thing stands as it did."""
    lines = [f"process {process.name}: {process.stage}" for process in view.processes]
    for feature in view.cameras:
        camera, status = feature["properties"], feature["properties"]["status"]
        why = f" ({status['error']})" if status.get("error") else ""
        lines.append(f"camera {camera['code']}: {status['state']}{why}")
    for feature in view.alerts:
        alert = feature["properties"]
        lines.append(f"alert {feature['id']} {alert['kind']}: {alert['state']} – {alert['detected_reason']}")
    return [*lines, *([f"API: {view.fault}"] if view.fault else [])]


def tables(view: View) -> Group:
    """The same for a terminal, in Chinese and English."""
    cameras = Table("摄像机 camera", "名称 name", "状态 state", "帧 counters", expand=True)
    for feature in view.cameras:
        camera, status = feature["properties"], feature["properties"]["status"]
        state = _coloured(status["state"], status.get("error"))
        cameras.add_row(*_plain(camera["code"], camera["name"]), state, _counters(status))
    alerts = Table("预警 alert", "类型 kind", "状态 state", "网格 grid", "依据 why", expand=True)
    for feature in view.alerts:
        alert = feature["properties"]
        kind = f"{alert['kind_name']['zh']} {alert['kind_name']['en']}"
        why = _plain(alert["grid_code"], alert["detected_reason"])
        alerts.add_row(feature["id"], kind, _coloured(alert["state"]), *why)
    row = Text("进程 processes  ")
    for process in view.processes:
        row.append_text(Text.assemble(f"{process.name} ", _coloured(process.stage), "  "))
    return Group(row, cameras, alerts, Text(view.fault or "", style="red"))


def _plain(*cells: str) -> list[Text]:
    """What people entered is text: its brackets are no markup of the terminal's."""
    return [Text(cell) for cell in cells]


def _counters(status: Json) -> str:
    """What the worker counts of a camera, without the noughts."""
    numbers = {name: value for name, value in sorted(status.items()) if type(value) in (int, float)}
    return ", ".join(f"{name} {value:g}" for name, value in numbers.items() if value)


def _coloured(state: str, error: str | None = None) -> Text:
    style = "green" if state in _GREEN else "red" if state in _RED else "yellow"
    return Text(f"{state}: {error}" if error else str(state), style=style)
