"""What every part of the accuracy bench gives: figures, tables for people, and promises that are kept or are not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ops.printing import shown


@dataclass(frozen=True)
class Promise:
    """``measured`` None: nothing could be measured, which keeps no promise."""

    what: str
    measured: float | None
    level: float
    is_least: bool = False

    @property
    def is_kept(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.level if self.is_least else self.measured <= self.level

    @property
    def row(self) -> dict[str, str]:
        return {
            "promise": self.what,
            "measured": shown(self.measured),
            "promised": f"{'≥' if self.is_least else '≤'} {shown(self.level)}",
            "kept": "yes" if self.is_kept else "NO",
        }


@dataclass(frozen=True)
class Table:
    title: str
    rows: Sequence[dict[str, str]]

    def markdown(self) -> str:
        if not self.rows:
            return f"### {self.title}\n\nnothing\n"
        lines = [f"### {self.title}", "", _line(list(self.rows[0])), _line(["---"] * len(self.rows[0]))]
        return "\n".join([*lines, *(_line(list(row.values())) for row in self.rows), ""])


@dataclass(frozen=True)
class Part:
    name: str
    figures: Any
    tables: tuple[Table, ...] = ()
    promises: tuple[Promise, ...] = ()
    left_out: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        promises = [asdict(promise) | {"is_kept": promise.is_kept} for promise in self.promises]
        return {"figures": self.figures, "promises": promises, "left_out": list(self.left_out)}


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
