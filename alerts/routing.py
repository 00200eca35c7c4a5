"""Who is offered a case: those on duty for its grid, else its backups, else whoever is on duty above. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.people import Duty


@dataclass(frozen=True)
class Route:
    """``grid_code`` is the grid whose people are offered the case; ``shortfall`` says why it is not the case's own.

    ``offered_to`` is empty where nobody is on duty: then any grid worker of the case's grid may claim it.
    """

    offered_to: tuple[str, ...]
    grid_code: str
    shortfall: str | None


def on_duty(duties: Sequence[Duty], now_s: float) -> list[Duty]:
    """Those whose shift it is, and who can be reached."""
    return [duty for duty in duties if duty.starts_s <= now_s < duty.ends_s and duty.reachable]


def route(upwards: Sequence[str], duties: Sequence[Duty], now_s: float) -> Route:
    """The first rung of the ladder on which someone is on duty now.

    ``upwards``: the case's own grid, then the one above it, and so on up to the root. Neighbours are not among them,
    even where the place may lie in one: the wrong authority at a border is worse than a climb; the operator, who sees
    them, may name one. Rungs: first on duty in the grid, backup in the grid, the same in its parent, and so on up.
    Within a rung, whoever has the fewest open cases comes first.
    """
    home = upwards[0]
    now = on_duty(duties, now_s)
    silent = sorted(
        {d.person_id for d in duties if d.grid_code == home and d.starts_s <= now_s < d.ends_s and not d.reachable}
    )
    for code in upwards:
        here = [duty for duty in now if duty.grid_code == code]
        if not here:
            continue
        rank = min(duty.rank for duty in here)
        rung = sorted((duty for duty in here if duty.rank == rank), key=lambda duty: (duty.open_cases, duty.person_id))
        offered = tuple(dict.fromkeys(duty.person_id for duty in rung))
        return Route(offered, code, _shortfall(home, code, rank, silent))
    nobody = f"网格 {home} 及各上级均无人在岗 / nobody is on duty in grid {home} or above it"
    return Route((), home, nobody + _unreached(silent))


def _unreached(silent: Sequence[str]) -> str:
    return f"（{len(silent)} 人在岗但联系不上 / {len(silent)} on duty cannot be reached）" if silent else ""


def _shortfall(home: str, code: str, rank: int, silent: Sequence[str]) -> str | None:
    if code != home:
        above = f"网格 {home} 无人在岗，已转至上级 {code} / nobody is on duty in grid {home}: offered above, in {code}"
        return above + _unreached(silent)
    if rank > 0:
        return f"网格 {home} 仅备岗人员在岗 / only a backup is on duty in grid {home}"
    return None
